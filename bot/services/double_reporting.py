"""双报到: work units, in-service Party members and neighbours sign up, and take small wishes.

Errands (微心愿) are offered to those whose skills and hours fit; the first to say yes has it;
whoever posted it confirms, and the time is credited.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session, sessionmaker

from bot.domain import dispatch
from bot.domain.errors import AlreadyTaken, BadInput, NotAllowed, NotFound, WrongState
from bot.domain.levels import LEAD_ROLES, Level, Role
from bot.domain.volunteering import KINDS, span
from bot.domain.worktime import SHANGHAI
from bot.services import dispatching, outbox, wording
from bot.services.clock import CALENDAR
from bot.services.residents import PHONE
from bot.store.models import Member, OrgNode, Outbox
from bot.store.models_life import Errand, Volunteer

MAX_MINUTES = 12 * 60
UNSYNCED = {"synchronize_session": False}


@dataclass(frozen=True)
class SignUp:
    """What somebody offers. `hours` are rows as in a duty roster; none means at any time."""

    kind: str
    name: str
    phone: str
    community: str  # key of the community's node
    skills: Sequence[str]
    hours: Sequence[dict[str, Any]] = field(default=())
    unit: str = ""
    resources: str = ""


@dataclass(frozen=True)
class Offer:
    """An errand as a volunteer sees it."""

    id: int
    title: str
    wanted_at: dt.datetime


def sign_up(
    factory: sessionmaker, offer: SignUp, now: dt.datetime, *, resident_id: int | None = None
) -> int:
    """Report to a community, by chat (`resident_id`) or at the desk; returns the volunteer's id.

    Signing up again by chat changes what is offered.
    """
    if offer.kind not in KINDS or not offer.name.strip() or not offer.skills:
        raise BadInput("请写明姓名（或单位）和能帮什么忙。")
    if not PHONE.match(offer.phone):
        raise BadInput("手机号应为11位数字，请再核对一下。")
    with factory.begin() as session:
        node = session.scalar(
            select(OrgNode).where(
                OrgNode.key == offer.community,
                OrgNode.level == Level.COMMUNITY.value,
                OrgNode.active,
            )
        )
        if node is None:
            raise NotFound("没有找到这个社区。")
        row = _known(session, resident_id) or Volunteer(resident_id=resident_id, created_at=now)
        row.kind, row.name, row.phone, row.node = offer.kind, offer.name.strip(), offer.phone, node
        row.unit, row.resources, row.active = offer.unit, offer.resources, True
        row.skills, row.hours = list(offer.skills), list(offer.hours)
        session.add(row)
        session.flush()
        return int(row.id)


def _known(session: Session, resident_id: int | None) -> Volunteer | None:
    if resident_id is None:
        return None
    return session.scalar(select(Volunteer).where(Volunteer.resident_id == resident_id))


def post(
    factory: sessionmaker,
    member_id: int,
    title: str,
    skill: str,
    wanted_at: dt.datetime,
    now: dt.datetime,
    *,
    ticket_id: int | None = None,
) -> int:
    """A lead posts a wish in the own community; fitting volunteers hear of it after hours."""
    if not title.strip():
        raise BadInput("请写明心愿是什么。")
    if wanted_at <= now:
        raise BadInput("希望的时间已经过了。")
    with factory.begin() as session:
        member = session.get(Member, member_id)
        if member is None or Role(member.role) not in LEAD_ROLES:
            raise NotAllowed()
        above = dispatching.ancestors(session, member.node_id)
        node = next((n for n in above if n.level == Level.COMMUNITY.value), None)
        if node is None:
            raise BadInput("请由社区或网格发布心愿。")
        errand = Errand(
            node_id=node.id,
            ticket_id=ticket_id,
            posted_by_id=member_id,
            posted_at=now,
            title=title.strip()[:100],
            skill=skill,
            wanted_at=wanted_at,
        )
        session.add(errand)
        session.flush()
        _offer(session, errand, now)
        return int(errand.id)


def _offer(session: Session, errand: Errand, now: dt.datetime, not_to: int | None = None) -> None:
    """Nobody is disturbed at work: offers go out when the office closes."""
    at = CALENDAR.end_of_day(now) if CALENDAR.is_open(now) else now
    volunteers = session.scalars(
        select(Volunteer).where(
            Volunteer.node_id == errand.node_id, Volunteer.active, Volunteer.resident_id.isnot(None)
        )
    )
    for volunteer in volunteers:
        if volunteer.id != not_to and fits(volunteer, errand):
            when = wording.local(errand.wanted_at)
            outbox.put(
                session,
                to="resident",
                recipient_id=volunteer.resident_id,
                kind="errand",
                payload={
                    "text": f"【微心愿】{errand.title}（{when}）。愿意帮忙请点「我来」。",
                    "card": {"title": "微心愿"},
                    "buttons": [wording.tap("我来", "volunteer", errand_id=errand.id)],
                },
                dedup_key=f"{_offers(errand.id)}{volunteer.id}:{now.timestamp():.0f}",
                at=now,
                not_before=at,
            )


def _offers(errand_id: int) -> str:
    """How the keys of an errand's offers begin."""
    return f"errand:{errand_id}:offer:"


