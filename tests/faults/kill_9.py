"""Kills the whole app under streaming load, again and again, and counts what became of the money.

Callers stream answers, some short, which end and whose receipt is kept, some long, which are cut by the
kill at any moment of their second. Every other time the app alone is killed, and its children find out
by themselves; else all of them.
By hand: `python -m tests.faults.kill_9 --kills 30 --engine postgresql`, which also waits the real minute.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import psutil
import psycopg

from billing import audit, audit_postgresql
from billing.group_commit import GroupCommit
from billing.group_commit_postgresql import PostgresGroupCommit
from billing.journal_sqlite import SqliteJournal
from billing.statements import Statements
from tests.postgresql import started
from tests.server import API_KEY, Server, nano_usd
from tests.upstream import MODEL as SLOW, SlowUpstream

SHORT = "simulated/steady"
LIMIT_NANO_USD = 1_000_000_000_000
A_MINUTE_MS = 60_000
_CALLERS = 6  # of each kind
_ANSWERS = 5  # acknowledged since the start, before a kill
_MORE_LOAD_S = 1.2  # at most, from then on: a kill comes at any moment of an answer
_LONGEST_LOAD_S = 60
_RECORDED = """
SELECT h.run_id FROM {schema}ledger_open_hold o
JOIN {schema}ledger_hold h ON h.team_id = o.team_id AND h.no = o.hold_no
WHERE o.progress_nano_usd > 0"""


@dataclass
class Counts:
    """`acknowledged` is what callers were told that a run cost, in nano-dollars; `begun` is when a
    run's first word came (seconds of the monotonic clock). `cut` are the runs that a kill ended and whose
    progress the ledger had by then; `too_young_s` is how long callers had had words of others, which the
    ledger had not heard of and let go."""

    kills: int = 0
    admitted: set[str] = field(default_factory=set)
    acknowledged: dict[str, int] = field(default_factory=dict)
    begun: dict[str, float] = field(default_factory=dict)
    cut: set[str] = field(default_factory=set)
    too_young_s: list[float] = field(default_factory=list)
    given_away: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    ended: Counter[str] = field(default_factory=Counter)
    left_open: int = 0
    findings: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        ended = ", ".join(f"{count:,} {kind}" for kind, count in sorted(self.ended.items()))
        return (
            f"{self.kills} kills, {len(self.admitted):,} runs admitted, {len(self.acknowledged):,} entries "
            f"acknowledged: {len(self.lost)} lost, {self.left_open} holds left open, "
            f"{len(self.findings)} rules broken; {len(self.cut):,} runs cut in mid-answer, "
            f"{len(self.given_away)} of them given away; {len(self.too_young_s)} more were too young, "
            f"of {max(self.too_young_s, default=0) * 1_000:.0f} ms at most (entries: {ended})"
        )


class Siege:
    """One installation, killed and started again. `database_url` is None on SQLite."""

    def __init__(self, folder: Path, upstream: SlowUpstream, database_url: str | None = None) -> None:
        settings = {"TILTYARD_EMBEDDED": "false", "TILTYARD_LOG_LEVEL": "warning"}
        # On PostgreSQL the holds of the dead count as running until they lapse, and limits hold for them.
        settings |= {"TILTYARD_MAX_RUNNING_TEAM": "10000", "TILTYARD_LEAST_TIER": "5"}
        if database_url is not None:
            settings |= {"TILTYARD_DATABASE_URL": database_url, "TILTYARD_SECRET_KEY": "s" * 32}
        self.server = Server(folder, settings, upstream.config)
        self.counts = Counts()
        self._age_at_kill_s: dict[str, float] = {}
        self._url = database_url
        self._ledger = database_url or self.server.data_dir / "ledger.db"

    def kill(self, times: int) -> None:
        for _ in range(times):
            self.server.start(within_s=90)
            asyncio.run(self._load_and_kill())

    def wait_a_minute(self) -> None:
        """Start it once more, and wait until no hold is open, for at most a minute since the last kill."""
        killed_s = time.monotonic()
        self.server.start(within_s=90)
        while self.server.credits()["held"] and time.monotonic() - killed_s < A_MINUTE_MS / 1_000:
            time.sleep(0.5)
        self.server.end()

    def skip_a_minute(self) -> None:
        """What the app's sweeper does, by a clock that is a minute ahead."""
        if isinstance(self._ledger, Path):
            journal = SqliteJournal(self._ledger)
            commit = GroupCommit(journal, free_money_limit_nano_usd=LIMIT_NANO_USD, now_ms=_in_a_minute_ms)
            commit.sweep()
            journal.close()
        else:
            asyncio.run(_sweep_in_a_minute(self._ledger))

    def count(self) -> Counts:
        """Compare what callers were told with what the ledger has. The app is not running any more."""
        counts, statements = self.counts, Statements(self._ledger)
        for run_id, cost in counts.acknowledged.items():
            entry = statements.entry_of_run(1, run_id)
            if entry is None or entry.cost_nano_usd != cost:
                counts.lost.append(run_id)
        for run_id in counts.admitted:
            entry = statements.entry_of_run(1, run_id)
            counts.ended["void" if entry is None else entry.kind.name.lower()] += 1
            if entry is None and run_id in counts.cut:
                counts.given_away.append(run_id)
            elif entry is None and run_id in self._age_at_kill_s:
                counts.too_young_s.append(self._age_at_kill_s[run_id])
        at = self._ledger
        report = audit.audit(at) if isinstance(at, Path) else audit_postgresql.audit(at)
        counts.left_open = report.open_holds
        counts.findings = [str(finding) for finding in report.findings]
        return counts

    async def _load_and_kill(self) -> None:
        headers = {"Authorization": f"Bearer {API_KEY}"}
        async with aiohttp.ClientSession(self.server.url, headers=headers) as session:
            callers = [asyncio.create_task(self._call(session, SHORT)) for _ in range(_CALLERS)]
            callers += [asyncio.create_task(self._call(session, SLOW)) for _ in range(_CALLERS)]
            await self._load_enough()
            await asyncio.to_thread(self._kill_once)
            await asyncio.gather(*callers)

    async def _load_enough(self) -> None:
        """Until some answers were acknowledged and some are in the middle, however slow the machine is."""
        until_s, answers = time.monotonic() + _LONGEST_LOAD_S, len(self.counts.acknowledged) + _ANSWERS
        while len(self.counts.acknowledged) < answers or not await asyncio.to_thread(self._recorded):
            assert time.monotonic() < until_s, "too little was answered to kill in the middle of it"
            await asyncio.sleep(0.05)
        await asyncio.sleep(random.uniform(0, _MORE_LOAD_S))

    def _recorded(self) -> set[str]:
        """The runs that still run and whose progress is in the ledger: what it has, a kill cannot take."""
        if isinstance(self._ledger, Path):
            with closing(sqlite3.connect(f"file:{self._ledger}?mode=ro", uri=True)) as db:
                return {row[0] for row in db.execute(_RECORDED.format(schema=""))}
        with psycopg.connect(self._ledger) as connection:
            return {row[0] for row in connection.execute(_RECORDED.format(schema="ledger."))}

    def _kill_once(self) -> None:
        counts = self.counts
        counts.kills += 1
        app = psutil.Process(self.server.pid)
        children = app.children(recursive=True)
        counts.cut |= self._recorded()
        app.kill()
        now_s = time.monotonic()
        self._age_at_kill_s |= {run_id: now_s - at_s for run_id, at_s in counts.begun.items()}
        counts.begun.clear()
        if counts.kills % 2 == 0:
            for child in children:
                with suppress(psutil.NoSuchProcess):
                    child.kill()
        self.server.wait_ended(10)
        _, alive = psutil.wait_procs(children, timeout=10)
        assert not alive, "a child outlived its app"

    async def _call(self, session: aiohttp.ClientSession, model: str) -> None:
        """Ask and ask again, until there is nobody to ask."""
        with suppress(aiohttp.ClientError, ConnectionError):
            while True:
                await self._ask(session, model)

    async def _ask(self, session: aiohttp.ClientSession, model: str) -> None:
        body = {
            "model": model,
            "messages": [{"role": "user", "content": "Tell me a story about the sea."}],
            "max_tokens": 12 if model == SHORT else 2_000,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        async with session.post("/v1/chat/completions", json=body) as answer:
            assert answer.status == 200, await answer.text()
            run_id, cost = "", None
            async for line in answer.content:
                if line.startswith(b"data: {"):
                    chunk = json.loads(line.removeprefix(b"data: "))
                    run_id = chunk.get("id", run_id)
                    self.counts.admitted.add(run_id)
                    if any(choice["delta"].get("content") for choice in chunk.get("choices", ())):
                        self.counts.begun.setdefault(run_id, time.monotonic())
                    cost = (chunk.get("usage") or {}).get("cost")
                elif line.startswith(b"data: [DONE]") and cost is not None:
                    self.counts.acknowledged[run_id] = nano_usd(cost)


async def _sweep_in_a_minute(url: str) -> None:
    commit = PostgresGroupCommit(url, free_money_limit_nano_usd=LIMIT_NANO_USD, now_ms=_in_a_minute_ms)
    await commit.open()
    await commit.sweep()
    await commit.close()


def _in_a_minute_ms() -> int:
    return time.time_ns() // 1_000_000 + A_MINUTE_MS


# --- by hand --------------------------------------------------------------------------------------


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.kill_9", description=__doc__)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--engine", choices=("sqlite", "postgresql"), default="sqlite")
    asked = parser.parse_args()
    began_s = time.monotonic()
    with _database(asked.engine) as url, tempfile.TemporaryDirectory() as folder, SlowUpstream() as upstream:
        siege = Siege(Path(folder), upstream, url)
        try:
            siege.kill(asked.kills)
            siege.wait_a_minute()
        finally:
            siege.server.end()
        counts = siege.count()
    sys.stdout.write(f"{asked.engine}: {counts} in {time.monotonic() - began_s:.0f} s\n")
    wrong = (*counts.lost, *counts.given_away, *counts.findings)
    for what in wrong:
        sys.stdout.write(f"  {what}\n")
    return 1 if wrong or counts.left_open else 0


@contextmanager
def _database(engine: str) -> Iterator[str | None]:
    if engine == "sqlite":
        yield None
        return
    with started() as server:
        yield server.new_database()


if __name__ == "__main__":
    sys.exit(main())
