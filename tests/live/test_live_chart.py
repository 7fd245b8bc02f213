"""The live chart, as its reader meets it in a real browser under the real policy."""

from __future__ import annotations

import asyncio
import time

import pytest

from components.colours import colour_of
from tests.live.conftest import Harness, OpenTab, Tab

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

PATH = "/?chart=ttft_ms"
DRAWN = "() => document.querySelectorAll('.lc-plot .scatterlayer .point').length"


async def drawn(harness: Harness, open_tab: OpenTab, points: int = 6, **how: object) -> Tab:
    harness.do("clear")
    for value in range(points):
        harness.do("point", value=100.0 + 7 * value)
    tab = await open_tab(PATH, **how)
    await tab.until(f"() => document.querySelectorAll('.lc-plot .point').length === {points}", 20)
    return tab


async def test_a_finished_request_appears_within_a_second(harness: Harness, open_tab: OpenTab) -> None:
    tab = await drawn(harness, open_tab)
    await asyncio.sleep(1.2)
    harness.do("point", value=222.0)
    before_s = time.monotonic()
    await tab.until("() => document.querySelectorAll('.lc-plot .point').length === 7")
    assert time.monotonic() - before_s < 1.0
    said = await tab.page.evaluate("() => document.querySelector('.lc-said').textContent")
    assert said == "Time to first token of 7 answers."


async def test_zoom_and_nodes_stay_over_updates(harness: Harness, open_tab: OpenTab) -> None:
    tab = await drawn(harness, open_tab, 12)
    box = await tab.page.locator(".lc-plot .nsewdrag").bounding_box()
    assert box is not None
    await tab.page.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + box["height"] * 0.2)
    await tab.page.mouse.down()
    await tab.page.mouse.move(box["x"] + box["width"] * 0.7, box["y"] + box["height"] * 0.8, steps=8)
    await tab.page.mouse.up()
    await tab.page.mouse.move(5, 5)
    zoom = "() => { const { xaxis, yaxis } = document.querySelector('.lc-plot').layout; " \
        "return JSON.stringify([xaxis.range, yaxis.range, xaxis.autorange]); }"  # fmt: skip
    await tab.until("() => document.querySelector('.lc-plot').layout.xaxis.autorange === false")
    zoomed = await tab.page.evaluate(zoom)
    await tab.page.evaluate("() => (document.querySelector('.lc-plot .main-svg').marked = true)")
    for value in range(3):
        harness.do("point", value=150.0 + value)
        await asyncio.sleep(1.1)
    assert await tab.page.evaluate(zoom) == zoomed
    assert await tab.page.evaluate("() => document.querySelector('.lc-plot .main-svg').marked === true")
    assert await tab.page.evaluate("() => document.querySelector('.lc-plot').data[0].y.length") == 8
    await tab.page.get_by_role("button", name="Show all").click()
    await tab.until("() => document.querySelector('.lc-plot').layout.xaxis.autorange === true")
    assert not await tab.page.get_by_role("button", name="Show all").is_visible()


@pytest.mark.slow
async def test_a_label_stays_while_points_arrive(harness: Harness, open_tab: OpenTab) -> None:
    tab = await drawn(harness, open_tab)
    point = await tab.page.locator(".lc-plot .point").nth(1).bounding_box()
    assert point is not None
    await tab.page.mouse.move(point["x"] + point["width"] / 2, point["y"] + point["height"] / 2)
    await tab.until("() => document.querySelectorAll('.lc-plot .hovertext').length > 0")
    for value in range(2):
        harness.do("point", value=200.0 + value)
        await asyncio.sleep(1.1)
        assert await tab.page.locator(".lc-plot .hovertext").count() > 0
    await tab.page.mouse.move(5, 5)
    await tab.until("() => document.querySelectorAll('.lc-plot .point').length === 8")


@pytest.mark.slow
async def test_a_rerun_and_another_theme_redraw_the_same_picture(harness: Harness, open_tab: OpenTab) -> None:
    tab = await drawn(harness, open_tab)
    await tab.page.evaluate("() => (document.querySelector('.lc-plot .main-svg').marked = true)")
    light = await tab.page.evaluate("() => document.querySelector('.lc-plot').layout.font.color")
    await tab.page.get_by_role("button", name="Again").click()
    await asyncio.sleep(0.5)
    await tab.page.emulate_media(color_scheme="dark")
    await tab.until(f"() => document.querySelector('.lc-plot').layout.font.color !== '{light}'")
    assert await tab.page.evaluate("() => document.querySelector('.lc-plot .main-svg').marked === true")
    await tab.page.set_viewport_size({"width": 700, "height": 800})
    await tab.until("() => document.querySelector('.lc-plot .main-svg').getBoundingClientRect().width < 690")


