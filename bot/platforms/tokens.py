"""Access tokens in the database: fetched by one process at a time, used by all.

Near its end a token is renewed early while the others go on using it (the platform keeps the old
one valid for 5 minutes). A token that the platform refused is renewed once, however many
processes were refused; those who come late find the new one already there.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from sqlalchemy import or_, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session, sessionmaker

from bot.platforms.errors import UNREACHABLE, PlatformError
from bot.store.models_platform import PlatformToken

Clock = Callable[[], dt.datetime]
# Fetches (value, seconds it is valid); the argument asks for a new one even if the old is valid.
Fetch = Callable[[bool], Awaitable[tuple[str, int]]]

EARLY = dt.timedelta(seconds=270)  # inside the 5 minutes in which the platform hands out the next
LEASE = dt.timedelta(seconds=15)
FORCED_PAUSE = dt.timedelta(seconds=30)
WAIT_SECONDS = 20.0
POLL_SECONDS = 0.05


def utc_now() -> dt.datetime:
    """Current time, aware."""
    return dt.datetime.now(dt.timezone.utc)


@dataclass(frozen=True)
class Stored:
    """A token row as plain values."""

    value: str
    expires_at: dt.datetime | None
    forced_at: dt.datetime | None

    def usable(self, now: dt.datetime, refused: str) -> bool:
        """Whether calls may still use it."""
        valid = self.expires_at is not None and self.expires_at > now
        return bool(self.value) and valid and self.value != refused

    def fresh(self, now: dt.datetime, refused: str) -> bool:
        """Usable, and not yet due for renewal."""
        return self.usable(now, refused) and self.expires_at - EARLY > now  # type: ignore[operator]


class TokenStore:
    """One named token. `get` is all that clients need."""

    def __init__(
        self, factory: sessionmaker, name: str, fetch: Fetch, clock: Clock = utc_now
    ) -> None:
        self._factory = factory
        self._name = name
        self._fetch = fetch
        self._clock = clock
        self._owner = secrets.token_hex(8)
        self._local = asyncio.Lock()  # one waiter per process is enough
        self._known: Stored | None = None

    async def get(self, refused: str = "") -> str:
        """A token to use now, never the one that the platform just `refused`."""
        if self._known and self._known.fresh(self._clock(), refused):
            return self._known.value
        async with self._local:
            return await self._get_shared(refused)

    async def _get_shared(self, refused: str) -> str:
        deadline = asyncio.get_running_loop().time() + WAIT_SECONDS
        while asyncio.get_running_loop().time() < deadline:
            stored = await asyncio.to_thread(self._load)
            now = self._clock()
            if stored.fresh(now, refused):
                self._known = stored
                return stored.value
            if await asyncio.to_thread(self._take_lease, stored.value):
                return await self._renew(stored, refused)
            if stored.usable(now, refused):
                return stored.value  # someone else is renewing; the old one still works
            await asyncio.sleep(POLL_SECONDS)
        raise PlatformError(UNREACHABLE, "token")

    async def _renew(self, stored: Stored, refused: str) -> str:
        try:
            value, seconds = await self._fetch(False)
            forced = bool(refused) and value == refused
            if forced:
                self._check_forced(stored)
                value, seconds = await self._fetch(True)
        except BaseException:
            await asyncio.shield(asyncio.to_thread(self._drop_lease))
            raise
        expires = self._clock() + dt.timedelta(seconds=seconds)
        await asyncio.shield(asyncio.to_thread(self._save, value, expires, forced))
        self._known = Stored(value, expires, None)
        return value

    def _check_forced(self, stored: Stored) -> None:
        """The platform allows few forced renewals, and none within 30 s of the last."""
        if stored.forced_at and self._clock() - stored.forced_at < FORCED_PAUSE:
            raise PlatformError(40001, "token")

    def _load(self) -> Stored:
        with self._factory() as session:
            session.connection(execution_options={"write": False})
            row = session.get(PlatformToken, self._name)
            if row is not None:
                return Stored(row.value, row.expires_at, row.forced_at)
        with self._factory.begin() as session:
            _insert_once(session, self._name)
        return Stored("", None, None)

    def _take_lease(self, seen: str) -> bool:
        """Whether this process may renew; not when someone already replaced the token."""
        now = self._clock()
        free = or_(PlatformToken.lease_until.is_(None), PlatformToken.lease_until < now)
        with self._factory.begin() as session:
            result = session.execute(
                update(PlatformToken)
                .where(PlatformToken.name == self._name, PlatformToken.value == seen, free)
                .values(lease_owner=self._owner, lease_until=now + LEASE)
                .execution_options(synchronize_session=False)
            )
            return bool(result.rowcount)

    def _save(self, value: str, expires: dt.datetime, forced: bool) -> None:
        values = {"value": value, "expires_at": expires, "fetched": PlatformToken.fetched + 1}
        if forced:
            values["forced_at"] = self._clock()
        self._update_own({**values, "lease_owner": None, "lease_until": None})

    def _drop_lease(self) -> None:
        self._update_own({"lease_owner": None, "lease_until": None})

    def _update_own(self, values: dict) -> None:
        with self._factory.begin() as session:
            session.execute(
                update(PlatformToken)
                .where(PlatformToken.name == self._name, PlatformToken.lease_owner == self._owner)
                .values(values)
                .execution_options(synchronize_session=False)
            )


def _insert_once(session: Session, name: str) -> None:
    dialect = sqlite if session.get_bind().dialect.name == "sqlite" else postgresql
    values = {"name": name, "value": "", "fetched": 0}
    statement = dialect.insert(PlatformToken).values(values).on_conflict_do_nothing()
    session.execute(statement)
