"""The main job as a person does it: ask, watch, stop, reload, and see what it cost and how fast it was."""

from __future__ import annotations

import re
import time

import pytest
from playwright.async_api import Locator, Page, expect

from tests.browser.conftest import OpenPage, Size, Theme, shoot
from tests.server import Server
from tests.upstream import MODEL as SLOW

pytestmark = pytest.mark.browser

HOSTILE = "simulated/hostile"
STEADY = "simulated/steady"
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
    figures = await answer.locator(".figures").inner_text()
    assert re.search(r"\d ?(ms|s)\b", figures), "time to first token"
    assert "tok/s" in figures
    assert await answer.locator(".figure.cost b").inner_text() != "\N{EM DASH}"
    await expect(page.get_by_text(f"{before} can be spent")).to_have_count(0)
    assert await spendable(page) < before
    assert re.search(r"[?&]run=run_", page.url), "the run has an address"
