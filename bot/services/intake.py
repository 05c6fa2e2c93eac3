"""Open a ticket from what a resident confirmed (网上接单)."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, sessionmaker

from bot.domain import sla
from bot.domain.errors import BadInput, NoConsent, NotFound
from bot.domain.levels import ROLE_NAMES, Role
from bot.domain.places import place_text
from bot.domain.status import Status, Step
from bot.domain.worktime import SHANGHAI
from bot.services import dispatching, insert_ignore, outbox, wording
from bot.services.clock import CALENDAR
from bot.services.events import record
from bot.store.models import (
    Attachment,
    Building,
    Counter,
    Member,
    OrgNode,
    Resident,
    ServiceItem,
    Ticket,
    TicketEvent,
)

MAX_DESCRIPTION = 4000


@dataclass(frozen=True)
class Draft:
    """Everything a ticket needs, as plain values."""

    resident_id: int
    item_key: str
    description: str
    building_id: int | None = None
    unit: str | None = None
    room: str | None = None
    urgency: str | None = None  # default: the item's
    attachments: tuple[str, ...] = field(default=())  # tokens
    filed_by_id: int | None = None
    on_behalf_of: str | None = None  # the family member for whom a resident asks
    consent_note: str | None = None  # how that person agreed; needed with the former


@dataclass(frozen=True)
class Opened:
    """What the resident is told: number, who has it, and by when."""

    ticket_id: int
    number: str
    who: str
    phone: str
    title: str
    contact_due: str
    urgency: str
    also_told: tuple[str, ...] = ()


def open_ticket(
    factory: sessionmaker, draft: Draft, *, idempotency_key: str, now: dt.datetime
) -> Opened:
    """Create, dispatch and announce a ticket in one commit; the same key opens it once.

    Raises NoConsent, NotFound (item, building) and BadInput.
    """
    try:
        with factory.begin() as session:
            known = _by_key(session, idempotency_key)
            return (
                _opened(session, known) if known else _create(session, draft, idempotency_key, now)
            )
    except IntegrityError:  # another process was first with this key
        with factory() as session:
            known = _by_key(session, idempotency_key)
            if known is None:
                raise
            return _opened(session, known)


def _by_key(session: Session, key: str) -> Ticket | None:
    return session.scalar(select(Ticket).where(Ticket.idempotency_key == key))


def _check(session: Session, draft: Draft) -> tuple[Resident, ServiceItem, Building | None]:
    resident = session.get(Resident, draft.resident_id)
    if resident is None:
        raise NotFound()
    # Danger to life is answered first and asked about later.
    if resident.consent_at is None and draft.urgency != "danger":
        raise NoConsent()
    item = session.get(ServiceItem, draft.item_key)
    if item is None or not item.active:
        raise NotFound("没有这个服务事项。")
    building = session.get(Building, draft.building_id) if draft.building_id else None
    if draft.building_id and (building is None or not building.active):
        raise NotFound("没有找到这栋楼。")
    if not draft.description.strip():
        raise BadInput("请说一下是什么事。")
    if draft.on_behalf_of and not draft.consent_note:
        raise BadInput("替家人办理，请先说明本人已同意。")
    return resident, item, building


def next_number(session: Session, now: dt.datetime) -> str:
    """「LL-20261124-0007」: one counter a day, taken under its row lock."""
    day = now.astimezone(SHANGHAI).strftime("%Y%m%d")
    name = f"ticket:{day}"
    insert_ignore(session, Counter, {"name": name, "value": 0}, ["name"])
    session.execute(update(Counter).where(Counter.name == name).values(value=Counter.value + 1))
    value = session.scalar(select(Counter.value).where(Counter.name == name))
    return f"LL-{day}-{value:04d}"


def _create(session: Session, draft: Draft, key: str, now: dt.datetime) -> Opened:
    resident, item, building = _check(session, draft)
    urgency = draft.urgency or item.urgency
    clock_class = "danger" if urgency == "danger" else item.clock_class
    due = sla.deadlines(clock_class, now, CALENDAR)
    origin = dispatching.origin(session, building)
    ticket = Ticket(
        number=next_number(session, now),
        idempotency_key=key,
        category=item.category,
        item=item,
        description=draft.description.strip()[:MAX_DESCRIPTION],
        urgency=urgency,
        clock_class=clock_class,
        private=item.private,
        status=Status.SUBMITTED.value,
        level=item.start_level,
        node_id=origin.id,
        origin=origin,
        building=building,
        place_text=place_text(building.name_in_estate, draft.unit, draft.room) if building else "",
        resident=resident,
        filed_by_id=draft.filed_by_id,
        created_at=now,
        clock_started_at=now,
        on_behalf_of=draft.on_behalf_of,
        consent_note=draft.consent_note,
        contact_due=due.contact,
        resolve_due=due.resolve,
    )
    session.add(ticket)
    session.flush()
    by, by_id = ("member", draft.filed_by_id) if draft.filed_by_id else ("resident", resident.id)
    event = record(session, ticket, Step.SUBMIT, by, by_id, now, note=ticket.description)
    _attach(session, ticket, event, draft)
    start = dispatching.start_level(item.start_level, urgency)
    decision = dispatching.assign(session, ticket, start, now)
    record(
        session,
        ticket,
        Step.DISPATCH,
        "system",
        None,
        now,
        from_status=Status.SUBMITTED,
        to_status=Status.DISPATCHED,
        note=decision.reason,
    )
    told = tell_level_above(session, ticket, now) if urgency != "normal" else ()
    return _opened(session, ticket, told)


def _attach(session: Session, ticket: Ticket, event: TicketEvent, draft: Draft) -> None:
    session.flush()  # the event needs its id
    own = Attachment.resident_id == draft.resident_id
    if draft.filed_by_id is not None:  # the photos are those of who filed it
        own = Attachment.member_id == draft.filed_by_id
    for row in session.scalars(
        select(Attachment).where(
            Attachment.token.in_(draft.attachments),
            own,
            Attachment.ticket_id.is_(None),
        )
    ):
        row.ticket_id, row.event_id = ticket.id, event.id


def tell_level_above(session: Session, ticket: Ticket, now: dt.datetime) -> tuple[str, ...]:
    """Alert the leads of the level above the assignee; returns who was told."""
    node = session.get(OrgNode, ticket.node_id)
    parent = session.get(OrgNode, node.parent_id) if node.parent_id else node
    leads = session.scalars(
        select(Member).where(
            Member.node_id == parent.id,
            Member.active,
            Member.id != ticket.assignee_id,
            Member.role.in_([r.value for r in _ALERTED]),
        )
    ).all()
    for lead in leads:
        outbox.put(
            session,
            to="member",
            recipient_id=lead.id,
            kind="alert",
            payload={
                "text": f"【紧急通报】{wording.task(ticket, '请同步关注')}",
                "number": ticket.number,
            },
            dedup_key=f"alert:{ticket.id}:{ticket.version}:{lead.id}",
            at=now,
            ticket_id=ticket.id,
        )
    if leads:
        names = "、".join(f"{ROLE_NAMES[Role(m.role)]}{m.name}" for m in leads)
        record(session, ticket, Step.ALERT, "system", None, now, note=f"紧急事项同步通知：{names}")
    return tuple(wording.who(m) for m in leads)


_ALERTED = (
    Role.GRID_LEAD,
    Role.COMMUNITY_SECRETARY,
    Role.DISPATCHER,
    Role.STREET_SECRETARY,
    Role.STREET_DESK,
)


def _opened(session: Session, ticket: Ticket, told: tuple[str, ...] = ()) -> Opened:
    return Opened(
        ticket.id,
        ticket.number,
        wording.who(ticket.assignee),
        (ticket.assignee.phone or "") if ticket.assignee else "",
        wording.title(ticket),
        wording.local(ticket.contact_due),
        ticket.urgency,
        told,
    )
