"""A battle as people fight it: four lanes at once, a reload, a vote and another; and what a blind one gives
away to a browser, which is nothing."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.async_api import Locator, Page, Response, WebSocket, expect

from bench.table import quantile
from tests.browser.conftest import OpenPage, Size, Theme, shoot
from tests.conftest import StartServer
from tests.server import ROOT, Server, free_port

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.asyncio(loop_scope="session")]

MODELS = ("Quillfeather", "Marrowstone", "Thistledown", "Copperkettle")
PROVIDER = "zephyrine"
PRICES = ("0.137", "0.274", "0.411", "0.548")
_PROVIDER = """\
[providers.{provider}]
base_url = "http://127.0.0.1:{port}/v1"
wire = "chat_completions"
allow_private_address = true
"""
_MODEL = """
[[models]]
id = "{provider}/{id}"
name = "{name}"
context_tokens = 32768
max_output_tokens = 4096
input_usd_per_million = "{price}"
output_usd_per_million = "{price}"
providers = [ {{ id = "{provider}", model = "{id}-upstream" }} ]
"""
# When each token was first on the screen: read once a frame, beside the instant that it carries.
_EYES = """
window.__late = []; window.__frames = []; window.__long = [];
new PerformanceObserver((list) => list.getEntries().forEach((task) => window.__long.push(task.duration)))
  .observe({ type: "longtask" });
