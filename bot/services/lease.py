"""A lease that is kept for as long as its holder works, however long that takes."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable

log = logging.getLogger(__name__)


@contextlib.asynccontextmanager
async def renewed(renew: Callable[[], bool], seconds: float) -> AsyncIterator[None]:
    """Call `renew` in a thread every so many seconds, until the block ends or it returns False.

    A renewal that fails is tried again in its turn: the lease outlasts two of them.
    """

    async def go_on() -> None:
        kept = True
        while kept:
            await asyncio.sleep(seconds)
            try:
                kept = await asyncio.to_thread(renew)
            except Exception:
                log.exception("a lease was not renewed")

    renewal = asyncio.create_task(go_on())
    try:
        yield
    finally:
        renewal.cancel()
