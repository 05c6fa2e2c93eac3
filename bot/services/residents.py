"""Residents: first contact, home, consent, deletion."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session, sessionmaker

from bot.domain.errors import BadInput, NotFound
from bot.domain.places import Known, Resolution, place_text, resolve
from bot.platforms import choices, quota
from bot.services import insert_ignore
from bot.store.models import (
    Attachment,
    Building,
    ChatMessage,
    InboxMessage,
    Outbox,
    Resident,
    Ticket,
    TicketEvent,
    Utterance,
)
from bot.store.models_life import Volunteer

# Bulk statements with subqueries cannot be mirrored into objects in memory.
UNSYNCED = {"synchronize_session": False}
FORGOTTEN = "（居民已删除个人信息）"
PHONE = re.compile(r"^1[3-9]\d{9}$")
PART = re.compile(r"^[0-9A-Z]{1,8}$")


@dataclass(frozen=True)
class Profile:
    """What the dialogue needs to know of a resident."""

    id: int
    building_id: int | None
    place: str
    phone: str | None
    consented: bool
    unit: str | None
    room: str | None


def ensure(session: Session, channel: str, external_id: str, now: dt.datetime) -> Resident:
    """The resident behind a channel identity, made on first contact."""
    found = _by_identity(session, channel, external_id)
    if found is None:
        insert_ignore(
            session,
            Resident,
            {"channel": channel, "external_id": external_id, "created_at": now},
            ["channel", "external_id"],
        )
        found = _by_identity(session, channel, external_id)
    assert found is not None
    found.last_seen_at = now
    return found


def _by_identity(session: Session, channel: str, external_id: str) -> Resident | None:
    return session.scalar(
        select(Resident).where(Resident.channel == channel, Resident.external_id == external_id)
    )


def profile(factory: sessionmaker, channel: str, external_id: str, now: dt.datetime) -> Profile:
    """Profile of a channel identity; creates the resident on first contact."""
    with factory.begin() as session:
        r = ensure(session, channel, external_id, now)
        place = place_text(r.building.name_in_estate, r.unit, r.room) if r.building else ""
        return Profile(
            r.id, r.building_id, place, r.phone, r.consent_at is not None, r.unit, r.room
        )


def consent(factory: sessionmaker, resident_id: int, now: dt.datetime) -> None:
    """Record that the resident agrees to the use of personal data."""
    with factory.begin() as session:
        session.execute(
            update(Resident)
            .where(Resident.id == resident_id, Resident.consent_at.is_(None))
            .values(consent_at=now, deleted_at=None)
        )


def bind_home(
    factory: sessionmaker,
    resident_id: int,
    building_id: int,
    unit: str | None = None,
    room: str | None = None,
) -> str:
    """Bind a resident to a building; returns the place as text."""
    for part in (unit, room):
        if part is not None and not PART.match(part):
            raise BadInput("单元或房号看起来不对，请再核对一下。")
    with factory.begin() as session:
        building = session.get(Building, building_id)
        if building is None or not building.active:
            raise NotFound("没有找到这栋楼。")
        resident = session.get(Resident, resident_id)
        resident.building_id, resident.unit, resident.room = building_id, unit, room
        return place_text(building.name_in_estate, unit, room)


def set_phone(factory: sessionmaker, resident_id: int, phone: str) -> None:
    """Store a mobile number of the mainland."""
    if not PHONE.match(phone):
        raise BadInput("手机号应为11位数字，请再核对一下。")
    with factory.begin() as session:
        session.execute(update(Resident).where(Resident.id == resident_id).values(phone=phone))


def known_buildings(session: Session) -> list[Known]:
    """Active buildings, for resolving words."""
    rows = session.scalars(select(Building).where(Building.active).order_by(Building.id))
    return [Known(b.id, b.estate, b.name, tuple(b.aliases)) for b in rows]


def find_building(
    factory: sessionmaker, *, building: str | None, estate: str | None, home: int | None = None
) -> Resolution:
    """Buildings that words may mean."""
    with factory() as session:
        return resolve(known_buildings(session), building=building, estate=estate, home=home)


def forget(factory: sessionmaker, resident_id: int, now: dt.datetime) -> None:
    """Delete a resident's personal data; tickets stay, without what identifies the person.

    The wording of tickets may itself name people, so it is emptied too; the service item and the
    building stay, so that a danger to others can still be dealt with.
    """
    with factory.begin() as session:
        resident = session.get(Resident, resident_id)
        if resident is None:
            raise NotFound()
        session.execute(delete(ChatMessage).where(ChatMessage.resident_id == resident_id))
        session.execute(delete(Utterance).where(Utterance.resident_id == resident_id))
        session.execute(
            update(InboxMessage)
            .where(
                InboxMessage.channel == resident.channel,
                InboxMessage.sender == resident.external_id,
            )
            .values(text="", media={}, replies=None, sender=f"deleted-{resident_id}")
        )
        for kept in (quota, choices):
            kept.forget(session, resident.channel, resident.external_id)
        session.execute(
            delete(Outbox).where(
                Outbox.recipient_kind == "resident", Outbox.recipient_id == resident_id
            )
        )
        _forget_volunteer(session, resident_id)
        tickets = select(Ticket.id).where(Ticket.resident_id == resident_id)
        session.execute(
            update(Ticket)
            .where(Ticket.resident_id == resident_id)
            .values(
                description=FORGOTTEN,
                place_text=select(func.coalesce(func.max(Building.name), ""))
                .where(Building.id == Ticket.building_id)
                .scalar_subquery(),
                rating_words=None,
                on_behalf_of=None,
                consent_note=None,
            ),
            execution_options=UNSYNCED,
        )
        session.execute(
            update(TicketEvent)
            .where(TicketEvent.ticket_id.in_(tickets), TicketEvent.actor_kind == "resident")
            .values(note="", actor_name="居民"),
            execution_options=UNSYNCED,
        )
        session.execute(
            update(Attachment).where(Attachment.resident_id == resident_id).values(resident_id=None)
        )
        for row in session.scalars(select(Outbox).where(Outbox.ticket_id.in_(tickets))):
            row.payload = {**row.payload, "text": FORGOTTEN}
        resident.name = resident.phone = resident.unit = resident.room = None
        resident.building_id = resident.consent_at = None
        resident.external_id, resident.deleted_at = f"deleted-{resident_id}", now


def _forget_volunteer(session: Session, resident_id: int) -> None:
    """Who they were goes; that somebody took a wish, and the time, stays."""
    row = session.scalar(select(Volunteer).where(Volunteer.resident_id == resident_id))
    if row is None:
        return
    about = Outbox.dedup_key.like(f"errand:%:taken:{row.id}:%")
    for told in session.scalars(select(Outbox).where(about)):
        told.payload = {**told.payload, "text": FORGOTTEN}
    row.name, row.phone, row.unit, row.resources = "已注销", "", "", ""
    row.active, row.resident_id = False, None
