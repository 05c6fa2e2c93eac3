"""Ways residents distort a sentence: wrong characters, no punctuation, 繁體字, filler words.

Each way is a function of a text and a random source, and says what the resident meant just as
clearly to a person. The table is small and independent of data/lookups, which the bot knows.
"""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Callable

import jieba
import opencc

# What is meant → what hasty pinyin, handwriting and voice input make of it; a reader still gets it.
CONFUSIONS = {
    "物业": ("物叶",),
    "电梯": ("电剃",),
    "楼上": ("搂上",),
    "邻居": ("领居", "临居"),
    "漏水": ("露水",),
    "停车": ("亭车",),
    "停电": ("停点",),
    "房产证": ("房产正",),
    "房东": ("房冬",),
    "押金": ("压金",),
    "装修": ("装休",),
    "医保": ("一保", "医报"),
    "医院": ("医圆",),
    "报销": ("报消",),
    "挂号": ("挂好",),
    "疫苗": ("役苗", "疫描"),
    "签约": ("千约",),
    "工资": ("公资",),
    "社保": ("社报", "涉保"),
    "工伤": ("公伤", "工商"),
    "失业金": ("失叶金",),
    "招聘": ("招骋",),
    "培训": ("陪训", "培讯"),
    "贷款": ("带款", "代款"),
    "退休": ("退修",),
    "加班": ("家班",),
    "补贴": ("补帖",),
    "辞退": ("词退",),
    "养老": ("氧老", "养佬"),
    "食堂": ("实堂",),
    "老人": ("老任",),
    "照顾": ("照故",),
    "学校": ("学效",),
    "报名": ("抱名", "报明"),
    "幼儿园": ("幼儿圆", "幼儿元"),
    "转学": ("专学",),
    "作业": ("做业", "作叶"),
    "食物": ("实物",),
    "老师": ("老实", "老湿"),
    "孩子": ("孩纸", "还子"),
    "噪音": ("燥音", "躁音"),
    "麻将": ("麻酱",),
    "赡养": ("善养", "瞻养"),
    "离婚": ("里婚",),
    "调解": ("调节", "条解"),
    "借钱": ("接钱",),
    "去世": ("去逝",),
    "低保": ("地保", "底保"),
    "白血病": ("白血并",),
    "煤气": ("媒气", "没气"),
    "燃气": ("然气",),
    "着火": ("着伙", "找火"),
    "路灯": ("路登",),
    "垃圾": ("拉圾", "垃及"),
    "身份证": ("身分证", "身份正"),
    "户口": ("户囗",),
    "准生证": ("准身证",),
    "征地": ("政地",),
    "违章": ("为章", "违张"),
    "宽带": ("宽代", "宽袋"),
    "工单": ("公单",),
    "申请": ("深请", "申清"),
    "投诉": ("投速", "头诉"),
    "办理": ("办里",),
    "什么": ("神马", "什末"),
    "怎么": ("咋么", "怎末"),
    "处理": ("处里", "出理"),
    "修": ("休",),
    "缴": ("交",),
    "的": ("得", "滴"),
    "在": ("再",),
    "吗": ("嘛", "么"),
    "坏": ("怀",),
    "没有": ("没又",),
    "请": ("清",),
    "太": ("大",),
    "停水": ("亭水",),
    "暖气": ("暖汽",),
    "拆迁": ("拆千", "折迁"),
    "开发商": ("开发伤",),
    "公积金": ("公机金", "公鸡金"),
    "小区": ("小曲",),
    "消毒": ("销毒",),
    "医生": ("一生",),
    "公司": ("工司",),
    "退款": ("退宽",),
    "公交": ("工交",),
    "诈骗": ("炸骗", "榨骗"),
    "村干部": ("村干布",),
    "公园": ("公元",),
    "广场舞": ("广场午",),
    "堵车": ("赌车",),
    "法律": ("法侓",),
    "结婚": ("接婚",),
    "电线": ("电现",),
    "晕倒": ("昏到", "晕到"),
    "高考": ("高靠",),
    "欺负": ("期负",),
    "领取": ("另取",),
    "费": ("废",),
    "困": ("捆",),
    "已经": ("己经", "以经"),
    "谢谢": ("写写", "蟹蟹"),
    "帮": ("邦",),
    "你好": ("尼好", "泥好"),
    "早上": ("早晌",),
}
OPENERS = ("那个", "嗯", "嗯那个", "就是说", "喂那个", "呃")
PAUSES = ("那个", "嗯", "就是说", "就是", "呃")
# Places nobody wrote down beforehand, and some that data/lookups/places.txt names.
ADDRESSES = (
    "幸福里3号楼2单元501",
    "桂花园8-2-601",
    "杏林苑十二栋1802室",
    "五号楼三单元",
    "7-1-302",
    "纺织厂家属院老6栋",
    "A座2103",
    "碧水湾小区9号楼一单元203",
    "11号楼4楼",
    "滨河新村2幢502",
    "和平花园6#1101",
)

Distortion = Callable[[str, random.Random], str]
_TRADITIONAL = opencc.OpenCC("s2t").convert
# A tokenizer of our own: the bot teaches the shared one its words once a model is loaded.
_WORDS = jieba.Tokenizer()


def typo(text: str, source: random.Random) -> str:
    """One word misspelt; the text itself where the table knows none of its words."""
    known = [word for word in CONFUSIONS if word in text]
    if not known:
        return text
    word = source.choice(known)
    return text.replace(word, source.choice(CONFUSIONS[word]), 1)


def unpunctuated(text: str, source: random.Random) -> str:
    """All punctuation lost, as dictated messages arrive."""
    return "".join(char for char in text if unicodedata.category(char)[0] != "P")


def traditional(text: str, source: random.Random) -> str:
    """In traditional characters."""
    return _TRADITIONAL(text)


def hesitant(text: str, source: random.Random) -> str:
    """Filler words at the start and between two words."""
    words = list(_WORDS.cut(text))
    if len(words) > 2:
        words.insert(source.randrange(1, len(words) - 1), source.choice(PAUSES))
    return source.choice(OPENERS) + "".join(words)


def addressed(text: str, source: random.Random) -> str:
    """With where it is, before or after; for matters, of which it changes nothing."""
    place = source.choice(ADDRESSES)
    if source.random() < 0.5:
        return text.rstrip("。") + source.choice(("，", " ", "，我住", "，地址：", "。在")) + place
    lead = source.choice(("", "我家", "我住", "我是", "地址"))
    return lead + place + source.choice(("，", " ")) + text


DISTORTIONS: dict[str, Distortion] = {
    "typo": typo,
    "unpunctuated": unpunctuated,
    "traditional": traditional,
    "hesitant": hesitant,
}


def distorted(texts: list[str], way: str, seed: int = 7) -> list[str]:
    """All texts distorted in one way, the same each time."""
    source = random.Random(f"{way} {seed}")
    distort = {**DISTORTIONS, "addressed": addressed}[way]
    return [distort(text, source) for text in texts]
