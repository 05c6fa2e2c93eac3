"""The review queue: which messages to show next, with what the model thought of them."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session, sessionmaker

from bot.domain.masking import mask
from bot.services.members import Staff
from bot.services.utterances import full_key
from bot.store.models import Ticket, TicketEvent, Utterance
from bot.store.models_training import Label, LabelVote, ShadowSample
from bot.training.catalogue import Choice, choices, intent_name
from bot.training.drift import growing
from bot.training.ordering import clusters, pick
from bot.training.reach import within
from bot.training.signals import Happened, value
from bot.training.vectors import vectors

PAGE = 10
# Vectors cost a millisecond each: only the most telling of the recent messages are compared.
RECENT = 3000
COMPARED = 500
GUESSES = 8
CLUSTER_CONFIDENCE = 0.5


@dataclass(frozen=True)
class Card:
    """One message to review. `guesses` are what a tap offers, the likeliest first."""

    id: int
    text: str
    reason: str
    intent: str
    confidence: float
    at: dt.datetime
    guesses: list[Choice]
    votes: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Cluster:
    """Like messages that no intent fits: a new item, perhaps."""

    cards: list[Card]
    word: str


def page(factory: sessionmaker, staff: Staff, now: dt.datetime, count: int = PAGE) -> list[Card]:
    """The next messages for this member, the most useful first and unlike each other."""
    with factory() as session:
        rows = _waiting(session, staff)
        happened = _happened(session, rows, now)
        rated = [(row, *value(row, happened.get(row.id, Happened()))) for row in rows]
        rated = sorted(rated, key=lambda item: -item[1])[:COMPARED]
        texts = [row.text_masked for row, _, _ in rated]
        worth = np.array([worth for _, worth, _ in rated])
        chosen = pick(vectors(texts), worth, _labelled(session), count)
        names = choices(session)
        return [_card(session, rated[i][0], rated[i][2], names) for i in chosen]


def _waiting(session: Session, staff: Staff) -> list[Utterance]:
    """Unlabelled messages that this member has not skipped, newest first, one of each text."""
    labelled = exists(select(Label.id).where(Label.utterance_id == Utterance.id))
    mine = exists(
        select(LabelVote.id).where(
            LabelVote.utterance_id == Utterance.id,
            LabelVote.member_id == staff.id,
            LabelVote.undone_at.is_(None),
        )
    )
    rows = session.scalars(
        select(Utterance)
        .where(within(staff), ~labelled, ~mine)
        .order_by(Utterance.id.desc())
        .limit(RECENT)
    )
    return list({row.text_masked: row for row in rows if row.text_masked.strip()}.values())


def _happened(session: Session, rows: list[Utterance], now: dt.datetime) -> dict[int, Happened]:
    ids = [row.id for row in rows]
    tickets = {row.ticket_id: row for row in rows if row.ticket_id}
    returned = set(
        session.scalars(
            select(TicketEvent.ticket_id).where(
                TicketEvent.ticket_id.in_(tickets), TicketEvent.kind == "return"
            )
        )
    )
    items = dict(
        session.execute(select(Ticket.id, Ticket.item_key).where(Ticket.id.in_(tickets))).all()
    )
    disagree = set(
        session.scalars(
            select(ShadowSample.utterance_id).where(
                ShadowSample.utterance_id.in_(ids),
                ShadowSample.live_intent != ShadowSample.candidate_intent,
            )
        )
    )
    more = growing(session, now)
    return {
        row.id: Happened(
            returned=row.ticket_id in returned,
            changed=bool(_filed(row)) and items.get(row.ticket_id, _filed(row)) != _filed(row),
            disagree=row.id in disagree,
            more=row.intent in more,
        )
        for row in rows
    }


def _labelled(session: Session) -> np.ndarray:
    recent = session.scalars(select(Label.text).order_by(Label.id.desc()).limit(COMPARED))
    return vectors(list(recent))


def _card(session: Session, row: Utterance, reason: str, names: dict[str, Choice]) -> Card:
    votes = _votes(session, row.id)
    return Card(
        id=row.id,
        text=mask(row.text_masked),
        reason=reason,
        intent=full_key(row) or row.intent or "",
        confidence=float(row.confidence or 0.0),
        at=row.at,
        guesses=_guesses(row, names, [str(vote["intent"]) for vote in votes]),
        votes=votes,
    )


def _guesses(row: Utterance, names: dict[str, Choice], voted: list[str]) -> list[Choice]:
    """What others said, what the model thought, then other items of the likeliest category."""
    ranked = [r["name"] for r in row.ranking or [] if r.get("name") != "nlu_fallback"]
    wanted = voted + [str(key) for key in (_filed(row), full_key(row)) if key]
    for name in ranked:
        wanted += [name] if name in names else _likest(name, names, row.text_masked)[:3]
    wanted += [key for name in ranked[:1] for key in _likest(name, names, row.text_masked)]
    return [names[key] for key in dict.fromkeys(wanted) if key in names][:GUESSES]


def _filed(row: Utterance) -> str | None:
    """The item that the resident confirmed; where there is none, the one that the model read."""
    return (row.outcome_data or {}).get("item") or full_key(row)


def _likest(group: str, names: dict[str, Choice], text: str) -> list[str]:
    """Items of a category, those whose names are most like the message first."""
    keys = [key for key, choice in names.items() if choice.group == group]
    if not keys:
        return []
    likeness = vectors([names[key].name for key in keys]) @ vectors([text])[0]
    return [keys[int(place)] for place in np.argsort(-likeness)]


def _votes(session: Session, utterance_id: int) -> list[dict[str, Any]]:
    """Who labelled what and when."""
    rows = session.scalars(
        select(LabelVote)
        .where(LabelVote.utterance_id == utterance_id, LabelVote.undone_at.is_(None))
        .order_by(LabelVote.id)
    )
    return [
        {
            "who": cast.member.name if cast.member else "工单记录",
            "what": {"skip": "跳过", "none": "都不是"}.get(cast.verdict)
            or intent_name(cast.intent),
            "intent": cast.intent,
            "at": cast.at,
        }
        for cast in rows
    ]


def undecided(factory: sessionmaker, staff: Staff, status: str, limit: int = PAGE) -> list[Card]:
    """Messages waiting for a second opinion (`second`) or for an arbiter (`conflict`)."""
    with factory() as session:
        names = choices(session)
        rows = session.scalars(
            select(Utterance)
            .join(Label, Label.utterance_id == Utterance.id)
            .where(within(staff), Label.status == status)
            .order_by(Label.id)
            .limit(limit)
        ).all()
        reason = {"second": "请您再看一眼", "conflict": "两人意见不同"}[status]
        return [_card(session, row, reason, names) for row in rows]


def new_topics(factory: sessionmaker, staff: Staff, limit: int = 5) -> list[Cluster]:
    """Groups of like messages that the model is unsure of: perhaps an item that is missing."""
    with factory() as session:
        rows = [
            row
            for row in _waiting(session, staff)
            if (row.confidence or 0.0) < CLUSTER_CONFIDENCE or row.outcome == "fallback"
        ][:COMPARED]
        names = choices(session)
        groups = clusters(vectors([row.text_masked for row in rows]))[:limit]
        return [
            Cluster(
                [_card(session, rows[i], "新话题", names) for i in group],
                rows[group[0]].text_masked[:16],
            )
            for group in groups
        ]


def counts(factory: sessionmaker, staff: Staff) -> dict[str, int]:
    """How much is waiting and done."""
    with factory() as session:
        by_status = dict(
            session.execute(select(Label.status, func.count(Label.id)).group_by(Label.status)).all()
        )
        held = session.scalar(
            select(func.count(Label.id)).where(Label.status == "approved", Label.held_back)
        )
        waiting = len(_waiting(session, staff))
    return {"waiting": waiting, "held_back": held or 0, **by_status}
