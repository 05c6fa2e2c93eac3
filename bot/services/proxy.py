"""帮办代办: staff file a ticket for an elder who cannot, with the elder's consent on record."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from sqlalchemy.orm import Session, sessionmaker

from bot.domain.errors import BadInput, NotAllowed, NotFound
from bot.services import dispatching, intake, residents
from bot.services.intake import Draft, Opened
from bot.store.models import Building, Member

CHANNEL = "proxy"  # these residents have no chat: the filer hears for them, and they are called


@dataclass(frozen=True)
class ForSomeone:
    """Whom the ticket is for, and how that person agreed."""

    name: str
    building_id: int
    consent_note: str
    phone: str | None = None
    unit: str | None = None
    room: str | None = None


def file(
    factory: sessionmaker,
    member_id: int,
    person: ForSomeone,
    item_key: str,
    description: str,
    now: dt.datetime,
    *,
    idempotency_key: str,
    attachments: tuple[str, ...] = (),
) -> Opened:
    """Open a ticket for a person of the filer's own area. The same key opens it once.

    Raises BadInput without a name or consent, NotAllowed outside the area.
    """
    if not person.name.strip():
        raise BadInput("请填写老人的姓名。")
    if not person.consent_note.strip():
        raise BadInput("代办前请先征得本人同意，并写明是怎么同意的。")
    if person.phone is not None and not residents.PHONE.match(person.phone):
        raise BadInput("手机号应为11位数字，请再核对一下。")
    with factory.begin() as session:
        _in_area(session, member_id, person.building_id)
        resident_id = _resident(session, person, now)
    draft = Draft(
        resident_id,
        item_key,
        description,
        person.building_id,
        person.unit,
        person.room,
        attachments=attachments,
        filed_by_id=member_id,
        consent_note=person.consent_note.strip()[:200],
    )
    return intake.open_ticket(factory, draft, idempotency_key=idempotency_key, now=now)


def _in_area(session: Session, member_id: int, building_id: int) -> None:
    member, building = session.get(Member, member_id), session.get(Building, building_id)
    if building is None or not building.active:
        raise NotFound("没有找到这栋楼。")
    if member is None or not member.active:
        raise NotAllowed()
    # A household centre stands below its building group and may help all of the group.
    group = [
        n for n in dispatching.ancestors(session, member.node) if n.level != "household_centre"
    ]
    if not group or not building.node.path.startswith(group[0].path):
        raise NotAllowed("只能为自己片区的居民代办。")


def _resident(session: Session, person: ForSomeone, now: dt.datetime) -> int:
    """The person's own record: one for each phone, or for each name in a home."""
    home = f"{person.building_id}:{person.unit or ''}:{person.room or ''}:{person.name.strip()}"
    found = residents.ensure(session, CHANNEL, person.phone or home, now)
    found.name, found.phone = person.name.strip()[:40], person.phone
    found.building_id, found.unit, found.room = person.building_id, person.unit, person.room
    found.consent_at = found.consent_at or now
    session.flush()
    return int(found.id)
