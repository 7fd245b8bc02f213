"""The main job as a person does it: ask, watch, stop, reload, and see what it cost and how fast it was."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable

import pytest
from playwright.async_api import Locator, Page, expect

from tests.browser.conftest import OpenPage, Size, Theme, shoot
from tests.server import Server
from tests.upstream import MODEL as SLOW, SlowUpstream

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

PALINDROME = "Write a Python function that checks whether a text is a palindrome."


async def ask(page: Page, prompt: str) -> Locator:
    """Type a prompt, send it as the keyboard does, and return the view of its answer."""
    answers = await page.locator(".rv").count()
    box = page.get_by_label("Prompt", exact=True)
    await box.fill(prompt)
    await box.press("Control+Enter")
    answer = page.locator(".rv").nth(answers)
    await answer.wait_for()
    return answer


async def words_of(answer: Locator) -> str:
    return (await answer.locator(".answer").inner_text()).strip()


async def wait_state(answer: Locator, state: str, timeout_s: float = 30) -> None:
    await expect(answer).to_have_attribute("data-state", state, timeout=timeout_s * 1000)


async def spendable(page: Page) -> str:
    """What the foot of the navigation says is left."""
    said = await page.get_by_text(re.compile(r"^\$[\d.]+ can be spent$")).first.inner_text()
    return said.split()[0]


async def points_of(page: Page) -> int:
    """How many points the first chart of the page shows."""
    plot = page.locator(".lc-plot").first
    return int(
        await plot.evaluate("plot => (plot.data ?? []).reduce((sum, trace) => sum + trace.x.length, 0)")
    )


async def wait_until(claim: Callable[[], Awaitable[bool]], within_s: float, what: str) -> float:
    """Seconds until it was true."""
    began_s = time.monotonic()
    while not await claim():
        assert time.monotonic() - began_s < within_s, f"{what}: not within {within_s:g} s"
        await asyncio.sleep(0.02)
    return time.monotonic() - began_s


@pytest.mark.embedded
async def test_a_prompt_streams_from_the_embedded_model_and_the_balance_falls(
    page: Page, tiltyard: Server
) -> None:
    tiltyard.wait_model()
    before = await spendable(page)
    answer = await ask(page, PALINDROME)
    await wait_state(answer, "writing")
    early = await words_of(answer)
    await wait_state(answer, "ended")
    whole = await words_of(answer)
    assert len(whole) > len(early), "the answer grew on the page"
    figures = " ".join((await answer.locator(".figures").inner_text()).split())
    assert re.search(r"first token [\d.]+ m?s\b", figures)
    assert "tok/s" in figures
    assert await answer.locator(".figure.cost b").inner_text() != "\N{EM DASH}"
    await expect(page.get_by_text(f"{before} can be spent")).to_have_count(0)
    assert await spendable(page) < before
    assert re.search(r"[?&]run=run_", page.url), "the run has an address"


@pytest.mark.slow
@pytest.mark.embedded
async def test_a_finished_run_is_a_point_on_the_latency_chart_within_two_seconds(
    open_page: OpenPage, tiltyard: Server
) -> None:
    tiltyard.wait_model()
    playground = await open_page("/")
    await wait_state(await ask(playground, "Say hello."), "ended")  # so that the chart has something to draw
    latency = await open_page("/latency")
    await expect(latency.locator(".lc").first).to_have_attribute("data-state", "drawn")
    await wait_until(lambda: _has(points_of(latency), 1), 10, "the chart is drawn")
    before = await points_of(latency)
    await wait_state(await ask(playground, "Say hello again."), "ended")
    await wait_until(lambda: _has(points_of(latency), before + 1), 2.0, "the new point")


async def test_a_reload_in_mid_answer_goes_on_where_it_was(open_page: OpenPage) -> None:
    page = await open_page(f"/?model={SLOW}")
    answer = await ask(page, "Tell me a long story.")
    await wait_until(lambda: _says(answer, "word9 "), 10, "ten words")
    before = await words_of(answer)
    address = page.url
    await page.reload()
    answer = page.locator(".rv").last
    await answer.wait_for()
    await wait_until(lambda: _says(answer, before), 3, "what was there before the reload")
    assert page.url == address
    await wait_until(lambda: _says(answer, "word60"), 10, "the rest goes on")
    said = await words_of(answer)
    expected = " ".join(f"word{number}" for number in range(60))
    assert said.startswith(expected), "nothing lost, nothing twice"
    await answer.get_by_role("button", name="Stop", exact=True).click()
    await wait_state(answer, "ended")


async def test_stop_gives_a_receipt_within_half_a_second_and_the_ledger_agrees(
    open_page: OpenPage, tiltyard: Server, slow_upstream: SlowUpstream
) -> None:
    used_before = tiltyard.credits()["total_used"]
    page = await open_page(f"/?model={SLOW}")
    answer = await ask(page, "Tell me another long story.")
    await wait_until(lambda: _says(answer, "word20"), 10, "twenty words")
    pressed_s = time.monotonic()
    await answer.get_by_role("button", name="Stop", exact=True).click()
    await answer.locator(".outcome", has_text=re.compile(r"^Stopped: .*billed")).wait_for()
    took_s = time.monotonic() - pressed_s
    cost = await answer.locator(".figure.cost").get_attribute("title")
    credits = tiltyard.credits()
    assert took_s < 0.5
    assert cost == f"${(credits['total_used'] - used_before) / 1e9:.9f}"
    assert credits["held"] == 0
    await wait_until(lambda: _is(slow_upstream.listening == 0), 2, "the provider's connection is dropped")


async def test_escape_stops_what_is_being_written(open_page: OpenPage) -> None:
    page = await open_page(f"/?model={SLOW}")
    answer = await ask(page, "Tell me a third long story.")
    await wait_until(lambda: _says(answer, "word5"), 10, "some words")
    await page.keyboard.press("Escape")
    await wait_state(answer, "ended", timeout_s=2)


async def test_a_hostile_answer_runs_nothing_and_asks_no_other_origin(open_page: OpenPage) -> None:
    page = await open_page("/?model=simulated/hostile")
    answer = await ask(page, "Do your worst.")
    await wait_state(answer, "ended")
    await expect(answer.locator(".answer")).to_contain_text("The end.")
    await page.wait_for_timeout(500)  # for whatever would be loaded late
    assert await page.evaluate("window.__tiltyard_pwned") is None
    links = await answer.locator(".answer a").evaluate_all(
        "links => links.map(link => link.getAttribute('href'))"
    )
    assert [link for link in links if not re.match(r"https?://", link or "")] == []
    loaded = "script, img, iframe, object, embed, form, style, link, svg, [onerror], [onload], [ontoggle]"
    assert await answer.locator(".answer").locator(loaded).count() == 0
    # That no request left for attacker.invalid is checked for every page, when it is closed.


@pytest.mark.embedded
@pytest.mark.parametrize(
    ("size", "theme"),
    [
        ("phone", "light"),
        pytest.param("phone", "dark", marks=pytest.mark.slow),
        pytest.param("desk", "light", marks=pytest.mark.slow),
        pytest.param("desk", "dark", marks=pytest.mark.slow),
    ],
)
async def test_every_page_fits_its_screen(
    open_page: OpenPage, tiltyard: Server, size: Size, theme: Theme
) -> None:
    tiltyard.wait_model()
    page = await open_page("/", size=size, theme=theme)
    await page.get_by_label("Prompt", exact=True).wait_for()
    await _fits(page, f"empty-{size}-{theme}")
    answer = await ask(page, PALINDROME)
    await wait_state(answer, "ended")
    await _fits(page, f"playground-{size}-{theme}")
    for name in ("credits", "latency"):
        await page.goto(f"{tiltyard.url}/{name}")
        await page.get_by_role("heading", name=name.title(), level=1).wait_for()
        if name == "latency":
            await wait_until(lambda: _has(points_of(page), 1), 15, "the chart is drawn")
        await page.wait_for_timeout(700)  # charts and tables settle
        await _fits(page, f"{name}-{size}-{theme}")


async def _fits(page: Page, name: str) -> None:
    await shoot(page, name)
    over = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert over <= 0, f"{name} scrolls sideways by {over} px"


async def _says(answer: Locator, text: str) -> bool:
    return text in await words_of(answer) + " "


async def _has(count: Awaitable[int], at_least: int) -> bool:
    return await count >= at_least


async def _is(fact: bool) -> bool:
    return fact
