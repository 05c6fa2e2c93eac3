"""The clients against the strict emulators: sending, errors, retries, tokens, quotas."""

import asyncio
import datetime as dt

import aiohttp
import pytest

from bot.platforms import quota
from bot.platforms.client import ApiClient
from bot.platforms.errors import HELD_BACK, QUOTA_USED, UNREACHABLE, WINDOW_CLOSED, PlatformError
from bot.platforms.quota import Limit, ServiceRules
from bot.platforms.replies import Choice, Outgoing
from bot.platforms.wechat import SnapshotUser
from bot.platforms.wecom import Button, Card

NOW = dt.datetime(2026, 11, 24, 8, 0, tzinfo=dt.timezone.utc)
SEND = "/cgi-bin/message/custom/send"


async def refused(awaitable) -> PlatformError:
    with pytest.raises(PlatformError) as caught:
        await awaitable
    return caught.value


async def wrote(emulator, user: str) -> None:
    """The person writes to a service that does not answer; the platform opens the window."""
    emulator.caller.callback.tries = 1
    await emulator.say(user, "你好")


# --- sending ----------------------------------------------------------------------------------


async def test_text_arrives_as_written(wechat_emulator, wechat_api):
    await wrote(wechat_emulator, "openid-1")
    await wechat_api.send_text("openid-1", "您的工单已派给王芳。🙂")
    assert wechat_emulator.got("openid-1")[-1] == "您的工单已派给王芳。🙂"


async def test_menu_can_be_tapped(wechat_emulator, wechat_api):
    await wrote(wechat_emulator, "openid-1")
    await wechat_api.send_menu("openid-1", Outgoing("满意吗？", (Choice("满意", 7),)))
    assert wechat_emulator.phones["openid-1"][-1].data["choices"] == [("满意", "7")]


@pytest.mark.parametrize(
    "prepare, errcode",
    [
        (lambda e: e.clock.advance(48 * 3600 + 1), 45015),
        (lambda e: setattr(e.followers["openid-1"], "blocks_messages", True), 48002),
        (lambda e: setattr(e, "custom_allowed", False), 48001),
        (lambda e: setattr(e.followers["openid-1"], "message_left", 0), 45047),
    ],
)
async def test_refusals_have_chinese_reasons(wechat_emulator, wechat_api, prepare, errcode):
    await wrote(wechat_emulator, "openid-1")
    prepare(wechat_emulator)
    error = await refused(wechat_api.send_text("openid-1", "通知"))
    assert error.errcode == errcode
    assert str(errcode) in error.reason and not error.temporary
    assert wechat_emulator.calls[SEND] == 1  # no retry can mend it


async def test_too_long_and_unknown_receiver(wechat_emulator, wechat_api):
    await wrote(wechat_emulator, "openid-1")
    assert (await refused(wechat_api.send_text("openid-1", "字" * 700))).errcode == 45002
    assert (await refused(wechat_api.send_text("nobody", "x"))).errcode == 40003


async def test_busy_is_retried_and_bounded(wechat_emulator, wechat_api):
    await wrote(wechat_emulator, "openid-1")
    wechat_emulator.fail(SEND, -1, times=3)
    await wechat_api.send_text("openid-1", "通知")
    assert wechat_emulator.calls[SEND] == 4
    wechat_emulator.fail(SEND, -1, times=99)
    error = await refused(wechat_api.send_text("openid-1", "再通知"))
    assert error.errcode == -1 and error.temporary
    assert wechat_emulator.calls[SEND] == 8


async def test_network_error_names_no_secret(sqlite_database, unused_tcp_port, http, caplog):
    client = ApiClient(http, f"http://127.0.0.1:{unused_tcp_port}", backoff=0.001)
    error = await refused(client.get("/x", {"access_token": "very-secret"}))
    assert error.errcode == UNREACHABLE and error.temporary
    assert "very-secret" not in f"{error}{error.reason}{caplog.text}"


async def test_no_answer_in_time(wechat_emulator, http):
    wechat_emulator.slow["/cgi-bin/stable_token"] = 5
    client = ApiClient(
        http, wechat_emulator.base, retries=0, timeout=aiohttp.ClientTimeout(total=0.05)
    )
    assert (await refused(client.post("/cgi-bin/stable_token", {}))).errcode == UNREACHABLE


async def test_template_and_subscribe_messages(wechat_emulator, wechat_api):
    await wrote(wechat_emulator, "openid-1")
    await wechat_api.send_template("openid-1", "template-service", {"thing1": "已派单"})
    assert "已派单" in wechat_emulator.got("openid-1")[-1]
    error = await refused(wechat_api.send_template("openid-1", "wrong", {}))
    assert error.errcode == 40037
    error = await refused(wechat_api.send_subscribed("openid-1", "subscribe-service", {}))
    assert error.errcode == 43101
    wechat_emulator.followers["openid-1"].consents["subscribe-service"] = 1
    await wechat_api.send_subscribed("openid-1", "subscribe-service", {"thing1": "已办结"})
    assert "已办结" in wechat_emulator.got("openid-1")[-1]
    wechat_emulator.followers["openid-1"].follows = False
    error = await refused(wechat_api.send_template("openid-1", "template-service", {}))
    assert error.errcode == 43004


