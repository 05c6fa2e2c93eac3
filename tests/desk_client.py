"""A browser without a screen at the staff desk: keeps cookies, fills in the form token."""

from __future__ import annotations

import io
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import ClientResponse, FormData
from aiohttp.test_utils import TestClient, TestServer
from PIL import Image

from bot.desk.main import make_app
from tests.databases import Database
from tests.desk_server import make_settings

PASSWORD = "qinghe-2026"
HTMX = {"HX-Request": "true"}


class Browser:
    """One browser; `client` is the bare client beneath."""

    def __init__(self, client: TestClient) -> None:
        self.client = client
        self.token = ""

    async def get(self, path: str, status: int = 200, **options: Any) -> str:
        """The text of a page, which must have this status."""
        async with self.client.get(path, **options) as response:
            text = await response.text()
            assert response.status == status, text
            self._remember(text)
            return text

    def _remember(self, text: str) -> None:
        found = re.search(r'"X-CSRF-Token": "([^"]+)"', text)
        self.token = found[1] if found else self.token

    async def send(self, path: str, data: Any = None, **options: Any) -> ClientResponse:
        """A POST as our pages send it; the answer is not followed."""
        headers = {"X-CSRF-Token": self.token} | options.pop("headers", {})
        options.setdefault("allow_redirects", False)
        response = await self.client.post(path, data=data or {}, headers=headers, **options)
        await response.read()
        return response

    async def log_in(self, name: str, password: str = PASSWORD) -> ClientResponse:
        """Log in through the page."""
        await self.get("/desk/login")
        response = await self.send("/desk/login", {"name": name, "password": password})
        if response.status == 303:
            await self.get("/desk")  # the new session has a new token
        return response

    async def step(self, number: str, step: str, **fields: Any) -> ClientResponse:
        """Send the form of a step, sure of it, as htmx does."""
        path = f"/desk/tickets/{number}/do/{step}"
        return await self.send(path, {"sure": "1"} | fields, headers=HTMX)


@asynccontextmanager
async def desk(database: Database, folder: Path, **settings: Any) -> AsyncIterator[TestServer]:
    """The real application on a port of its own."""
    app = make_app(make_settings(folder, database, **settings), database.factory)
    async with TestServer(app) as server:
        yield server


@asynccontextmanager
async def browser(server: TestServer, name: str | None = None) -> AsyncIterator[Browser]:
    """A browser, logged in as `name` if given."""
    # The server belongs to the test: closing a browser must not stop it.
    client = TestClient(server)
    client.close = client.session.close  # type: ignore[method-assign]
    async with client.session:
        found = Browser(client)
        if name:
            assert (await found.log_in(name)).status == 303
        yield found


def photo(size: tuple[int, int] = (400, 300)) -> bytes:
    """A small JPEG."""
    out = io.BytesIO()
    Image.new("RGB", size, "#3377aa").save(out, "JPEG")
    return out.getvalue()


def form(files: list[tuple[str, bytes]], **fields: str) -> FormData:
    """A form with files, its fields first as our pages order them."""
    data = FormData()
    for name, value in fields.items():
        data.add_field(name, value)
    for name, content in files:
        data.add_field("files", content, filename=name, content_type="image/jpeg")
    return data