def _drop_offers(session: Session, errand_id: int) -> None:
    """What has not gone out yet need not: the wish is taken, or no longer one."""
    waiting = Outbox.dedup_key.startswith(_offers(errand_id)) & (Outbox.status == "queued")
    session.execute(delete(Outbox).where(waiting), execution_options=UNSYNCED)


def fits(volunteer: Volunteer, errand: Errand) -> bool:
    """Whether skill and free hours suit the wish."""
    return errand.skill in volunteer.skills and dispatch.on_duty(
        volunteer.hours, [], errand.wanted_at.astimezone(SHANGHAI)
    )


def offers(factory: sessionmaker, volunteer_id: int, now: dt.datetime) -> list[Offer]:
    """Open errands of the volunteer's community that fit skills and hours, soonest first."""
    with factory() as session:
        volunteer = session.get(Volunteer, volunteer_id)
        if volunteer is None or not volunteer.active:
            return []
        rows = session.scalars(
            select(Errand)
            .where(
                Errand.node_id == volunteer.node_id,
                Errand.status == "open",
                Errand.wanted_at > now,
            )
            .order_by(Errand.wanted_at, Errand.id)
        )
        return [Offer(e.id, e.title, e.wanted_at) for e in rows if fits(volunteer, e)]


def take(factory: sessionmaker, errand_id: int, volunteer_id: int, now: dt.datetime) -> None:
    """Say yes. The first has it; the others get AlreadyTaken. Saying it again is no error."""
    with factory.begin() as session:
        volunteer, errand = session.get(Volunteer, volunteer_id), session.get(Errand, errand_id)
        if volunteer is None or errand is None or errand.node_id != volunteer.node_id:
            raise NotFound()
        won = session.execute(
            update(Errand)
            .where(Errand.id == errand_id, Errand.status == "open")
            .values(status="taken", taken_by_id=volunteer_id, taken_at=now),
            execution_options=UNSYNCED,
        ).rowcount
        if won:
            _drop_offers(session, errand_id)
            _tell_poster(session, errand, volunteer, now)
            return
        session.refresh(errand)
        if errand.status == "cancelled":
            raise AlreadyTaken("这个心愿已经取消了，谢谢您！")
        if errand.taken_by_id != volunteer_id:
            raise AlreadyTaken("已经有人先认领了，谢谢您！")


def _tell_poster(session: Session, errand: Errand, who: Volunteer, now: dt.datetime) -> None:
    outbox.put(
        session,
        to="member",
        recipient_id=errand.posted_by_id,
        kind="alert",
        payload={"text": f"微心愿「{errand.title}」由{who.unit}{who.name}认领，电话{who.phone}。"},
        dedup_key=f"errand:{errand.id}:taken:{who.id}:{now.timestamp():.0f}",
        at=now,
    )


