"""Every page as people see it, to be looked at: `python -m tests.screenshots FOLDER --requests 0,10,100000`.

A real server and a real Chromium. Each page is drawn 1,440 and 390 pixels wide, light and dark, by an
installation that had no request, ten of the simulated models, or a hundred thousand in its log. Beside the
pictures it tells what is wider than its page, and what axe finds (WCAG 2.1 AA).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

from bench.log_rows import fill_rows
from store.databases import Databases
from telemetry import upkeep
from tests.server import Server
from tools import chromium

WIDTHS: Final = (1440, 390)
THEMES: Final = ("light", "dark")
PAGES: Final = {
    "playground": "/",
    "battle": "/battle",
    "batches": "/batches",
    "leaderboard": "/leaderboard",
    "latency": "/latency",
    "requests": "/requests",
    "models": "/models",
    "model": "/models?model=openai/codex-mini",
    "model-here": "/models?model=embedded/smollm2-135m",
    "prompts": "/prompts",
    "compare": "/compare?models=openai/gpt-4.1,openai/gpt-4.1-mini,embedded/smollm2-135m",
    "speed": "/benchmarks?board=speed",
    "methodology": "/benchmarks?board=methodology",
    "intelligence": "/benchmarks?board=intelligence",
    "connect": "/connect",
    "credits": "/credits",
    "team": "/team",
    "operator": "/operator",
}
FLAGS: Final = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync")
_DAY_MS: Final = 24 * 60 * 60 * 1_000
_RULES: Final = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}}


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.screenshots", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--requests", default="0,10,100000")
    parser.add_argument("--pages", default=",".join(PAGES))
    parser.add_argument("--axe", action="store_true")
    asked = parser.parse_args(arguments)
    found = chromium.find()
    if found is None:
        print("No Chromium on this machine.", file=sys.stderr)
        return 1
    asked.folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(found), args=list(FLAGS))
        for count in map(int, asked.requests.split(",")):
            with _installation(count) as server:
                for name in asked.pages.split(","):
                    _take(browser, server.url + PAGES[name], asked.folder / f"{name}-{count}", axe=asked.axe)
        browser.close()
    return 0


@contextmanager
def _installation(requests: int) -> Iterator[Server]:
    with tempfile.TemporaryDirectory(prefix="tiltyard-screens-") as folder:
        server = Server(Path(folder), {})
        if requests > 10:
            _fill(server.data_dir, requests)
        server.start()
        try:
            server.wait_model()
            for no in range(requests if requests <= 10 else 0):
                model = "embedded/smollm2-135m" if no % 2 else "simulated/steady"
                with server.client() as client:
                    messages = [{"role": "user", "content": f"Say {no}"}]
                    body = {"model": model, "messages": messages, "max_tokens": 16, "stream": True}
                    client.post("/v1/chat/completions", json=body).raise_for_status()
            time.sleep(1.0)  # the log's batch
            yield server
        finally:
            server.end()


def _fill(data_dir: Path, requests: int) -> None:
    """A week's log, with its roll-ups."""
    data_dir.mkdir(parents=True)
    now_ms = time.time_ns() // 1_000_000
    with closing(Databases.open(data_dir)) as databases:
        engine = databases.log.engine
        fill_rows(engine, requests, now_ms - 7 * _DAY_MS, now_ms)
        upkeep.rebuild(engine, now_ms - 7 * _DAY_MS, now_ms)


def _take(browser: Browser, url: str, path: Path, *, axe: bool) -> None:
    for theme in THEMES:
        context = browser.new_context(
            color_scheme="dark" if theme == "dark" else "light",
            viewport={"width": 1440, "height": 900},
            bypass_csp=True,  # axe is put into the page
        )
        page = context.new_page()
        page.goto(url)
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900 if width > 500 else 844})
            settle(page)
            page.screenshot(path=f"{path}-{theme}-{width}.png", full_page=False)
            _say(path.name, theme, width, page, axe=axe and width == WIDTHS[0])
        _wholes(page, path, theme)
        context.close()


def _wholes(page: Page, path: Path, theme: str) -> None:
    if theme != THEMES[0]:
        return
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        settle(page)
        whole(page, width, Path(f"{path}-whole-{width}.png"))


def whole(page: Page, width: int, path: Path) -> None:
    """The page down to its end: what scrolls is Streamlit's main part."""
    height = page.evaluate(
        "Math.max(...[...document.querySelectorAll('[data-testid=stMain], [data-testid=stMain] *')]"
        ".map(e => e.scrollHeight))"
    )
    page.set_viewport_size({"width": width, "height": min(int(height) + 60, 6_000)})
    settle(page)
    page.screenshot(path=path)


def settle(page: Page) -> None:
    """Until Streamlit has drawn what it is going to."""
    page.wait_for_selector('[data-testid="stMain"]', timeout=30_000)
    page.wait_for_function(
        "document.querySelector('[data-test-script-state=notRunning]')"
        " && !document.querySelector('[data-stale=true]')"
        " && !document.querySelector('[data-testid=stSkeleton]')",
        timeout=60_000,
    )
    page.wait_for_timeout(500)


def told(page: Page) -> list[str]:
    """What is wrong with a page at a glance: wider than it is, or an exception on it."""
    wide = page.evaluate(
        "(() => { const main = document.querySelector('[data-testid=stMain]');"
        " return main.scrollWidth > main.clientWidth + 1 ? main.scrollWidth : 0; })()"
    )
    failed = page.locator('[data-testid="stException"]').count()
    return [f"{wide} px wide"] * bool(wide) + ["AN EXCEPTION"] * bool(failed)


def _say(name: str, theme: str, width: int, page: Page, *, axe: bool) -> None:
    for complaint in told(page):
        print(f"{name} {theme} {width}: {complaint}", flush=True)
    if axe:
        response: dict[str, Any] = Axe().run(page, options=_RULES).response
        for each in response["violations"]:
            where = "; ".join(str(node["target"][0]) for node in each["nodes"][:3])
            print(f"{name} {theme}: {each['id']} ({len(each['nodes'])}): {where[:240]}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
