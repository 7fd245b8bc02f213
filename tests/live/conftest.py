"""A harness of the live views alone, and a browser that looks at it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright

from tests.server import ROOT, free_port

_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# Streamlit's own; the policy stops it and nothing depends on it.
_KNOWN_ERRORS = ("Executing inline script violates",)


@dataclass(frozen=True, slots=True)
class Harness:
    url: str

    def do(self, what: str, **asked: Any) -> dict[str, Any]:
        answer = httpx.post(f"{self.url}/_test", json={"do": what, **asked})
        answer.raise_for_status()
        result: dict[str, Any] = answer.json()
        return result

    def start(self, text: str, **script: Any) -> str:
        run: str = self.do("start", text=text, **script)["run"]
        return run


@dataclass(slots=True)
class Tab:
    """A page, what it asked for and what it complained of."""

    page: Page
    asked: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    async def until(self, script: str, within_s: float = 10.0, *, what: object = None) -> Any:
        """Poll until the script's value is true: `wait_for_function` needs eval, which the policy bans."""
        deadline_s = time.monotonic() + within_s
        while not (value := await self.page.evaluate(script, what)):
            assert time.monotonic() < deadline_s, f"still false after {within_s:g} s: {script}"
            await asyncio.sleep(0.05)
        return value


OpenTab = Callable[..., Awaitable[Tab]]

# Finds the live answers, which live in shadow roots, however Streamlit calls what is around them.
_HELPERS = """
window.__views = () => {
  const found = [];
  const walk = (root) => {
    for (const node of root.querySelectorAll("*")) {
      if (node.classList.contains("rv")) found.push(node);
      if (node.shadowRoot) walk(node.shadowRoot);
    }
  };
  walk(document);
  return found;
};
window.__answers = () => __views().map((view) => view.querySelector(".answer")?.innerText ?? "");
"""


@pytest.fixture(scope="session")
def harness() -> Iterator[Harness]:
    port = free_port()
    process = subprocess.Popen([sys.executable, "-m", "tests.live.harness.serve", str(port)], cwd=ROOT)
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_for(url, process)
        yield Harness(url)
    finally:
        process.terminate()
        process.wait(15)


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline_s = time.monotonic() + 30
    while True:
        assert process.poll() is None, "the harness ended"
        assert time.monotonic() < deadline_s, "the harness is not ready"
        try:
            if httpx.get(f"{url}/_stcore/health").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)


# One browser for all of these tests: each has a context of its own.
@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def live_browser(chromium_path: Path) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium_path, args=_FLAGS)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="session")
async def open_tab(live_browser: Browser, harness: Harness) -> AsyncIterator[OpenTab]:
    """`await open_tab("/?runs=run_0001", width=390, theme="dark")`; its console must stay quiet.
    `script` runs in the page before anything else."""
    tabs: list[Tab] = []

    async def open_one(
        path: str, *, width: int = 1440, height: int = 900, theme: str = "light", script: str = ""
    ) -> Tab:
        context = await live_browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if theme == "dark" else "light",
            permissions=["clipboard-read", "clipboard-write"],
            has_touch=width < 600,
        )
        page = await context.new_page()
        tab = Tab(page)
        tabs.append(tab)
        page.on("request", lambda request: tab.asked.append(request.url))
        page.on("websocket", lambda socket: tab.asked.append(socket.url))
        page.on("pageerror", lambda error: tab.errors.append(f"uncaught: {error}"))
        page.on("console", lambda said: tab.errors.append(said.text) if said.type == "error" else None)
        await page.add_init_script(_HELPERS + script)
        await page.goto(harness.url + path)
        return tab

    yield open_one
    for tab in tabs:
        host = urlsplit(harness.url).netloc
        foreign = [
            url
            for url in tab.asked
            if not url.startswith(("data:", "blob:")) and urlsplit(url).netloc != host
        ]
        assert foreign == [], "the page asked another origin"
        errors = [error for error in tab.errors if not error.startswith(_KNOWN_ERRORS)]
        assert errors == [], "the page complained on its console"
        await tab.page.context.close()
