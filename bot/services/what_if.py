"""「如果…会派给谁」: a dry run of dispatch for dispatchers. Nothing is written."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from sqlalchemy.orm import Session, sessionmaker

from bot.domain.errors import NotAllowed, NotFound
from bot.domain.levels import DISPATCH_ROLES, LEVEL_NAMES, Role
from bot.services import dispatching, wording
from bot.store.models import Building, Member, ServiceItem, Ticket


@dataclass(frozen=True)
class Preview:
    """Who would get it, at which level, why, and why not the others."""

    who: str
    level_name: str
    reason: str
    rejected: tuple[tuple[str, str], ...]


def what_if(
    factory: sessionmaker,
    member_id: int,
    item_key: str,
    building_id: int | None,
    at: dt.datetime,
    *,
    urgency: str | None = None,
) -> Preview:
    """Dispatch an imagined ticket at the moment `at`. Raises NotAllowed and NotFound."""
    with factory() as session:
        member = session.get(Member, member_id)
        if member is None or Role(member.role) not in DISPATCH_ROLES:
            raise NotAllowed()
        ticket = _imagined(session, member, item_key, building_id, urgency)
        start = dispatching.start_level(ticket.item.start_level, ticket.urgency)
        with session.no_autoflush:
            decision = dispatching.choose(session, ticket, start, at)
        chosen = session.get(Member, decision.member.id)
        return Preview(
            wording.who(chosen), LEVEL_NAMES[decision.level], decision.reason, decision.rejected
        )


def _imagined(
    session: Session, member: Member, item_key: str, building_id: int | None, urgency: str | None
) -> Ticket:
    item = session.get(ServiceItem, item_key)
    building = session.get(Building, building_id) if building_id else None
    if item is None or (building_id and building is None):
        raise NotFound("没有这个事项或这栋楼。")
    # Who is busy or off duty elsewhere is not this member's business.
    if building is not None and not building.node.path.startswith(member.node.path):
        raise NotFound("这栋楼不在您的辖区。")
    urgency = urgency or item.urgency
    return Ticket(
        item=item,
        building=building,
        building_id=building_id,
        origin=dispatching.origin(session, building),
        urgency=urgency,
        clock_class="danger" if urgency == "danger" else item.clock_class,
        private=item.private,
    )
