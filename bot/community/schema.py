"""The shape of community.yml as strict pydantic models; unknown fields are errors."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Literal

from pydantic import BaseModel, ConstrainedStr, Extra, Field, validator

from bot.domain.levels import Level, Role

ClockClass = Literal["danger", "utilities", "consultation", "normal", "complex", "dispute"]
StartLevel = Literal["building_group", "grid", "community", "street"]
Urgency = Literal["danger", "urgent", "normal"]
RelationKind = Literal["backup", "kin", "paired"]
FaqKind = Literal["hours", "place", "phone", "meeting"]

# Where each role stands in the tree; department staff stand outside it.
ROLE_LEVEL: dict[Role, Level] = {
    Role.STREET_SECRETARY: Level.STREET,
    Role.STREET_DESK: Level.STREET,
    Role.COMMUNITY_SECRETARY: Level.COMMUNITY,
    Role.DISPATCHER: Level.COMMUNITY,
    Role.GRID_LEAD: Level.GRID,
    Role.GRID_MEMBER: Level.GRID,
    Role.BUILDING_HEAD: Level.BUILDING_GROUP,
    Role.PARTY_HOUSEHOLD: Level.HOUSEHOLD_CENTRE,
}


class Key(ConstrainedStr):
    """A stable name used in code and database: lower-case pinyin or English."""

    regex = re.compile(r"^[a-z][a-z0-9_]*$")


class Text(ConstrainedStr):
    """People-facing words; never empty."""

    strip_whitespace = True
    min_length = 1


class Phone(ConstrainedStr):
    """A mobile or landline number in quotes, e.g. "19900000001" or "0990-1234567"."""

    regex = re.compile(r"^(1\d{10}|0\d{2,3}-?\d{7,8})$")


class WeComUser(ConstrainedStr):
    """A WeCom user id (企业微信账号); case does not matter."""

    regex = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}$")
    to_lower = True


class RobotVariable(ConstrainedStr):
    """Name of an environment variable, such as LINLI_ROBOT_QINGHE_1."""

    regex = re.compile(r"^LINLI_ROBOT_[A-Z0-9_]+$")


class Span(ConstrainedStr):
    """Two clock times, "09:00-12:00"; an end not after the start means the next day."""

    regex = re.compile(r"^([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d$")


def times(span: str) -> tuple[str, str]:
    """Start and end of a span as HH:MM."""
    start, _, end = span.partition("-")
    return start, end


class Strict(BaseModel):
    """Base of all sections: immutable, and a misspelt field is an error."""

    class Config:
        """Reject unknown fields; forbid changes."""

        extra = Extra.forbid
        allow_mutation = False


class Shift(Strict):
    """A named duty shift: days of the week (1 is Monday) and hours, nights included."""

    name: Text
    days: list[Literal[1, 2, 3, 4, 5, 6, 7]] = Field(..., min_items=1)
    hours: list[Span] = Field(..., min_items=1)


class Calendar(Strict):
    """Working hours and the days on which this street differs from the national calendar."""

    work_hours: list[Span] = Field(..., min_items=1)
    extra_holidays: list[dt.date] = []
    extra_workdays: list[dt.date] = []
    shifts: dict[Key, Shift]

    @validator("work_hours")
    def _ordered(cls, spans: list[Span]) -> list[Span]:
        """Working-time arithmetic needs spans in order, apart, and inside one day."""
        for span in spans:
            start, end = times(span)
            if start >= end:
                raise ValueError(f"办公时段「{span}」的结束要晚于开始")
        for before, after in pairwise(spans):
            if times(after)[0] < times(before)[1]:
                raise ValueError(f"办公时段「{before}」和「{after}」重叠或先后颠倒")
        return spans


class Department(Strict):
    """A government department which can be whistled in (吹哨报到)."""

    key: Key
    name: Text
    aliases: list[Text] = []
    phone: Phone
    hours: Text
    address: Text
    duties: Text


class Node(Strict):
    """One node of the five-level organisation tree."""

    key: Key
    name: Text
    level: Level
    parent: Key | None
    aliases: list[Text] = []
    address: Text | None
    phone: Phone | None
    # Name of the environment variable with the key of the group's robot (企业微信群机器人).
    robot: RobotVariable | None


class Building(Strict):
    """A building; `node` is the lowest organisation node that looks after it."""

    key: Key
    name: Text
    aliases: list[Text] = []
    node: Key
    units: int = Field(..., ge=1, le=30)
    floors: int = Field(..., ge=1, le=120)
    lat: float = Field(ge=-90, le=90)
    lon: float = Field(ge=-180, le=180)


class Estate(Strict):
    """A named residential estate (小区) with its buildings."""

    key: Key
    name: Text
    aliases: list[Text] = []
    address: Text
    buildings: list[Building] = Field(..., min_items=1)


class Member(Strict):
    """A person who can be given tickets: of an organisation node or of a department."""

    key: Key
    name: Text
    role: Role
    node: Key | None
    department: Key | None
    phone: Phone
    skills: list[Key] = []
    duty: list[Key] = Field(..., min_items=1)
    capacity: int = Field(..., ge=1, le=200)
    home: Key | None
    wecom: WeComUser | None


class Relationship(Strict):
    """A tie between members: backup (替班), kin (亲属, keep out of it), paired (结对)."""

    kind: RelationKind
    member: Key
    other: Key
    note: Text | None


class ServiceItem(Strict):
    """One item of the service catalogue (事项清单)."""

    key: Key
    name: Text
    skill: Key
    start_level: StartLevel
    clock_class: ClockClass
    department: Key | None
    private: bool = False
    urgency: Urgency = "normal"
    words: list[Text] = Field(..., min_items=3, max_items=8)
    answer: Text


class Category(Strict):
    """A matter intent and its service items; the key is Rasa's intent name."""

    key: Key
    name: Text
    items: list[ServiceItem] = Field(..., min_items=1)


class Faq(Strict):
    """An answer about offices, places, telephone numbers or meetings."""

    key: Key
    kind: FaqKind
    question: Text
    words: list[Text] = Field(..., min_items=1)
    answer: Text


class Community(Strict):
    """The whole of community.yml."""

    version: Literal[1]
    city: Text
    sample_password: Text | None
    calendar: Calendar
    skills: dict[Key, Text]
    volunteering: list[Key] = []
    departments: list[Department] = []
    nodes: list[Node] = Field(..., min_items=1)
    estates: list[Estate] = Field(..., min_items=1)
    members: list[Member] = Field(..., min_items=1)
    relationships: list[Relationship] = []
    categories: list[Category] = Field(..., min_items=1)
    faq: list[Faq] = []

    def volunteer_skills(self) -> dict[str, str]:
        """Skills that volunteers are asked for, key to name: all of them unless the file says."""
        keys = self.volunteering or list(self.skills)
        return {key: self.skills[key] for key in keys}

    def service_items(self) -> Iterator[tuple[Category, ServiceItem]]:
        """Each service item with its category, in file order."""
        for category in self.categories:
            for item in category.items:
                yield category, item

    def buildings(self) -> Iterator[tuple[Estate, Building]]:
        """Each building with its estate, in file order."""
        for estate in self.estates:
            for building in estate.buildings:
                yield estate, building

    def ancestors(self, key: str) -> list[Node]:
        """The node and all above it, lowest first; stops at an unknown parent or a loop."""
        by_key: dict[str, Node] = {node.key: node for node in self.nodes}
        path: list[Node] = []
        node = by_key.get(key)
        while node is not None and node not in path:
            path.append(node)
            node = by_key.get(node.parent) if node.parent else None
        return path
