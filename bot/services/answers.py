"""How a WeChat message is answered: within the 5 seconds, or later by a message of its own.

For each stored message one row decides, and whoever writes it first: `passive` (a try of the
platform that is still open takes the reply) or `late` (all were let go; the outbox sends it).
"""

from __future__ import annotations

import datetime as dt

from sqlalchemy import String, cast, delete, func, literal, or_, select, update
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.sql import Select

from bot.services import insert_ignore, outbox, residents
from bot.services.outbox import Delivery
from bot.store.models import InboxMessage, Outbox, Resident
from bot.store.models_platform import PlatformAnswer, PlatformMissed, PlatformSignature

PASSIVE, LATE = "passive", "late"
# The platform tries for 15 seconds in all; after that nobody will come for the reply.
ABANDONED = dt.timedelta(seconds=20)
ORDER_KEPT = dt.timedelta(minutes=1)  # a reply that takes longer to send is not waited for
LOOK_BACK = dt.timedelta(hours=24)
MAX_MISSED = 5


def remember_signature(
    factory: sessionmaker, channel: str, signature: str, body_hash: str, now: dt.datetime
) -> bool:
    """Whether this signature comes with the body it first came with (plain mode only)."""
    row = {"channel": channel, "signature": signature, "body_hash": body_hash, "at": now}
    with factory.begin() as session:
        if insert_ignore(session, PlatformSignature, row, ["channel", "signature"]) is not None:
            _forget_old_signatures(session, now)
            return True
        seen = session.get(PlatformSignature, (channel, signature))
        return seen is not None and seen.body_hash == body_hash


def _forget_old_signatures(session: Session, now: dt.datetime) -> None:
    """Those older than any time window are refused by their time."""
    session.execute(
        delete(PlatformSignature)
        .where(PlatformSignature.at < now - dt.timedelta(days=1))
        .execution_options(synchronize_session=False)
    )


def too_many(
    factory: sessionmaker, channel: str, sender: str, key: str, since: dt.datetime, limit: int
) -> bool:
    """Whether a sender has stored `limit` messages since a moment, and this one is not of them."""
    own = (InboxMessage.channel == channel) & (InboxMessage.sender == sender)
    with factory() as session:
        count = select(func.count(InboxMessage.id)).where(own, InboxMessage.received_at > since)
        if (session.scalar(count) or 0) < limit:
            return False
        known = select(InboxMessage.id).where(own, InboxMessage.key == key)
        return session.scalar(known) is None


def take_passive(factory: sessionmaker, inbox_id: int, now: dt.datetime) -> bool:
    """An open try may carry the reply, unless it was promised for later.

    Nor while the reply to an earlier message is still on its way: they would arrive in the wrong
    order. Then `queue_late` is the caller's next step.
    """
    with factory.begin() as session:
        row = session.get(InboxMessage, inbox_id)
        how = LATE if row and _earlier_on_its_way(session, row, now) else PASSIVE
        return _decide(session, inbox_id, how, now) == PASSIVE


def _earlier_on_its_way(session: Session, row: InboxMessage, now: dt.datetime) -> bool:
    key = literal("late:") + cast(PlatformAnswer.inbox_id, String)
    unsent = or_(PlatformAnswer.queued.is_(False), Outbox.status.in_(["queued", "inflight"]))
    found = session.scalar(
        select(PlatformAnswer.inbox_id)
        .join(InboxMessage, InboxMessage.id == PlatformAnswer.inbox_id)
        .outerjoin(Outbox, Outbox.dedup_key == key)
        .where(
            InboxMessage.channel == row.channel,
            InboxMessage.sender == row.sender,
            InboxMessage.id < row.id,
            PlatformAnswer.how == LATE,
            PlatformAnswer.at > now - ORDER_KEPT,
            unsent,
        )
        .limit(1)
    )
    return found is not None


def let_go(factory: sessionmaker, inbox_id: int, now: dt.datetime) -> bool:
    """The try cannot wait any longer. False when the reply is there after all."""
    with factory.begin() as session:
        row = session.get(InboxMessage, inbox_id, with_for_update=True)
        if row is None:
            return True
        if row.status == "done":
            return False
        _decide(session, inbox_id, LATE, now)
        return True


def _decide(session: Session, inbox_id: int, how: str, now: dt.datetime) -> str:
    row = {"inbox_id": inbox_id, "how": how, "queued": False, "at": now}
    if insert_ignore(session, PlatformAnswer, row, ["inbox_id"]) is not None:
        return how
    return str(session.get(PlatformAnswer, inbox_id).how)


def queue_late(factory: sessionmaker, inbox_id: int, now: dt.datetime) -> bool:
    """Put a finished message's promised reply into the outbox, once.

    Those promised before it to the same sender go first: the next message may be finished, by
    another drain, before the end of this one has come to its reply.
    """
    with factory() as session:  # nearly always all there is to do
        if session.scalar(_promised(inbox_id)) is None:
            return False
    with factory.begin() as session:
        row = session.get(InboxMessage, inbox_id)
        resident = _resident_of(session, row)
        queued = False
        for answer, message in session.execute(_promised_until(row)):
            answer.queued = True
            if resident is not None and message.replies:
                _put_reply(session, resident.id, f"late:{message.id}", message.replies, now)
                queued = queued or message.id == inbox_id
        return queued


