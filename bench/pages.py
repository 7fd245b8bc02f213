"""Each page in a real Chromium: what it weighs, when it can be used, how long it keeps the browser busy, and
how far it moves while it loads.

Cold: a fresh browser profile, nothing cached. Warm: the same page again in it. Weight is what came over the
network as it was encoded. Interactive: from the navigation until the page's script has ended and the browser
has been without a long task (50 ms) for half a second, the instant being the end of the last one. Shift is
the cumulative layout shift of web.dev/cls, without what follows input, at 1440 px and 390 px. Each page has
forty requests to show.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from bench.table import Row, print_table
from tests.server import Server
from tools import chromium

PAGES = {
    "Playground": "/",
    "Battle": "/battle",
    "Batches": "/batches",
    "Leaderboard": "/leaderboard",
    "Latency": "/latency?simulated=yes",
    "Requests": "/requests",
    "Models": "/models",
    "Prompts": "/prompts",
    "Compare": "/compare",
    "Benchmarks": "/benchmarks",
    "Connect": "/connect",
    "Credits": "/credits",
    "Team": "/team",
    "Operator": "/operator",
}
_FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]
_KB = 1_000
_LONGEST_S = 40
_REQUESTS = 40
_WATCH = """
window.__shifted = 0; window.__long = []; window.__moved = [];
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) {
    if (entry.hadRecentInput) continue;
    window.__shifted += entry.value;
    for (const { node } of entry.sources) window.__moved.push([entry.value.toFixed(3), entry.startTime | 0,
      node?.closest?.("[class*=st-key-]")?.className ?? node?.dataset?.testid ?? node?.nodeName ?? "gone"]);
  }
}).observe({ type: "layout-shift", buffered: true });
new PerformanceObserver((list) => {
  for (const { startTime, duration } of list.getEntries()) window.__long.push([startTime, duration]);
}).observe({ type: "longtask", buffered: true });
"""
_STATE = """() => {
  const app = document.querySelector("[data-testid=stApp]");
  const last = window.__long.at(-1) ?? [0, 0];
  return {
    ended: app?.dataset.testScriptState === "notRunning" && Boolean(document.querySelector("h1, textarea")),
    now: performance.now(), quiet: last[0] + last[1],
    busy: window.__long.reduce((sum, [, ms]) => sum + ms, 0),
    shifted: window.__shifted, moved: window.__moved,
  };
}"""


@dataclass(frozen=True, slots=True)
class Opened:
    weight_bytes: int
    interactive_ms: float
    busy_ms: float
    shift: float
    moved: list[Any]


def measure() -> list[Row]:
    found = chromium.find()
    if found is None:
        return [Row("pages", "no Chromium on this machine", "")]
    with tempfile.TemporaryDirectory(prefix="tiltyard-bench-") as folder:
        server = Server(Path(folder), {"TILTYARD_EMBEDDED": "false"})
        server.start()
        try:
            _ask(server)
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=found, args=_FLAGS)
                return [_row(browser, server, name, path) for name, path in PAGES.items()]
        finally:
            server.end()


def _ask(server: Server) -> None:
    body = {"model": "simulated/steady", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 4}
    with server.client() as client:
        for _ in range(_REQUESTS):
            client.post("/v1/chat/completions", json=body).raise_for_status()


def _row(browser: Browser, server: Server, name: str, path: str) -> Row:
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    cold, warm = _open(context, server.url + path), _open(context, server.url + path)
    context.close()
    context = browser.new_context(viewport={"width": 390, "height": 844})
    phone = _open(context, server.url + path)
    context.close()
    said = (
        f"{cold.weight_bytes / _KB:,.0f} kB cold, {warm.weight_bytes / _KB:,.0f} kB warm; interactive "
        f"{cold.interactive_ms / 1_000:.2f} s, {warm.interactive_ms / 1_000:.2f} s; "
        f"busy {cold.busy_ms:,.0f} ms; shift {cold.shift:.3f}, {warm.shift:.3f}; phone {phone.shift:.3f}"
    )
    return Row(f"page {name}", said, "1440 px cold and warm, 390 px cold, Chromium, loopback")


def _open(context: BrowserContext, url: str) -> Opened:
    page = context.new_page()
    page.add_init_script(_WATCH)
    devtools = context.new_cdp_session(page)
    devtools.send("Network.enable")
    weight = [0]

    def finished(event: dict[str, Any]) -> None:
        weight[0] += int(event["encodedDataLength"])

    devtools.on("Network.loadingFinished", finished)
    page.goto(url)
    state = _settled(page)
    page.wait_for_timeout(3_000)  # charts come late, on purpose
    last = page.evaluate(_STATE)
    page.close()
    return Opened(
        weight[0], max(state["ended_at"], state["quiet"]), last["busy"], last["shifted"], last["moved"]
    )


def _settled(page: Page) -> dict[str, Any]:
    ended_at: float | None = None
    for _ in range(_LONGEST_S * 20):
        state: dict[str, Any] = page.evaluate(_STATE)
        ended_at = None if not state["ended"] else ended_at or state["now"]
        if ended_at is not None and state["now"] - max(state["quiet"], ended_at) > 500:
            return {**state, "ended_at": ended_at}
        page.wait_for_timeout(50)
    raise TimeoutError(f"{page.url} is not interactive in {_LONGEST_S} s")


if __name__ == "__main__":
    print_table(measure())
