"""The chat page's channel at Rasa: who may call it, what it takes, what the dialogue gets."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator

import aiohttp
import pytest
from rasa.core.actions import action as rasa_action
from rasa.core.channels.channel import CollectingOutputChannel, UserMessage
from rasa.shared.core.domain import Domain
from rasa.shared.core.trackers import DialogueStateTracker
from rasa.utils.endpoints import EndpointConfig
from sanic import Sanic
from sanic.server.async_server import AsyncioServer
from sqlalchemy import select
from yarl import URL

from bot.channels import drain, remote_action
from bot.channels.inward import for_dialogue, is_command
from bot.channels.replies import Replies, Reply, normalise
from bot.channels.turns import ActionServerFailed
from bot.channels.webchat import WebChat
from bot.services import inbox
from bot.services.clock import now
from bot.services.inbox import Inbound
from bot.store.models import InboxMessage
from tests.channels.dialogue import Dialogue, make_dialogue, replies
from tests.databases import Database
from tests.stack import TOKEN, free_port

RIGHT = {"authorization": f"Bearer {TOKEN}"}


class House:
    """The channel mounted as Rasa mounts it."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.dialogue: Dialogue = make_dialogue(database.url)
        self.app = Sanic(f"rasa_{uuid.uuid4().hex}", configure_logging=False)
        blueprint = WebChat().blueprint(self.dialogue)
        self.app.blueprint(blueprint, url_prefix="/webhooks/webchat")
        self.base = f"http://127.0.0.1:{free_port()}/webhooks/webchat"

    async def start(self) -> AsyncioServer:
        port = URL(self.base).port
        server = await self.app.create_server("127.0.0.1", port, return_asyncio_server=True)
        await server.startup()
        return server

    async def post(self, path: str, body: object, **headers: str) -> tuple[int, object]:
        async with (
            aiohttp.ClientSession() as http,
            http.post(f"{self.base}/{path}", json=body, headers=headers) as response,
        ):
            return response.status, await response.json()

    async def done(self, inbox_id: int) -> list[Reply]:
        """Replies of a message once the background task has finished it."""
        while True:
            status, found = inbox.result(self.database.factory, inbox_id)
            if status == "done":
                return found
            await asyncio.sleep(0.01)  # the channel tells nobody when it is through


@pytest.fixture
async def house(sqlite_database: Database, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    monkeypatch.setattr(Sanic, "test_mode", True)  # else one process may serve only once
    monkeypatch.setattr(drain, "session_factory", lambda: sqlite_database.factory)
    house = House(sqlite_database)
    server = await house.start()
    yield house
    server.close()
    await server.wait_closed()


def body(**changes: object) -> dict[str, object]:
    return {"key": "k1", "sender": "visitor", "kind": "text", "text": "3号楼漏水", **changes}


async def test_a_message_is_acknowledged_at_once_and_answered_in_the_background(house):
    status, answer = await house.post("webhook", body(), **RIGHT)
    assert status == 202
    assert await house.done(answer["id"]) == replies("3号楼漏水")


async def test_the_same_message_again_is_the_same_message(house):
    first = await house.post("webhook", body(), **RIGHT)
    await house.done(first[1]["id"])
    assert await house.post("webhook", body(), **RIGHT) == first
    later = await house.post("webhook", body(key="k2", text="还有"), **RIGHT)
    await house.done(later[1]["id"])
    assert [turn.text for turn in house.dialogue.turns] == ["3号楼漏水", "还有"]


async def test_drain_goes_on_with_what_another_process_left(house):
    kept = inbox.receive(house.database.factory, Inbound("webchat", "k9", "visitor", "漏水"), now())
    whose = {"channel": "webchat", "sender": "visitor"}
    assert await house.post("drain", whose, **RIGHT) == (202, {})
    assert await house.done(kept.id) == replies("漏水")


@pytest.mark.parametrize("path", ["webhook", "drain"])
@pytest.mark.parametrize("word", ["", "Bearer wrong", TOKEN])
async def test_without_the_token_nothing_is_taken(house, path, word):
    status, _ = await house.post(path, body(), authorization=word)
    assert status == 401
    with house.database.factory() as session:
        assert session.scalars(select(InboxMessage)).all() == []


@pytest.mark.parametrize(
    "bad",
    [
        [],
        {},
        body(key=""),
        body(key=5),
        body(sender="x" * 200),
        body(text=None),
        body(text={"a": 1}),
        body(media="photo"),
    ],
)
async def test_a_malformed_message_is_refused_and_not_stored(house, bad):
    status, _ = await house.post("webhook", bad, **RIGHT)
    assert status == 400
    with house.database.factory() as session:
        assert session.scalars(select(InboxMessage)).all() == []


def heard(kind: str, text: str, **media: object) -> str:
    return for_dialogue(Inbound("webchat", "k", "visitor", text, kind, dict(media)))


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("/restart", "restart"),
        ('/set_home{"building_id": 3}', 'set_home{"building_id": 3}'),
        (" \t/ /affirm", "affirm"),
        ("／affirm", "affirm"),
        ("3/4号楼之间", "3/4号楼之间"),
        ("/", "……"),
        ("", "……"),
        ("3号楼漏水", "3号楼漏水"),
    ],
)
def test_what_is_typed_is_never_a_command(typed, read):
    assert heard("text", typed) == read


