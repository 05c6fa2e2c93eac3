"""How many messages one visitor may send; kept in this process, for it protects this process."""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Callable

MAX_NAMES = 50_000


class Throttle:
    """At most `limit` a `period` (seconds) for each name, over a sliding window."""

    def __init__(
        self, limit: int, period: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._limit, self._period, self._clock = limit, period, clock
        self._times: OrderedDict[str, deque[float]] = OrderedDict()

    def allows(self, name: str) -> bool:
        """Count one more for this name, unless it is one too many."""
        now = self._clock()
        times = self._times.setdefault(name, deque())
        self._times.move_to_end(name)
        while len(self._times) > MAX_NAMES:
            self._times.popitem(last=False)
        while times and times[0] <= now - self._period:
            times.popleft()
        if len(times) >= self._limit:
            return False
        times.append(now)
        return True
