"""What the steps of a ticket's life share: loading in scope, moving, telling, clocks."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from sqlalchemy import bindparam, literal_column, select
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.orm.exc import StaleDataError

from bot.domain import dispatch, sla
from bot.domain.errors import BadInput, Conflict, NotAllowed, NotFound, WrongState
from bot.domain.levels import DISPATCH_ROLES, LEAD_ROLES, LEVEL_NAMES, Level, Role, above
from bot.domain.status import Actor, Status, Step, check
from bot.services import dispatching, outbox, wording
from bot.services.clock import CALENDAR
from bot.services.events import record
from bot.store.models import Member, OrgNode, Ticket, TicketEvent
from bot.store.models_life import CoTask, Suspension
from bot.store.scope import visible_to

MAX_NOTE = 1000
# Built once, as in dispatching.
CHILDREN = (
    select(Ticket)
    .where(Ticket.parent_id == bindparam("parent"), Ticket.status == Status.DUPLICATE.value)
    .order_by(Ticket.id)
)
LEADS = (
    select(Member)
    .where(
        Member.node_id.in_(bindparam("nodes", expanding=True)),
        Member.active,
        Member.role.in_([literal_column(f"'{role.value}'") for role in LEAD_ROLES]),
    )
    .order_by(Member.id)
    .execution_options(autoflush=False)  # no step changes who leads
)


def actors(session: Session, ticket: Ticket, member: Member) -> frozenset[Actor]:
    """Capacities in which a member may act on a ticket."""
    found = set()
    if ticket.assignee_id == member.id:
        found.add(Actor.ASSIGNEE)
    if co_task_of(session, ticket, member.id) is not None:
        found.add(Actor.CO_HANDLER)
    node = session.get(OrgNode, ticket.node_id)
    if node.path.startswith(member.node.path):
        if Role(member.role) in DISPATCH_ROLES:
            found.add(Actor.DISPATCHER)
        # Nobody stands above the street: its leads decide there themselves.
        if Role(member.role) in LEAD_ROLES and (
            node.path != member.node.path or not node.parent_id
        ):
            found.add(Actor.SUPERIOR)
    return frozenset(found)


def co_task_of(session: Session, ticket: Ticket, member_id: int) -> CoTask | None:
    """The member's unfinished co-handling task on this ticket."""
    return session.scalar(
        select(CoTask).where(
            CoTask.ticket_id == ticket.id,
            CoTask.member_id == member_id,
            CoTask.status.in_(["asked", "checked_in"]),
        )
    )


def staff_ticket(session: Session, number: str, member_id: int) -> tuple[Ticket, Member]:
    """A ticket in the member's scope, locked, and the member. Raises NotAllowed or NotFound."""
    member = session.get(Member, member_id)
    if member is None or not member.active:
        raise NotAllowed()
    ticket = session.scalar(
        select(Ticket).where(Ticket.number == number, visible_to(member)).with_for_update(of=Ticket)
    )
    if ticket is None:
        raise NotFound()
    return ticket, member


@contextmanager
def step(factory: sessionmaker) -> Iterator[Session]:
    """One transaction whose lost race shows as Conflict."""
    try:
        with factory.begin() as session:
            yield session
    except StaleDataError as error:
        raise Conflict() from error


def clean(note: str, *, need: str | None = None) -> str:
    """A note without blanks around it, cut to length; raises BadInput with `need` when empty."""
    note = note.strip()[:MAX_NOTE]
    if need and not note:
        raise BadInput(need)
    return note


def notice(
    session: Session,
    ticket: Ticket,
    event: TicketEvent,
    text: str,
    now: dt.datetime,
    *,
    appeal: str = "",
    **extra: object,
) -> None:
    """Queue a message about this event to the resident, and to all with a merged ticket.

    Who filed it for somebody else hears of it too. A resident who took the step does not: the
    answer to the message that asked for it says so already. `appeal`: the title of a choice that
    lets the resident disagree.
    """
    asker = event.actor_id if event.actor_kind == "resident" else None
    # A choice names the resident's own ticket, so those with a merged one do not get it.
    offered = wording.tap(appeal, "ticket_appeal", ticket_number=ticket.number)
    own = {**extra, "buttons": [offered]} if appeal else extra
    if ticket.resident_id != asker:
        _put_notice(session, ticket, text, now, f"notice:{event.reference}", own, ticket.status)
    for child in ticket.merged:
        if child.resident_id == asker:
            continue
        words = wording.merged(child, ticket)
        key = f"notice:{event.reference}:{child.id}"
        _put_notice(session, child, words, now, key, extra, ticket.status)
    if ticket.filed_by_id:
        proxy = session.get(Member, ticket.filed_by_id)
        alert(session, ticket, proxy, f"【代办】{text}", now, f"proxy:{event.reference}")


def _put_notice(
    session: Session,
    ticket: Ticket,
    text: str,
    now: dt.datetime,
    key: str,
    extra: dict[str, object],
    status: str,
) -> None:
    outbox.put(
        session,
        to="resident",
        recipient_id=ticket.resident_id,
        kind="notice",
        payload={"text": text, "number": ticket.number, "status": status, **extra},
        dedup_key=key,
        at=now,
        ticket_id=ticket.id,
    )


def children_of(session: Session, ticket: Ticket) -> list[Ticket]:
    """Tickets merged into this one."""
    return session.scalars(CHILDREN, {"parent": ticket.id}).all()


def move(
    session: Session,
    ticket: Ticket,
    step: Step,
    as_: frozenset[Actor],
    who: tuple[str, int | None],
    now: dt.datetime,
    note: str = "",
    data: dict | None = None,
) -> TicketEvent:
    """Check the step against the table, set the status, write the event."""
    before = Status(ticket.status)
    after = check(step, before, as_)
    ticket.status = after.value
    return record(
        session, ticket, step, *who, now, from_status=before, to_status=after, note=note, data=data
    )


