"""Find and record the assignee of a ticket, inside the caller's transaction."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy import Integer, bindparam, case, func, inspect, literal_column, or_, select
from sqlalchemy.orm import Session, aliased, joinedload

from bot.domain import dispatch, sla
from bot.domain.dispatch import Candidate, Decision, Need, Rung
from bot.domain.levels import LEVELS, Level, Role, rank
from bot.domain.status import OPEN, Status
from bot.services import outbox, wording
from bot.services.clock import CALENDAR
from bot.store.models import Assignment, Building, Member, OrgNode, Ticket

# Tables, not classes: their statements take less to prepare at each run.
TICKET, MEMBER, ORG_NODE = Ticket.__table__, Member.__table__, OrgNode.__table__
# Statements are built once, with parameters: to build one costs more than to run it. Constants
# stand in the text, because a bound list is expanded anew at each run.
OPEN_NAMES = [literal_column(f"'{name}'") for name in sorted(s.value for s in OPEN)]
LOAD = case(
    (TICKET.c.status == Status.SUSPENDED.value, dispatch.WAITING),
    *((TICKET.c.clock_class == name, weight) for name, weight in dispatch.WORK.items()),
    else_=1.0,
)
# Weight of the open tickets on a member's desk; with the member, to save a round trip.
OPEN_WORK = (
    select(func.coalesce(func.sum(LOAD), 0.0))
    .where(TICKET.c.assignee_id == MEMBER.c.id, TICKET.c.status.in_(OPEN_NAMES))
    .correlate(MEMBER)
    .scalar_subquery()
)
# Columns, not objects: half the cost, and a dispatch reads dozens of members.
MEMBERS = (
    select(
        MEMBER.c.id,
        MEMBER.c.name,
        MEMBER.c.role,
        MEMBER.c.skills,
        MEMBER.c.capacity,
        MEMBER.c.duty,
        MEMBER.c.leave,
        MEMBER.c.last_assigned_at,
        MEMBER.c.building_id,
        ORG_NODE.c.name.label("node_name"),
        ORG_NODE.c.level.label("node_level"),
        OPEN_WORK.label("load"),
    )
    .select_from(MEMBER.join(ORG_NODE, MEMBER.c.node_id == ORG_NODE.c.id))
    .where(
        MEMBER.c.active,
        ORG_NODE.c.active,
        MEMBER.c.role != literal_column(f"'{Role.DEPARTMENT_STAFF.value}'"),
    )
    .order_by(MEMBER.c.id)
)
NODE = bindparam("node", type_=Integer)
MEMBERS_AT = MEMBERS.where(ORG_NODE.c.id == NODE)
# By parent and not by path: an index serves it in every database.
MEMBERS_AT_AND_BELOW = MEMBERS.where(or_(ORG_NODE.c.id == NODE, ORG_NODE.c.parent_id == NODE))


def _upwards() -> Any:
    """SELECT of a node and those above it, the nearest first.

    The rows come from the recursion itself: joined to the table once more, PostgreSQL, which takes
    a recursion for a hundred rows, would read the whole tree.
    """
    tree = OrgNode.__table__
    way = select(tree).where(tree.c.id == NODE).cte("way", recursive=True)
    way = way.union_all(select(tree).where(tree.c.id == way.c.parent_id))
    node = aliased(OrgNode, way)
    # No step changes the tree, so none needs to be written first.
    nearest_first = select(node).order_by(func.length(node.path).desc())
    return nearest_first.execution_options(autoflush=False)


UPWARDS = _upwards()


def ancestors(session: Session, node_id: int) -> list[OrgNode]:
    """The node and those above it, nearest first; the tree is read once a session."""
    known = session.info.setdefault("ancestors", {})
    if node_id not in known:
        known[node_id] = session.scalars(UPWARDS, {"node": node_id}).all()
    return list(known[node_id])


def read_ancestors(session: Session, nodes: Iterable[OrgNode]) -> None:
    """Read for all these nodes at once what `ancestors` will be asked for."""
    ways = {node.id: [int(part) for part in node.path.split("/") if part] for node in nodes}
    wanted = {node_id for way in ways.values() for node_id in way}
    found = {n.id: n for n in session.scalars(select(OrgNode).where(OrgNode.id.in_(wanted)))}
    known = session.info.setdefault("ancestors", {})
    for node_id, way in ways.items():
        known[node_id] = [found[above] for above in reversed(way)]


def street(session: Session) -> OrgNode:
    """The root of the tree."""
    return session.scalars(
        select(OrgNode)
        .where(OrgNode.level == Level.STREET.value, OrgNode.active)
        .order_by(OrgNode.id)
        .limit(1)
    ).one()


def origin(session: Session, building: Building | None) -> OrgNode:
    """Where a matter arises: the building's grid, or the street when no place is known."""
    if building is None:
        return street(session)
    above = ancestors(session, building.node_id)
    return next((node for node in above if node.level == Level.GRID.value), above[0])


