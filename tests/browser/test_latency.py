"""The latency page as a person watches it while a script works: live, still, and in its place."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Callable
from functools import partial
from statistics import median

import pytest
from playwright.async_api import Page

from tests.browser.conftest import OpenPage
from tests.browser.test_main_job import points_of, wait_until
from tests.server import API_KEY, Server

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.asyncio(loop_scope="session")]

RecordFigure = Callable[[str], None]
HANGS_S = 20.0  # a busy machine is slow: the figures say how slow, and a quiet one stays below 2 s
UPDATES = 10
# From now on, but for what follows the reader's own doing.
SHIFTS = """
window.__shifted = 0;
window.__moved = [];
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) {
    if (entry.hadRecentInput) continue;
    window.__shifted += entry.value;
    for (const { node } of entry.sources) window.__moved.push(node?.className || node?.nodeName || "gone");
  }
}).observe({ type: "layout-shift" });
"""
RANGE = """() => {
  const { xaxis, yaxis } = document.querySelector(".lc-plot").layout;
  return JSON.stringify([xaxis.range, yaxis.range]);
}"""


def curl(server: Server) -> None:
    """One request, as a script makes it."""
    body = {"model": "simulated/steady", "messages": [{"role": "user", "content": "Hello."}], "max_tokens": 5}
    done = subprocess.run(
        ["curl", "-sS", "--noproxy", "*", f"{server.url}/v1/chat/completions", "-H",
         f"Authorization: Bearer {API_KEY}", "-H", "Content-Type: application/json", "-d",
         json.dumps({**body, "stream": True})],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert "[DONE]" in done.stdout, done.stdout


async def zoom_in(page: Page) -> None:
    """Drag over the middle of the first chart, wherever on the page it stands."""
    plot = page.locator(".lc-plot .nsewdrag").first
    await plot.scroll_into_view_if_needed()
    box = await plot.bounding_box()
    assert box is not None
    await page.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + box["height"] * 0.2)
    await page.mouse.down()
    await page.mouse.move(box["x"] + box["width"] * 0.7, box["y"] + box["height"] * 0.8, steps=8)
    await page.mouse.up()
    await page.mouse.move(5, 5)
    await wait_until(lambda: _is_zoomed(page), 5, "the drag zooms")


async def _is_zoomed(page: Page) -> bool:
    zoomed: bool = await page.evaluate("document.querySelector('.lc-plot').layout.xaxis.autorange === false")
    return zoomed


async def test_requests_of_curl_come_to_chart_and_log_and_neither_zoom_nor_page_moves(
    open_page: OpenPage, tiltyard: Server, record_figure: RecordFigure
) -> None:
    for _ in range(3):
        await asyncio.to_thread(curl, tiltyard)
    log = await open_page("/requests")
    await log.locator(".st-key-requests-table .ty-pick").first.wait_for()
    page = await open_page("/latency?simulated=yes")
    await wait_until(lambda: _at_least(page, 3), 20, "the chart is drawn")
    await page.wait_for_timeout(2_500)  # what loads late has come
    await page.evaluate(SHIFTS)
    await zoom_in(page)
    zoomed = await page.evaluate(RANGE)
    await page.evaluate("document.querySelector('.lc-plot .main-svg').marked = true")
    took: list[float] = []
    for _ in range(UPDATES):
        before = await points_of(page)
        await asyncio.to_thread(curl, tiltyard)
        took.append(await wait_until(partial(_at_least, page, before + 1), HANGS_S, "the new point"))
    assert await page.evaluate(RANGE) == zoomed, "the zoom is what it was"
    assert await page.evaluate("document.querySelector('.lc-plot .main-svg').marked"), "the same picture"
    shifted = await page.evaluate("window.__shifted")
    moved = await page.evaluate("window.__moved")
    assert shifted < 0.01, f"the page moved by {shifted}: {moved}"
    newest = await _newest(log)
    await asyncio.to_thread(curl, tiltyard)
    listed = await wait_until(lambda: _differs(log, newest), HANGS_S, "the new row")
    record_figure(
        f"a request of curl: on the chart after {1_000 * median(took):.0f} ms (median of {UPDATES}; at the "
        f"latest {1_000 * max(took):.0f} ms), "
        f"in the log after {1_000 * listed:.0f} ms; layout shift {shifted:.4f}"
    )


async def _at_least(page: Page, count: int) -> bool:
    return await points_of(page) >= count


async def _newest(log: Page) -> str:
    """What the list says of its newest request."""
    said: str = await log.locator(".ty-newest").last.inner_text()
    return said


async def _differs(log: Page, before: str) -> bool:
    return await _newest(log) != before
