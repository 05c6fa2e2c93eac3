"""Short answers and turns of phrase that are read by rule: 「好的」「2」「第一个」「怎么办理」."""

from __future__ import annotations

import re
import unicodedata


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_YES = _set(
    "是 是的 是啊 是呀 对 对的 对啊 对对 对对对 好 好的 好吧 好啊 好滴 好嘞 嗯 嗯嗯 嗯呢 "
    "恩 行 行吧 行的 可以 可以的 确认 确认提交 确定 提交 没错 没问题 没毛病 ok okay yes y "
    "中 成 要 需要 同意 就这样 就这些 就是这样 对没错 1"
)
_NO = _set(
    "不 不是 不要 不用 不用了 不了 不行 不提交 不提交了 算了 取消 别提交 先不 先不了 "
    "先不提交 不同意 no n 否 没有 不需要 不报了 不办了 不撤 先不撤 都不是"
)
_EDIT = _set("改 改一改 改一下 修改 要改 改改 我要改 不对 有错 写错了 错了 信息不对")
_SKIP = _set(
    "跳过 跳 先跳过 不填 先不填 不想说 不说 不方便说 不知道 不清楚 没有 无 没地址 不用填 "
    "略过 下一步 pass skip"
)
_SAME = _set(
    "同上 一样 还是那里 还是那儿 还是那 还在那里 还在那儿 就是那里 就那里 还是这里 还是这儿 老地方 "
    "上次那里 上次那个地方 同一个地方 还是上次那里 还是上次的地方 地址一样 地址不变 跟上次一样 "
    "和上次一样 跟刚才一样 和刚才一样 刚才那里 还是刚才那里 刚才说过了 刚说过 说过了"
)
_ORDINALS = {c: i for i, c in enumerate("一二三四五六七八九", 1)} | {"两": 2}
_ORDINAL = re.compile(
    r"^(?:第|选|我选|选择|就|要)?(?:第)?([1-9一二三四五六七八九两])(?:个|项|号|条|吧|呗|、|\.)?$"
)
_TRIM = re.compile(r"[\s，,。.！!～~？?、…]+")

QUESTION = re.compile(
    r"怎么(?:办理|申请|报销?|领|查|交|缴|转|弄|开|补|算|办|认定|预约|登记|认证|续|申领|购买|参加)"
    r"|如何(?:办|申请|报|领|查|交|缴|转|认定|预约|登记|认证)"
    r"|(?:需要|要|带|准备|提供)(?:些|交|带|准备|提供)?(?:什么|哪些|啥)|多少(?:钱|岁|年|天|比例|个月)?|几(?:点|岁|年|个月)"
    r"|有(?:没有)?(?:什么|啥|哪些)(?:条件|政策|补贴|补助|要求|手续|材料)|(?:条件|流程|手续|材料|标准|比例)(?:是)?(?:什么|啥|哪些)?[？?]"
    r"|(?:能不能|可不可以|可以|能|是否|要不要|用不用|算不算|有没有).{0,20}(?:吗|[？?]|办|报销|领|申请|享受)"
    r"|哪里?(?:办|领|申请|报|交)|在哪(?:儿|里)?(?:办|领|申请|报|交)|什么时候|多久|^(?:请问|咨询|问一?下|想问|我想(?:问|咨询))"
)
_GRIEVANCE = re.compile(
    r"不管|没人(?:管|来|理)|投诉|举报|一直(?:没|不|拖)|还没|拖(?:着|欠|了)|不给(?:我|发|报|办|退)|坏了|漏水|堵了|吵|扰民|推诿"
    r"|什么时候(?:能|才|来|给|修|解决)|多久(?:才|能)|没(?:发|到账|给|解决)|乱收费|跑路|欠(?:我|薪|钱|了)|强制|打(?:我|人|孩子)|请求|反映|帮我(?:修|处理|解决)"
)
_CORRECTING = re.compile(
    r"^(?:不对|不是|错了|写错|说错|其实|应该是|改成|改为|更正|搞错|弄错|不不|哦不)|不是.{1,12}[，,]?(?:是|而是)"
)
_ANOTHER = re.compile(r"另外|还有|再(?:有|报|反映|说)一?(?:个|件)?|顺便|第二(?:件|个)")
_WHEN = re.compile(
    r"(?:什么时候|啥时候|多久|几点|几时|何时).{0,6}(?:来|到|修|处理|办|联系|解决)|(?:来|到|修|办|处理)了没"
)
_STARS = re.compile(r"(\d{1,4})\s*(?:颗)?(?:星|分)(?!钟|之|析|期)")


