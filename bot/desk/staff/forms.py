"""Bodies of forms, read with bounds: a few fields, and a few photos of bounded size."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from aiohttp import BodyPartReader, MultipartReader, web

from bot.domain.errors import BadInput
from bot.services.attachments import MAX_BYTES

MAX_FIELDS = 64 * 1024  # bytes of all fields together
MAX_PHOTOS = 6
TOO_MANY = f"一次最多传{MAX_PHOTOS}张照片。"
TOO_BIG = "照片太大了，请发 10MB 以内的照片。"
TOO_LONG = "内容太长了，请精简后再提交。"


@dataclass
class Form:
    """Fields by name, and photos as they came."""

    fields: dict[str, list[str]] = field(default_factory=dict)
    photos: list[bytes] = field(default_factory=list)

    def get(self, name: str, default: str = "") -> str:
        """First value of a field."""
        return self.fields.get(name, [default])[0]

    def all(self, name: str) -> list[str]:
        """All values of a field."""
        return self.fields.get(name, [])

    def number(self, name: str) -> int | None:
        """A field as a whole number; None when it is not one."""
        text = self.get(name)
        return int(text) if text.isascii() and text.isdigit() and len(text) < 12 else None


async def read_form(request: web.Request, check: Callable[[Form], None]) -> Form:
    """Read a form; `check` runs before the first file is read, and again never.

    `check` raises when the form was not sent from one of our pages.
    """
    if request.content_type == "multipart/form-data":
        return await _multipart(request, check)
    body = bytearray()
    while chunk := await request.content.read(MAX_FIELDS + 1 - len(body)):
        body += chunk
        if len(body) > MAX_FIELDS:
            raise BadInput(TOO_LONG)
    form = Form()
    for name, value in parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True):
        form.fields.setdefault(name, []).append(value)
    check(form)
    return form


async def _multipart(request: web.Request, check: Callable[[Form], None]) -> Form:
    form, checked, size = Form(), False, 0
    try:
        reader = await request.multipart()
        while part := await reader.next():
            if isinstance(part, MultipartReader) or not part.name:
                raise BadInput()
            if part.filename is None:
                value = await _read(part, MAX_FIELDS - size, TOO_LONG)
                size += len(value)
                form.fields.setdefault(part.name, []).append(value.decode("utf-8", "replace"))
                continue
            if not checked:
                check(form)
                checked = True
            await _add_photo(form, part)
    except ValueError as error:  # aiohttp's word for a broken body
        raise BadInput() from error
    if not checked:
        check(form)
    return form


async def _add_photo(form: Form, part: BodyPartReader) -> None:
    data = await _read(part, MAX_BYTES, TOO_BIG)
    if not data:  # a file field that was left empty
        return
    if len(form.photos) == MAX_PHOTOS:
        raise BadInput(TOO_MANY)
    form.photos.append(data)


async def _read(part: BodyPartReader, limit: int, words: str) -> bytes:
    data = bytearray()
    while chunk := await part.read_chunk(64 * 1024):
        data += chunk
        if len(data) > limit:
            raise BadInput(words)
    return bytes(data)
