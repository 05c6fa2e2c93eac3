"""Who looks after a building: what hangs on the notice board at its door."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from bot.domain.levels import Role, standing
from bot.store.models import Building, Member, OrgNode

# From the door upwards.
KEEPERS = (Role.BUILDING_HEAD, Role.GRID_MEMBER, Role.GRID_LEAD, Role.COMMUNITY_SECRETARY)


@dataclass(frozen=True)
class Keeper:
    """One of the staff, as residents may know them."""

    who: str  # 「青禾一网格网格员王芳」
    phone: str


def keepers(factory: sessionmaker, building_id: int) -> list[Keeper]:
    """The building's head, grid members, grid lead and community secretary, nearest first."""
    with factory() as session:
        building = session.get(Building, building_id)
        if building is None:
            return []
        rows = sorted(
            _members(session, building), key=lambda m: (KEEPERS.index(Role(m.role)), m.id)
        )
        return [Keeper(standing(m.node.name, Role(m.role)) + m.name, m.phone or "") for m in rows]


def _members(session: Session, building: Building) -> list[Member]:
    above = [int(part) for part in building.node.path.split("/") if part]
    query = (
        select(Member)
        .join(OrgNode, Member.node_id == OrgNode.id)
        .where(OrgNode.id.in_(above), Member.active)
        .where(Member.role.in_([role.value for role in KEEPERS]))
    )
    return list(session.scalars(query))