def alert_assignee(
    session: Session, ticket: Ticket, event: TicketEvent, text: str, now: dt.datetime
) -> None:
    """Queue a message to whoever has the ticket."""
    if ticket.assignee is not None:
        alert(session, ticket, ticket.assignee, text, now, f"member:{event.reference}")


def alert(
    session: Session, ticket: Ticket, member: Member, text: str, now: dt.datetime, dedup_key: str
) -> None:
    """Queue a message to a member of staff; in the member's duty hours, unless it is urgent."""
    outbox.put(
        session,
        to="member",
        recipient_id=member.id,
        kind="alert",
        payload={"text": text, "number": ticket.number},
        dedup_key=dedup_key,
        at=now,
        not_before=alert_time(ticket, member, now),
        ticket_id=ticket.id,
    )


def alert_time(ticket: Ticket, member: Member, now: dt.datetime) -> dt.datetime:
    """Now when urgent or on duty; otherwise when the office opens."""
    urgent = ticket.urgency != "normal" or sla.CLOCKS[ticket.clock_class].all_hours
    if urgent or dispatch.on_duty(member.duty, member.leave, now):
        return now
    return max(now, CALENDAR.opening(now - sla.GRACE))


def tell_superiors(
    session: Session, ticket: Ticket, event: TicketEvent, text: str, now: dt.datetime
) -> None:
    """Queue a message to the leads one level above where the ticket stands."""
    node = session.get(OrgNode, ticket.node_id)
    for member in leads(session, node.parent_id or node.id):
        alert(session, ticket, member, text, now, f"superior:{event.reference}:{member.id}")


def leads(session: Session, node_id: int) -> list[Member]:
    """Active members who lead a node; read once a session."""
    if node_id not in session.info.get("leads", {}):
        read_leads(session, [node_id])
    found: list[Member] = session.info["leads"][node_id]
    return found


def read_leads(session: Session, node_ids: Iterable[int]) -> None:
    """Read for all these nodes at once what `leads` will be asked for."""
    known = session.info.setdefault("leads", {})
    known.update((node_id, []) for node_id in node_ids)
    for member in session.scalars(LEADS, {"nodes": list(node_ids)}):
        known[member.node_id].append(member)


def raise_level(
    session: Session,
    ticket: Ticket,
    as_: frozenset[Actor],
    who: tuple[str, int | None],
    now: dt.datetime,
    note: str,
) -> None:
    """Dispatch one level up, inside the caller's transaction."""
    higher = above(Level(ticket.level))
    if higher is None:
        raise WrongState("已经在街道一级，不能再上报。")
    event = move(session, ticket, Step.ESCALATE, as_, who, now, note)
    end_pause(session, ticket, now)
    dispatching.end_assignment(ticket, "escalated", now)
    dispatching.assign(session, ticket, higher, now)
    notice(session, ticket, event, wording.escalated(ticket), now)


def end_pause(session: Session, ticket: Ticket, now: dt.datetime) -> None:
    """Set the clock going again: deadline and start move on by what the pause counted."""
    if ticket.suspended_at is None:
        return
    kind = ticket.clock_class
    pause = sla.elapsed(kind, ticket.suspended_at, now, CALENDAR)
    ticket.paused_seconds += int(pause.total_seconds())
    ticket.resolve_due = sla.shifted(kind, ticket.resolve_due, pause, CALENDAR)
    ticket.clock_started_at = sla.shifted(kind, clock_start(ticket), pause, CALENDAR)
    ticket.suspended_at = None
    for row in session.scalars(
        select(Suspension).where(
            Suspension.ticket_id == ticket.id, Suspension.approved, Suspension.ended_at.is_(None)
        )
    ):
        row.ended_at = now


def clock_start(ticket: Ticket) -> dt.datetime:
    """When the resolve clock began to run, pauses left out."""
    return ticket.clock_started_at or ticket.created_at


def raise_in_place(
    session: Session, ticket: Ticket, now: dt.datetime, why: str, to: Level | None = None
) -> None:
    """One level up (or to level `to`) while the owner stays; a lead there becomes co-owner."""
    nodes = dispatching.ancestors(session, ticket.node_id)[1:]
    nodes = [n for n in nodes if to is None or n.level == to.value]
    if not nodes:
        return
    node = nodes[0]
    note = f"{why}，上升到{LEVEL_NAMES[Level(node.level)]}，承办人不变"
    system, data = frozenset({Actor.SYSTEM}), {"level": node.level}
    move(session, ticket, Step.RAISE, system, ("system", None), now, note, data)
    ticket.node_id, ticket.level = node.id, node.level
    share(session, ticket, node)


def share(session: Session, ticket: Ticket, node: OrgNode) -> None:
    """Make a lead of `node` co-owner: answerable beside the assignee."""
    for lead in leads(session, node.id):
        if lead.id != ticket.assignee_id:
            ticket.co_owner_id = lead.id
            return


def marks(ticket: Ticket) -> list[tuple[str, dt.datetime]]:
    """All clock alerts of a ticket in work, in order of time."""
    clock = sla.CLOCKS[ticket.clock_class]
    found = sla.resolve_marks(clock_start(ticket), ticket.resolve_due, clock.all_hours, CALENDAR)
    if ticket.contacted_at is None and ticket.contact_due is not None:
        found.append(("contact_late", ticket.contact_due))
    return sorted(found, key=lambda mark: mark[1])


def next_mark(ticket: Ticket, now: dt.datetime) -> dt.datetime | None:
    """The first alert not yet raised."""
    left = [at for name, at in marks(ticket) if name not in ticket.alerts]
    return min(left) if left else None
