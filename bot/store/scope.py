"""Who may see which ticket, as a WHERE clause."""

from __future__ import annotations

from sqlalchemy import and_, exists, or_, select
from sqlalchemy.orm import aliased
from sqlalchemy.sql import ColumnElement

from bot.domain.levels import LEAD_ROLES, Role
from bot.store.models import Assignment, Member, OrgNode, Ticket


def visible_to(member: Member) -> ColumnElement:
    """Tickets that a member may see.

    Everyone: what is or was assigned to them, and what they filed for someone. Leads: all that
    arose or stands below their node; private tickets only while they stand at most one level
    below it.
    """
    mine = or_(
        Ticket.assignee_id == member.id,
        Ticket.filed_by_id == member.id,
        exists(
            select(Assignment.id).where(
                Assignment.ticket_id == Ticket.id, Assignment.member_id == member.id
            )
        ),
    )
    if Role(member.role) not in LEAD_ROLES:
        return mine
    node = aliased(OrgNode)
    below = exists(
        select(node.id).where(
            or_(node.id == Ticket.origin_id, node.id == Ticket.node_id),
            node.path.like(f"{member.node.path}%"),
        )
    )
    near = exists(
        select(node.id).where(
            node.id == Ticket.node_id,
            or_(node.id == member.node_id, node.parent_id == member.node_id),
        )
    )
    return or_(mine, and_(Ticket.private.is_(False), below), and_(Ticket.private, near))