async def test_qr_code_menu_and_media(wechat_emulator, wechat_api):
    url = await wechat_api.create_qr("building-3")
    assert wechat_emulator.scenes[url] == ("building-3", None)
    await wechat_api.create_qr("once", seconds=10**9)
    await wechat_api.publish_menu([{"type": "click", "name": "我要反映", "key": "report"}])
    assert wechat_emulator.menu[0]["key"] == "report"
    media_id = wechat_emulator.put_media(b"jpeg bytes", "image/jpeg")
    assert (await wechat_api.media(media_id)).data == b"jpeg bytes"


async def test_expired_media_is_an_error_though_http_says_200(wechat_emulator, wechat_api):
    media_id = wechat_emulator.put_media(b"jpeg bytes", "image/jpeg")
    wechat_emulator.clock.advance(3 * 86400 + 1)
    assert (await refused(wechat_api.media(media_id))).errcode == 40007


async def test_oauth_code_works_once(wechat_emulator, wechat_api):
    code = wechat_emulator.new_code("openid-1")
    assert await wechat_api.openid_of(code) == "openid-1"
    assert (await refused(wechat_api.openid_of(code))).errcode == 40163
    assert (await refused(wechat_api.openid_of("forged"))).errcode == 40029
    late = wechat_emulator.new_code("openid-1")
    wechat_emulator.clock.advance(301)
    assert (await refused(wechat_api.openid_of(late))).errcode == 40029
    wechat_emulator.snapshot = True
    with pytest.raises(SnapshotUser):
        await wechat_api.openid_of(wechat_emulator.new_code("openid-1"))


def test_oauth_state_is_letters_and_digits(wechat_api):
    assert "state=abc1#wechat_redirect" in wechat_api.authorize_url("https://x/y", "abc1")
    with pytest.raises(ValueError):
        wechat_api.authorize_url("https://x/y", "a-b")


# --- WeCom ------------------------------------------------------------------------------------


def card(task_id: str) -> Card:
    buttons = (Button("接单", "accept"), Button("退单", "return"))
    return Card(task_id, "新任务", "漏水维修", (("地点", "幸福里3号楼"),), buttons, "http://d/t/1")


async def test_member_gets_texts_whatever_the_case_of_the_id(wecom_emulator, wecom_api):
    await wecom_api.send_text("ZHANGSAN", "新任务")
    assert wecom_emulator.got("zhangsan") == ["新任务"]


async def test_unreachable_members(wecom_emulator, wecom_api):
    assert (await refused(wecom_api.send_text("nobody", "x"))).errcode == 81013
    wecom_emulator.unlicensed.add("lisi")
    assert (await refused(wecom_api.send_text("lisi", "x"))).errcode == 81013


async def test_card_is_sent_once_and_updated_once(wecom_emulator, wecom_api):
    code = await wecom_api.send_card("zhangsan", card("t-1"))
    assert (await refused(wecom_api.send_card("zhangsan", card("t-1")))).errcode == 42014
    await wecom_api.update_card(code, "已被接单")
    assert wecom_emulator.card("zhangsan", "t-1")["replaced"] == "已被接单"
    assert (await refused(wecom_api.update_card(code, "已接单"))).errcode == 72024


async def test_card_cannot_be_updated_after_72_hours(wecom_emulator, wecom_api):
    code = await wecom_api.send_card("zhangsan", card("t-1"))
    wecom_emulator.clock.advance(72 * 3600 + 1)
    assert (await refused(wecom_api.update_card(code, "已接单"))).errcode == 72024


async def test_nothing_is_dropped_because_we_stop_first(wecom_emulator, wecom_api):
    for number in range(30):
        await wecom_api.send_text("zhangsan", f"第{number}条")
    error = await refused(wecom_api.send_text("zhangsan", "第31条"))
    assert error.errcode == HELD_BACK and error.temporary
    assert len(wecom_emulator.got("zhangsan")) == 30 and wecom_emulator.dropped == 0
    wecom_emulator.clock.advance(61)
    await wecom_api.send_text("zhangsan", "第31条")
    assert wecom_emulator.got("zhangsan")[-1] == "第31条"


async def test_staff_log_in(wecom_emulator, wecom_api):
    assert await wecom_api.userid_of(wecom_emulator.new_code("zhangsan")) == "zhangsan"
    wecom_emulator.outsiders.add("guest")
    assert (await refused(wecom_api.userid_of(wecom_emulator.new_code("guest")))).errcode == 60111


