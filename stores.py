"""What a process keeps and where: SQLite files in the data folder, or one PostgreSQL for all processes.

`open_stores` opens in order and leaves how to close, in the opposite order, on the stack that it is
given. Everything above it is the same on either engine.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import startup
from billing.budgets import Budgets
from billing.client import LedgerClient
from billing.money import parse_usd
from billing.payments import Payments
from billing.statements import Statements
from billing.usage import Usage
from billing.writer import Ledger
from gateway.kept_runs import KeptRuns
from settings import Settings
from store.databases import Databases
from store.leases import Leases
from store.processes import Processes
from telemetry.elsewhere import Elsewhere
from telemetry.request_log import RequestLog
from telemetry.rows import RequestRow

Role = Literal["app", "api"]  # with pages, or the API alone
Subscribe = Callable[[Callable[[RequestRow], None]], Callable[[], None]]


@dataclass(frozen=True, slots=True)
class Stores:
    """`subscribe` tells of finished requests, those of other processes too. `leases` say which process
    does what only one may do. `in_company` where other processes share the databases."""

    databases: Databases
    ledger: LedgerClient
    statements: Statements
    usage: Usage
    budgets: Budgets
    payments: Payments
    log: RequestLog
    kept_runs: KeptRuns
    subscribe: Subscribe
    leases: Leases
    processes: Processes
    in_company: bool


async def open_stores(
    settings: Settings, opened: AsyncExitStack, *, role: Role = "app", ledger_socket: str | None = None
) -> Stores:
    """`ledger_socket` is the door of the ledger's writer where another process of this folder keeps it:
    then the folder is that process's. Raises `DatabaseUnavailable`, `ChildFailed` and `LedgerUnavailable`."""
    in_files = settings.database_url is None
    owner = in_files and ledger_socket is None
    in_company = not in_files or settings.api_processes > 0
    if owner:
        opened.callback(startup.claim_folder(settings.data_dir).close)
    free_money_limit = parse_usd(settings.free_money_limit_usd)
    ledger_at: Path | str = settings.database_url or settings.data_dir / "ledger.db"
    # The migrations first where they share a database: what cannot be reached is then said once.
    opening_ledger = asyncio.create_task(_open_ledger(ledger_at, free_money_limit)) if owner else None
    databases = await asyncio.to_thread(Databases.open, settings.data_dir, settings.database_url)
    opened.callback(databases.close)
    processes = Processes(databases.app, role)
    await processes.open(others_are_gone=owner)
    opened.push_async_callback(processes.close)
    log = RequestLog(databases.log.engine)
    await log.open()
    opened.push_async_callback(log.close)
    if ledger_socket is not None:
        ledger: LedgerClient = await Ledger.join(Path(ledger_socket))
    else:
        ledger = await (opening_ledger or _open_ledger(ledger_at, free_money_limit))
    opened.push_async_callback(ledger.close)
    elsewhere = Elsewhere(databases.log.engine, log)
    opened.push_async_callback(elsewhere.close)
    statements = Statements(ledger_at, free_money_limit_nano_usd=free_money_limit)
    return Stores(
        databases=databases,
        ledger=ledger,
        statements=statements,
        usage=Usage(ledger_at, statements),
        budgets=Budgets(ledger_at),
        payments=Payments(ledger_at),
        log=log,
        kept_runs=KeptRuns(databases.app, processes.id if in_company else None),
        subscribe=elsewhere.subscribe if in_company else log.subscribe,
        leases=Leases(databases.app, processes.id),
        processes=processes,
        in_company=in_company,
    )


async def _open_ledger(where: Path | str, free_money_limit_nano_usd: int) -> LedgerClient:
    """In a child of its own on SQLite, on our loop on PostgreSQL."""
    if isinstance(where, Path):
        return await Ledger.open(where, free_money_limit_nano_usd=free_money_limit_nano_usd)
    # Imported here, like every driver of PostgreSQL: most installations have none.
    from billing.writer_postgresql import PostgresLedger

    return await PostgresLedger.open(where, free_money_limit_nano_usd=free_money_limit_nano_usd)