def take_for(
    factory: sessionmaker, errand_id: int, volunteer_id: int, member_id: int, now: dt.datetime
) -> None:
    """A lead of the community notes down who said yes on the telephone."""
    with factory() as session:
        _errand_of_lead(session, errand_id, member_id, lock=False)
    take(factory, errand_id, volunteer_id, now)


def _errand_of_lead(session: Session, errand_id: int, member_id: int, *, lock: bool) -> Errand:
    """The errand, for a lead of its community or of one above or below it."""
    errand = session.get(Errand, errand_id, with_for_update=lock)
    member = session.get(Member, member_id)
    if errand is None or member is None:
        raise NotFound()
    node = session.get(OrgNode, errand.node_id)
    near = member.node.path.startswith(node.path) or node.path.startswith(member.node.path)
    if Role(member.role) not in LEAD_ROLES or not near:
        raise NotAllowed()
    return errand


def confirm(
    factory: sessionmaker, errand_id: int, member_id: int, minutes: int, now: dt.datetime
) -> int:
    """A lead of the community confirms that it is done; returns the volunteer's total minutes."""
    if not 1 <= minutes <= MAX_MINUTES:
        raise BadInput("服务时长请填 1 到 720 分钟。")
    with factory.begin() as session:
        errand = _errand_of_lead(session, errand_id, member_id, lock=True)
        volunteer = session.get(Volunteer, errand.taken_by_id) if errand.taken_by_id else None
        if errand.status != "taken" or volunteer is None:
            raise WrongState("这个心愿还没有人认领，或者已经确认过了。")
        errand.status, errand.done_at, errand.minutes = "done", now, minutes
        errand.confirmed_by_id = member_id
        volunteer.credited_minutes += minutes
        _thank(session, errand, volunteer, now)
        return int(volunteer.credited_minutes)


def _thank(session: Session, errand: Errand, volunteer: Volunteer, now: dt.datetime) -> None:
    total = span(volunteer.credited_minutes)
    text = f"微心愿「{errand.title}」已确认完成，记入志愿时长{span(errand.minutes)}，累计{total}。"
    _tell(session, volunteer, f"{text}谢谢您！", "志愿时长", f"errand:{errand.id}:done", now)


def _tell(
    session: Session, volunteer: Volunteer, text: str, title: str, key: str, now: dt.datetime
) -> None:
    """A message to a volunteer who has a chat; the others are called."""
    if volunteer.resident_id is not None:
        outbox.put(
            session,
            to="resident",
            recipient_id=volunteer.resident_id,
            kind="errand",
            payload={"text": text, "card": {"title": title}},
            dedup_key=key,
            at=now,
        )


def release(factory: sessionmaker, errand_id: int, member_id: int, now: dt.datetime) -> None:
    """Who said yes cannot come: the wish is open again, and offered to the others."""
    with factory.begin() as session:
        errand = _errand_of_lead(session, errand_id, member_id, lock=True)
        if errand.status != "taken":
            raise WrongState("这个心愿现在没有人认领。")
        if errand.wanted_at <= now:
            raise BadInput("希望的时间已经过了，请取消后重新发布。")
        before = errand.taken_by_id
        errand.status, errand.taken_by_id, errand.taken_at = "open", None, None
        _offer(session, errand, now, not_to=before)


def cancel(factory: sessionmaker, errand_id: int, member_id: int, now: dt.datetime) -> None:
    """The wish is no longer one: who said yes hears of it, who was not asked yet is not asked.

    Cancelling again is no error.
    """
    with factory.begin() as session:
        errand = _errand_of_lead(session, errand_id, member_id, lock=True)
        if errand.status == "done":
            raise WrongState("这个心愿已经确认完成，不能取消。")
        taken, errand.status = errand.status == "taken", "cancelled"
        _drop_offers(session, errand_id)
        if taken:
            when = wording.local(errand.wanted_at)
            text = f"您认领的微心愿「{errand.title}」（{when}）取消了，不用去了。谢谢您！"
            key = f"errand:{errand_id}:cancelled"
            _tell(session, session.get(Volunteer, errand.taken_by_id), text, "微心愿", key, now)
