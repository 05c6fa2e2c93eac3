"""Bring community.yml into the database: upsert by key, deactivate what is no longer there."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from typing import Any

from argon2 import PasswordHasher
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from bot.community.schema import Community, Department, Key, Node, times
from bot.domain.levels import rank
from bot.domain.status import OPEN
from bot.store.models import Building, Member, OrgNode, ServiceItem, Ticket

DEPARTMENT_LEVEL = "department"


@dataclass(frozen=True)
class SyncReport:
    """What a sync did, and which deactivated members still hold open tickets."""

    created: int
    updated: int
    deactivated: int
    unchanged: int
    stranded: tuple[str, ...] = ()

    def __str__(self) -> str:
        counts = (
            f"新增 {self.created}，更新 {self.updated}，"
            f"停用 {self.deactivated}，不变 {self.unchanged}"
        )
        if not self.stranded:
            return counts
        return f"{counts}\n停用的成员手上还有未办结工单，请调度员改派：{'、'.join(self.stranded)}"


def sync(factory: sessionmaker, community: Community) -> SyncReport:
    """Make the database say what `community` says, in one transaction; safe to repeat."""
    tally: Counter[str] = Counter()
    with factory.begin() as session:
        nodes = _nodes(_Table(session, OrgNode, tally), community)
        buildings = _buildings(_Table(session, Building, tally), community, nodes)
        _members(_Table(session, Member, tally), community, nodes, buildings)
        _items(_Table(session, ServiceItem, tally), community, nodes)
        session.flush()
        stranded = _stranded(session)
    return SyncReport(
        tally["created"], tally["updated"], tally["deactivated"], tally["unchanged"], stranded
    )


class _Table:
    """The rows of one table by key, and which of them the file still names."""

    def __init__(self, session: Session, model: Any, tally: Counter[str]) -> None:
        self.session, self.model, self.tally = session, model, tally
        self.rows = {row.key: row for row in session.scalars(select(model))}
        self.seen: set[str] = set()

    def put(self, key: str, **values: Any) -> Any:
        """Create the row, or change what differs; either way it is active afterwards."""
        self.seen.add(key)
        values["active"] = True
        row = self.rows.get(key)
        if row is None:
            row = self.rows[key] = self.model(key=key, **values)
            self.session.add(row)
            self.session.flush()
            self.tally["created"] += 1
            return row
        changed = {name: new for name, new in values.items() if getattr(row, name) != new}
        for name, new in changed.items():
            setattr(row, name, new)
        self.tally["updated" if changed else "unchanged"] += 1
        return row

    def deactivate_rest(self) -> list[Any]:
        """Rows that the file no longer names: kept, because tickets point at them."""
        gone = [row for key, row in self.rows.items() if key not in self.seen and row.active]
        for row in gone:
            row.active = False
        self.tally["deactivated"] += len(gone)
        return gone


def _nodes(table: _Table, community: Community) -> dict[str, OrgNode]:
    """Organisation nodes from the street down, then departments, which stand under the street."""
    ordered = sorted(community.nodes, key=lambda node: -rank(node.level))
    for node in ordered:
        _node(table, node, node.level.value, table.rows[node.parent] if node.parent else None)
    street = table.rows[ordered[0].key]
    for department in community.departments:
        _node(table, department, DEPARTMENT_LEVEL, street)
    table.deactivate_rest()
    return table.rows


def _node(table: _Table, node: Node | Department, level: str, parent: OrgNode | None) -> None:
    row = table.put(
        node.key,
        level=level,
        name=node.name,
        parent_id=parent.id if parent else None,
        phone=node.phone,
        robot_key=_robot_key(node),
    )
    path = f"{parent.path if parent else '/'}{row.id}/"
    if row.path != path:
        row.path = path


def _robot_key(node: Node | Department) -> str | None:
    """The key of the group's robot: who has it can write to the group, so it is in no file."""
    variable = node.robot if isinstance(node, Node) else None
    return os.environ.get(variable) if variable else None


def _buildings(
    table: _Table, community: Community, nodes: dict[str, OrgNode]
) -> dict[str, Building]:
    for estate, building in community.buildings():
        table.put(
            building.key,
            estate=estate.name,
            name=building.name,
            # Other names of the estate too: residents say 「纺织大院3栋」.
            aliases=[*building.aliases, *estate.aliases],
            node_id=nodes[building.node].id,
            lat=building.lat,
            lon=building.lon,
        )
    table.deactivate_rest()
    return table.rows


def _members(
    table: _Table,
    community: Community,
    nodes: dict[str, OrgNode],
    buildings: dict[str, Building],
) -> None:
    for member in community.members:
        table.put(
            member.key,
            name=member.name,
            role=member.role.value,
            node_id=nodes[member.node or member.department or ""].id,
            phone=member.phone,
            skills=list(member.skills),
            duty=_duty(community, member.duty),
            capacity=member.capacity,
            building_id=buildings[member.home].id if member.home else None,
            wecom_userid=member.wecom,
        )
    for gone in table.deactivate_rest():
        gone.session_epoch += 1  # ends the log-ins of someone who left
    _sample_passwords(table, community)


def _duty(community: Community, shifts: list[Key]) -> list[dict[str, Any]]:
    """The named shifts as rows of days, start and end."""
    roster = []
    for name in shifts:
        shift = community.calendar.shifts[name]
        for span in shift.hours:
            start, end = times(span)
            roster.append({"days": sorted(shift.days), "start": start, "end": end})
    return roster


def _sample_passwords(table: _Table, community: Community) -> None:
    """Give the sample password to members who have none; a password once set is kept."""
    without = [table.rows[m.key] for m in community.members if not table.rows[m.key].password_hash]
    if community.sample_password is None or not without:
        return
    # One hash for all: the sample's password stands in the file, so a salt each hides nothing.
    shared = PasswordHasher().hash(community.sample_password)
    for row in without:
        row.password_hash = shared


def _items(table: _Table, community: Community, nodes: dict[str, OrgNode]) -> None:
    for category, item in community.service_items():
        table.put(
            f"{category.key}/{item.key}",
            category=category.key,
            name=item.name,
            skill=item.skill,
            start_level=item.start_level,
            clock_class=item.clock_class,
            urgency=item.urgency,
            department_id=nodes[item.department].id if item.department else None,
            private=item.private,
            answer=item.answer,
            words=list(item.words),
        )
    table.deactivate_rest()


def _stranded(session: Session) -> tuple[str, ...]:
    """Names of inactive members who still hold open tickets."""
    open_states = [status.value for status in OPEN]
    query = (
        select(Member.name)
        .join(Ticket, Ticket.assignee_id == Member.id)
        .where(Member.active.is_(False), Ticket.status.in_(open_states))
        .distinct()
        .order_by(Member.name)
    )
    return tuple(session.scalars(query))