def level_of(node: OrgNode) -> Level:
    """The level at which a member of `node` works; departments stand beside the street."""
    return _level(node.level)


def _level(name: str) -> Level:
    return Level.STREET if name == "department" else Level(name)


def _history(ticket: Ticket, suggested: int | None) -> dict[str, set[int]]:
    # Nobody has had a new one yet: no need to ask the database.
    rows = ticket.assignments if ticket.dispatched_at else []
    knew = {row.member_id for row in rows if row.outcome in {"accepted", "done"}}
    return {
        "returned": {row.member_id for row in rows if row.outcome == "returned"},
        "knows": knew if suggested is None else knew | {suggested},
    }


def is_party(member: Any, ticket: Ticket) -> bool:
    """Whether the matter is the member's own, or a dispute in the member's own building."""
    same_home = ticket.private and ticket.building_id is not None
    return member.id in _parties(ticket) or (same_home and member.building_id == ticket.building_id)


def _parties(ticket: Ticket) -> set[int]:
    """Members who may not handle the matter because it is their own."""
    return {ticket.filed_by_id} if ticket.filed_by_id and ticket.private else set()


def candidates(
    session: Session, node: OrgNode, ticket: Ticket, at: dt.datetime, history: dict[str, set[int]]
) -> tuple[Candidate, ...]:
    """Members standing at `node` (and, under a building group, its household centres)."""
    with_below = node.level == Level.BUILDING_GROUP.value
    statement = MEMBERS_AT_AND_BELOW if with_below else MEMBERS_AT
    with session.no_autoflush:  # to write each ticket before the next is placed costs the most
        members = session.execute(statement, {"node": node.id}).all()
    load, assigned = _unwritten(session)
    later = _from_opening(members, ticket, at)
    return tuple(
        Candidate(
            id=m.id,
            name=m.name,
            role=Role(m.role),
            level=_level(m.node_level),
            node_name=m.node_name,
            skills=frozenset(m.skills),
            capacity=m.capacity,
            load=float(m.load) + load[m.id],
            on_duty=dispatch.on_duty(m.duty, m.leave, at) or m.id in later,
            from_opening=later.get(m.id),
            last_assigned_at=assigned.get(m.id, m.last_assigned_at),
            # In a dispute a neighbour of the same building is too close to judge it.
            is_party=is_party(m, ticket),
            returned=m.id in history["returned"],
            knows_case=m.id in history["knows"],
        )
        for m in members
    )


def _unwritten(session: Session) -> tuple[dict[int | None, float], dict[int, dt.datetime]]:
    """What this session knows and the database does not: added load, and when last assigned."""
    load: dict[int | None, float] = defaultdict(float)
    assigned = {}
    for changed in session.dirty:
        if isinstance(changed, Member):
            assigned[changed.id] = changed.last_assigned_at
        elif isinstance(changed, Ticket):
            for sign, (owner, weight) in ((-1, _written(changed)), (1, _desk(changed))):
                load[owner] += sign * weight
    for made in session.new:
        if isinstance(made, Ticket):
            owner, weight = _desk(made)
            load[owner] += weight
    return load, assigned


def _desk(ticket: Ticket) -> tuple[int | None, float]:
    """On whose desk the ticket is, and with what weight."""
    return ticket.assignee_id, dispatch.weight(Status(ticket.status), ticket.clock_class)


