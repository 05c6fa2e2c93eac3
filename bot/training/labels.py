"""Votes on messages and what they come to; each public function is one transaction.

One vote is enough, unless its caster asks for a second opinion or someone else disagrees. Then two
equal votes settle it, and a conflict waits for an arbiter.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import secrets
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session, sessionmaker

from bot.domain.errors import BadInput, NotAllowed, NotFound
from bot.domain.levels import Role
from bot.domain.masking import mask
from bot.services.members import Staff
from bot.store.models import Utterance
from bot.store.models_training import Label, LabelVote
from bot.training.catalogue import choices
from bot.training.reach import utterances_for

HELD_BACK_ONE_IN = 5
MAX_BULK = 200
ARBITERS = frozenset({Role.STREET_SECRETARY, Role.STREET_DESK, Role.COMMUNITY_SECRETARY})


def may_label(staff: Staff) -> bool:
    """Who works on the corpus: the dispatchers and leads of community and street."""
    return staff.is_dispatcher


def may_arbitrate(staff: Staff) -> bool:
    """Who decides conflicts and may overrule the gate."""
    return Role(staff.role) in ARBITERS


def vote(
    factory: sessionmaker,
    staff: Staff,
    utterance_ids: list[int],
    intent: str | None,
    now: dt.datetime,
    *,
    entities: list[dict[str, Any]] | None = None,
    ask_second: bool = False,
) -> str:
    """Label messages alike (`intent` None: 都不是). Returns the batch, which `undo` takes."""
    return _cast(factory, staff, utterance_ids, now, intent, entities or [], ask_second)


def skip(factory: sessionmaker, staff: Staff, utterance_id: int, now: dt.datetime) -> str:
    """Do not show this message to this member again."""
    return _cast(factory, staff, [utterance_id], now, None, [], False, skipped=True)


def _cast(
    factory: sessionmaker,
    staff: Staff,
    utterance_ids: list[int],
    now: dt.datetime,
    intent: str | None,
    entities: list[dict[str, Any]],
    ask_second: bool,
    skipped: bool = False,
) -> str:
    if not may_label(staff):
        raise NotAllowed()
    if not 0 < len(set(utterance_ids)) <= MAX_BULK:
        raise BadInput(f"一次最多标注{MAX_BULK}条。")
    batch = secrets.token_hex(8)
    verdict = "skip" if skipped else "label" if intent else "none"
    with factory.begin() as session:
        rows = session.scalars(
            utterances_for(staff).where(Utterance.id.in_(set(utterance_ids))).with_for_update()
        ).all()
        if len(rows) != len(set(utterance_ids)):
            raise NotFound()
        if intent and intent not in choices(session):
            raise BadInput("没有这个类别。")
        for row in rows:
            _replace_own(session, row.id, staff.id, now)
            kind = "arbiter" if may_arbitrate(staff) and _in_conflict(session, row.id) else "person"
            session.add(
                LabelVote(
                    utterance_id=row.id,
                    member_id=staff.id,
                    kind=kind,
                    verdict=verdict,
                    intent=intent,
                    entities=_checked(entities, row.text_masked),
                    ask_second=ask_second,
                    batch=batch,
                    at=now,
                )
            )
            session.flush()
            settle(session, row, now)
    return batch


def _checked(entities: list[dict[str, Any]], text: str) -> list[dict[str, Any]]:
    """Spans that lie inside the text and do not overlap."""
    kept, end = [], 0
    for entity in sorted(entities, key=lambda e: int(e["start"])):
        first, last, name = int(entity["start"]), int(entity["end"]), str(entity["entity"])
        if not end <= first < last <= len(text) or not name.isidentifier() or len(name) > 40:
            raise BadInput("标出的词语位置不对，请重新选择。")
        kept.append({"start": first, "end": last, "entity": name})
        end = last
    return kept


def _replace_own(session: Session, utterance_id: int, member_id: int, now: dt.datetime) -> None:
    for old in session.scalars(
        select(LabelVote).where(
            LabelVote.utterance_id == utterance_id,
            LabelVote.member_id == member_id,
            LabelVote.undone_at.is_(None),
        )
    ):
        old.undone_at = now


def _in_conflict(session: Session, utterance_id: int) -> bool:
    status = session.scalar(select(Label.status).where(Label.utterance_id == utterance_id))
    return status == "conflict"


def undo(factory: sessionmaker, staff: Staff, batch: str, now: dt.datetime) -> int:
    """Take back one's own votes of a batch; how many there were."""
    with factory.begin() as session:
        votes = session.scalars(
            select(LabelVote).where(
                LabelVote.batch == batch,
                LabelVote.member_id == staff.id,
                LabelVote.undone_at.is_(None),
            )
        ).all()
        for cast in votes:
            cast.undone_at = now
        session.flush()
        for cast in votes:
            settle(session, session.get(Utterance, cast.utterance_id), now)
    if not votes:
        raise NotFound("没有可以撤销的标注。")
    return len(votes)


