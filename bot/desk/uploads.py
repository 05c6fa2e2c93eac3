"""Read an uploaded photo without trusting what its sender says of its size."""

from __future__ import annotations

from aiohttp import BodyPartReader, web

from bot.domain.errors import BadInput
from bot.services.attachments import MAX_BYTES

TOO_BIG = "照片太大了，请发 10MB 以内的照片。"


async def read_photo(request: web.Request, field: str = "photo") -> bytes:
    """The bytes of the field `photo` of a multipart form; stops reading when it is too big."""
    if request.content_type != "multipart/form-data":
        raise BadInput("没有收到照片，请重新选择。")
    if (request.content_length or 0) > MAX_BYTES + 10_000:
        raise BadInput(TOO_BIG)
    try:
        async for part in await request.multipart():
            if isinstance(part, BodyPartReader) and part.name == field:
                return await _read(part)
    except ValueError as error:  # a broken form
        raise BadInput("照片没有传完整，请重新发送。") from error
    raise BadInput("没有收到照片，请重新选择。")


async def _read(part: BodyPartReader) -> bytes:
    data = bytearray()
    while chunk := await part.read_chunk(64 * 1024):
        data += chunk
        if len(data) > MAX_BYTES:
            raise BadInput(TOO_BIG)
    if not data:
        raise BadInput("没有收到照片，请重新选择。")
    return bytes(data)
