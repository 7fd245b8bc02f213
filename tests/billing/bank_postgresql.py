"""The same bank on PostgreSQL: the real database, and group commit on an event loop of its own."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence

from billing.audit_postgresql import audit
from billing.commands import Command
from billing.group_commit import Outcome
from billing.group_commit_postgresql import PostgresGroupCommit
from billing.money import parse_usd
from billing.statements import Statements
from tests.billing.bank import START_MS, Bank


class PostgresqlBank(Bank):
    def __init__(self, url: str, *, free_money_limit: str = "1000") -> None:
        self.url = url
        self.now_ms = self.latest_ms = START_MS
        self.limit = parse_usd(free_money_limit)
        self.commit = self.journal = self._waiting()
        self.statements = Statements(url, free_money_limit_nano_usd=self.limit)
        self._runs = itertools.count(1)
        self._refs = itertools.count(1)

    def _waiting(self) -> _Waiting:
        return _Waiting(
            PostgresGroupCommit(self.url, free_money_limit_nano_usd=self.limit, now_ms=lambda: self.now_ms)
        )

    def restart(self) -> None:
        self.journal.close()
        self.commit = self.journal = self._waiting()

    def findings(self) -> list[str]:
        return [str(finding) for finding in audit(self.url, limit_s=10.0).findings]


class _Waiting:
    """Group commit for whoever has no event loop."""

    def __init__(self, commit: PostgresGroupCommit) -> None:
        self._commit = commit
        self._loop = asyncio.Runner()

    def run(self, commands: Sequence[Command]) -> list[Outcome]:
        return self._loop.run(self._commit.run(commands))

    def sweep(self) -> int:
        return self._loop.run(self._commit.sweep())

    def close(self) -> None:
        self._loop.run(self._commit.close())
        self._loop.close()
