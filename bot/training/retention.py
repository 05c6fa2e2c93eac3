"""How long what residents said is kept."""

from __future__ import annotations

import datetime as dt

from sqlalchemy import delete, exists, select, update
from sqlalchemy.orm import Session, sessionmaker

from bot.store.models import Utterance
from bot.store.models_training import Label, LabelVote, ShadowSample

STEP = 500


def forget_old(factory: sessionmaker, days: int, now: dt.datetime) -> int:
    """Delete utterances older than `days`; of labelled ones only who said them is forgotten.

    A labelled text is masked and taught the model: without it, a model could not be made again.
    Returns how many were deleted; call again while it is not 0.
    """
    old = Utterance.at < now - dt.timedelta(days=days)
    labelled = exists(
        select(Label.id).where(
            Label.utterance_id == Utterance.id, Label.status.in_(("approved", "none"))
        )
    )
    with factory.begin() as session:
        session.execute(
            update(Utterance)
            .where(old, labelled, Utterance.resident_id.is_not(None))
            .values(resident_id=None)
            .execution_options(synchronize_session=False)
        )
        ids = list(session.scalars(select(Utterance.id).where(old, ~labelled).limit(STEP)))
        _delete(session, ids)
    return len(ids)


def forget(factory: sessionmaker, utterance_id: int) -> None:
    """Delete one utterance with everything said about it, labels included."""
    with factory.begin() as session:
        _delete(session, [utterance_id])


def _delete(session: Session, ids: list[int]) -> None:
    for table in (ShadowSample, LabelVote, Label):
        session.execute(delete(table).where(table.utterance_id.in_(ids)))
    session.execute(delete(Utterance).where(Utterance.id.in_(ids)))
