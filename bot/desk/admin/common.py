"""What the pages of the corpus centre share."""

from __future__ import annotations

import aiohttp
from aiohttp import web

from bot.desk.staff.access import staff_of
from bot.domain.errors import NotAllowed, NotFound
from bot.services.members import Staff
from bot.training.labels import may_label

HTTP = web.AppKey("CORPUS_HTTP", aiohttp.ClientSession)


def worker_on_corpus(request: web.Request) -> Staff:
    """The member at the desk, who must be one of those that work on the corpus."""
    staff = staff_of(request)
    if not may_label(staff):
        raise NotAllowed("语料中心由社区和街道的调度员、书记使用。")
    return staff


def number_of(request: web.Request, name: str = "id") -> int:
    """A number in the address; anything else is not found."""
    text = request.match_info[name]
    if not (text.isascii() and text.isdigit() and len(text) < 12):
        raise NotFound()
    return int(text)
