"""Which utterances a member may review, as part of the query."""

from __future__ import annotations

from typing import Any

from sqlalchemy import and_, exists, or_, select
from sqlalchemy.sql import ColumnElement

from bot.services.members import Staff
from bot.store.models import Building, OrgNode, Resident, Ticket, Utterance


def utterances_for(staff: Staff) -> Any:
    """A SELECT of the utterances in a member's area."""
    return select(Utterance).where(within(staff))


def within(staff: Staff) -> ColumnElement:
    """Messages of the member's residents, and of residents whose home is not known.

    A message whose ticket is private and lies outside the member's own node and the one below is
    not found: the same rule as for the ticket itself.
    """
    home = (
        select(Resident.id)
        .join(Building, Resident.building_id == Building.id)
        .join(OrgNode, Building.node_id == OrgNode.id)
        .where(Resident.id == Utterance.resident_id)
    )
    near = exists(home.where(OrgNode.path.like(f"{staff.node_path}%")))
    homeless = ~exists(home)
    private = (
        select(Ticket.id)
        .join(OrgNode, Ticket.node_id == OrgNode.id)
        .where(Ticket.id == Utterance.ticket_id, Ticket.private)
    )
    close = or_(OrgNode.id == staff.node_id, OrgNode.parent_id == staff.node_id)
    return and_(or_(near, homeless), or_(~exists(private), exists(private.where(close))))
