"""A hundred callers at once and little money, on each engine: never a nano-dollar too much, and how fast."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from billing import audit, audit_postgresql
from billing.commands import Hold
from billing.errors import InsufficientCredits
from billing.statements import Statements
from billing.writer import Ledger
from billing.writer_postgresql import PostgresLedger
from tests.billing.test_writer import asking
from tests.databases import ENGINES
from tests.server import API_KEY, Server
from tests.upstream import SlowUpstream

StartServer = Callable[..., Server]
RecordFigure = Callable[[str], None]

CALLERS = 100
LIMIT_NANO_USD = 1_000_000_000_000
# Two thousand tokens of it cost 20 cents, and a prompt next to nothing.
DEAR = """
[[models]]
id = "lab/dear"
name = "Dear writer"
context_tokens = 32768
max_output_tokens = 4096
input_usd_per_million = "0.01"
output_usd_per_million = "100.00"
providers = [ { id = "lab", model = "slow" } ]
"""


@pytest.fixture(params=ENGINES)
def database_url(request: pytest.FixtureRequest) -> str | None:
    """None is SQLite."""
    return request.getfixturevalue("postgresql_url") if request.param == "postgresql" else None


async def test_of_a_hundred_reserves_of_20_cents_5_dollars_admit_25(
    database_url: str | None, tmp_path: Path, record_figure: RecordFigure
) -> None:
    where = database_url or tmp_path / "ledger.db"
    ledger = await _opened(where)
    timed = [_timed(ledger.reserve(asking(f"run_{n}"))) for n in range(CALLERS)]
    outcomes, took_ms = _apart(await asyncio.gather(*timed))
    await ledger.close()
    assert sum(isinstance(outcome, Hold) for outcome in outcomes) == 25
    assert sum(isinstance(outcome, InsufficientCredits) for outcome in outcomes) == 75
    record_figure(f"{_engine(database_url)}: 100 reserves of $0.20 at once on $5.00, 25 held, {took_ms}")


async def test_a_hundred_requests_at_once_never_spend_more_than_there_is(
    database_url: str | None,
    start_tiltyard: StartServer,
    slow_upstream: SlowUpstream,
    record_figure: RecordFigure,
) -> None:
    settings = {"TILTYARD_EMBEDDED": "false"}
    if database_url is not None:
        settings |= {"TILTYARD_DATABASE_URL": database_url, "TILTYARD_SECRET_KEY": "s" * 32}
    server = start_tiltyard(settings, slow_upstream.config + DEAR)
    headers = {"Authorization": f"Bearer {API_KEY}"}
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(server.url, headers=headers, connector=connector) as session:
        answers, took_ms = _apart(await asyncio.gather(*(_timed(_ask(session)) for _ in range(CALLERS))))
        held = await asyncio.to_thread(server.credits)  # while those that were admitted go on
        for answer in answers:
            answer.close()
    statuses = [answer.status for answer in answers]
    assert (statuses.count(200), statuses.count(402)) == (25, 75)
    assert held["available"] == 0
    assert held["held"] <= 5_000_000_000
    after = await asyncio.to_thread(_settled, server)
    server.end()
    where = database_url or server.data_dir / "ledger.db"
    spent = [-entry.amount_nano_usd for entry in Statements(where).entries(1, 200) if entry.run_id]
    assert len(spent) == 25
    assert 0 < sum(spent) == after["total_used"] == 5_000_000_000 - after["available"]
    report = audit.audit(where) if isinstance(where, Path) else audit_postgresql.audit(where)
    assert report.findings == ()
    record_figure(f"{_engine(database_url)}: 100 requests of $0.20 at once on $5.00, 25 answered, {took_ms}")


async def _opened(where: Path | str) -> Ledger | PostgresLedger:
    if isinstance(where, Path):
        return await Ledger.open(where, free_money_limit_nano_usd=LIMIT_NANO_USD)
    return await PostgresLedger.open(where, free_money_limit_nano_usd=LIMIT_NANO_USD)


async def _ask(session: aiohttp.ClientSession) -> aiohttp.ClientResponse:
    """The answer as soon as it begins, which is when it was admitted or refused."""
    body = {
        "model": "lab/dear",
        "messages": [{"role": "user", "content": "Hello"}],
        "max_tokens": 2_000,
        "stream": True,
    }
    return await session.post("/v1/chat/completions", json=body)


def _settled(server: Server) -> dict[str, int]:
    limit_s = time.monotonic() + 10
    while (credits := server.credits())["held"]:
        assert time.monotonic() < limit_s, "a caller who left still holds money"
        time.sleep(0.05)
    return credits


async def _timed(asked: Coroutine[Any, Any, Any]) -> tuple[Any, float]:
    """What came of it, be it an exception, and after how many milliseconds."""
    began_s = time.monotonic()
    outcome: Any = (await asyncio.gather(asked, return_exceptions=True))[0]
    return outcome, (time.monotonic() - began_s) * 1_000


def _apart(timed: list[tuple[Any, float]]) -> tuple[list[Any], str]:
    took_ms = sorted(ms for _, ms in timed)
    return [outcome for outcome, _ in timed], (
        f"p50 {took_ms[len(took_ms) // 2]:.1f} ms, p99 {took_ms[len(took_ms) * 99 // 100]:.1f} ms"
    )


def _engine(database_url: str | None) -> str:
    return "sqlite" if database_url is None else "postgresql"
