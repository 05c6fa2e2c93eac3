"""A clock that only the test moves, for leases that run out."""

from __future__ import annotations

import datetime as dt

from tests.people import MORNING


class Clock:
    """Stands still at `MORNING` until it is moved past a lease."""

    def __init__(self, lease: dt.timedelta) -> None:
        self.at, self._lease = MORNING, lease

    def __call__(self) -> dt.datetime:
        return self.at

    def after_the_lease(self) -> None:
        """A second after whoever took a lease now has lost it."""
        self.at += self._lease + dt.timedelta(seconds=1)
