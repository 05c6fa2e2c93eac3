"""Who gets into the staff desk, and what keeps the others out: one test for each property."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator
from pathlib import Path
from unittest.mock import Mock

import pytest
from aiohttp.test_utils import TestServer, make_mocked_request

from bot.desk.staff.access import client_address, local_path
from bot.services import clock
from tests.databases import Database
from tests.desk_client import HTMX, PASSWORD, Browser, browser, desk
from tests.people import MORNING, finish_work, open_ticket, resident, ticket

PAGES = ("/desk", "/desk/queue", "/desk/stats", "/desk/me", "/desk/alerts", "/desk/tickets/LL-1")


@pytest.fixture(autouse=True)
def morning(monkeypatch: pytest.MonkeyPatch) -> None:
    """A quarter of an hour after the tickets of the tests were opened."""
    monkeypatch.setattr(clock, "now", lambda: MORNING + dt.timedelta(minutes=15))


@pytest.fixture
def database(sqlite_database: Database) -> Database:
    """One database is enough here: nothing of this depends on which."""
    return sqlite_database


@pytest.fixture
async def server(database: Database, tmp_path: Path) -> AsyncIterator[TestServer]:
    async with desk(database, tmp_path) as served:
        yield served


@pytest.fixture
async def stranger(server: TestServer) -> AsyncIterator[Browser]:
    async with browser(server) as found:
        yield found


def key_of(database: Database, number: str) -> str:
    return str(ticket(database, number).assignee.key)


@pytest.mark.parametrize("path", PAGES)
async def test_without_log_in_every_page_leads_to_the_log_in_page(stranger: Browser, path: str):
    response = await stranger.client.get(path, allow_redirects=False)
    assert response.status == 303
    assert response.headers["Location"] == f"/desk/login?next={path}"


async def test_without_log_in_nothing_is_written_sent_or_streamed(
    stranger: Browser, database: Database
):
    number = open_ticket(database, resident(database)).number
    await stranger.get("/desk/login")
    for path in (f"/desk/tickets/{number}/do/accept", f"/desk/tickets/{number}/phone"):
        assert (await stranger.send(path)).status == 401
    assert ticket(database, number).status == "dispatched"
    stream = await stranger.client.get("/desk/stream", headers={"Accept": "text/event-stream"})
    assert stream.status == 401
    fragment = await stranger.client.get("/desk", headers=HTMX)
    assert (fragment.status, fragment.headers["HX-Redirect"]) == (401, "/desk/login?next=/desk")


async def test_wrong_name_and_wrong_password_get_the_same_chinese_words(stranger: Browser):
    answers = []
    for name, password in (("wang_xiulan", "wrong-password"), ("nobody", PASSWORD)):
        response = await stranger.log_in(name, password)
        assert response.status == 401
        answers.append("用户名或密码不对。" in await response.text())
    assert answers == [True, True]
    assert (await stranger.client.get("/desk", allow_redirects=False)).status == 303


async def test_after_five_wrong_passwords_even_the_right_one_has_to_wait(stranger: Browser):
    for _ in range(5):
        assert (await stranger.log_in("wang_xiulan", "guess")).status == 401
    response = await stranger.log_in("wang_xiulan")
    assert response.status == 429
    assert "请15分钟后再试" in await response.text()
    assert (await stranger.log_in("li_jianguo")).status == 303  # others are not locked out


async def test_a_write_without_the_form_token_is_refused(server: TestServer, database: Database):
    number = open_ticket(database, resident(database)).number
    async with browser(server, key_of(database, number)) as staff:
        for token in ("", "guessed"):
            staff.token = token
            response = await staff.step(number, "accept")
            assert response.status == 403
            assert "页面已过期" in await response.text()
    assert ticket(database, number).status == "dispatched"


async def test_log_in_needs_the_form_token_too(stranger: Browser):
    response = await stranger.send("/desk/login", {"name": "wang_xiulan", "password": PASSWORD})
    assert response.status == 403


async def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(stranger: Browser):
    response = await stranger.log_in("wang_xiulan")
    cookie = response.headers["Set-Cookie"]
    assert cookie.startswith("linli_desk=")
    assert "HttpOnly" in cookie and "SameSite=Lax" in cookie and "Path=/desk" in cookie
    assert "Secure" not in cookie  # the test's address is plain HTTP
    assert "wang_xiulan" not in cookie


async def test_behind_https_the_cookie_is_secure(database: Database, tmp_path: Path):
    async with (
        desk(database, tmp_path, public_url="https://linli.example") as server,
        browser(server) as stranger,
    ):
        response = await stranger.client.get("/desk/login")
        assert "Secure" in response.headers["Set-Cookie"]


async def test_every_answer_carries_the_security_headers(server: TestServer):
    async with browser(server, "wang_xiulan") as staff:
        for path in ("/desk/login", "/desk", "/desk/nothing"):
            headers = (await staff.client.get(path)).headers
            policy = headers["Content-Security-Policy"]
            assert "script-src 'self'" in policy and "unsafe" not in policy
            assert "frame-ancestors 'none'" in policy
            assert headers["X-Content-Type-Options"] == "nosniff"
            assert headers["Cache-Control"] == "no-store"


async def test_pages_hold_no_inline_script_or_style(server: TestServer, database: Database):
    number = open_ticket(database, resident(database)).number
    async with browser(server, key_of(database, number)) as staff:
        for path in ("/desk", f"/desk/tickets/{number}", "/desk/queue", "/desk/stats", "/desk/me"):
            text = await staff.get(path)
            assert "<script>" not in text and " style=" not in text and " onclick=" not in text


async def test_log_in_starts_a_new_session(stranger: Browser):
    await stranger.get("/desk/login")
    before = stranger.token
    await stranger.log_in("wang_xiulan")
    assert stranger.token not in ("", before)


async def test_a_copied_cookie_is_worth_nothing_after_log_out(server: TestServer):
    async with browser(server, "wang_xiulan") as staff, browser(server) as thief:
        jar = staff.client.session.cookie_jar.filter_cookies(server.make_url("/desk"))
        stolen = {"Cookie": f"linli_desk={jar['linli_desk'].value}"}
        await thief.get("/desk", headers=stolen)
        assert (await staff.send("/desk/logout")).headers["Location"] == "/desk/login"
        again = await thief.client.get("/desk", headers=stolen, allow_redirects=False)
        assert again.status == 303


async def test_a_forged_or_foreign_cookie_is_nobody(stranger: Browser):
    for value in ("forged", "gAAAAABforged"):
        response = await stranger.client.get(
            "/desk", headers={"Cookie": f"linli_desk={value}"}, allow_redirects=False
        )
        assert response.status == 303


async def test_changing_the_password_ends_the_other_log_ins(server: TestServer):
    async with browser(server, "wang_xiulan") as here, browser(server, "wang_xiulan") as there:
        wrong = {"old": "wrong", "new": "a-new-password", "again": "a-new-password"}
        response = await here.send("/desk/me/password", wrong)
        assert response.status == 422 and "原密码不对" in await response.text()
        for new, words in (("short", "至少10位"), ("not-the-same-one", "不一样")):
            sent = {"old": PASSWORD, "new": new, "again": new if words == "至少10位" else "x" * 12}
            assert words in await (await here.send("/desk/me/password", sent)).text()
        right = {"old": PASSWORD, "new": "a-new-password", "again": "a-new-password"}
        assert (await here.send("/desk/me/password", right)).status == 303
        assert "密码已修改" in await here.get("/desk/me")
        assert (await there.client.get("/desk", allow_redirects=False)).status == 303


async def test_after_log_in_one_goes_on_to_where_one_wanted_but_never_off_site(stranger: Browser):
    await stranger.get("/desk/login")
    data = {"name": "wang_xiulan", "password": PASSWORD, "next": "https://evil.example/desk"}
    assert (await stranger.send("/desk/login", data)).headers["Location"] == "/desk"


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        ("/desk/tickets/LL-1?a=b", "/desk/tickets/LL-1?a=b"),
        ("//evil.example/desk", "/desk"),
        ("/desk//evil.example", "/desk"),
        ("/desk\\@evil.example", "/desk"),
        ("https://evil.example/desk/", "/desk"),
        ("/deskevil", "/desk"),
        ("javascript:alert(1)", "/desk"),
        ("/desk\r\nSet-Cookie: a=b", "/desk"),
        ("", "/desk"),
    ],
)
def test_only_own_pages_are_gone_on_to(asked: str, given: str):
    assert local_path(asked) == given


async def test_what_a_resident_wrote_is_shown_as_words_not_as_html(
    server: TestServer, database: Database
):
    words = "<script>alert(1)</script><img src=x onerror=alert(2)>漏水"
    number = open_ticket(database, resident(database), words=words).number
    async with browser(server, key_of(database, number)) as staff:
        for path in ("/desk", f"/desk/tickets/{number}"):
            page = await staff.get(path)
            assert "<script>alert" not in page and "<img src=x" not in page
            assert "&lt;script&gt;alert(1)" in page


async def test_a_resolved_ticket_shows_no_way_to_rate_it(server: TestServer, database: Database):
    number = open_ticket(database, resident(database)).number
    finish_work(database, number)
    async with browser(server, key_of(database, number)) as staff:
        page = await staff.get(f"/desk/tickets/{number}")
        assert "居民还没有评价" in page and "/do/rate" not in page
        assert (await staff.step(number, "rate", stars="5")).status == 404


async def test_sample_log_ins_show_only_in_demonstrations(database: Database, tmp_path: Path):
    for demo, shown in ((True, True), (False, False)):
        async with desk(database, tmp_path, demo=demo) as server, browser(server) as stranger:
            assert (PASSWORD in await stranger.get("/desk/login")) is shown


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("203.0.113.7", "", "203.0.113.7"),
        ("203.0.113.7", "198.51.100.1", "203.0.113.7"),  # anybody can write that header
        ("127.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("127.0.0.1", "10.0.0.1, 198.51.100.1", "198.51.100.1"),  # what our proxy itself saw
        ("127.0.0.1", "nonsense", "127.0.0.1"),
    ],
)
def test_only_a_proxy_on_this_machine_is_believed_about_addresses(
    peer: str, forwarded: str, address: str
):
    transport = Mock(get_extra_info=lambda key, default=None: {"peername": (peer, 1)}.get(key))
    headers = {"X-Forwarded-For": forwarded} if forwarded else {}
    request = make_mocked_request("GET", "/desk/login", headers=headers, transport=transport)
    assert client_address(request) == address