_AGREES = re.compile(r"同意|知道(?:的|了|这事|这件事)?$|[让叫托请]我|委托|授权")
_CARES = re.compile(r"照料|照顾|监护|说不[了清]|失智|痴呆|卧床|瘫|昏迷|听不[见清]")
_DISAGREES = re.compile(r"(?:不|没有?|还没|未)(?:问|说|告诉|同意|知道|跟|和)|不知道|再问")
_OWN = re.compile(r"(?:是|就是|给|替)?我(?:自己|本人)(?:的|家|要|$)|不是替")


def plain(text: str) -> str:
    """The text without marks, half width, lower case."""
    return _TRIM.sub("", unicodedata.normalize("NFKC", text)).lower()


def is_yes(text: str) -> bool:
    """「好的」."""
    return plain(text) in _YES


def is_no(text: str) -> bool:
    """「算了」."""
    return plain(text) in _NO


def is_edit(text: str) -> bool:
    """「改一改」."""
    return plain(text) in _EDIT


def is_skip(text: str) -> bool:
    """「跳过」."""
    return plain(text) in _SKIP


def is_same(text: str) -> bool:
    """「还是那里」."""
    return plain(text) in _SAME


def choice(text: str) -> int | None:
    """The number of an option: 「2」「第二个」「选二」; None when it is none."""
    match = _ORDINAL.match(plain(text))
    if match is None:
        return None
    return int(match[1]) if match[1].isdigit() else _ORDINALS[match[1]]


def is_question(text: str) -> bool:
    """A question about how things are done, and not a complaint with a question mark."""
    return bool(QUESTION.search(text)) and not _GRIEVANCE.search(text)


def agrees(text: str) -> bool:
    """「她让我报的」「同意的」 to the question whether somebody agrees."""
    return bool(_AGREES.search(text)) and not disagrees(text)


def cares(text: str) -> bool:
    """「她失智了，是我在照顾」: who looks after a person speaks for the person."""
    return bool(_CARES.search(text))


def is_own(text: str) -> bool:
    """「不对，是我自己家」 when the matter was taken for somebody else's."""
    return bool(_OWN.search(text))


def disagrees(text: str) -> bool:
    """「还没问她」 to the same question."""
    return bool(_DISAGREES.search(text))


def is_correcting(text: str) -> bool:
    """「不是漏水，是停水」."""
    return bool(_CORRECTING.search(text.strip()))


def names_another(text: str) -> bool:
    """「另外还有件事」."""
    return bool(_ANOTHER.search(text))


def asks_when(text: str) -> bool:
    """「什么时候到」."""
    return bool(_WHEN.search(text))


def stars(text: str) -> int | None:
    """Stars as said, also impossible ones: 9 for 「9分」."""
    match = _STARS.search(unicodedata.normalize("NFKC", text))
    return int(match[1]) if match else None


def has_words(text: str) -> bool:
    """Whether there is any Chinese character, letter or figure in it."""
    return any(c.isalnum() for c in text)


def is_foreign(text: str) -> bool:
    """Written in letters, with no Chinese character among them; a letter or two may be a place."""
    letters = [c for c in text if c.isalpha()]
    return len(letters) > 5 and not any("\u4e00" <= c <= "\u9fff" for c in letters)


def odd_input(text: str) -> str | None:
    """The response to input that cannot be read as Chinese at all."""
    if not text.strip():
        return "utter_empty"
    if not has_words(text):
        return "utter_no_words"
    return "utter_foreign" if is_foreign(text) else None


_FIXED = {
    "utter_greet_again": "你好 您好 hello hi 在吗 在么 喂 hey 哈喽 嗨 有人吗",
    "utter_thanks": "谢谢 谢啦 多谢 感谢 谢谢你 谢谢您 3q thanks thankyou",
    "utter_goodbye": "再见 拜拜 bye 拜 回见 goodbye",
    "utter_bot": "你是谁 你是机器人吗 你叫什么 你是人吗 真人吗",
    "utter_menu": "菜单 帮助 help 怎么用 功能",
    "utter_ok": "好 好的 嗯 行 ok 哦 知道了 收到 是 是的 对 可以",
    "utter_take_time": "等等 等一下 等下 等会儿 等会 稍等 先等等 等一哈 我再想想 我想想 容我想想",
    "utter_deny": "不 不用 不是 算了 没有 不用了 取消",
}


def short_word(text: str) -> str | None:
    """The response to a bare word that says everything by itself, or to a lone figure."""
    said = plain(text)
    for response, known in _FIXED.items():
        if said in known.split():
            return response
    if choice(text) is not None or (said.isdigit() and len(said) <= 3):
        return "utter_number_alone"
    return None


def shorten(text: str, limit: int = 60) -> str:
    """The beginning of a text on one line."""
    line = " ".join(text.split())
    return line if len(line) <= limit else f"{line[: limit - 1]}…"