def _promised_until(row: InboxMessage) -> Select:
    """Finished messages of a sender up to this one whose promised replies are to be queued."""
    return (
        select(PlatformAnswer, InboxMessage)
        .join(InboxMessage, InboxMessage.id == PlatformAnswer.inbox_id)
        .where(
            InboxMessage.channel == row.channel,
            InboxMessage.sender == row.sender,
            InboxMessage.id <= row.id,
            InboxMessage.status == "done",
            PlatformAnswer.how == LATE,
            PlatformAnswer.queued.is_(False),
        )
        .order_by(InboxMessage.id)
        .with_for_update(of=PlatformAnswer)
    )


def _promised(inbox_id: int) -> Select:
    return select(PlatformAnswer.inbox_id).where(
        PlatformAnswer.inbox_id == inbox_id,
        PlatformAnswer.how == LATE,
        PlatformAnswer.queued.is_(False),
    )


def queue_rest(factory: sessionmaker, inbox_id: int, texts: list[str], now: dt.datetime) -> None:
    """What did not fit into the passive reply goes out by the outbox, once."""
    with factory.begin() as session:
        row = session.get(InboxMessage, inbox_id)
        resident = _resident_of(session, row)
        if resident is not None:
            _put_reply(session, resident.id, f"rest:{inbox_id}", [{"text": t} for t in texts], now)


def _resident_of(session: Session, row: InboxMessage) -> Resident | None:
    return session.scalar(
        select(Resident).where(Resident.channel == row.channel, Resident.external_id == row.sender)
    )


def _put_reply(
    session: Session, resident_id: int, key: str, replies: list[dict], now: dt.datetime
) -> None:
    outbox.put(
        session,
        to="resident",
        recipient_id=resident_id,
        kind="reply",
        payload={"replies": replies, "batch": key},
        dedup_key=key,
        at=now,
    )


def sweep(factory: sessionmaker, channel: str, now: dt.datetime) -> int:
    """Queue replies that nobody came for, such as those of a process that died; how many."""
    with factory.begin() as session:
        ids = list(session.scalars(_overdue(channel, now)))
        for inbox_id in ids:
            _decide(session, inbox_id, LATE, now)
    return sum(queue_late(factory, inbox_id, now) for inbox_id in ids)


def _overdue(channel: str, now: dt.datetime) -> object:
    open_ = or_(
        PlatformAnswer.inbox_id.is_(None),
        (PlatformAnswer.how == LATE) & PlatformAnswer.queued.is_(False),
    )
    return (
        select(InboxMessage.id)
        .outerjoin(PlatformAnswer, PlatformAnswer.inbox_id == InboxMessage.id)
        .where(
            InboxMessage.status == "done",
            InboxMessage.received_at > now - LOOK_BACK,
            InboxMessage.received_at < now - ABANDONED,
            InboxMessage.channel == channel,
            open_,
        )
        .order_by(InboxMessage.id)
        .limit(100)
    )


def missed(factory: sessionmaker, delivery: Delivery, resident_id: int, now: dt.datetime) -> None:
    """Remember a notice that could not be delivered, unless another try has it already."""
    with factory.begin() as session:
        if outbox.hold(session, delivery, now):
            row = {"outbox_id": delivery.id, "resident_id": resident_id}
            insert_ignore(session, PlatformMissed, row, ["outbox_id"])


def result(factory: sessionmaker, inbox_id: int) -> tuple[str, list[dict]]:
    """Status and replies of a message; takes no lock, for many ask at once."""
    columns = select(InboxMessage.status, InboxMessage.replies)
    with factory() as session:
        row = session.execute(columns.where(InboxMessage.id == inbox_id)).first()
    return (row.status, row.replies or []) if row else ("failed", [])


def take_missed(factory: sessionmaker, resident_id: int, inbox_id: int) -> list[str]:
    """Texts of missed notices, to be shown with the reply to this message; each once.

    Asked again for the same message (a second attempt) it gives the same.
    """
    own = PlatformMissed.resident_id == resident_id
    with factory() as session:  # nearly always there is none
        if session.scalar(select(PlatformMissed.outbox_id).where(own).limit(1)) is None:
            return []
    with factory.begin() as session:
        rows = session.execute(
            select(PlatformMissed, Outbox.payload)
            .join(Outbox, Outbox.id == PlatformMissed.outbox_id)
            .where(
                own,
                or_(PlatformMissed.shown_in.is_(None), PlatformMissed.shown_in == inbox_id),
            )
            .order_by(PlatformMissed.outbox_id.desc())
            .limit(MAX_MISSED)
        ).all()
        for row, _ in rows:
            row.shown_in = inbox_id
        return [str(payload.get("text", "")) for _, payload in reversed(rows)]


def set_media(factory: sessionmaker, inbox_id: int, media: dict) -> None:
    """Keep what became of a message's picture, so that a second attempt does not fetch again."""
    with factory.begin() as session:
        session.execute(update(InboxMessage).where(InboxMessage.id == inbox_id).values(media=media))


def forget(factory: sessionmaker, channel: str, user: str, now: dt.datetime) -> None:
    """The person left (取消关注): delete personal data, also what belongs to the platform."""
    with factory() as session:
        resident_id = session.scalar(
            select(Resident.id).where(Resident.channel == channel, Resident.external_id == user)
        )
    if resident_id is not None:
        residents.forget(factory, resident_id, now)
