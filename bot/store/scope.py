"""Who may see which ticket, as a WHERE clause."""

from __future__ import annotations

from sqlalchemy import and_, exists, or_, select
from sqlalchemy.orm import aliased
from sqlalchemy.sql import ColumnElement

from bot.domain.levels import LEAD_ROLES, Role
from bot.store.models import Assignment, Member, OrgNode, Ticket
from bot.store.models_life import CoTask


def visible_to(member: Member) -> ColumnElement:
    """Tickets that a member may see.

    Everyone: what they have, answer for, co-handle, or filed for someone, and what was once
    assigned to them unless it is private. Leads: all that arose or stands below their node;
    private tickets only while they stand at most one level below it.
    """
    was_assigned = exists(
        select(Assignment.id).where(
            Assignment.ticket_id == Ticket.id, Assignment.member_id == member.id
        )
    )
    co_handles = exists(
        select(CoTask.id).where(CoTask.ticket_id == Ticket.id, CoTask.member_id == member.id)
    )
    mine = or_(
        Ticket.assignee_id == member.id,
        Ticket.first_owner_id == member.id,
        Ticket.co_owner_id == member.id,
        Ticket.filed_by_id == member.id,
        co_handles,
        and_(Ticket.private.is_(False), was_assigned),
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
