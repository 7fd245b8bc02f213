"""Alerts on their way out: to a webhook and to a mail server that listen here."""

from __future__ import annotations

import asyncio
import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from aiohttp import web
from sqlalchemy import Engine

from alerting import AGAIN_MS, Address, Alerting, try_out
from billing.budgets import Budgets, CapAlert
from billing.errors import LedgerUnavailable
from gateway.catalog import Catalog
from net.letters import LetterFailed, send_letter
from net.post import PostFailed, post_json
from telemetry.alerts import Alert, Alerts
from telemetry.anomalies import Anomaly
from tests.databases import Home

NOW_MS = 1_795_262_400_000
SLOW = Anomaly("slow", "model", "lab/fast", "ttft_ms", NOW_MS - 600_000, 1_210, 402, 412, 3_120, 1e-9, 84)
CAP = CapAlert(
    3, 1, 1, 80, NOW_MS - 5_000, NOW_MS, 12, 25_000_000_000, 20_000_000_000, "team", "", "month", 0, "UTC"
)


@pytest.fixture
def engine(sqlite_home: Home) -> Engine:
    return sqlite_home.engine("log")


@dataclass
class Money:
    """Caps that were told of; `away` where the ledger cannot be read."""

    told: tuple[CapAlert, ...] = ()
    away: bool = False

    def alerts(self, from_ms: int, team_id: int | None = None) -> tuple[CapAlert, ...]:
        if self.away:
            raise LedgerUnavailable("away")
        return tuple(alert for alert in self.told if alert.at_ms >= from_ms)


@dataclass
class Hook:
    """A webhook; `status` is what it answers."""

    status: int = 200
    got: list[dict[str, Any]] = field(default_factory=list)
    url: str = ""

    async def __aenter__(self) -> Hook:
        app = web.Application()
        app.router.add_post("/hook", self._take)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/hook?secret=sesame"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        self.got.append(json.loads(await request.text()))
        return web.Response(status=self.status)


def alerting(engine: Engine, money: Money, *urls: str, found: tuple[Anomaly, ...] = ()) -> Alerting:
    addresses = [Address(url, allow_private_address=True) for url in urls]
    return Alerting(
        engine, cast(Budgets, money), Catalog.load(), addresses, "https://t.example", lambda: found
    )


async def test_what_is_found_reaches_the_webhook_once_a_threshold(engine: Engine) -> None:
    async with Hook() as hook:
        money = Money((CAP,))
        one = alerting(engine, money, hook.url, found=(SLOW,))
        await one.turn(NOW_MS)
        await alerting(engine, money, hook.url, found=(SLOW,)).turn(NOW_MS + 1)  # another process
        await one.turn(NOW_MS + AGAIN_MS - 1)
        (got,) = hook.got
        assert {each["subject"] for each in got["alerts"]} == {"ttft_ms:model:lab/fast", CAP.key}
        assert "p95 of time to first token of lab/fast tripled since" in got["text"]
        assert "Spending cap of team 3 (team, month): 80 % reached, $20.00 of $25.00 spent." in got["text"]
        # It lasts: told again when the window is over, and the cap's never.
        await one.turn(NOW_MS + AGAIN_MS)
        assert [each["subject"] for each in hook.got[1]["alerts"]] == ["ttft_ms:model:lab/fast"]


async def test_what_cannot_be_sent_waits_and_nobody_is_told_twice(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    async with Hook() as good, Hook(status=500) as bad:
        one = alerting(engine, Money(), good.url, bad.url, found=(SLOW,))
        await one.turn(NOW_MS)
        (kept,) = one.alerts.newest()
        assert (kept.sent_ms, kept.tries) == (None, 1)
        await one.turn(NOW_MS + 1_000)  # not due yet
        bad.status = 200
        await one.turn(NOW_MS + 61_000)
        (kept,) = one.alerts.newest()
        assert kept.sent_ms == NOW_MS + 61_000
        assert (len(good.got), len(bad.got)) == (1, 2)
    assert "500" in caplog.text and "sesame" not in caplog.text


async def test_a_ledger_that_is_away_takes_no_alert_along(engine: Engine) -> None:
    money = Money((CAP,), away=True)
    one = alerting(engine, money, found=(SLOW,))
    await one.turn(NOW_MS)
    assert [each.subject for each in one.alerts.newest()] == ["ttft_ms:model:lab/fast"]
    money.away = False
    await one.turn(NOW_MS + 60_000)
    assert len(one.alerts.newest()) == 2


def test_two_processes_at_once_claim_an_alert_once(home: Home) -> None:
    engine = home.engine("log")
    found = [Alert("a", "3-fold", "told"), Alert("b", "3-fold", "told")]
    claimed: list[Alert] = []
    threads = [
        threading.Thread(target=lambda: claimed.extend(Alerts(engine).decide(found, NOW_MS)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(alert.subject for alert in claimed) == ["a", "b"]


async def test_a_private_address_is_called_only_where_that_is_allowed() -> None:
    async with Hook() as hook:
        with pytest.raises(PostFailed, match="may not be called"):
            await post_json(hook.url, {})
        with pytest.raises(PostFailed, match="may not be called"):
            await post_json("http://169.254.169.254/latest", {}, allow_private_address=True)
        assert hook.got == []


# --- mail ---------------------------------------------------------------------------------------


class _Session(socketserver.StreamRequestHandler):
    """As much of SMTP as a letter needs."""

    def handle(self) -> None:
        self.wfile.write(b"220 here\r\n")
        while line := self.rfile.readline():
            word = line[:4].upper()
            if word == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                text = b""
                while (part := self.rfile.readline()) != b".\r\n":
                    text += part
                cast(Any, self.server).letters.append(text.decode())
                self.wfile.write(b"250 taken\r\n")
            elif word == b"QUIT":
                self.wfile.write(b"221 bye\r\n")
                return
            else:
                self.wfile.write(b"250 fine\r\n")


@contextmanager
def mail_server() -> Iterator[tuple[int, list[str]]]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Session) as server:
        letters: list[str] = []
        cast(Any, server).letters = letters
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1], letters
        server.shutdown()


@pytest.mark.slow
async def test_mail_goes_through_apprise_in_a_process_of_its_own(engine: Engine) -> None:
    with mail_server() as (port, letters):
        url = f"mailto://127.0.0.1:{port}?smtp=127.0.0.1&from=t@example.org&to=ops@example.org"
        await alerting(engine, Money(), url, found=(SLOW,)).turn(NOW_MS)
        await asyncio.sleep(0)
    (letter,) = letters
    assert "ops@example.org" in letter and "tripled" in letter.replace("=\r\n", "")
    ((name, why),) = await try_out([Address(url)], "https://t.example")
    assert name == "e-mail at 127.0.0.1" and why == "the mail server did not take it"
    with pytest.raises(LetterFailed, match="no address of a mail server"):
        await send_letter("json://127.0.0.1", "a", "b")
    with pytest.raises(LetterFailed, match="may not be called"):
        await send_letter("mailto://a.example?smtp=169.254.169.254&from=a@a.example&to=b@b.example", "a", "b")
