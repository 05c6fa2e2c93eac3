"""Texts as WeChat takes them: passive reply XML, choices as links or numbers, long texts split."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

TEXT_LIMIT = 2048  # bytes of UTF-8 in one text message
SUCCESS = "success"
# After 。 and its like, and after a quote or bracket that closes behind one.
SENTENCE_END = re.compile(
    r"(?<=[。！？；…!?\n])(?![。！？；…”』」）)!?\n])|(?<=[。！？；…!?][”』」）)])(?![。！？；…”』」）)!?\n])"
)
CLAUSE_END = re.compile(r"(?<=[，、,：:\u3000 ])")
LINK = re.compile(r"<a\s[^>]*>[^<]*</a>")


@dataclass(frozen=True)
class Choice:
    """One button of a bot message; `menu_id` is how a tap on it is told apart."""

    label: str
    menu_id: int


@dataclass(frozen=True)
class Outgoing:
    """One bot message ready to be sent."""

    text: str
    choices: tuple[Choice, ...] = ()


def size(text: str) -> int:
    """Bytes that a text takes on the wire."""
    return len(text.encode())


def choice_link(choice: Choice) -> str:
    """A link that sends the label back as if typed: a button that costs no quota."""
    href = f"weixin://bizmsgmenu?msgmenucontent={quote(choice.label, safe='')}"
    return f'<a href="{href}&msgmenuid={choice.menu_id}">{html.escape(choice.label)}</a>'


def with_links(message: Outgoing) -> str:
    """The text, then each choice as a tappable line."""
    return "\n".join([message.text, *map(choice_link, message.choices)]).strip("\n")


def with_numbers(message: Outgoing) -> str:
    """The text, then the choices numbered, for where links cannot be tapped."""
    if not message.choices:
        return message.text
    lines = [f"{n}. {choice.label}" for n, choice in enumerate(message.choices, 1)]
    return "\n".join([message.text, *lines, "（回复数字即可选择）"]).strip("\n")


def split_text(text: str, limit: int = TEXT_LIMIT) -> list[str]:
    """Pieces of at most `limit` bytes, cut after a sentence where one ends, never in a link."""
    pieces: list[str] = []
    current = ""
    for part in _parts(text, limit):
        if current and size(current + part) > limit:
            pieces.append(current)
            current = ""
        current += part
    pieces.append(current)
    cleaned = [piece.strip("\n") for piece in pieces]
    return [piece for piece in cleaned if piece.strip()]


def _parts(text: str, limit: int) -> list[str]:
    """Links and sentences; a longer sentence falls into clauses, a longer clause into letters."""
    parts: list[str] = []
    position = 0
    for link in LINK.finditer(text):
        parts += SENTENCE_END.split(text[position : link.start()])
        parts.append(link.group())
        position = link.end()
    parts += SENTENCE_END.split(text[position:])
    return [small for part in parts for small in _fit(part, limit)]


def _fit(part: str, limit: int) -> list[str]:
    if size(part) <= limit:
        return [part]
    fitting: list[str] = []
    for clause in CLAUSE_END.split(part):
        fitting += [clause] if size(clause) <= limit else _cut(clause, limit)
    return fitting


def _cut(text: str, limit: int) -> list[str]:
    pieces, current = [], ""
    for letter in text:
        if size(current + letter) > limit:
            pieces.append(current)
            current = ""
        current += letter
    return [*pieces, current]


def join_messages(texts: Sequence[str], limit: int = TEXT_LIMIT) -> list[str]:
    """Several bot messages in as few texts as the limit allows; the first is the passive reply."""
    joined: list[str] = []
    for piece in [piece for text in texts for piece in split_text(text, limit)]:
        if joined and size(joined[-1]) + 2 + size(piece) <= limit:
            joined[-1] += f"\n\n{piece}"
        else:
            joined.append(piece)
    return joined


def passive_text(to: str, account: str, text: str, now: int) -> str:
    """Reply XML with one text message."""
    return (
        f"<xml><ToUserName>{_cdata(to)}</ToUserName>"
        f"<FromUserName>{_cdata(account)}</FromUserName>"
        f"<CreateTime>{now}</CreateTime>"
        "<MsgType><![CDATA[text]]></MsgType>"
        f"<Content>{_cdata(text)}</Content></xml>"
    )


def _cdata(text: str) -> str:
    """A CDATA section; letters that XML forbids are dropped, or WeChat shows an error."""
    allowed = "".join(c for c in text if c in "\n\t" or (c >= " " and c not in "\ufffe\uffff"))
    return "<![CDATA[" + allowed.replace("]]>", "]]]]><![CDATA[>") + "]]>"
