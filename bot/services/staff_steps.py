"""Steps that staff take on a ticket; each public function is one transaction.

They take `member_id` and the `version` the person saw (None skips the check). A ticket outside
the member's scope is NotFound, as if it did not exist.
"""

from __future__ import annotations

import datetime as dt

from sqlalchemy import or_, select
from sqlalchemy.orm import Session, sessionmaker

from bot.domain import sla
from bot.domain.errors import BadInput, Conflict, NotFound, WrongState
from bot.domain.levels import DISPATCH_ROLES, Level
from bot.domain.status import Status, Step
from bot.services import dispatching, outbox, wording
from bot.services.clock import CALENDAR
from bot.services.events import record
from bot.services.lifecycle import (
    actors,
    clean,
    move,
    next_mark,
    notice,
    raise_level,
    staff_ticket,
    step,
)
from bot.services.suspension import resume, suspend
from bot.services.whistle import open_tasks
from bot.store.models import Attachment, Member, OrgNode, Ticket, TicketEvent

__all__ = [
    "accept",
    "add_note",
    "contact",
    "dispatch_to",
    "escalate",
    "reject",
    "resolve",
    "resume",
    "return_ticket",
    "suspend",
    "transfer",
]


def same_version(ticket: Ticket, version: int | None) -> None:
    """The person must have seen what they act on."""
    if version is not None and version != ticket.version:
        raise Conflict()


def accept(
    factory: sessionmaker, number: str, member_id: int, now: dt.datetime, version: int | None = None
) -> int:
    """Take the task. Of two, the second gets AlreadyTaken. Returns the new version."""
    with step(factory) as session:
        ticket, member = staff_ticket(session, number, member_id)
        as_ = actors(session, ticket, member)
        event = move(session, ticket, Step.ACCEPT, as_, ("member", member_id), now)
        ticket.accepted_at = ticket.accepted_at or now
        ticket.first_owner_id = ticket.first_owner_id or member_id
        ticket.next_check_at = next_mark(ticket, now)
        dispatching.end_assignment(ticket, "accepted", now)
        notice(session, ticket, event, wording.accepted(ticket), now)
        session.flush()
        return int(ticket.version)


def contact(
    factory: sessionmaker,
    number: str,
    member_id: int,
    note: str,
    now: dt.datetime,
    version: int | None = None,
) -> int:
    """Record contact with the resident; the first one starts the work."""
    with step(factory) as session:
        ticket, member = staff_ticket(session, number, member_id)
        same_version(ticket, version)
        note = clean(note)
        first = ticket.contacted_at is None or ticket.status == Status.REOPENED.value
        as_ = actors(session, ticket, member)
        event = move(session, ticket, Step.CONTACT, as_, ("member", member_id), now, note)
        ticket.contacted_at = ticket.contacted_at or now
        ticket.next_check_at = next_mark(ticket, now)
        if first:
            notice(session, ticket, event, wording.contacted(ticket, note), now)
        session.flush()
        return int(ticket.version)


def add_note(
    factory: sessionmaker,
    number: str,
    member_id: int,
    note: str,
    now: dt.datetime,
    attachments: tuple[str, ...] = (),
) -> None:
    """Write down progress, words or photos; staff only, not sent to the resident."""
    with step(factory) as session:
        ticket, member = staff_ticket(session, number, member_id)
        note = clean(note, need=None if attachments else "请写几句话，或附一张照片。")
        as_ = actors(session, ticket, member)
        event = move(session, ticket, Step.NOTE, as_, ("member", member_id), now, note)
        _attach_member(session, ticket, event, member_id, attachments)


def return_ticket(
    factory: sessionmaker,
    number: str,
    member_id: int,
    reason: str,
    now: dt.datetime,
    *,
    suggest: str = "",
    version: int | None = None,
) -> None:
    """Give a task back within 4 working hours; it goes on to the next able person.

    A second return locks it: from then on only the community's dispatcher may dispatch it.
    """
    with step(factory) as session:
        ticket, member = staff_ticket(session, number, member_id)
        same_version(ticket, version)
        reason = clean(reason, need="退单请写明原因。")
        if now > sla.RETURN_WINDOW.after(ticket.dispatched_at, CALENDAR):
            raise WrongState("派单超过4个工作小时，不能再退单，可以上报。")
        as_ = actors(session, ticket, member)
        data = {"suggest": suggest.strip()[:100]}
        move(session, ticket, Step.RETURN, as_, ("member", member_id), now, reason, data)
        dispatching.end_assignment(ticket, "returned", now)
        ticket.return_count += 1
        level = Level(ticket.level)
        if ticket.return_count >= 2:
            _lock(session, ticket, now)
        else:
            _redispatch(session, ticket, level, now, _suggested(session, suggest))


