"""Residents on the emulated WeChat talk to the real channel."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from sqlalchemy import select

from bot.channels import drain, tracker, wechat, wechat_inward
from bot.channels.tracker import EVENTS
from bot.services import answers, chat, inbox, outbox
from bot.services.clock import now
from bot.store.models import Attachment, Building, ChatMessage, InboxMessage, Outbox, Resident
from bot.store.models_platform import PlatformAnswer, PlatformMissed
from bot.worker.relay import relay
from bot.worker.wechat import wechat_sender
from tests.channels.conftest import AES_KEY, APPID, SECRET, TOKEN
from tests.channels.house import Dialogue, make_settings, serve, until
from tests.databases import Database
from tests.emulators.base import UNAVAILABLE, message_xml
from tests.emulators.page import sample_photo
from tests.emulators.wechat import ACCOUNT, WeChatEmulator

USER = "openid-1"


@dataclass
class House:
    """The service and the platform around it."""

    emulator: WeChatEmulator
    dialogue: Dialogue
    database: Database
    config: Any
    folder: Path
    http: aiohttp.ClientSession

    async def relay(self) -> None:
        """One round of the worker."""
        answers.sweep(self.database.factory, "wechat", now())
        sender = wechat_sender(self.database.factory, self.http, self.config)
        await relay(self.database.factory, {"wechat": sender, "webchat": sender})

    def rows(self, table: Any, *where: Any) -> list[Any]:
        with self.database.factory() as session:
            return list(session.scalars(select(table).where(*where)))


@pytest_asyncio.fixture
async def make_house(
    sqlite_database, wechat_emulator, http, unused_tcp_port_factory, monkeypatch, tmp_path
) -> AsyncIterator[Any]:
    stops = []

    async def make(mode: str = "safe", **settings: Any) -> House:
        config = make_settings(
            database_url=sqlite_database.url,
            attachments_dir=tmp_path / "attachments",
            wechat_appid=APPID,
            wechat_secret=SECRET,
            wechat_token=TOKEN,
            wechat_aes_key="" if mode == "plain" else AES_KEY,
            wechat_api_base=wechat_emulator.base,
            **settings,
        )
        monkeypatch.setattr(wechat, "settings", lambda: config)
        monkeypatch.setattr(drain, "session_factory", lambda: sqlite_database.factory)
        EVENTS.create(tracker.make_engine(sqlite_database.url), checkfirst=True)
        dialogue = Dialogue()
        address, stop = await serve(wechat.WeChat(), dialogue, unused_tcp_port_factory())
        stops.append(stop)
        wechat_emulator.caller.callback.url = address
        wechat_emulator.caller.callback.mode = mode
        return House(
            wechat_emulator, dialogue, sqlite_database, config, tmp_path / "attachments", http
        )

    yield make
    for stop in stops:
        await stop()


@pytest_asyncio.fixture
async def house(make_house) -> House:
    return await make_house()


# --- reaching us ------------------------------------------------------------------------------


async def test_url_check(house):
    status, answer, echo = await house.emulator.check_url()
    assert (status, answer) == (200, echo)


@pytest.mark.parametrize("mode", ["plain", "compatible", "safe"])
async def test_a_message_is_answered_in_each_mode(make_house, mode):
    house = await make_house(mode)
    delivered = await house.emulator.say(USER, "家里漏水了")
    assert delivered.answer == "收到：家里漏水了"
    assert house.emulator.got(USER) == ["收到：家里漏水了"]


async def post(house: House, query: dict[str, str], body: bytes) -> int:
    url = house.emulator.caller.callback.url
    async with house.http.post(url, params=query, data=body) as answer:
        return answer.status


def message(text: str, msg_id: int = 7) -> str:
    head = {"ToUserName": ACCOUNT, "FromUserName": USER, "CreateTime": int(time.time())}
    return message_xml({**head, "MsgType": "text", "Content": text, "MsgId": msg_id})


def signed(house: House, xml: str, shift: int = 0) -> tuple[dict[str, str], bytes]:
    timestamp = str(int(time.time()) + shift)
    query, body = house.emulator.caller.request(xml, timestamp, "nonce")
    return query, body.encode()


@pytest.mark.parametrize("mode", ["plain", "compatible", "safe"])
async def test_forged_and_stale_calls_are_refused_and_stop_there(make_house, mode):
    house = await make_house(mode)
    query, body = signed(house, message("伪造"))
    name = "signature" if mode == "plain" else "msg_signature"
    assert await post(house, {**query, name: "0" * 40}, body) == 403
    assert await post(house, {}, body) == 403
    assert await post(house, *signed(house, message("旧的"), shift=-400)) == 403
    assert house.rows(InboxMessage) == [] and house.dialogue.turns == []


async def test_bad_bodies_have_the_right_status(make_house):
    house = await make_house("plain")
    query, _ = signed(house, message("x"))
    bomb = b'<!DOCTYPE x [<!ENTITY a "a">]><xml><Content>&a;</Content></xml>'
    assert await post(house, query, bomb) == 400
    assert await post(house, query, b"not xml") == 400
    assert await post(house, query, b"<xml>" + b" " * 300_000 + b"</xml>") == 413
    assert house.dialogue.turns == []


async def test_damaged_cipher_text_is_refused(house):
    query, body = signed(house, message("x"))
    assert (
        await post(house, query, body.replace(b"<Encrypt><![CDATA[", b"<Encrypt><![CDATA[AA"))
        == 403
    )


async def test_plain_message_is_refused_when_a_key_is_set(house):
    house.emulator.caller.callback.mode = "plain"
    assert await post(house, *signed(house, message("明文"))) == 403


async def test_replay_with_another_body_is_refused(make_house):
    house = await make_house("plain")
    query, body = signed(house, message("我要反映问题"))
    assert await post(house, query, body) == 200
    assert await post(house, query, body) == 200  # the platform's own retry
    assert await post(house, query, message("把工单撤了", msg_id=8).encode()) == 403
    assert [text for _, text in house.dialogue.turns] == ["我要反映问题"]


async def test_same_message_id_with_another_body_is_refused(house):
    assert await post(house, *signed(house, message("一"))) == 200
    assert await post(house, *signed(house, message("二"))) == 403
    assert len(house.dialogue.turns) == 1


# --- five seconds -----------------------------------------------------------------------------


async def test_late_reply_goes_out_as_customer_service_message(make_house):
    house = await make_house(wechat_reply_budget_seconds=0.1)
    delivered = await house.emulator.say(USER, "等信号")
    assert delivered.answer is None and not delivered.failed
    house.dialogue.gate.set()
    await relay_until(house, 1)
    assert house.emulator.got(USER) == ["收到：等信号"]
    assert house.emulator.phones[USER][-1].via == "custom"
    await house.relay()
    assert len(house.dialogue.turns) == 1 and len(house.emulator.got(USER)) == 1


async def relay_until(house: House, count: int) -> None:
    while len(house.emulator.got(USER)) < count:
        await house.relay()
        await asyncio.sleep(0)


@pytest.mark.parametrize("drop, overlap", [(True, 0.0), (False, 0.0), (True, 0.25)])
async def test_retries_join_the_first_try(house, drop, overlap):
    callback = house.emulator.caller.callback
    callback.deadline, callback.drop, callback.overlap = 0.3, drop, overlap
    callback.tries = 100
    saying = asyncio.create_task(house.emulator.say(USER, "等信号"))
    await until(lambda: house.emulator.caller.posts >= 3)
    house.dialogue.gate.set()
    delivered = await saying
    assert delivered.answer == "收到：等信号"
    assert len(house.dialogue.turns) == 1 and house.emulator.got(USER) == ["收到：等信号"]


async def test_order_is_kept_when_an_earlier_reply_is_late(make_house):
    house = await make_house(wechat_reply_budget_seconds=0.1)
    await house.emulator.say(USER, "等信号 一")
    house.dialogue.gate.set()
    await house.emulator.say(USER, "二")
    await relay_until(house, 2)
    assert house.emulator.got(USER) == ["收到：等信号 一", "收到：二"]


async def test_nobody_came_for_the_reply_so_it_is_sent(house):
    """A process that died: the message is done, but no try is open any more."""
    await house.emulator.say(USER, "你好")
    with house.database.factory.begin() as session:
        session.query(PlatformAnswer).delete()
        row = session.scalars(select(InboxMessage)).one()
        row.received_at = now() - answers.ABANDONED * 2
    await house.relay()
    await house.relay()
    assert house.emulator.got(USER) == ["收到：你好"] * 2


async def test_a_failed_turn_is_tried_again_and_still_answered(house, monkeypatch):
    monkeypatch.setattr("bot.channels.webchat.settings", lambda: house.config)
    delivered = asyncio.create_task(house.emulator.say(USER, "出错"))
    given_back = InboxMessage.lease_until < now() + inbox.LEASE / 2
    await until(lambda: bool(house.dialogue.failures and house.rows(InboxMessage, given_back)))
    with house.database.factory.begin() as session:
        session.scalars(select(InboxMessage)).one().lease_until = now()
    headers = {"Authorization": "Bearer test-rasa-token-"}
    async with house.http.post(drain_url(house), json={"sender": USER}, headers=headers) as answer:
        assert answer.status == 202
    assert (await delivered).answer == "收到：出错"


def drain_url(house: House) -> str:
    return house.emulator.caller.callback.url.removesuffix("webhook") + "drain"


async def test_drain_is_not_for_strangers(house):
    async with house.http.post(drain_url(house), json={"sender": USER}) as answer:
        assert answer.status == 401


# --- what is said -----------------------------------------------------------------------------


async def test_choices_can_be_tapped(house):
    await house.emulator.say(USER, "请让我选择")
    await house.emulator.tap(USER, "不是")
    assert house.dialogue.turns[-1] == (USER, "/deny")
    shown = house.rows(ChatMessage, ChatMessage.direction == "in")[-1]
    assert shown.body["text"] == "不是"


async def test_a_choice_offered_to_someone_else_is_only_a_text(house):
    await house.emulator.say(USER, "请让我选择")
    menu_id = house.emulator.phones[USER][-1].data["choices"][0][1]
    await house.emulator.say("openid-2", "是的", menu_id)
    assert house.dialogue.turns[-1] == ("openid-2", "是的")


async def test_typed_commands_do_not_work(house):
    await house.emulator.say(USER, "/restart")
    assert house.dialogue.turns[-1] == (USER, "restart")


async def test_long_reply_is_split(house):
    await house.emulator.say(USER, "长")
    await house.relay()
    got = house.emulator.got(USER)
    assert len(got) > 1 and all(text.endswith("。") for text in got)
    assert "".join(got).count("这是很长的一句回答") == 100


async def test_too_many_messages_get_a_kind_answer(house, monkeypatch):
    monkeypatch.setattr(wechat, "MESSAGES_A_MINUTE", 3)
    for number in range(5):
        await house.emulator.say(USER, f"第{number}条")
    assert house.emulator.got(USER)[-1] == wechat.TOO_FAST
    assert len(house.dialogue.turns) == 3


async def test_photo_is_fetched_and_kept(house):
    await house.emulator.photo(USER, sample_photo())
    kept = house.rows(Attachment)[0]
    assert (kept.kind, kept.mime, len(kept.sha256)) == ("image", "image/jpeg", 64)
    assert house.dialogue.turns[-1][1].startswith("/inform_photo")
    assert kept.token in house.dialogue.turns[-1][1]


async def test_photo_that_is_gone_is_asked_for_again(house):
    house.emulator.fail("/cgi-bin/media/get", 40007, times=9)
    delivered = await house.emulator.photo(USER, sample_photo())
    assert "再发一次" in delivered.answer and house.dialogue.turns == []


async def test_voice_with_recognition_is_text_and_the_sound_is_kept(house):
    await house.emulator.voice(USER, b"#!AMR sound", "楼道灯坏了")
    assert house.dialogue.turns[-1] == (USER, "楼道灯坏了")
    assert house.rows(Attachment)[0].kind == "voice"


async def test_voice_without_recognition_and_video(house):
    await house.emulator.voice(USER, b"#!AMR sound", "")
    await house.emulator.video(USER, b"\x00\x00\x00\x18ftyp")
    assert [text for _, text in house.dialogue.turns] == ["[语音]", "[视频]"]
    assert {kept.kind for kept in house.rows(Attachment)} == {"voice", "video"}


async def test_location_becomes_the_nearest_building(house):
    building = house.rows(Building, Building.key == "xingfuli_3")[0]
    await house.emulator.place(USER, building.lat + 0.0001, building.lon, "某路")
    assert house.dialogue.turns[-1] == (USER, "幸福里3号楼")
    await house.emulator.place(USER, 0.0, 0.0, "几内亚湾")
    assert house.dialogue.turns[-1] == (USER, "几内亚湾")


async def test_link_and_location_without_a_name(house):
    await house.emulator.link(USER, "养老政策", "http://x")
    await house.emulator.place(USER, 0.0, 0.0)
    assert [text for _, text in house.dialogue.turns] == ["养老政策", "[位置]"]


# --- events -----------------------------------------------------------------------------------


async def test_scanning_the_buildings_code_binds_the_resident(house):
    await house.emulator.scan(USER, "xingfuli_3")
    await house.emulator.scan(USER, "xingfuli_4")
    first, second = house.emulator.got(USER)
    assert "您好" in first and "幸福里3号楼" in first
    assert "幸福里4号楼" in second and "您好" not in second
    resident = house.rows(Resident, Resident.external_id == USER)[0]
    assert resident.building_id == house.database.building_id("xingfuli_4")


async def test_unknown_code_and_plain_follow(house):
    await house.emulator.follow(USER)
    await house.emulator.scan(USER, "no-such")
    assert house.emulator.got(USER) == [wechat_inward.WELCOME, wechat_inward.WRONG_CODE]


async def test_menu_speaks_for_the_resident(house):
    await house.emulator.menu_tap(USER, "tickets")
    assert house.dialogue.turns == [(USER, wechat_inward.MENU_WORDS["tickets"])]


async def test_silent_events_are_silent(house):
    await house.emulator.event(USER, "VIEW", {"EventKey": "http://x"})
    await house.emulator.event(
        USER, "LOCATION", {"Latitude": "1", "Longitude": "1", "Precision": "1"}
    )
    await house.emulator.event(USER, "TEMPLATESENDJOBFINISH", {"MsgID": 1, "Status": "success"})
    await house.emulator.menu_tap(USER, "unknown-key")
    assert house.emulator.got(USER) == [] and house.dialogue.turns == []


async def test_unfollowing_deletes_personal_data(house):
    await house.emulator.scan(USER, "xingfuli_3")
    await house.emulator.say(USER, "我叫张三，电话13812345678")
    engine = tracker.make_engine(house.database.url)
    with engine.begin() as connection:
        connection.execute(
            EVENTS.insert().values(
                sender_id=USER, type_name="user", timestamp=1.0, data='{"text": "张三"}'
            )
        )
    await house.emulator.unfollow(USER)
    await house.emulator.unfollow(USER)
    assert house.rows(ChatMessage) == []
    assert house.rows(Resident, Resident.external_id == USER) == []
    assert all(row.text == "" for row in house.rows(InboxMessage))
    with engine.connect() as connection:
        assert connection.execute(EVENTS.select()).all() == []


# --- notices ----------------------------------------------------------------------------------


def queue_notice(house: House, key: str = "n1", **extra: Any) -> None:
    with house.database.factory.begin() as session:
        resident = session.scalars(select(Resident).where(Resident.external_id == USER)).one()
        payload = {"text": "您的工单已办结。", "number": "T1", **extra}
        outbox.put(
            session,
            to="resident",
            recipient_id=resident.id,
            kind="notice",
            payload=payload,
            dedup_key=key,
            at=now(),
        )


async def test_notice_within_the_window_with_tappable_rating(house):
    await house.emulator.say(USER, "你好")
    queue_notice(house, rate=True)
    await house.relay()
    row = house.rows(Outbox)[-1]
    assert (row.status, row.via) == ("sent", "客服消息")
    await house.emulator.tap(USER, "很满意")
    assert house.dialogue.turns[-1][1] == '/ticket_rate{"ticket_number":"T1","rating":5}'


async def test_rating_by_a_digit_where_menus_are_not_allowed(house):
    house.emulator.msgmenu_allowed = False
    await house.emulator.say(USER, "你好")
    queue_notice(house, rate=True)
    await house.relay()
    assert "4. 没解决" in house.emulator.got(USER)[-1]
    await house.emulator.say(USER, "4")
    assert house.dialogue.turns[-1][1] == '/ticket_reopen{"ticket_number":"T1"}'


async def close_window(house: House) -> None:
    await house.emulator.say(USER, "你好")
    house.emulator.followers[USER].message_until = 0
    house.emulator.followers[USER].message_left = 0


async def test_fallback_to_subscribe_then_template(make_house):
    house = await make_house(
        wechat_subscribe_id="subscribe-service", wechat_template_id="template-service"
    )
    await close_window(house)
    await house.emulator.consent(USER, "subscribe-service")
    queue_notice(house, "n1")
    queue_notice(house, "n2")
    await house.relay()
    first, second = house.rows(Outbox)
    assert (first.status, first.via) == ("sent", "订阅通知")
    assert (second.status, second.via) == ("sent", "模板消息")
    assert "45015" in first.error and "43101" in second.error
    assert [s.via for s in house.emulator.phones[USER]][-2:] == ["subscribe", "template"]


async def test_undeliverable_notice_has_a_reason_and_is_shown_next_time(house):
    await close_window(house)
    queue_notice(house)
    await house.relay()
    row = house.rows(Outbox)[0]
    assert (row.status, row.errcode) == ("failed", 45015)
    assert "48 小时" in row.error
    delivered = await house.emulator.say(USER, "我又来了")
    assert "您的工单已办结。" in delivered.answer
    delivered = await house.emulator.say(USER, "还有吗")
    assert "您的工单已办结。" not in delivered.answer
    assert house.rows(PlatformMissed)[0].shown_in


async def test_notices_are_in_the_history_once(house):
    await house.emulator.say(USER, "你好")
    queue_notice(house)
    house.emulator.fail("/cgi-bin/message/custom/send", 45009)
    await house.relay()
    assert house.rows(Outbox)[0].status == "queued"
    with house.database.factory.begin() as session:
        session.scalars(select(Outbox)).one().next_at = now()
    await house.relay()
    resident = house.rows(Resident, Resident.external_id == USER)[0]
    lines = chat.history(house.database.factory, resident.id)
    assert [line.body["text"] for line in lines if line.kind == "notice"] == ["您的工单已办结。"]


async def test_emulated_phone_says_unavailable_when_we_are_down(house):
    house.emulator.caller.callback.url = "http://127.0.0.1:9/"
    await house.emulator.say(USER, "在吗")
    assert house.emulator.got(USER) == [UNAVAILABLE]
