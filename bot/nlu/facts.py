"""Phone and ticket numbers, amounts, kinds of persons, ratings, solved or not."""

import re

from bot.nlu.numerals import NUMERAL, to_int
from bot.nlu.spans import Span, distinct

_MOBILE = re.compile(r"(?<!\d)(?:\+?86[\s\-]?)?(1[3-9]\d(?:[\s\-]?\d){8})(?!\d)")
_LANDLINE = re.compile(r"(?<![\d\-])(0\d{2,3}[\s\-]?[2-8]\d{6,7})(?!\d)")
_TICKET = re.compile(r"LL[\s\-—–_]*(\d{8})[\s\-—–_]*(\d{1,4})(?!\d)", re.IGNORECASE)
_SPOKEN_TICKET = re.compile(
    r"(?:工单|单子|单号|编号|订单)(?:号码?|编号)?(?:就?是|为|:|,)?\s*(?:第|尾号)?\s*(\d{1,4})(?![\d元块年月天])"
    r"|(?<!\d)(\d{1,4})号?(?:工单|单子)|尾号(?:是)?(\d{4})"
)
_BARE_TICKET = re.compile(r"^\W*(0\d{3})\W*$")
_AMOUNT = re.compile(
    rf"(\d+(?:\.\d+)?|[{NUMERAL}]+)(?:多|来|几)?(万|千|百)?(?:多)?(?:块钱|块|元|万元|人民币|圆)(?!区|钱包)"
    rf"|(\d+(?:\.\d+)?)(万)(?!一|分|般|能|达|人|户|平)"
    rf"|(?:欠|借|还|赔|付|收|交|罚|花|共|骗|给)[^\d\s,。]{{0,6}}?([{NUMERAL}]*[百千万][{NUMERAL}]*)(?![人户平岁年月天个])"
)
_SCALE = {"万": 10000, "千": 1000, "百": 100}

PERSON_KINDS = {
    "独居老人": (
        r"独居|孤寡|空巢|一个人(?:住|在家|过).{0,6}(?:老人|岁)"
        r"|(?:老人|老太太|老大爷|奶奶|爷爷).{0,6}(?:一个人|自己住|独自)"
    ),
    "老人": (
        r"老人|老年人|老太太|老大爷|老爷子|奶奶|爷爷|姥姥|姥爷|外婆|外公|老母亲|老父亲|老娘|老爹"
        r"|老伴|[6-9]\d岁|1[01]\d岁|[六七八九]十.{0,2}岁|年纪大|高龄"
    ),
    "孕妇": r"孕妇|怀孕|身孕|大着肚子|挺着肚子|临产|待产|预产期",
    "残疾人": r"残疾|残障|盲人|聋哑|视障|听障|肢残|坐轮椅|瘫痪|失明|智障",
    "儿童": r"小孩|孩子|儿童|婴儿|宝宝|娃|幼儿|新生儿|小朋友|(?<!\d)(?:\d|1[0-3])岁",
    "重病患者": r"癌|尿毒症|透析|化疗|白血病|重病|晚期|植物人",
    "精神障碍患者": r"精神病|精神障碍|精神分裂|精神病人",
}
_PERSONS = {kind: re.compile(pattern) for kind, pattern in PERSON_KINDS.items()}

_STARS = re.compile(rf"([\d{NUMERAL}]{{1,3}})(?:颗)?(?:星|分)(?![钟之析别期区类局公包])")
_FULL_MARKS = re.compile(r"满分|全五星|全5星|好评")
_WORD_RATINGS = (
    (1, re.compile(r"(?:很|非常|极其|太|十分|特别|相当)不满意|差评|太差|极差")),
    (2, re.compile(r"不(?:太|怎么|是很)?满意|不咋(?:地|样)|不怎么样|较差|不行")),
    (3, re.compile(r"一般般?|还行|凑合|马马虎虎|还可以|中等|过得去")),
    (
        5,
        re.compile(
            r"(?:很|非常|十分|特别|相当|挺|太|超级?|都)满意|满意极了|太好了|非常好|特别好|很好|点赞"
        ),
    ),
    (4, re.compile(r"满意|不错|挺好|蛮好")),
)
_UNSOLVED = re.compile(
    r"(?:没有?|未|并没|还没|都没|尚未|没能|不曾)(?:得到|给|有|能|人|真正|彻底|完全|怎么)?(?:解决|修好|处理|弄好|办好|搞定|通|修|来)"
    r"|(?:还在|又|仍|依旧|依然|还是|照样)(?:在|继续|开始)?(?:漏|堵|响|吵|坏|老样子|不行|没电|没水|那样)|解决不了|修不好|老样子|没变化|没动静|没好"
)
_SOLVED = re.compile(
    r"已经?解决|解决了|(?:修|弄|搞|处理|办|整|通)好了|处理完|办完|搞定|已修|不漏了|来水了|来电了|通了|恢复了|解决啦|没问题了"
)


def find_phones(text: str) -> list[Span]:
    """Phone numbers as digits only."""
    matches = [*_MOBILE.finditer(text), *_LANDLINE.finditer(text)]
    return [Span("phone", re.sub(r"\D", "", m[1]), *m.span(1)) for m in matches]


def find_ticket_numbers(text: str) -> list[Span]:
    """Full numbers as LL-YYYYMMDD-NNNN; a spoken short number as its last four digits."""
    full = [
        Span("ticket_number", f"LL-{m[1]}-{m[2].zfill(4)}", *m.span())
        for m in _TICKET.finditer(text)
    ]
    if full:
        return distinct(full)
    matches = [*_SPOKEN_TICKET.finditer(text)]
    if bare := _BARE_TICKET.match(text):
        matches.append(bare)
    return [
        Span("ticket_number", next(g for g in m.groups() if g).zfill(4), *m.span()) for m in matches
    ][:1]


def _money(number: str, scale: str | None) -> int | None:
    base = float(number) if re.fullmatch(r"\d+(\.\d+)?", number) else to_int(number)
    return None if base is None else round(base * _SCALE.get(scale or "", 1))


def find_amounts(text: str) -> list[Span]:
    """Sums of money in yuan."""
    spans = []
    for match in _AMOUNT.finditer(text):
        number, scale = match[1] or match[3] or match[5], match[2] or match[4]
        if scale is None and "万元" in match[0]:
            scale = "万"
        value = _money(number, scale)
        if value:
            spans.append(Span("amount", value, *match.span()))
    return distinct(spans)


def find_person_kinds(text: str) -> list[Span]:
    """Kinds of persons whom the matter concerns."""
    found = {kind: m for kind, pattern in _PERSONS.items() if (m := pattern.search(text))}
    if "独居老人" in found:
        found.pop("老人", None)
    return [Span("person_kind", kind, *match.span()) for kind, match in found.items()]


def find_rating(text: str, in_words: bool) -> list[Span]:
    """Stars as given (9 stays 9: the dialogue says no to it); words too if `in_words`."""
    if (match := _STARS.search(text)) and (value := to_int(match[1])) is not None:
        return [Span("rating", value, *match.span())]
    if not in_words:
        return []
    if match := _FULL_MARKS.search(text):
        return [Span("rating", 5, *match.span())]
    for value, pattern in _WORD_RATINGS:
        if match := pattern.search(text):
            return [Span("rating", value, *match.span())]
    return []


def find_solved(text: str) -> list[Span]:
    """Whether the resident says the matter is solved; saying it is not wins."""
    if match := _UNSOLVED.search(text):
        return [Span("solved", False, *match.span())]
    if match := _SOLVED.search(text):
        return [Span("solved", True, *match.span())]
    return []
