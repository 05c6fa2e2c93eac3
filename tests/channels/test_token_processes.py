"""Eight processes whose shared token dies between two sends: one renewal, no failed send."""

import asyncio
import datetime as dt
import sys

from sqlalchemy import update

from bot.platforms.client import ApiClient
from bot.platforms.wechat import WeChatApi
from bot.settings import ROOT
from bot.store.models_platform import PlatformToken
from tests.channels.conftest import APPID, SECRET

PROCESSES, SENDS = 8, 4


async def start(url: str, base: str, number: int) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tests.channels.token_worker", url, base, str(number), str(SENDS)),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )


async def test_expiry_at_the_worst_moment(database, wechat_emulator):
    for number in range(PROCESSES):
        person = wechat_emulator.follower(f"openid-{number}")
        person.message_until, person.message_left = wechat_emulator.clock.now() + 3600, SENDS
    workers = [await start(database.url, wechat_emulator.base, n) for n in range(PROCESSES)]
    for worker in workers:
        assert (await worker.stdout.readline()).strip() == b"ready"
    assert wechat_emulator.tokens.issued == 1
    wechat_emulator.tokens.revoke()  # every process holds it in memory and believes in it
    answers = await asyncio.gather(*(worker.communicate(b"go\n") for worker in workers))
    assert all(out.strip() == b"done" for out, _ in answers)
    assert wechat_emulator.tokens.issued == 2
    assert wechat_emulator.calls["/cgi-bin/stable_token"] == 2
    for number in range(PROCESSES):
        expected = [f"{number}-{n}" for n in range(SENDS)]
        assert wechat_emulator.got(f"openid-{number}") == expected


async def test_a_process_that_died_while_renewing_blocks_nobody(database, wechat_emulator, http):
    api = WeChatApi(
        ApiClient(http, wechat_emulator.base), database.factory, appid=APPID, secret=SECRET
    )
    await asyncio.to_thread(api.token._load)
    died = dt.datetime.now(dt.timezone.utc) - dt.timedelta(seconds=1)
    with database.factory.begin() as session:
        session.execute(update(PlatformToken).values(lease_owner="dead", lease_until=died))
    assert await api.token.get()