def _suggested(session: Session, words: str) -> int | None:
    """The member whom the returner named, by log-in name or unique name."""
    words = words.strip()
    found = session.scalars(
        select(Member.id).where(Member.active, or_(Member.key == words, Member.name == words))
    ).all()
    return found[0] if len(found) == 1 else None


def _lock(session: Session, ticket: Ticket, now: dt.datetime) -> None:
    ticket.locked, ticket.assignee = True, None
    ticket.next_check_at = sla.LADDER[Level.COMMUNITY].after(now, CALENDAR)
    nodes = [n for n in dispatching.ancestors(session, ticket.node_id) if n.level == "community"]
    node = nodes[0] if nodes else dispatching.street(session)
    ticket.node_id, ticket.level = node.id, node.level
    for member in session.scalars(
        select(Member).where(
            Member.node_id == node.id,
            Member.active,
            Member.role.in_([r.value for r in DISPATCH_ROLES]),
        )
    ):
        outbox.put(
            session,
            to="member",
            recipient_id=member.id,
            kind="alert",
            payload={
                "text": f"工单{ticket.number}「{wording.title(ticket)}」已两次退单，请人工派单。",
                "number": ticket.number,
            },
            dedup_key=f"locked:{ticket.id}:{ticket.return_count}:{member.id}",
            at=now,
            ticket_id=ticket.id,
        )


def _redispatch(
    session: Session, ticket: Ticket, start: Level, now: dt.datetime, suggested: int | None
) -> None:
    before = Status(ticket.status)
    decision = dispatching.assign(session, ticket, start, now, suggested)
    event = record(
        session,
        ticket,
        Step.DISPATCH,
        "system",
        None,
        now,
        from_status=before,
        to_status=Status.DISPATCHED,
        note=decision.reason,
    )
    notice(session, ticket, event, wording.dispatched(ticket), now)


def dispatch_to(
    factory: sessionmaker,
    number: str,
    member_id: int,
    assignee_key: str,
    now: dt.datetime,
    note: str = "",
) -> None:
    """A dispatcher gives the ticket to a named member."""
    with step(factory) as session:
        ticket, member = staff_ticket(session, number, member_id)
        target = _target(session, assignee_key, member, ticket)
        as_ = actors(session, ticket, member)
        why = clean(note) or "调度员人工派单"
        event = move(session, ticket, Step.DISPATCH, as_, ("member", member_id), now, why)
        dispatching.end_assignment(ticket, "transferred", now)
        ticket.locked = False
        _not_a_party(target, ticket)
        _hand_over(session, ticket, target, f"{member.name}派单：{why}", now)
        notice(session, ticket, event, wording.dispatched(ticket), now)


def _target(session: Session, key: str, by: Member, ticket: Ticket) -> Member:
    """An active member whom `by` may hand a ticket to, and whose area the ticket arose in."""
    target = session.scalar(select(Member).where(Member.key == key, Member.active))
    if target is None:
        raise NotFound("没有找到这位工作人员。")
    reach = _community_path(session, by.node) or by.node.path
    if by.node.level != "street" and not target.node.path.startswith(reach):
        raise NotFound("没有找到这位工作人员。")
    area = _community_path(session, ticket.origin)
    if _community_path(session, target.node) and area and not target.node.path.startswith(area):
        raise BadInput(f"{target.name}不在这张工单的社区，请换一位。")
    return target


def _community_path(session: Session, node: OrgNode) -> str | None:
    """Path of the community in or above a node; None at the street and in departments."""
    above = dispatching.ancestors(session, node.id)
    return next((n.path for n in above if n.level == Level.COMMUNITY.value), None)