window.__lanes = () => {
  const found = [];
  const walk = (root) => {
    for (const node of root.querySelectorAll("*")) {
      if (node.classList.contains("lane")) found.push(node);
      if (node.shadowRoot) walk(node.shadowRoot);
    }
  };
  walk(document);
  return found;
};
window.__watch = (epochOfNs) => {
  const answers = window.__lanes().map((lane) => lane.querySelector(".answer"));
  const seen = answers.map(() => -1);
  let before = performance.now();
  const look = (now) => {
    window.__frames.push(now - before);
    before = now;
    answers.forEach((answer, lane) => {
      const block = answer.lastElementChild;
      const last = [...(block?.textContent ?? "").slice(-60).matchAll(/w(\\d+)@(\\d+)/g)].pop();
      if (!last || Number(last[1]) <= seen[lane]) return;
      if (seen[lane] >= 0) window.__late.push(Date.now() - (Number(last[2]) / 1e6 + epochOfNs));
      seen[lane] = Number(last[1]);
    });
    window.__running = requestAnimationFrame(look);
  };
  window.__long.length = 0;
  requestAnimationFrame(look);
};
"""


@pytest.fixture(scope="module")
def upstream_port() -> Iterator[int]:
    """A provider that writes as its prompt says, each token with the instant of its writing."""
    port = free_port()
    with subprocess.Popen(
        [sys.executable, "-m", "bench.upstream", str(port)],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        process.stdout.readline()
        yield port
        process.terminate()


@pytest.fixture
def ring(start_tiltyard: StartServer, upstream_port: int) -> Server:
    config = _PROVIDER.format(provider=PROVIDER, port=upstream_port) + "".join(
        _MODEL.format(provider=PROVIDER, id=name.lower(), name=name, price=price)
        for name, price in zip(MODELS, PRICES, strict=True)
    )
    return start_tiltyard({"TILTYARD_EMBEDDED": "false"}, config)


def address(lanes: int, prompt: str) -> str:
    models = ",".join(f"{PROVIDER}/{name.lower()}" for name in MODELS[:lanes])
    return f"/battle?models={models}&prompt={prompt.replace(' ', '+')}"


async def start(page: Page, *, blind: bool = False) -> None:
    await expect(page.get_by_text(re.compile(r"for \d lanes"))).to_be_visible(timeout=60_000)
    if blind:
        await page.locator(".st-key-battle-blind label").first.click()
        await expect(page.get_by_role("switch", name="Blind")).to_be_checked()
    await page.get_by_role("button", name="Start battle").click()
    await page.locator(".lane").first.wait_for(timeout=60_000)


async def says(lane: Locator, what: str, within_s: float = 60) -> None:
    await expect(lane.locator(".answer")).to_contain_text(what, timeout=within_s * 1000)


async def wait_ended(page: Page, lanes: int, within_s: float = 90) -> None:
    await expect(page.locator('.lane .rv[data-state="ended"]')).to_have_count(lanes, timeout=within_s * 1000)


async def test_four_lanes_stream_stop_and_survive_a_reload_and_a_second_tab(
    ring: Server, open_page: OpenPage, record_figure: Callable[[str], None]
) -> None:
    page = await open_page(address(4, "paced 50 900 in paragraphs"), server=ring)
    await page.evaluate(_EYES)
    await start(page)
    lanes = page.locator(".lane")
    await says(lanes.nth(3), "w1@")
    await measure(page, record_figure)
    await lanes.nth(1).get_by_role("button", name="Stop", exact=True).click()
    await expect(lanes.nth(1).locator(".rv")).to_have_attribute("data-state", "ended")
    await expect(lanes.nth(0).locator(".rv")).to_have_attribute("aria-busy", "true")
    held = await text_of(lanes.nth(0))
    await page.reload()
    await says(lanes.nth(0), held[-40:].strip())
    assert (await text_of(lanes.nth(0))).startswith(held), "nothing lost, nothing twice"
    other = await open_page(page.url.removeprefix(ring.url), server=ring)
    await wait_ended(page, 4)
    await wait_ended(other, 4)
    ours, theirs = [
        [await text_of(each.locator(".lane").nth(no)) for no in range(4)] for each in (page, other)
    ]
    assert ours == theirs
    assert [text.count("@") for text in ours].count(900) == 3, "the other lanes came whole"
    costs = await page.locator(".lane .figure.cost b").all_inner_texts()
    assert all(cost.startswith("$0.") for cost in costs)
    held_then = ring.credits()
    assert held_then["held"] == 0
    assert held_then["total_used"] > 0


async def measure(page: Page, record_figure: Callable[[str], None], seconds: float = 6.0) -> None:
    """Frame times, the main thread's share and how late tokens are on the screen; printed. The bars are for
    a machine that does nothing else: here they may only not be missed by far."""
    session = await page.context.new_cdp_session(page)
    await session.send("Performance.enable")

    async def busy_s() -> float:
        metrics: list[dict[str, Any]] = (await session.send("Performance.getMetrics"))["metrics"]
        return float(next(each["value"] for each in metrics if each["name"] == "TaskDuration"))

    before_s, began_s = await busy_s(), time.monotonic()
    await page.evaluate("(offset) => window.__watch(offset)", (time.time_ns() - time.monotonic_ns()) / 1e6)
    await asyncio.sleep(seconds)
    share = (await busy_s() - before_s) / (time.monotonic() - began_s)
    late, frames, tasks = [
        await page.evaluate(f"() => window.__{name}") for name in ("late", "frames", "long")
    ]
    await page.evaluate("() => cancelAnimationFrame(window.__running)")
    record_figure(
        f"four lanes at 50 tokens/s: token to screen p50 {quantile(late, 0.5):.0f}, p95 "
        f"{quantile(late, 0.95):.0f} ms (bar 150; n = {len(late)}); frames p50 {quantile(frames, 0.5):.0f}, "
        f"p95 {quantile(frames, 0.95):.0f} ms; main thread {share:.0%}; longest task "
        f"{max(tasks, default=0):.0f} ms (bar 150), {len(tasks)} above 50 ms in {seconds:.0f} s"
    )
    assert len(late) > 40, "tokens came all the while"
    assert quantile(late, 0.95) < 2_000


async def texts_of(page: Page, lanes: int) -> list[str]:
    return [await text_of(page.locator(".lane").nth(no)) for no in range(lanes)]


async def text_of(lane: Locator) -> str:
    return " ".join((await lane.locator(".answer").inner_text()).split())


@pytest.mark.parametrize(("size", "theme"), [("desk", "dark"), ("phone", "light")])
async def test_a_blind_battle_is_voted_on_by_key_then_names_are_shown_and_the_vote_is_changed(
    ring: Server, open_page: OpenPage, size: Size, theme: Theme
) -> None:
    board = await open_page("/leaderboard", server=ring, size=size, theme=theme)
    votes = await votes_behind(board)
    page = await open_page(address(2, "paced 400 60"), server=ring, size=size, theme=theme)
    await shoot(page, f"battle-setup-{size}-{theme}")
    await start(page, blind=True)
    await expect(page.get_by_text("Which answer is better?")).to_be_visible(timeout=60_000)
    assert await page.locator(".lane .who .name").all_inner_texts() == ["", ""]
    await shoot(page, f"battle-blind-{size}-{theme}")
    assert await page.evaluate("() => document.documentElement.scrollWidth - innerWidth") <= 0
    await page.locator(".lane .pane").first.click()
    await page.keyboard.press("2")
    await expect(page.get_by_role("button", name="Keep: B is better")).to_be_visible()
    names = await page.locator(".lane .who .name").all_inner_texts()
    assert sorted(names) == sorted(MODELS[:2])
    await expect(page.locator(".lane .figure.cost b").first).to_contain_text("$0.")
    await shoot(page, f"battle-revealed-{size}-{theme}")
    await page.keyboard.press("3")
    await expect(page.get_by_text("Your vote: B is better; after the names were shown: Tie.")).to_be_visible()
    await page.reload()
    await expect(page.get_by_text("Your vote: B is better; after the names were shown: Tie.")).to_be_visible()
    assert await page.evaluate("() => document.documentElement.scrollWidth - innerWidth") <= 0
    await board.reload()
    assert await votes_behind(board) == votes + 1, "the leaderboard moves"
    await expect(board.get_by_text(MODELS[0]).first).to_be_visible()
    await shoot(board, f"leaderboard-after-{size}-{theme}")


async def votes_behind(board: Page) -> int:
    said = board.get_by_text(re.compile(r"No votes yet|are behind this"))
    await said.first.wait_for()
    found = re.search(r"([\d,]+) votes? by", await said.first.inner_text())
    return int(found[1]) if found else 0


class Ears:
    """Everything that a browser received: bodies and frames, and what stands in its page."""

    def __init__(self, page: Page) -> None:
        self.heard: list[tuple[str, bytes]] = []
        self.live: list[str] = []
        self._bodies: list[asyncio.Task[None]] = []
        page.on("response", self._response)
        page.on("websocket", self._socket)

    async def everything(self, page: Page) -> list[tuple[str, bytes]]:
        await asyncio.gather(*self._bodies)
        return [*self.heard, ("page", (await page.content()).encode())]

    def _response(self, response: Response) -> None:
        headers = str(response.headers).encode()
        self.heard.append((response.url, response.url.encode() + headers))
        self._bodies.append(asyncio.create_task(self._body(response)))

    async def _body(self, response: Response) -> None:
        if response.status == 200:
            self.heard.append((response.url, await response.body()))

    def _socket(self, socket: WebSocket) -> None:
        def heard(payload: str | bytes) -> None:
            self.heard.append((socket.url, payload.encode() if isinstance(payload, str) else payload))
            if isinstance(payload, str):
                self.live.append(payload)

        socket.on("framereceived", heard)


async def test_a_browser_hears_nothing_of_who_how_fast_or_for_how_much_before_the_vote(
    ring: Server, open_page: OpenPage
) -> None:
    starter = await open_page(address(4, "paced 60 400"), server=ring)
    await start(starter, blind=True)
    where = starter.url.removeprefix(ring.url)
    await starter.context.close()  # who set it up knows which models there are, though not which is which
    page = await open_page("/healthz", server=ring)
    ears = Ears(page)
    await page.goto(ring.url + where)
    await says(page.locator(".lane").first, "w1@")
    await expect(page.get_by_text("Which answer is better?")).to_be_visible(timeout=90_000)
    heard = await ears.everything(page)
    assert sum(len(body) for _, body in heard) > 100_000, "the ears are open"
    secrets = [*MODELS, *map(str.lower, MODELS), PROVIDER, *map(re.escape, PRICES), r"run_[0-9a-f]{8}"]
    for secret in [*secrets, "first_token_ms", "tokens_per_s", '"cost"', "nano_usd"]:
        found = re.compile(secret.encode())
        told = [source for source, body in heard if found.search(body) and not _is_script(source)]
        assert told == [], f"{secret} was told"
    assert max(map(len_apart, _shown(ears.live)), default=0) <= 64, "no lane runs ahead"
    await page.get_by_role("button", name="A is best").click()
    await expect(page.locator(".lane .who .name").first).to_have_text(re.compile("|".join(MODELS)))


def _is_script(source: str) -> bool:
    """Our views' scripts name figures; they are the same for every battle."""
    return bool(re.search(r"/(ui|static)/", source))


def _shown(frames: list[str]) -> Iterator[list[int]]:
    """How many tokens of each lane a reader has, after each message."""
    tokens: dict[str, int] = {}
    for frame in frames:
        for lane, text in re.findall(r'"(lane_\w+)":(\{.*?\})(?=,"lane_|\}\}|$)', frame):
            numbers = [int(number) for number in re.findall(r"w(\d+)@", text)]
            if numbers:
                tokens[lane] = max(numbers)
        if len(tokens) == 4:
            yield list(tokens.values())


def len_apart(tokens: list[int]) -> int:
    return max(tokens) - min(tokens)
