"""Labels that the tickets' own history gives: a return names the right owner, staff mend items."""

from __future__ import annotations

import datetime as dt

from sqlalchemy import exists, select
from sqlalchemy.orm import Session, sessionmaker

from bot.store.models import OrgNode, ServiceItem, Ticket, TicketEvent, Utterance
from bot.store.models_training import LabelVote
from bot.training.labels import settle
from bot.training.vectors import vectors

LOOK_BACK = dt.timedelta(days=30)


def learn(factory: sessionmaker, now: dt.datetime) -> int:
    """Turn returns and corrected items into votes, once each; how many were cast."""
    with factory.begin() as session:
        cast = 0
        for utterance, ticket in session.execute(_untouched(now)).all():
            kind, intent, sure = _lesson(session, utterance, ticket)
            if intent:
                session.add(
                    LabelVote(
                        utterance_id=utterance.id,
                        kind=kind,
                        verdict="label",
                        intent=intent,
                        ask_second=not sure,
                        at=now,
                    )
                )
                session.flush()
                settle(session, utterance, now)
                cast += 1
        return cast


def _untouched(now: dt.datetime) -> object:
    voted = exists(select(LabelVote.id).where(LabelVote.utterance_id == Utterance.id))
    returned = exists(
        select(TicketEvent.id).where(
            TicketEvent.ticket_id == Ticket.id, TicketEvent.kind == "return"
        )
    )
    changed = Ticket.item_key != Utterance.item_key
    return (
        select(Utterance, Ticket)
        .join(Ticket, Utterance.ticket_id == Ticket.id)
        .where(Utterance.at > now - LOOK_BACK, Utterance.outcome == "ticket", ~voted)
        .where(returned | changed)
    )


def _lesson(session: Session, utterance: Utterance, ticket: Ticket) -> tuple[str, str | None, bool]:
    """(kind of vote, the right intent or None where history does not say, whether it is sure)."""
    mended = str(ticket.item_key)
    if utterance.item_key and mended not in (utterance.item_key, _full(utterance)):
        return "staff", mended, True
    said = session.scalars(
        select(TicketEvent)
        .where(TicketEvent.ticket_id == ticket.id, TicketEvent.kind == "return")
        .order_by(TicketEvent.id.desc())
    ).first()
    suggested = str((said.data or {}).get("suggest") or "").strip() if said else ""
    items = _items_of(session, suggested)
    if not items or mended in {item.key for item in items}:
        return "return", None, False
    return "return", _nearest(items, utterance.text_masked), len(items) == 1


def _full(utterance: Utterance) -> str:
    return f"{utterance.intent}/{utterance.item_key}"


def _items_of(session: Session, owner: str) -> list[ServiceItem]:
    """The items of the department named."""
    if len(owner) < 2:
        return []
    rows = session.scalars(
        select(ServiceItem)
        .join(OrgNode, ServiceItem.department_id == OrgNode.id)
        .where(ServiceItem.active, OrgNode.name.contains(owner, autoescape=True))
        .order_by(ServiceItem.key)
    )
    return list(rows)


def _nearest(items: list[ServiceItem], text: str) -> str:
    """The item whose name and words are most like the message."""
    described = vectors([" ".join([item.name, *item.words]) for item in items])
    return str(items[int((described @ vectors([text])[0]).argmax())].key)