def settle(session: Session, utterance: Utterance, now: dt.datetime) -> None:
    """Write what the standing votes on a message come to; no votes, no label."""
    votes = session.scalars(
        select(LabelVote)
        .where(
            LabelVote.utterance_id == utterance.id,
            LabelVote.undone_at.is_(None),
            LabelVote.verdict != "skip",
        )
        .order_by(LabelVote.id)
    ).all()
    status, decisive = outcome(votes)
    label = session.scalar(select(Label).where(Label.utterance_id == utterance.id))
    if decisive is None:
        session.execute(delete(Label).where(Label.utterance_id == utterance.id))
        return
    if label is None:
        label = Label(utterance_id=utterance.id, held_back=is_held_back(utterance.text_masked))
        session.add(label)
    # Masked once more: the rules may have become stricter since the message came.
    label.text = mask(utterance.text_masked)
    label.intent, label.entities = decisive.intent, decisive.entities
    label.status, label.source, label.at = status, decisive.kind, now


def outcome(votes: list[LabelVote]) -> tuple[str, LabelVote | None]:
    """(status, the vote that stands) of the standing votes on one message, oldest first."""
    if not votes:
        return "", None
    last = votes[-1]
    arbiter = next((v for v in reversed(votes) if v.kind == "arbiter"), None)
    if arbiter is not None:
        return _final(arbiter), arbiter
    people = [v for v in votes if v.kind == "person"]
    # What history suggests gives way to a person who looked.
    voices = people or votes
    if len({(v.verdict, v.intent) for v in voices}) > 1:
        return "conflict", last
    if len(voices) == 1 and voices[0].ask_second:
        return "second", last
    return _final(voices[-1]), voices[-1]


def _final(cast: LabelVote) -> str:
    return "approved" if cast.verdict == "label" else "none"


def is_held_back(text: str) -> bool:
    """One text in five judges models; the same text always falls on the same side."""
    digest = hashlib.sha256(text.strip().encode()).digest()
    return digest[0] % HELD_BACK_ONE_IN == 0


def agreement(factory: sessionmaker) -> tuple[int, float | None]:
    """Messages that two people voted on, and the share on which all agree."""
    with factory() as session:
        rows = session.execute(
            select(
                LabelVote.utterance_id, LabelVote.member_id, LabelVote.verdict, LabelVote.intent
            ).where(
                LabelVote.undone_at.is_(None),
                LabelVote.verdict != "skip",
                LabelVote.kind == "person",
            )
        )
        by_message: dict[int, list[tuple[str, str | None]]] = {}
        for message, _, verdict, intent in rows:
            by_message.setdefault(message, []).append((verdict, intent))
    both = [set(said) for said in by_message.values() if len(said) > 1]
    return len(both), (sum(len(said) == 1 for said in both) / len(both) if both else None)
