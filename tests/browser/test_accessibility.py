"""Every page with something on it: what axe says of it in both themes, and that it can be used without a
pointer."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, TimeoutError as PlaywrightTimeout, expect

from components import request_words
from tests.battles.fast_upstream import FastUpstream
from tests.browser.conftest import Theme
from tests.screenshots import PAGES
from tests.server import Server

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.timeout(400),
    pytest.mark.asyncio(loop_scope="session"),
]

_RULES = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}}
_DRAWN = """() => document.querySelector('[data-test-script-state=notRunning]')
  && document.querySelector('h1')
  && !document.querySelector('[data-stale=true]') && !document.querySelector('[data-testid=stSkeleton]')"""
# Where the keyboard is, whether it looks otherwise for it, and whether it lies on the screen. A view of our
# own keeps its focus in its shadow, where this does not look.
_FOCUS = """() => {
  const at = document.activeElement;
  if (!at || at === document.body) return null;
  const near = [at, ...at.querySelectorAll("*")].slice(0, 12);
  for (let up = at.parentElement, no = 0; up && no < 4; up = up.parentElement, no += 1) near.push(up);
  const look = () => near.map((each) => {
    const { outline, boxShadow, borderColor, backgroundColor, color } = getComputedStyle(each);
    return [outline, boxShadow, borderColor, backgroundColor, color].join();
  }).join();
  const box = at.getBoundingClientRect(), focused = look();
  at.blur();
  const seen = Boolean(at.shadowRoot) || look() !== focused;
  at.focus();
  return { name: at.ariaLabel || at.innerText?.slice(0, 40) || at.tagName, tag: at.tagName, seen,
    on: box.bottom > 0 && box.top < innerHeight };
}"""
_AT_ONCE = "* { transition: none !important; animation: none !important; }"


@dataclass(frozen=True, slots=True)
class Filled:
    """A server with requests, a battle that was voted on, one that waits for its vote, and a batch."""

    server: Server
    pages: dict[str, str]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    with FastUpstream(answer_s=0.01, two_errs=True) as upstream:
        server = Server(tmp_path_factory.mktemp("filled"), {"TILTYARD_EMBEDDED": "false"}, upstream.config)
        server.start()
        try:
            yield Filled(server, PAGES | _fill(server))
        finally:
            server.end()


def _fill(server: Server) -> dict[str, str]:
    with server.client() as client:

        def post(path: str, body: object) -> dict[str, str]:
            told: dict[str, str] = client.post(path, json=body).raise_for_status().json()
            return told

        for no in range(24):
            chat = {"model": "lab/one", "messages": [{"role": "user", "content": f"row {no}"}]}
            post("/v1/chat/completions", chat)
        wish = {"models": ["lab/one", "lab/two"], "prompt": "row 3", "blind": True}
        voted, due = (post("/v1/battles", wish)["id"] for _ in range(2))
        batch = {
            "name": "Numbers",
            "data": "no,expected\n" + "".join(f"{no},number {no}\n" for no in range(8)),
            "request": {"messages": [{"role": "user", "content": "Say row {{no}}"}], "max_tokens": 50},
            "lanes": [{"model": "lab/one"}, {"model": "lab/two"}],
            "checks": [{"kind": "exact", "expected": "{{expected}}"}],
            "cost_cap_usd": "1.00",
        }
        batch_id = post("/v1/batches", batch)["id"]
        _until_over(partial(_battle_ended, server, voted))
        _until_over(partial(_battle_ended, server, due))
        post(f"/v1/battles/{voted}/votes", {"outcome": "left"})
        run_id = client.get(f"/v1/battles/{voted}").json()["turns"][0]["lanes"][0]["run_id"]
        _until_over(lambda: client.get(f"/v1/batches/{batch_id}").json()["state"] == "done")
    return {
        "a battle with its vote": f"/battle?battle={voted}",
        "a battle that waits for its vote": f"/battle?battle={due}",
        "a batch": f"/batches?batch={batch_id}",
        "a request": f"/requests?request={run_id}",
        "a run": f"/?run={run_id}",
    }


def _battle_ended(server: Server, battle_id: str) -> bool:
    turns = server.get(f"/v1/battles/{battle_id}").json()["turns"]
    return bool(turns) and all(lane["state"] == "done" for turn in turns for lane in turn["lanes"])


def _until_over(is_over: Callable[[], bool], within_s: float = 90.0) -> None:
    limit_s = time.monotonic() + within_s
    while not is_over():
        assert time.monotonic() < limit_s, "it is not over"
        time.sleep(0.1)


async def _opened(browser: Browser, url: str, theme: Theme, width: int = 1440) -> Page:
    context = await browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme=theme,
        bypass_csp=True,  # axe is put into the page
    )
    page = await context.new_page()
    await page.goto(url)
    await page.wait_for_function(_DRAWN, timeout=60_000)
    return page


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_axe_finds_nothing_serious_on_any_page(browser: Browser, filled: Filled, theme: Theme) -> None:
    found = []
    for name, path in filled.pages.items():
        page = await _opened(browser, filled.server.url + path, theme)
        await page.wait_for_timeout(1_500)  # charts come late, on purpose
        assert not await page.locator('[data-testid="stException"]').count(), name
        response = (await Axe().run(page, options=_RULES)).response
        found += [
            f"{name}: {each['id']} at {each['nodes'][0]['target'][0]} ({each['nodes'][0]['failureSummary']})"
            for each in response["violations"]
            if each["impact"] in ("serious", "critical")
        ]
        await page.context.close()
    assert found == []


async def test_tab_reaches_what_can_be_pressed_and_shows_where_it_is(
    browser: Browser, filled: Filled
) -> None:
    for name in ("playground", "battle", "requests", "latency", "credits", "models"):
        page = await _opened(browser, filled.server.url + PAGES[name], "light")
        await page.add_style_tag(content=_AT_ONCE)
        met = []
        for _ in range(40):
            await page.keyboard.press("Tab")
            at = await page.evaluate(_FOCUS)
            if at is not None:
                met.append(at)
        assert len({each["name"] for each in met}) > 12, f"{name}: the keyboard goes nowhere: {met}"
        assert [each for each in met if not each["on"]] == [], f"{name}: focus leaves the screen"
        assert [each for each in met if not each["seen"]] == [], f"{name}: focus cannot be seen"
        await page.context.close()


async def test_a_request_opens_by_enter_and_a_menu_closes_by_escape(browser: Browser, filled: Filled) -> None:
    page = await _opened(browser, filled.server.url + "/requests", "light")
    close = page.get_by_role("button", name=request_words.CLOSE, exact=True)
    for _ in range(10):  # what listens to the table may come after it
        await page.locator(".st-key-requests-table .ty-pick").first.focus()
        await page.keyboard.press("Enter")
        with suppress(PlaywrightTimeout):
            await close.wait_for(timeout=3_000)
            break
    await expect(close).to_be_visible()
    filters = page.get_by_role("button", name=request_words.FILTERS)
    await filters.focus()
    await page.keyboard.press("Enter")
    tag = page.get_by_placeholder(request_words.TAG, exact=True)
    await expect(tag).to_be_visible(timeout=20_000)
    await page.keyboard.press("Escape")
    await expect(tag).not_to_be_visible(timeout=20_000)
    await page.context.close()
