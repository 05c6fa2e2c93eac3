"""What a form at the desk lets one choose from: service items by words, buildings of an area."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import sessionmaker

from bot.domain.catalogue import CATEGORY_NAMES
from bot.store.models import Building, OrgNode, ServiceItem


def find_items(factory: sessionmaker, words: str = "") -> list[tuple[str, str, str]]:
    """(key, category, name) of service items that the words may mean; without words, of all."""
    order = list(CATEGORY_NAMES)
    with factory() as session:
        rows = session.scalars(select(ServiceItem).where(ServiceItem.active)).all()
    rows.sort(key=lambda i: (order.index(i.category) if i.category in order else 99, i.key))
    said = words.strip()
    named = [i for i in rows if said in i.name or any(said in word for word in i.words)]
    meant = named or [i for i in rows if any(word in said for word in i.words)]
    return [(i.key, i.category, i.name) for i in meant]


def buildings_below(factory: sessionmaker, path: str) -> list[tuple[str, list[tuple[int, str]]]]:
    """Estates with their active buildings (id, name) below an organisation node."""
    found: dict[str, list[tuple[int, str]]] = {}
    with factory() as session:
        rows = session.scalars(
            select(Building)
            .join(OrgNode, Building.node_id == OrgNode.id)
            .where(Building.active, OrgNode.path.like(f"{path}%"))
            .order_by(Building.id)
        )
        for building in rows:
            found.setdefault(building.estate, []).append((building.id, building.name))
    return list(found.items())
