"""Which appeals wait for a member's decision, as a WHERE clause."""

from __future__ import annotations

from sqlalchemy import and_, exists, false, func, or_, select
from sqlalchemy.orm import aliased, sessionmaker
from sqlalchemy.sql import ColumnElement

from bot.domain.levels import LEAD_ROLES, Role
from bot.domain.status import Step
from bot.store.models import Member, OrgNode, Ticket, TicketEvent
from bot.store.scope import visible_to


def to_decide(member: Member) -> ColumnElement:
    """Open appeals about tickets below a lead (at the street: also there), declined by others."""
    if Role(member.role) not in LEAD_ROLES:
        return false()
    node = aliased(OrgNode)
    above = exists(
        select(node.id).where(
            node.id == Ticket.node_id,
            node.path.startswith(member.node.path),
            or_(node.id != member.node_id, node.parent_id.is_(None)),
        )
    )
    declined_by = (
        select(TicketEvent.actor_id)
        .where(
            TicketEvent.ticket_id == Ticket.id,
            TicketEvent.kind.in_([Step.REJECT.value, Step.MARK_DUPLICATE.value]),
        )
        .order_by(TicketEvent.id.desc())
        .limit(1)
        .correlate(Ticket)
        .scalar_subquery()
    )
    return and_(
        Ticket.appeal == "open",
        visible_to(member),
        above,
        func.coalesce(declined_by, 0) != member.id,
    )


def count(factory: sessionmaker, member_id: int) -> int:
    """How many appeals wait for this member."""
    with factory() as session:
        member = session.get(Member, member_id)
        return session.scalar(select(func.count(Ticket.id)).where(to_decide(member))) or 0
