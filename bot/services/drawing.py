"""Which closed tickets get an independent call (回访): a draw that nobody can steer."""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.domain import sla
from bot.services.clock import CALENDAR
from bot.settings import settings
from bot.store.models import Ticket
from bot.store.models_life import CallBack

WITHIN = sla.Span(3, "wd")
# Shares of closed tickets that are called back, by why.
SHARES = {"proxy": 1.0, "unrated": 0.5, "sample": 0.1}


def draw(session: Session, ticket: Ticket, now: dt.datetime) -> None:
    """Maybe draw a closed ticket for a call, inside the transaction that closes it.

    The draw is fixed by the ticket's number and our key: staff can neither foresee nor repeat it.
    """
    why = "sample" if ticket.closed_how == "rated" else "unrated"
    if ticket.filed_by_id:
        why = "proxy"
    known = session.scalar(select(CallBack.id).where(CallBack.ticket_id == ticket.id))
    if known is None and _lot(ticket.number) < SHARES[why]:
        due = WITHIN.after(now, CALENDAR)
        session.add(CallBack(ticket_id=ticket.id, why=why, drawn_at=now, due=due))


def _lot(number: str) -> float:
    key = settings().secret_key.encode()
    digest = hmac.new(key, f"call-back:{number}".encode(), hashlib.sha256).digest()
    return int.from_bytes(digest[:4], "big") / 2**32
