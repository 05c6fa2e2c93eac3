"""Who decides an appeal, as a WHERE clause: the queue, the page and the step all ask here."""

from __future__ import annotations

from sqlalchemy import and_, exists, false, func, or_, select
from sqlalchemy.orm import Session, aliased, sessionmaker
from sqlalchemy.sql import ColumnElement

from bot.domain.levels import LEAD_ROLES, Role
from bot.domain.status import Step
from bot.store.models import Member, OrgNode, Ticket, TicketEvent
from bot.store.scope import visible_to

DECLINED = (Step.REJECT.value, Step.MARK_DUPLICATE.value)


def to_decide(member: Member) -> ColumnElement:
    """Open appeals that wait for a member.

    A lead above where the ticket stands (at the street: there), who stands no lower than the one
    who declined it, and is somebody else.
    """
    if Role(member.role) not in LEAD_ROLES:
        return false()
    node, other, its_node = aliased(OrgNode), aliased(Member), aliased(OrgNode)
    above = exists(
        select(node.id).where(
            node.id == Ticket.node_id,
            node.path.startswith(member.node.path),
            or_(node.id != member.node_id, node.parent_id.is_(None)),
        )
    )
    declined_by = (
        select(TicketEvent.actor_id)
        .where(TicketEvent.ticket_id == Ticket.id, TicketEvent.kind.in_(DECLINED))
        .order_by(TicketEvent.id.desc())
        .limit(1)
        .correlate(Ticket)
        .scalar_subquery()
    )
    no_lower = exists(
        select(other.id)
        .join(its_node, its_node.id == other.node_id)
        .where(
            other.id == declined_by,
            other.id != member.id,
            its_node.path.startswith(member.node.path),
        )
    )
    return and_(Ticket.appeal == "open", visible_to(member), above, no_lower)


def decides(session: Session, ticket: Ticket, member: Member) -> bool:
    """Whether the appeal about this ticket waits for this member."""
    query = select(Ticket.id).where(Ticket.id == ticket.id, to_decide(member))
    return session.scalar(query) is not None


def count(factory: sessionmaker, member_id: int) -> int:
    """How many appeals wait for this member."""
    with factory() as session:
        member = session.get(Member, member_id)
        return session.scalar(select(func.count(Ticket.id)).where(to_decide(member))) or 0