def _written(ticket: Ticket) -> tuple[int | None, float]:
    """`_desk` as the database still has it."""
    now = inspect(ticket).attrs
    owner, status, kind = (
        (attribute.history.deleted or [attribute.value])[0]
        for attribute in (now.assignee_id, now.status, now.clock_class)
    )
    return owner, dispatch.weight(Status(status), kind)


def _from_opening(
    members: Sequence[Any], ticket: Ticket, at: dt.datetime
) -> dict[int, dt.datetime]:
    """Members off duty now who are there when the ticket's office-hours clock starts to run.

    Without them every matter filed at night would land on the street's desk, far from home.
    """
    if sla.CLOCKS[ticket.clock_class].all_hours or CALENDAR.is_open(at):
        return {}
    opens = CALENDAR.opening(at)
    return {
        m.id: opens
        for m in members
        if not dispatch.on_duty(m.duty, m.leave, at) and dispatch.on_duty(m.duty, m.leave, opens)
    }


def rungs(
    session: Session, ticket: Ticket, start: Level, at: dt.datetime, suggested: int | None = None
) -> Iterator[Rung]:
    """Levels from `start` to the street that exist above the ticket's place.

    `suggested` was named by the one who gave the ticket back, and counts as knowing the case.
    """
    base = ticket.building.node_id if ticket.building else ticket.origin.id
    history = _history(ticket, suggested)
    for node in ancestors(session, base):
        level = level_of(node)
        if rank(level) < rank(start):
            continue
        yield Rung(level, node.id, node.name, candidates(session, node, ticket, at, history))


def start_level(item_level: str, urgency: str) -> Level:
    """Urgent matters start at the grid or higher."""
    level = Level(item_level)
    return level if urgency == "normal" else max(level, Level.GRID, key=LEVELS.index)


def choose(
    session: Session, ticket: Ticket, start: Level, at: dt.datetime, suggested: int | None = None
) -> Decision:
    """Who would get the ticket; nothing is written."""
    need = Need(ticket.item.skill, ticket.urgency)
    return dispatch.decide(need, rungs(session, ticket, start, at, suggested))


def assign(
    session: Session, ticket: Ticket, start: Level, at: dt.datetime, suggested: int | None = None
) -> Decision:
    """Choose an assignee from `start` upwards and put the ticket on that desk."""
    decision = choose(session, ticket, start, at, suggested)
    place(
        session,
        ticket,
        decision.member.id,
        decision.node_id,
        decision.level,
        decision.reason,
        at,
        rejected=[{"name": n, "reason": r} for n, r in decision.rejected],
    )
    return decision


def place(
    session: Session,
    ticket: Ticket,
    member_id: int,
    node_id: int,
    level: Level,
    reason: str,
    at: dt.datetime,
    *,
    rejected: list[dict[str, str]] | None = None,
) -> None:
    """Put the ticket before `member_id`, record why, and tell the member."""
    with session.no_autoflush:
        member = session.get(Member, member_id, options=[joinedload(Member.node)])
    ticket.assignee, ticket.assignee_id = member, member_id
    ticket.node_id, ticket.level = node_id, level.value
    ticket.status = Status.DISPATCHED.value
    ticket.dispatched_at = at
    ticket.accept_due = sla.accept_by(ticket.clock_class, level, at, CALENDAR)
    ticket.next_check_at = ticket.accept_due
    member.last_assigned_at = at
    row = Assignment(
        member_id=member_id,
        level=level.value,
        reason=reason,
        rejected=rejected or [],
        assigned_at=at,
    )
    ticket.assignments.append(row)
    outbox.put(
        session,
        to="member",
        recipient_id=member_id,
        kind="task_card",
        payload={"text": wording.task(ticket, reason), "number": ticket.number},
        dedup_key=f"task:{ticket.id}:{len(ticket.assignments)}",
        at=at,
        ticket_id=ticket.id,
    )


def end_assignment(ticket: Ticket, outcome: str, at: dt.datetime) -> None:
    """Close the current assignment row with its outcome."""
    for row in reversed(ticket.assignments):
        if row.ended_at is None:
            row.ended_at, row.outcome = at, outcome
            return
