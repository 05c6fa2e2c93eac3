"""What is known of wishes and volunteers: for a volunteer in the chat, for a lead at the desk."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field

from sqlalchemy import or_, select
from sqlalchemy.orm import Session, joinedload, sessionmaker

from bot.domain.levels import Level
from bot.services import dispatching, double_reporting, wording
from bot.store.models import Building, Member, OrgNode
from bot.store.models_life import Errand, Volunteer

SHOWN = 60


@dataclass(frozen=True)
class Taken:
    """A wish that a volunteer said yes to, and whom to ask about it."""

    id: int
    title: str
    wanted_at: dt.datetime
    status: str
    who: str
    phone: str


@dataclass(frozen=True)
class Standing:
    """A volunteer as the chat speaks of one."""

    volunteer_id: int
    name: str
    community: str
    skills: tuple[str, ...]
    minutes: int
    taken: tuple[Taken, ...]  # the newest first

    @property
    def done(self) -> int:
        """How many wishes were confirmed."""
        return sum(one.status == "done" for one in self.taken)


def standing(factory: sessionmaker, resident_id: int) -> Standing | None:
    """What the resident has signed up for and done; None for who has not signed up."""
    with factory() as session:
        row = session.scalar(
            select(Volunteer).where(Volunteer.resident_id == resident_id, Volunteer.active)
        )
        if row is None:
            return None
        errands = session.scalars(
            select(Errand).where(Errand.taken_by_id == row.id).order_by(Errand.id.desc())
        )
        return Standing(
            row.id,
            row.name,
            row.node.name,
            tuple(row.skills),
            row.credited_minutes,
            tuple(_taken(session, errand) for errand in errands),
        )


def _taken(session: Session, errand: Errand) -> Taken:
    poster = session.get(Member, errand.posted_by_id)
    return Taken(
        errand.id,
        errand.title,
        errand.wanted_at,
        errand.status,
        wording.who(poster),
        poster.phone or "",
    )


def community_of(factory: sessionmaker, building_id: int) -> tuple[str, str] | None:
    """(key, name) of the community that a building belongs to."""
    with factory() as session:
        building = session.get(Building, building_id)
        node = _community(session, building.node) if building else None
        return (node.key, node.name) if node else None


def _community(session: Session, node: OrgNode) -> OrgNode | None:
    above = dispatching.ancestors(session, node.id)
    return next((n for n in above if n.level == Level.COMMUNITY.value), None)


# --- the desk ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Helper:
    """A volunteer in a list."""

    id: int
    kind: str
    name: str
    unit: str
    phone: str
    skills: tuple[str, ...]
    minutes: int
    chats: bool  # offers reach who signed up by chat; the others are called


@dataclass(frozen=True)
class Line:
    """A wish in a list. `fitting`: whom to call while nobody has taken it."""

    id: int
    title: str
    skill: str
    community: str
    wanted_at: dt.datetime
    status: str
    late: bool
    taker: str
    taker_phone: str
    minutes: int | None
    fitting: tuple[Helper, ...] = field(default=())


@dataclass(frozen=True)
class Board:
    """What a lead sees: `communities` (key, name), wishes the newest first, volunteers."""

    communities: tuple[tuple[str, str], ...]
    lines: tuple[Line, ...]
    helpers: tuple[Helper, ...]
    may_post: bool


def board(factory: sessionmaker, member_id: int, now: dt.datetime) -> Board:
    """Wishes and volunteers of the member's community; of all below for the street."""
    with factory() as session:
        member = session.get(Member, member_id)
        own = _community(session, member.node)
        path = own.path if own else member.node.path
        nodes = session.scalars(
            select(OrgNode)
            .where(
                OrgNode.level == Level.COMMUNITY.value,
                OrgNode.active,
                or_(OrgNode.path == path, OrgNode.path.like(f"{path}%")),
            )
            .order_by(OrgNode.id)
        ).all()
        ids = [node.id for node in nodes]
        helpers = session.scalars(
            select(Volunteer)
            .where(Volunteer.node_id.in_(ids), Volunteer.active)
            .order_by(Volunteer.credited_minutes.desc(), Volunteer.id)
        ).all()
        errands = session.scalars(
            select(Errand)
            .options(joinedload(Errand.taken_by))
            .where(Errand.node_id.in_(ids))
            .order_by(Errand.id.desc())
            .limit(SHOWN)
        ).all()
        names = {node.id: node.name for node in nodes}
        return Board(
            tuple((node.key, node.name) for node in nodes),
            tuple(_line(e, names[e.node_id], helpers, now) for e in errands),
            tuple(_helper(v) for v in helpers),
            own is not None,
        )


def _line(errand: Errand, community: str, helpers: list[Volunteer], now: dt.datetime) -> Line:
    taker, is_open = errand.taken_by, errand.status == "open"
    suits = [
        _helper(v)
        for v in helpers
        if is_open and v.node_id == errand.node_id and double_reporting.fits(v, errand)
    ]
    return Line(
        errand.id,
        errand.title,
        errand.skill,
        community,
        errand.wanted_at,
        errand.status,
        is_open and errand.wanted_at <= now,
        f"{taker.unit}{taker.name}" if taker else "",
        taker.phone if taker else "",
        errand.minutes,
        tuple(suits),
    )


def _helper(row: Volunteer) -> Helper:
    return Helper(
        row.id,
        row.kind,
        row.name,
        row.unit,
        row.phone,
        tuple(row.skills),
        row.credited_minutes,
        row.resident_id is not None,
    )
