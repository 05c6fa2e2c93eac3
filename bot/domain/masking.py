"""Take what identifies a person out of a text before it is kept for learning."""

from __future__ import annotations

import re

_SURNAMES = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡余杜叶程苏"
    "魏吕丁任沈姚卢姜崔钟谭陆汪范金石廖贾夏韦付方白邹孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵"
)
_RULES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"(?<!\d)\d{17}[\dXx](?!\d)|(?<!\d)\d{15}(?!\d)"), "〔证件号〕"),
    (re.compile(r"(?<!\d)\d{16}(?:\d{3})?(?!\d)"), "〔卡号〕"),
    (re.compile(r"(?<!\d)(?:\+?86[\s-]?)?1[3-9]\d(?:[\s-]?\d){8}(?!\d)"), "〔电话〕"),
    (re.compile(r"(?<!\d)0\d{2,3}[\s-]?[2-8]\d{6,7}(?!\d)"), "〔电话〕"),
    (re.compile(r"[A-Za-z0-9_.+-]+@[\w-]+(?:\.[\w-]+)+"), "〔邮箱〕"),
    (re.compile(r"(我叫|名叫|名字是|姓名[是:：]?|本人叫)\s*[\u4e00-\u9fff]{2,3}"), r"\1〔姓名〕"),
    (
        re.compile(rf"(叫|找|是)[{_SURNAMES}][\u4e00-\u9fff]{{1,2}}(?=[的，,。、\s]|$)"),
        r"\1〔姓名〕",
    ),
    (re.compile(r"(单元|门|(?<=\d)[-—–])\s*(?<!\d{8}-)\d{3,4}(?![\d-])"), r"\1〔房号〕"),
    (re.compile(r"(?<!\d)\d{3,4}(?=室|号房|房间|户)"), "〔房号〕"),
    (re.compile(r"(?<=[楼栋幢座#])\d{3,4}(?!\d)"), "〔房号〕"),
)


def mask(text: str) -> str:
    """The text without phone, identity and card numbers, names after 「我叫」, and room numbers."""
    for pattern, stand_in in _RULES:
        text = pattern.sub(stand_in, text)
    return text
