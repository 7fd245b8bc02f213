"""Pages stand still while they load: the cumulative layout shift of web.dev/cls stays below 0.1."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page

from bench.pages import PAGES
from tests.browser.test_latency import SHIFTS, curl
from tests.browser.test_main_job import wait_until
from tests.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.asyncio(loop_scope="session")]

GOOD = 0.1
LOADS = 3  # what a browser fetches late moves a page: one load in three is not such a one
DRAWN = """() => document.querySelector("[data-testid=stApp]")?.dataset.testScriptState === "notRunning"
  && Boolean(document.querySelector("main h1, main textarea"))
  && getComputedStyle(document.querySelector("main")).opacity === "1"
  && !document.querySelector("main [data-testid=stSkeleton]")"""
# What anybody could see of a page that is not shown yet: every part's opacity and its parents', multiplied.
SEEN_EARLY = """
window.__early = 0;
const look = () => {
  const main = document.querySelector("main");
  if (main && getComputedStyle(main).visibility === "hidden") {
    for (let at = main, seen = 1; ; at = at.parentElement) {
      if (!at) { if (seen > 0) window.__early += 1; break; }
      seen *= Number(getComputedStyle(at).opacity);
    }
  }
  requestAnimationFrame(look);
};
requestAnimationFrame(look);
"""


@pytest_asyncio.fixture(loop_scope="session", params=[(1440, 900), (390, 844)], ids=["desk", "phone"])
async def tab(request: pytest.FixtureRequest, browser: Browser) -> AsyncIterator[Page]:
    width, height = request.param
    context = await browser.new_context(viewport={"width": width, "height": height}, locale="en-GB")
    page = await context.new_page()
    await page.add_init_script(
        SHIFTS.replace('"layout-shift"', '"layout-shift", buffered: true') + SEEN_EARLY
    )
    yield page
    await context.close()


async def _load(page: Page, url: str) -> tuple[float, list[str]]:
    await page.goto(url)
    await wait_until(lambda: page.evaluate(DRAWN), 40, f"{url} is drawn")
    await page.wait_for_timeout(1_000)  # charts come late, on purpose
    assert await page.evaluate("window.__early") == 0, f"{url} is seen before it is shown"
    return await page.evaluate("window.__shifted"), await page.evaluate("window.__moved")


@pytest.mark.parametrize("name", PAGES)
async def test_a_page_moves_less_than_a_tenth_while_it_loads(name: str, tab: Page, tiltyard: Server) -> None:
    await asyncio.to_thread(curl, tiltyard)
    loads: list[tuple[float, list[str]]] = []
    while len(loads) < LOADS and not any(shifted < GOOD for shifted, _ in loads):
        loads.append(await _load(tab, tiltyard.url + PAGES[name]))
    assert min(loads)[0] < GOOD, f"{name} moves: {loads}"


@pytest.mark.embedded
async def test_a_battle_moves_less_than_a_tenth_while_it_loads(tab: Page, tiltyard: Server) -> None:
    models = ["embedded/smollm2-135m"] * 2
    wish = {"models": models, "prompt": "Say something long.", "blind": False}
    tiltyard.wait_model()
    with tiltyard.client() as client:
        started = client.post("/v1/battles", json=wish).raise_for_status().json()

        async def ended() -> bool:
            return bool(client.get(f"/v1/battles/{started['id']}").json()["state"] == "ended")

        await wait_until(ended, 40, "both lanes have answered")
    loads = [await _load(tab, f"{tiltyard.url}/battle?battle={started['id']}") for _ in range(LOADS)]
    assert min(loads)[0] < GOOD, f"an open battle moves: {loads}"
