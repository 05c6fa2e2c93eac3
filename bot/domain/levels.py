"""The five levels of the organisation tree and the roles at its nodes."""

from __future__ import annotations

from enum import Enum


class Level(str, Enum):
    """Where a ticket or a member stands, from nearest to farthest."""

    HOUSEHOLD_CENTRE = "household_centre"
    BUILDING_GROUP = "building_group"
    GRID = "grid"
    COMMUNITY = "community"
    STREET = "street"


LEVELS = tuple(Level)

LEVEL_NAMES = {
    Level.HOUSEHOLD_CENTRE: "党员中心户",
    Level.BUILDING_GROUP: "楼栋党小组",
    Level.GRID: "网格党支部",
    Level.COMMUNITY: "社区党委",
    Level.STREET: "街道党工委",
}


def above(level: Level) -> Level | None:
    """The level one up that takes tickets, or None at the street."""
    if level is Level.STREET:
        return None
    return LEVELS[LEVELS.index(level) + 1]


def rank(level: Level) -> int:
    """0 for the nearest level, 4 for the street."""
    return LEVELS.index(level)


class Role(str, Enum):
    """What a member is."""

    STREET_SECRETARY = "street_secretary"
    STREET_DESK = "street_desk"
    COMMUNITY_SECRETARY = "community_secretary"
    DISPATCHER = "dispatcher"
    GRID_LEAD = "grid_lead"
    GRID_MEMBER = "grid_member"
    BUILDING_HEAD = "building_head"
    PARTY_HOUSEHOLD = "party_household"
    DEPARTMENT_STAFF = "department_staff"


ROLE_NAMES = {
    Role.STREET_SECRETARY: "街道党工委书记",
    Role.STREET_DESK: "街道值班台",
    Role.COMMUNITY_SECRETARY: "社区党委书记",
    Role.DISPATCHER: "社区调度员",
    Role.GRID_LEAD: "网格党支部书记",
    Role.GRID_MEMBER: "网格员",
    Role.BUILDING_HEAD: "楼栋长",
    Role.PARTY_HOUSEHOLD: "党员中心户",
    Role.DEPARTMENT_STAFF: "职能部门",
}


def standing(node_name: str, role: Role) -> str:
    """Node and role in one breath: 「杏林社区」+「社区调度员」 is 「杏林社区调度员」."""
    name = ROLE_NAMES[role]
    # At least three characters of the role stay: 「第一网格网格员」 is what people say.
    overlap = next((n for n in range(len(name) - 3, 0, -1) if node_name.endswith(name[:n])), 0)
    return node_name + name[overlap:]


# Roles that see and move every (non-private) ticket below their node.
LEAD_ROLES = frozenset(
    {
        Role.STREET_SECRETARY,
        Role.STREET_DESK,
        Role.COMMUNITY_SECRETARY,
        Role.DISPATCHER,
        Role.GRID_LEAD,
    }
)
DISPATCH_ROLES = frozenset(
    {Role.STREET_SECRETARY, Role.STREET_DESK, Role.COMMUNITY_SECRETARY, Role.DISPATCHER}
)
