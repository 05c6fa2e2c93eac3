"""Photos and other media: checked, stripped of metadata, stored by content."""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import os
import secrets
from pathlib import Path

from PIL import Image, ImageOps, UnidentifiedImageError
from sqlalchemy import select
from sqlalchemy.orm import sessionmaker

from bot.domain.errors import BadInput, NotFound
from bot.store.models import Attachment, Member, Ticket
from bot.store.scope import visible_to

MAX_BYTES = 10 * 1024 * 1024
MAX_PIXELS = 50_000_000
MAX_SIDE = 2000
IMAGE_FORMATS = {"JPEG", "PNG", "WEBP", "GIF", "MPO"}


def clean_photo(data: bytes) -> bytes:
    """A JPEG of at most 2000 pixels a side, without EXIF (which holds the place of the shot).

    Raises BadInput for anything that is not a photo, whatever its name says.
    """
    if len(data) > MAX_BYTES:
        raise BadInput("照片太大了，请发 10MB 以内的照片。")
    try:
        with Image.open(io.BytesIO(data)) as image:
            if image.format not in IMAGE_FORMATS or image.width * image.height > MAX_PIXELS:
                raise BadInput("这个文件不是能识别的照片，请发 JPG 或 PNG。")
            photo = ImageOps.exif_transpose(image).convert("RGB")
            photo.thumbnail((MAX_SIDE, MAX_SIDE))
            out = io.BytesIO()
            photo.save(out, "JPEG", quality=85)
            return out.getvalue()
    except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError) as error:
        raise BadInput("这个文件不是能识别的照片，请发 JPG 或 PNG。") from error


def store(
    factory: sessionmaker,
    folder: Path,
    data: bytes,
    now: dt.datetime,
    *,
    resident_id: int | None = None,
    member_id: int | None = None,
    kind: str = "image",
    mime: str = "image/jpeg",
) -> str:
    """Write the file under its checksum and its row; returns the token that names it in URLs."""
    digest = hashlib.sha256(data).hexdigest()
    path = path_of(folder, digest)
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".{secrets.token_hex(4)}.part")
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    token = secrets.token_urlsafe(18)
    with factory.begin() as session:
        session.add(
            Attachment(
                token=token,
                resident_id=resident_id,
                member_id=member_id,
                kind=kind,
                mime=mime,
                size=len(data),
                sha256=digest,
                created_at=now,
            )
        )
    return token


def path_of(folder: Path, digest: str) -> Path:
    """Where a file with this checksum lies."""
    return folder / digest[:2] / digest


def open_for_member(
    factory: sessionmaker, folder: Path, token: str, member_id: int
) -> tuple[Path, str]:
    """(path, mime) of an attachment of a ticket that the member may see, or an own one."""
    with factory() as session:
        member = session.get(Member, member_id)
        row = session.scalar(select(Attachment).where(Attachment.token == token))
        if row is None or member is None:
            raise NotFound()
        seen = row.member_id == member_id or (
            row.ticket_id is not None
            and session.scalar(
                select(Ticket.id).where(Ticket.id == row.ticket_id, visible_to(member))
            )
        )
        if not seen:
            raise NotFound()
        return path_of(folder, row.sha256), row.mime


def open_for_resident(
    factory: sessionmaker, folder: Path, token: str, resident_id: int
) -> tuple[Path, str]:
    """(path, mime) of an own attachment, or one that staff put on an own ticket."""
    with factory() as session:
        row = session.scalar(select(Attachment).where(Attachment.token == token))
        if row is None:
            raise NotFound()
        ticket = session.get(Ticket, row.ticket_id) if row.ticket_id else None
        if row.resident_id != resident_id and (ticket is None or ticket.resident_id != resident_id):
            raise NotFound()
        return path_of(folder, row.sha256), row.mime
