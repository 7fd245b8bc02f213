"""A batch from an upload to its decision, by a person at a browser."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest
from playwright.async_api import Page, TimeoutError as PlaywrightTimeout, expect

from components import batch_words as say
from tests.battles.fast_upstream import FastUpstream
from tests.browser.conftest import SHOTS, OpenPage
from tests.conftest import StartServer
from tests.server import Server

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.timeout(180),
    pytest.mark.asyncio(loop_scope="session"),
]

_ROWS = 40
_FILE = "number,expected\n" + "".join(f"{no},number {no}\n" for no in range(_ROWS))


@pytest.fixture
def upstream() -> Iterator[FastUpstream]:
    with FastUpstream(answer_s=0.2, two_errs=True) as upstream:
        yield upstream


@pytest.fixture
def server(start_tiltyard: StartServer, upstream: FastUpstream) -> Server:
    return start_tiltyard({"TILTYARD_EMBEDDED": "false"}, upstream.config)


async def pick(page: Page, box: str, option: str) -> None:
    """A rerun closes the list of a box that was opened just before it: then it is opened again."""
    for _ in range(5):
        await page.get_by_role("combobox", name=box).click()
        with contextlib.suppress(PlaywrightTimeout):
            await page.get_by_role("option", name=option, exact=True).click(timeout=3_000)
            return
    raise AssertionError(f"{box} never offered {option}")


async def fill(page: Page) -> None:
    await page.get_by_role("button", name=say.NEW).click()
    await page.get_by_label(say.NAME, exact=True).fill("Numbers")
    await page.locator('input[type="file"]').set_input_files(
        {"name": "rows.csv", "mimeType": "text/csv", "buffer": _FILE.encode()}
    )
    await expect(page.get_by_text(say.rows(_ROWS, "2 columns"))).to_be_visible()
    prompt = page.get_by_label(say.PROMPT, exact=True)
    await prompt.fill("Say the number of row {{number}}.")
    await prompt.press("Control+Enter")
    for name in ("lab/one", "lab/two"):
        await pick(page, say.LANES, name)
    await page.keyboard.press("Escape")
    await page.get_by_text(say.CHECKS, exact=True).click()
    await pick(page, say.EXACT, "expected")
    await expect(page.get_by_role("button", name=say.START)).to_be_visible()


async def test_rows_are_uploaded_answered_checked_judged_and_decided(
    server: Server, open_page: OpenPage
) -> None:
    page = await open_page("/batches", server=server)
    await expect(page.get_by_text(say.NONE)).to_be_visible()
    await fill(page)
    await page.get_by_role("button", name=say.ESTIMATING).click()
    await expect(page.get_by_text("Likely")).to_be_visible(timeout=20_000)
    await page.screenshot(path=SHOTS / "batches-new.png", full_page=True)
    await page.get_by_role("button", name=say.START).click()

    await expect(page.get_by_text(f"{say.STATES['done']}: {_ROWS * 2} of {_ROWS * 2}")).to_be_visible(
        timeout=60_000
    )
    await expect(page.get_by_text(f"{say.WINNER}: 1. lab/one")).to_be_visible()
    address = page.url
    assert "batch=bat_" in address

    await page.get_by_text(say.RESULTS, exact=True).click()
    async with page.expect_download() as downloaded:
        await page.get_by_role("button", name=say.CSV, exact=True).click()
    saved = await (await downloaded.value).path()
    assert saved.read_text().count("\n") == _ROWS * 2 + 1

    await page.get_by_text(say.FAILURES, exact=True).click()
    await expect(page.get_by_text(say.NO_FAILURES)).to_be_visible()
    await page.get_by_text(say.VOTE, exact=True).click()
    await page.get_by_role("button", name=say.OPEN_VOTES).click()
    # Where both said the same words there is nothing to prefer: nobody is asked.
    for judged in range(3):
        await expect(page.get_by_text(say.voted(judged, _ROWS))).to_be_visible()
        shown = await page.locator(".ty-passage").all_inner_texts()
        assert len(shown) == 3 and "lab" not in "".join(shown)
        await page.keyboard.press("1" if "so" not in shown[1] else "2")
    await expect(page.get_by_text(say.voted(3, _ROWS))).to_be_visible()
    await page.screenshot(path=SHOTS / "batches-vote.png")

    again = await open_page(address.removeprefix(server.url), server=server)
    await expect(again.get_by_text("Numbers", exact=True).first).to_be_visible()
    await again.screenshot(path=SHOTS / "batches-decision.png", full_page=True)


async def test_a_file_with_mistakes_is_told_by_line(server: Server, open_page: OpenPage) -> None:
    page = await open_page("/batches", server=server)
    await page.get_by_role("button", name=say.NEW).click()
    await page.locator('input[type="file"]').set_input_files(
        {"name": "rows.csv", "mimeType": "text/csv", "buffer": b"a,b\n1,2\n3\n"}
    )
    await expect(page.get_by_text("line 3: it has 1 fields")).to_be_visible()
    await expect(page.get_by_role("button", name=say.START)).to_have_count(0)