@pytest.mark.parametrize(
    ("payload", "command"),
    [
        ("/affirm", True),
        ('/ticket_rate{"ticket_number": "LL-20261124-0001", "rating": 5, "solved": true}', True),
        ("/restart", False),
        ("/session_start", False),
        ('/set_home{"building_id": 3', False),
        ('/set_home{"building_id": 3}x', False),
        ("/set_home{'building_id': 3}", False),
        ("/Set_Home", False),
        ("/affirm@1.0", False),
        ("affirm", False),
    ],
)
def test_only_a_well_formed_choice_is_a_command(payload, command):
    assert is_command(payload) is command
    assert heard("tap", payload).startswith("/") is command


def test_a_photo_names_its_file_and_text_beside_it_does_no_harm():
    assert heard("image", "", attachment="tok-1") == '/inform_photo{"attachment":"tok-1"}'
    assert heard("voice", "") == "[语音]"


def test_replies_have_one_shape():
    assert normalise({"text": " 好的 "}) == {
        "kind": "text", "text": "好的", "buttons": [], "card": None, "image": None,
    }  # fmt: skip
    assert normalise({"text": "", "buttons": []}) is None
    assert normalise({"text": "选", "quick_replies": [{"title": "是", "payload": "/affirm"}]})[
        "buttons"
    ] == [{"title": "是", "payload": "/affirm"}]
    assert normalise({"custom": {"card": {"type": "ticket"}}})["kind"] == "card"
    assert normalise({"image": "/static/map.png"})["image"] == "/static/map.png"


async def run_action(output: object, port: int) -> object:
    """A custom action of an action server at a port where nobody listens."""
    remote_action.install()
    action = rasa_action.RemoteAction(
        "action_intake", EndpointConfig(f"http://127.0.0.1:{port}/webhook")
    )
    tracker = DialogueStateTracker.from_events("visitor", [])
    return await action.run(output, None, tracker, Domain.empty())


async def test_a_dead_action_server_ends_the_turn_of_our_channels_unsaved():
    """Fails when Rasa no longer calls `RemoteAction.run(output_channel, …)`, or catches more."""
    with pytest.raises(ActionServerFailed):
        await run_action(Replies(), free_port())
    assert not issubclass(ActionServerFailed, Exception), "Rasa catches every Exception"


async def test_other_channels_keep_rasas_way():
    with pytest.raises(Exception, match="Couldn't connect"):
        await run_action(CollectingOutputChannel(), free_port())


def test_rasa_reads_the_shape_that_we_send(house):
    message = UserMessage(heard("image", "", attachment="t"), Replies(), "visitor")
    assert json.loads(message.text.removeprefix("/inform_photo")) == {"attachment": "t"}
