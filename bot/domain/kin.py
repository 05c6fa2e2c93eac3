"""For whom somebody asks: 「我替我妈报修，她家水管漏了」 is about the mother and her home."""

from __future__ import annotations

import re

# Name on the ticket → what people say; within a line the longer word first.
_NAMES = {
    "爸妈": "爸爸妈妈|爸妈|父母|爹娘|老两口",
    "妈妈": "妈妈|老妈|母亲|妈咪|妈|老娘|娘",
    "爸爸": "爸爸|老爸|父亲|爸|老爹|爹",
    "奶奶": "奶奶|婆婆",
    "爷爷": "爷爷|公公",
    "外婆": "外婆|姥姥|岳母|丈母娘",
    "外公": "外公|姥爷|岳父|老丈人",
    "爱人": "爱人|老婆|老公|妻子|丈夫|媳妇|老伴儿?",
    "孩子": "孩子|儿子|女儿|闺女|孙子|孙女|外孙女?",
    "兄弟姐妹": "哥哥|姐姐|弟弟|妹妹|哥|姐|弟|妹|嫂子|姐夫",
    "亲戚": "姑姑|姑妈|舅舅|舅妈|叔叔|伯伯|婶婶|姨妈|小姨|大姨|大伯|大舅|亲戚",
    "家里老人": "家里?的?老人|老人家?",
    "邻居": "邻居",
}
# Telling the service of it; fetching and paying are errands of the person who writes.
_TELLS = (
    r"报修|报(?![警名销废酬])|上报|反映|反应|投诉|求助|咨询|登记|申请|提交|提一|说一?[下声说]|问|办"
)
_FILLERS = re.compile(
    r"您好|你好|请问|我|俺|要|想|来|能|可以|帮忙|个|件|事|情|一下|下|吗|吧|了|[\W_]"
)
_ASKS = [
    (
        name,
        re.compile(
            rf"(?:替|代|帮)(?:一下)?(?:我|我们|俺|俺们|咱|咱们)?(?:家)?(?:的)?(?:{said})"
            rf"[^，。,.；;！!？?]{{0,6}}?(?:{_TELLS})"
        ),
    )
    for name, said in _NAMES.items()
]


def asked_for(text: str) -> str | None:
    """The person of the family (or the neighbour) for whom the text asks, or None."""
    return next((name for name, asks in _ASKS if asks.search(text)), None)


def only_says_for_whom(text: str) -> bool:
    """「我替我妈报修」 with nothing about what is wrong."""
    rest = next((asks.sub("", text) for _, asks in _ASKS if asks.search(text)), text)
    return len(_FILLERS.sub("", rest)) <= 1
