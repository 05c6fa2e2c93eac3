"""Staff log-in: argon2 hashes, throttling by name and by address."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session, sessionmaker

from bot.domain.errors import BadInput, NotAllowed, NotFound, Throttled
from bot.domain.levels import DISPATCH_ROLES, LEAD_ROLES, ROLE_NAMES, Role, standing
from bot.store.models import LoginAttempt, Member, OrgNode

HASHER = PasswordHasher()
WINDOW = dt.timedelta(minutes=15)
MAX_FAILURES = 5  # of one name; an address may fail four times as often
# Verified when the name is unknown, so that the answer takes as long as for a known one.
DUMMY = HASHER.hash("no such member")


@dataclass(frozen=True)
class Staff:
    """The logged-in member as plain values."""

    id: int
    key: str
    name: str
    role: str
    role_name: str
    node_id: int
    node_name: str
    node_path: str
    epoch: int

    @property
    def is_lead(self) -> bool:
        """Sees a whole area."""
        return Role(self.role) in LEAD_ROLES

    @property
    def has_area(self) -> bool:
        """Looks after buildings, and may file for who lives there; departments do not."""
        return Role(self.role) is not Role.DEPARTMENT_STAFF

    @property
    def is_dispatcher(self) -> bool:
        """May dispatch by hand, reject and suspend."""
        return Role(self.role) in DISPATCH_ROLES


def _staff(member: Member) -> Staff:
    return Staff(
        member.id,
        member.key,
        member.name,
        member.role,
        ROLE_NAMES[Role(member.role)],
        member.node_id,
        member.node.name,
        member.node.path,
        member.session_epoch,
    )


def log_in(
    factory: sessionmaker, name: str, password: str, address: str, now: dt.datetime
) -> Staff:
    """Check name and password. Raises Throttled or BadInput, the same for each wrong part."""
    name = name.strip()[:64]
    with factory() as session:
        _throttle(session, name, address, now)
        member = session.scalar(select(Member).where(Member.key == name, Member.active))
        stored = member.password_hash if member and member.password_hash else DUMMY
        staff = _staff(member) if member and member.password_hash else None
    if not _verify(stored, password) or staff is None:
        with factory.begin() as session:
            session.add(LoginAttempt(name=name, address=address[:64], at=now))
        raise BadInput("用户名或密码不对。")
    with factory.begin() as session:
        session.execute(delete(LoginAttempt).where(LoginAttempt.name == name))
    return staff


def _verify(stored: str, password: str) -> bool:
    try:
        return HASHER.verify(stored, password[:200])
    except (VerificationError, InvalidHashError):
        return False


def _throttle(session: Session, name: str, address: str, now: dt.datetime) -> None:
    recent = LoginAttempt.at > now - WINDOW
    count = func.count(LoginAttempt.id)
    by_name = session.scalar(select(count).where(recent, LoginAttempt.name == name)) or 0
    by_address = session.scalar(select(count).where(recent, LoginAttempt.address == address)) or 0
    if by_name >= MAX_FAILURES or by_address >= 4 * MAX_FAILURES:
        raise Throttled("密码错误次数过多，请15分钟后再试。")


def by_id(factory: sessionmaker, member_id: int, epoch: int | None = None) -> Staff | None:
    """The member behind a session cookie; None once deactivated or logged out everywhere."""
    with factory() as session:
        member = session.get(Member, member_id)
        if member is None or not member.active:
            return None
        if epoch is not None and member.session_epoch != epoch:
            return None
        return _staff(member)


def by_wecom(factory: sessionmaker, userid: str) -> Staff | None:
    """The member with this WeCom user id (case does not matter)."""
    with factory() as session:
        member = session.scalar(
            select(Member).where(Member.wecom_userid == userid.lower(), Member.active)
        )
        return _staff(member) if member else None


def change_password(factory: sessionmaker, member_id: int, old: str, new: str) -> None:
    """Set a new password and end all other log-ins."""
    if len(new) < 10:
        raise BadInput("新密码至少10位。")
    with factory.begin() as session:
        member = session.get(Member, member_id)
        if member is None:
            raise NotFound()
        if not member.password_hash or not _verify(member.password_hash, old):
            raise NotAllowed("原密码不对。")
        member.password_hash, member.session_epoch = HASHER.hash(new), member.session_epoch + 1


def colleagues(factory: sessionmaker, staff: Staff, query: str = "") -> list[tuple[str, str]]:
    """(key, words) of members to whom this one may hand a ticket: same community or below."""
    parts = [p for p in staff.node_path.split("/") if p]
    top = "/" + "/".join(parts[:2]) + "/"  # street / community
    with factory() as session:
        rows = session.scalars(
            select(Member)
            .join(OrgNode, Member.node_id == OrgNode.id)
            .where(
                Member.active,
                Member.id != staff.id,
                OrgNode.path.like(f"{top}%"),
                Member.name.contains(query, autoescape=True),
            )
            .order_by(Member.id)
            .limit(100)
        )
        return [(m.key, f"{standing(m.node.name, Role(m.role))}{m.name}") for m in rows]