def _not_a_party(target: Member, ticket: Ticket) -> None:
    if dispatching.is_party(target, ticket):
        raise BadInput(f"{target.name}是当事人或同楼邻居，需要回避，请换一位。")


def _hand_over(
    session: Session, ticket: Ticket, target: Member, reason: str, now: dt.datetime
) -> None:
    level = dispatching.level_of(target.node)
    dispatching.place(session, ticket, target.id, target.node_id, level, reason, now)


def transfer(
    factory: sessionmaker,
    number: str,
    member_id: int,
    assignee_key: str,
    note: str,
    now: dt.datetime,
    version: int | None = None,
) -> None:
    """Hand an accepted ticket to someone who must accept; the first owner stays answerable."""
    with step(factory) as session:
        ticket, member = staff_ticket(session, number, member_id)
        same_version(ticket, version)
        note = clean(note, need="转派请写明原因。")
        target = _target(session, assignee_key, member, ticket)
        if target.id == ticket.assignee_id:
            raise BadInput("已经在这位同志手上了。")
        _not_a_party(target, ticket)
        as_ = actors(session, ticket, member)
        event = move(session, ticket, Step.TRANSFER, as_, ("member", member_id), now, note)
        _hand_over(session, ticket, target, f"{member.name}转派：{note}", now)
        notice(session, ticket, event, wording.dispatched(ticket), now)


def escalate(
    factory: sessionmaker,
    number: str,
    member_id: int,
    note: str,
    now: dt.datetime,
    version: int | None = None,
) -> None:
    """The assignee sends the ticket one level up."""
    with step(factory) as session:
        ticket, member = staff_ticket(session, number, member_id)
        same_version(ticket, version)
        note = clean(note, need="上报请写明原因。")
        as_ = actors(session, ticket, member)
        raise_level(session, ticket, as_, ("member", member_id), now, note)


def resolve(
    factory: sessionmaker,
    number: str,
    member_id: int,
    what_was_done: str,
    now: dt.datetime,
    attachments: tuple[str, ...] = (),
    version: int | None = None,
) -> None:
    """Finish the work, with what was done; the resident is asked to rate."""
    with step(factory) as session:
        ticket, member = staff_ticket(session, number, member_id)
        same_version(ticket, version)
        note = clean(what_was_done, need="办结请写明做了什么。")
        waiting = [task.department.name for task in open_tasks(session, ticket)]
        if waiting:
            raise WrongState(f"会办单位还没有完成：{'、'.join(waiting)}。")
        as_ = actors(session, ticket, member)
        event = move(session, ticket, Step.RESOLVE, as_, ("member", member_id), now, note)
        _attach_member(session, ticket, event, member_id, attachments)
        ticket.resolved_at, ticket.resolution = now, note
        # A rating of an earlier round stays in its event; this round has none yet.
        ticket.stars = ticket.solved = ticket.rating_words = ticket.rated_at = None
        ticket.next_check_at = now + sla.SILENCE
        dispatching.end_assignment(ticket, "done", now)
        photos = list(attachments)
        notice(session, ticket, event, wording.resolved(ticket), now, rate=True, images=photos)


def _attach_member(
    session: Session, ticket: Ticket, event: TicketEvent, member_id: int, tokens: tuple[str, ...]
) -> None:
    session.flush()  # the event needs its id
    for row in session.scalars(
        select(Attachment).where(
            Attachment.token.in_(tokens),
            Attachment.member_id == member_id,
            Attachment.ticket_id.is_(None),
        )
    ):
        row.ticket_id, row.event_id = ticket.id, event.id


def reject(factory: sessionmaker, number: str, member_id: int, why: str, now: dt.datetime) -> None:
    """A dispatcher declines the matter, with a reason that the resident reads."""
    with step(factory) as session:
        ticket, member = staff_ticket(session, number, member_id)
        why = clean(why, need="不予受理必须写明原因。")
        as_ = actors(session, ticket, member)
        event = move(session, ticket, Step.REJECT, as_, ("member", member_id), now, why)
        dispatching.end_assignment(ticket, "done", now)
        ticket.closed_at, ticket.next_check_at = now, None
        notice(session, ticket, event, wording.rejected(ticket, why), now, appeal="不同意，申诉")
