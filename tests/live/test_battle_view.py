"""The lanes of a battle in a real browser: side by side, over one socket, and nothing moves."""

from __future__ import annotations

import pytest

from tests.live.conftest import Harness, OpenTab, Tab
from tests.live.test_run_view import ANSWER, ENDED

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

BUSY = "() => __views().map((view) => view.getAttribute('aria-busy'))"
PLACES = """() => __views().map((view) => ["header", ".figures", ".pane", ".actions"].map((part) => {
    const { x, y, width, height } = view.closest(".lane").querySelector(part).getBoundingClientRect();
    return [x, y, width, height].map(Math.round).join(" "); }))"""
SHIFTS = """
window.__shift = 0;
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) if (window.__armed) window.__shift += entry.value;
}).observe({ type: "layout-shift", buffered: true });
"""
WRITING = "() => __answers().length === {n} && __answers().every((text) => text.length > 40)"
FIGURES = "() => __views().map((view) => view.querySelector('.figures').innerText)"
FOCUSED = """() => { let at = document.activeElement; while (at?.shadowRoot?.activeElement)
    at = at.shadowRoot.activeElement; return at?.closest('.lane')?.getAttribute('aria-label') ?? ''; }"""
TOLD = "() => document.body.innerText.match(/told \\w+ -?\\d+/)?.[0]"


def lanes(harness: Harness, count: int, per_s: float) -> tuple[str, list[str]]:
    """The address of a strip of so many lanes, and their runs; the last is the fastest."""
    runs = [harness.start(ANSWER, piece=16, per_s=per_s + no) for no in range(count)]
    return "/?lanes=" + ",".join(run.replace("run_", "lane_1_") for run in runs), runs


async def writing(tab: Tab, count: int) -> None:
    await tab.until(WRITING.replace("{n}", str(count)))


async def test_four_lanes_stream_at_once_over_one_socket_and_nothing_moves(
    harness: Harness, open_tab: OpenTab
) -> None:
    address, _ = lanes(harness, 4, per_s=3)
    tab = await open_tab(address, script=SHIFTS)
    await writing(tab, 4)
    assert await tab.page.evaluate(BUSY) == ["true"] * 4
    await tab.page.evaluate("() => { window.__armed = true; }")
    before = await tab.page.evaluate(PLACES)
    said = await tab.page.evaluate("() => __answers().map((text) => text.length)")
    await tab.until("(said) => __answers().every((text, no) => text.length > said[no] + 60)", 20, what=said)
    await tab.page.get_by_role("button", name="Stop all").click()
    await tab.until(ENDED)
    assert await tab.page.evaluate(PLACES) == before
    assert await tab.page.evaluate("() => window.__shift") < 0.001, "a unit makes room for a longer number"
    assert await tab.page.evaluate(BUSY) == ["false"] * 4
    assert sum(url.endswith("/live") for url in tab.asked) == 1
    assert all("$0.000" in figures for figures in await tab.page.evaluate(FIGURES))
    assert await tab.until(TOLD) == "told ended -1"


async def test_arrows_move_between_lanes_and_escape_stops_the_one_that_has_the_focus(
    harness: Harness, open_tab: OpenTab
) -> None:
    address, _ = lanes(harness, 3, per_s=3)
    tab = await open_tab(address)
    await writing(tab, 3)
    for key, lane in (("ArrowRight", "A"), ("ArrowRight", "B"), ("ArrowRight", "C"), ("ArrowLeft", "B")):
        await tab.page.keyboard.press(key)
        assert (await tab.page.evaluate(FOCUSED)).startswith(f"Lane {lane}:")
    await tab.page.keyboard.press("Escape")
    await tab.until(f"() => ({BUSY})()[1] === 'false'")
    assert await tab.page.evaluate(BUSY) == ["true", "false", "true"]
    await tab.page.get_by_role("button", name="Stop all").click()
    await tab.until(ENDED)


async def test_hidden_lanes_show_no_name_and_no_figure_until_they_are_revealed(
    harness: Harness, open_tab: OpenTab
) -> None:
    address, runs = lanes(harness, 2, per_s=400)
    for run in runs:
        harness.do("hide", run=run)
    tab = await open_tab(address + "&hidden=1")
    await tab.until(ENDED, 20)
    assert await tab.page.locator(".who .name").all_inner_texts() == ["", ""]
    figures = await tab.page.evaluate(FIGURES)
    assert not any(digit in text for text in figures for digit in "0123456789")
    harness.do("reveal")
    await tab.until(f"() => ({FIGURES})().every((text) => text.includes('$0.000'))")
    await tab.until("() => document.body.innerText.includes('told revealed')")
    await tab.until("() => __views().every((v) => v.closest('.lane').querySelector('.who .name').innerText)")


async def test_on_a_phone_lanes_are_swiped_with_their_figures_above_and_nothing_overflows(
    harness: Harness, open_tab: OpenTab
) -> None:
    address, _ = lanes(harness, 4, per_s=400)
    tab = await open_tab(address, width=390, height=844)
    await writing(tab, 4)
    wide = await tab.page.evaluate("() => document.documentElement.scrollWidth")
    assert wide == 390
    shown = await tab.page.evaluate(
        """() => { const lane = __views()[0].closest('.lane'); const track = lane.parentElement;
        return { lane: lane.offsetWidth / track.clientWidth, snap: getComputedStyle(track).scrollSnapType,
            above: lane.querySelector('.figures').offsetTop < lane.querySelector('.pane').offsetTop }; }"""
    )
    assert shown["lane"] > 0.95
    assert shown["snap"].startswith("x")
    assert shown["above"]
    await tab.page.get_by_role("button", name="Lane C", exact=True).click()
    await tab.until(
        """() => { const { x, width } = __views()[2].closest('.lane').getBoundingClientRect();
        return x >= 0 && x + width <= 390; }"""
    )
    assert await tab.until("() => [...__views()[0].getRootNode().querySelectorAll('.letter-of')]"
        ".findIndex((letter) => letter.getAttribute('aria-current') === 'true') === 2")  # fmt: skip
