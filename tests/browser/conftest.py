"""A person at a browser: pages in real Chromium that keep watch over what they load and say.

Every page fails its test when it asked another origin for anything, or wrote an error on its console.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import pytest_asyncio
from playwright.async_api import Browser, ConsoleMessage, Page, async_playwright

from tests.server import Server

Size = Literal["desk", "phone"]
Theme = Literal["light", "dark"]
OpenPage = Callable[..., Awaitable[Page]]

SHOTS = Path(__file__).parent / "shots"
_SIZES: dict[Size, tuple[int, int]] = {"desk": (1440, 900), "phone": (390, 844)}
# Chromium's sandbox does not start for root; the rest keeps its own calls home off the record.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# Streamlit's own page has one inline script, a flag for a rendering service that we do not use; our policy
# refuses it by this hash, which does no harm. Any other inline script on the console is an error.
_REFUSED_ON_PURPOSE = "sha256-THxz9J9+wf7rhwR2YkXJoSZ13UCmYyC+3lNDv2+8ugA="
# Opened at the address of a page, Streamlit looks for its server below that address first.
_LOOKED_FOR = re.compile(r"/\w+/_stcore/(health|host-config)$")


class Watch:
    """What a page did that it must not do."""

    def __init__(self, page: Page, origin: str) -> None:
        self.errors: list[str] = []
        self.foreign: list[str] = []
        self._origin = urlsplit(origin).netloc
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.errors.append(f"uncaught: {error}"))
        page.on("request", lambda request: self._asked(request.url))
        page.on("websocket", lambda socket: self._asked(socket.url))

    def check(self) -> None:
        assert self.foreign == [], "the page asked another origin"
        assert self.errors == [], "the page wrote errors on its console"

    def _console(self, message: ConsoleMessage) -> None:
        if message.type != "error":
            return
        url = message.location.get("url", "")
        if _REFUSED_ON_PURPOSE not in message.text and not _LOOKED_FOR.search(url):
            self.errors.append(f"{message.text} ({url})")

    def _asked(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme in ("http", "https", "ws", "wss") and parts.netloc != self._origin:
            self.foreign.append(url)


# One browser for all of these tests, on their one loop: each test has contexts of its own.
@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser(chromium_path: Path) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium_path, args=FLAGS)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="session")
async def open_page(browser: Browser, tiltyard: Server) -> AsyncIterator[OpenPage]:
    """`await open_page("/credits", size="phone", theme="dark")`: a fresh visitor's tab."""
    watches: list[Watch] = []
    async with AsyncExitStack() as contexts:

        async def open_one(
            path: str = "/", *, size: Size = "desk", theme: Theme = "light", server: Server = tiltyard
        ) -> Page:
            width, height = _SIZES[size]
            context = await contexts.enter_async_context(
                await browser.new_context(
                    viewport={"width": width, "height": height}, color_scheme=theme, locale="en-GB"
                )
            )
            page = await context.new_page()
            watches.append(Watch(page, server.url))
            page.set_default_timeout(20_000)
            await page.goto(server.url + path)
            return page

        yield open_one
    for watch in watches:
        watch.check()


@pytest_asyncio.fixture(loop_scope="session")
async def page(open_page: OpenPage) -> Page:
    """The start page on a desk, light."""
    return await open_page()


async def shoot(page: Page, name: str) -> None:
    """Keep a picture under `tests/browser/shots/`, for people to look at."""
    SHOTS.mkdir(exist_ok=True)
    await page.screenshot(path=SHOTS / f"{name}.png", full_page=False)