@pytest.mark.slow
async def test_an_empty_chart_says_so_and_fills(harness: Harness, open_tab: OpenTab) -> None:
    harness.do("clear")
    tab = await open_tab(PATH)
    await tab.until("() => document.querySelector('.lc')?.dataset.state === 'empty'")
    assert await tab.page.get_by_text("Nothing here yet.").is_visible()
    assert await tab.page.get_by_text("No answers yet.").is_visible()
    harness.do("point", value=80.0)
    await tab.until(DRAWN, 20)
    assert not await tab.page.get_by_text("Nothing here yet.").is_visible()


@pytest.mark.slow
async def test_the_newest_points_stand_in_a_table(harness: Harness, open_tab: OpenTab) -> None:
    tab = await drawn(harness, open_tab, 25)
    await tab.page.get_by_text("Newest points as a table").click()
    rows = await tab.page.locator(".lc-points tbody tr").all_inner_texts()
    assert len(rows) == 20
    assert rows[0].split("\t")[1:] == ["Typist", "268"]


@pytest.mark.slow
async def test_without_plotly_there_is_the_table(harness: Harness, open_tab: OpenTab) -> None:
    harness.do("clear")
    harness.do("point", value=80.0)
    tab = await open_tab("/")
    await tab.page.route("**/plotly.min.js", lambda route: route.abort())
    await tab.page.goto(harness.url + PATH)
    await tab.until("() => document.querySelector('.lc')?.dataset.state === 'plain'", 20)
    assert await tab.page.locator(".lc-points tbody tr").first.is_visible()
    assert await tab.page.get_by_text("The picture could not be loaded.").is_visible()
    tab.errors.clear()  # the browser says that the script did not come


@pytest.mark.slow
async def test_plotly_is_not_loaded_while_an_answer_streams(harness: Harness, open_tab: OpenTab) -> None:
    harness.do("point", value=80.0)
    run = harness.start("word " * 300, per_s=60)
    tab = await open_tab(f"{PATH}&runs={run}")
    await tab.until("() => __answers()[0]?.length > 50")
    await asyncio.sleep(2)
    assert not any("plotly.min" in url for url in tab.asked)
    await tab.page.keyboard.press("Escape")
    await tab.until(DRAWN, 20)


@pytest.mark.slow
async def test_pages_without_a_chart_never_load_plotly(harness: Harness, open_tab: OpenTab) -> None:
    run = harness.start("Short.", per_s=500)
    tab = await open_tab(f"/?runs={run}")
    await asyncio.sleep(3)
    assert not any("plotly.min" in url for url in tab.asked)


@pytest.mark.slow
async def test_a_model_has_the_colour_that_it_has_everywhere(harness: Harness, open_tab: OpenTab) -> None:
    tab = await drawn(harness, open_tab)
    looks = await tab.page.evaluate(
        """() => document.querySelector('.lc-plot').data
            .map(({ uid, marker }) => [uid, marker.color, marker.symbol])"""
    )
    expected = {key: colour_of(key) for key in ("test/typist", "test/scribe")}
    assert looks == [[key, look.light, look.marker] for key, look in expected.items()]


# What the drawing module of the page makes of a payload, whose axis is told by its kind.
DRAWING = """async (payload) => {
  const { name } = performance.getEntriesByType("resource").find(({ name }) => name.endsWith("drawing.js"));
  const { traces, layout } = await import(name);
  const look = { style: getComputedStyle(document.body), palette: [["#000", "#fff"]], markers: ["circle"] };
  const { tickvals, ticktext } = layout(payload, look, "").xaxis;
  return { types: traces(payload, look).map(({ type }) => type), tickvals, ticktext };
}"""


@pytest.mark.slow
async def test_one_slot_of_time_is_a_bar_and_a_logarithmic_axis_has_whole_figures(
    harness: Harness, open_tab: OpenTab
) -> None:
    tab = await drawn(harness, open_tab)

    async def made(kind: str, *points: list[int]) -> dict[str, object]:
        series = [{"key": "a", "name": "A", "points": list(points)}]
        told: dict[str, object] = await tab.page.evaluate(
            DRAWING, {"kind": kind, "unit": "ms", "series": series}
        )
        return told

    assert (await made("bands", [1_000, 5]))["types"] == ["bar"]
    assert (await made("bands", [1_000, 5], [61_000, 6]))["types"] == ["scatter"]
    apart = await made("distribution", [45, 10], [300, 40], [2_300, 50])
    assert apart["tickvals"] == [50, 100, 200, 500, 1_000, 2_000]
    assert apart["ticktext"] == ["50", "100", "200", "500", "1,000", "2,000"]


@pytest.mark.slow
async def test_a_chart_with_wrong_parameters_says_so(harness: Harness, open_tab: OpenTab) -> None:
    tab = await open_tab("/?chart=nonsense")
    await tab.until("() => document.querySelector('.lc')?.dataset.state === 'refused'")
    assert await tab.page.get_by_text("There is no such figure.").is_visible()


@pytest.mark.slow
async def test_a_phone_needs_no_sideways_scrolling(harness: Harness, open_tab: OpenTab) -> None:
    tab = await drawn(harness, open_tab, width=390, height=844)
    assert await tab.page.evaluate("() => document.documentElement.scrollWidth <= 390")