async def test_group_robot(wecom_emulator, wecom_api):
    wecom_emulator.robots["key-1"] = []
    for number in range(20):
        await wecom_api.notify_group("key-1", f"通知{number}")
    assert (await refused(wecom_api.notify_group("key-1", "多了"))).errcode == HELD_BACK
    assert len(wecom_emulator.robots["key-1"]) == 20
    assert (await refused(wecom_api.notify_group("key-2", "x"))).errcode == 93000


# --- tokens -----------------------------------------------------------------------------------


async def test_token_is_fetched_once_and_kept(wechat_emulator, wechat_api):
    await wrote(wechat_emulator, "openid-1")
    await asyncio.gather(*(wechat_api.send_text("openid-1", str(n)) for n in range(5)))
    assert wechat_emulator.calls["/cgi-bin/stable_token"] == 1


async def test_token_is_renewed_before_its_end(wechat_emulator, wechat_api):
    first = await wechat_api.token.get()
    wechat_emulator.clock.advance(7200 - 200)
    second = await wechat_api.token.get()
    assert second != first and wechat_emulator.tokens.issued == 2
    wechat_emulator.tokens.check(first)  # those still using the old one are not cut off


@pytest.mark.parametrize("errcode", [40001, 40014, 42001])
async def test_refused_token_is_renewed_once(wechat_emulator, wechat_api, errcode):
    await wrote(wechat_emulator, "openid-1")
    await wechat_api.token.get()
    wechat_emulator.fail(SEND, errcode)
    await wechat_api.send_text("openid-1", "通知")
    assert wechat_emulator.got("openid-1")[-1] == "通知"
    assert wechat_emulator.tokens.issued == 2


async def test_a_token_refused_twice_is_not_renewed_forever(wechat_emulator, wechat_api):
    await wrote(wechat_emulator, "openid-1")
    wechat_emulator.fail(SEND, 40001, times=99)
    error = await refused(wechat_api.send_text("openid-1", "通知"))
    assert error.errcode == 40001
    assert wechat_emulator.calls[SEND] == 2


async def test_wrong_secret(wechat_emulator, wechat_api):
    wechat_emulator.secret = "changed"
    assert (await refused(wechat_api.send_text("openid-1", "x"))).errcode == 40125


# --- quotas -----------------------------------------------------------------------------------


def service_code(factory, at) -> int:
    try:
        quota.take_service(factory, "wechat", "openid-1", at)
    except PlatformError as error:
        return error.errcode
    return 0


def test_five_sends_in_48_hours(database):
    rules = ServiceRules()
    assert service_code(database.factory, NOW) == WINDOW_CLOSED
    quota.opened_by_message(database.factory, "wechat", "openid-1", rules, NOW)
    assert [service_code(database.factory, NOW) for _ in range(6)] == [0] * 5 + [QUOTA_USED]
    quota.opened_by_message(database.factory, "wechat", "openid-1", rules, NOW)
    assert service_code(database.factory, NOW + dt.timedelta(hours=47)) == 0
    assert service_code(database.factory, NOW + dt.timedelta(hours=48)) == WINDOW_CLOSED


def test_three_sends_in_a_minute_after_a_tap(database):
    quota.opened_by_tap(database.factory, "wechat", "openid-1", ServiceRules(), NOW)
    assert [service_code(database.factory, NOW) for _ in range(4)] == [0] * 3 + [WINDOW_CLOSED]


def test_the_platforms_count_wins(database):
    quota.opened_by_message(database.factory, "wechat", "openid-1", ServiceRules(), NOW)
    quota.service_refused(database.factory, "wechat", "openid-1")
    assert service_code(database.factory, NOW) == QUOTA_USED


async def test_many_at_once_never_exceed_a_limit(database):
    def take() -> bool:
        try:
            quota.take_rate(database.factory, "wecom:zhangsan", [Limit(10, 60)], NOW)
        except PlatformError:
            return False
        return True

    taken = await asyncio.gather(*(asyncio.to_thread(take) for _ in range(25)))
    assert sum(taken) == 10


def test_limit_slides(database):
    limits = [Limit(2, 60)]
    for seconds in (0, 30, 61):
        at = NOW + dt.timedelta(seconds=seconds)
        quota.take_rate(database.factory, "k", limits, at)
    with pytest.raises(PlatformError):
        quota.take_rate(database.factory, "k", limits, NOW + dt.timedelta(seconds=80))


def test_one_consent_one_send(database):
    assert not quota.take_consent(database.factory, "wechat", "u", "t")
    quota.consent_given(database.factory, "wechat", "u", "t")
    assert quota.take_consent(database.factory, "wechat", "u", "t")
    assert not quota.take_consent(database.factory, "wechat", "u", "t")
