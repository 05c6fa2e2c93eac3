"""Replies that came too late for WeChat's five seconds go out in the order of the messages."""

from sqlalchemy import select

from bot.services import answers, inbox
from bot.services.inbox import Inbound
from bot.store.models import Outbox
from tests.databases import Database
from tests.people import MORNING


def test_a_later_message_whose_drain_is_quicker_does_not_overtake(database: Database):
    ids = []
    for key in ("one", "two"):
        message = Inbound("wechat", key, "openid", key)
        ids.append(inbox.receive(database.factory, message, MORNING).id)
    for inbox_id in ids:
        assert answers.let_go(database.factory, inbox_id, MORNING)
    for key in ("one", "two"):  # handled by two drains, neither of which has come to its reply
        claimed = inbox.claim_next(database.factory, "wechat", "openid", owner=key, now=MORNING)
        assert claimed is not None and claimed.message.key == key
        assert inbox.finish(database.factory, claimed, [{"text": key}], MORNING)
    assert answers.queue_late(database.factory, ids[1], MORNING)
    assert not answers.queue_late(database.factory, ids[0], MORNING)
    assert not answers.queue_late(database.factory, ids[1], MORNING)
    with database.factory() as session:
        rows = session.scalars(select(Outbox).order_by(Outbox.id)).all()
        assert [row.payload["replies"] for row in rows] == [[{"text": "one"}], [{"text": "two"}]]
