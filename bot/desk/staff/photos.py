"""Photos that members send with a step or a request."""

from __future__ import annotations

from aiohttp import web

from bot.desk.keys import FACTORY, SETTINGS
from bot.desk.staff.access import staff_of
from bot.services import attachments, clock


def store(request: web.Request, data: bytes) -> str:
    """Keep a photo that a member sent, cleaned; its token. BadInput where it is none."""
    return attachments.store(
        request.app[FACTORY],
        request.app[SETTINGS].attachments_dir,
        attachments.clean_photo(data),
        clock.now(),
        member_id=staff_of(request).id,
    )
