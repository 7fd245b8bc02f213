"""The ledger as the gateway has it: a client on an event loop, and the real writer process."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import msgspec
import psutil
import pytest

from billing import writer
from billing.commands import (
    Checkpoint,
    Facts,
    Grant,
    Hold,
    Idempotency,
    Line,
    Receipt,
    Reserve,
    SetCap,
    Settle,
    Void,
)
from billing.errors import (
    BillingError,
    CapReached,
    HoldGone,
    InsufficientCredits,
    LedgerBusy,
    LedgerUnavailable,
    Replayed,
)
from billing.money import parse_usd
from billing.statements import Statements
from billing.writer import Ledger
from children.supervisor import ChildFailed

FACTS = Facts(model="lab/fast", provider="lab", price_version="2026-08-01")
LIMIT = parse_usd("1000")
ROOT = Path(__file__).resolve().parents[2]


def asking(run: str, amount: str = "0.20", *, team: int = 1, lease_ms: int = 30_000) -> Reserve:
    nano_usd = parse_usd(amount)
    return Reserve(team, run, nano_usd, nano_usd, lease_ms, FACTS)


def settling(hold: Hold, cost: str) -> Settle:
    nano_usd = parse_usd(cost)
    return Settle(hold, (Line("output", nano_usd, 1_000),), nano_usd, FACTS)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


@pytest.fixture
def path(tmp_path: Path, audited: Callable[[Path], Path]) -> Path:
    return audited(tmp_path / "ledger.db")


@pytest.fixture
async def ledger(path: Path) -> AsyncIterator[Ledger]:
    ledger = await Ledger.open(path, free_money_limit_nano_usd=LIMIT)
    yield ledger
    await ledger.close()


async def kill(ledger: Ledger) -> None:
    """Kill the writer and wait until there is another."""
    restarts, pid = ledger.child.restarts, ledger.child.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    async with asyncio.timeout(20):
        while ledger.child.restarts == restarts:
            await asyncio.sleep(0.01)


async def outcomes(*asked: object) -> list[object]:
    return list(await asyncio.gather(*asked, return_exceptions=True))  # type: ignore[call-overload]


async def test_of_a_hundred_callers_who_want_20_cents_of_5_dollars_exactly_25_get_them(
    ledger: Ledger, path: Path
) -> None:
    got = await outcomes(*(ledger.reserve(asking(f"run_{n}")) for n in range(100)))
    held = [outcome for outcome in got if isinstance(outcome, Hold)]
    refused = [outcome for outcome in got if isinstance(outcome, InsufficientCredits)]
    assert (len(held), len(refused)) == (25, 75)
    assert {refusal.available_nano_usd for refusal in refused} == {0}
    assert Statements(path).balance(1, now_ms()).available_nano_usd == 0


async def test_of_racing_settles_one_charges_and_all_are_told_the_same(ledger: Ledger, path: Path) -> None:
    holds = [await ledger.reserve(asking(f"run_{n}")) for n in range(25)]
    costs = ["0.10", "0.20", "0.33"]
    got = await outcomes(*(ledger.settle(settling(hold, costs[n % 3])) for n in range(8) for hold in holds))
    receipts = [outcome for outcome in got if isinstance(outcome, Receipt)]
    assert len(receipts) == 200
    assert sum(not receipt.replayed for receipt in receipts) == 25
    by_run: dict[str, set[bytes]] = {}
    for receipt in receipts:
        by_run.setdefault(receipt.run_id, set()).add(receipt.entry_hash)
    assert all(len(hashes) == 1 for hashes in by_run.values())
    charged = sum(receipt.charged_nano_usd for receipt in receipts if not receipt.replayed)
    assert Statements(path).balance(1, now_ms()).total_used_nano_usd == charged


async def test_of_requests_under_one_key_at_once_one_is_admitted(ledger: Ledger) -> None:
    key = Idempotency(b"k" * 32, b"f" * 32)
    got = await outcomes(
        *(ledger.reserve(msgspec.structs.replace(asking(f"run_{n}"), idempotency=key)) for n in range(50))
    )
    (held,) = [outcome for outcome in got if isinstance(outcome, Hold)]
    replayed = [outcome for outcome in got if isinstance(outcome, Replayed)]
    assert len(replayed) == 49
    assert {replay.run_id for replay in replayed} == {held.run_id}


async def test_every_refusal_arrives_as_it_was_raised(ledger: Ledger) -> None:
    await ledger.set_cap(SetCap(1, "key", "7", 5))
    with pytest.raises(CapReached) as reached:
        await ledger.reserve(msgspec.structs.replace(asking("run_1"), scopes=(("key", "7"),)))
    assert (reached.value.scope, reached.value.subject, reached.value.available_nano_usd) == ("key", "7", 5)
    assert str(reached.value) == "The spending cap of this key does not cover the request."
    with pytest.raises(InsufficientCredits) as poor:
        await ledger.reserve(asking("run_2", "6"))
    assert poor.value.available_nano_usd == parse_usd("5")
    assert poor.value.next_allowance_at_ms is not None
    with pytest.raises(HoldGone):
        await ledger.checkpoint(Checkpoint(1, "run_3", (), 1_000))


async def test_a_cancelled_callers_command_stands(ledger: Ledger, path: Path) -> None:
    hold = await ledger.reserve(asking("run_1", "1"))
    settle = asyncio.create_task(ledger.settle(settling(hold, "0.50")))
    await asyncio.sleep(0)
    settle.cancel()
    with pytest.raises(asyncio.CancelledError):
        await settle
    assert (await ledger.settle(settling(hold, "0.50"))).replayed
    assert Statements(path).balance(1, now_ms()).total_used_nano_usd == parse_usd("0.50")


async def test_a_caller_too_many_is_told_to_come_back(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "MOST_IN_FLIGHT", 10)
    got = await outcomes(*(ledger.reserve(asking(f"run_{n}", "0.01")) for n in range(15)))
    assert [type(outcome).__name__ for outcome in got] == ["Hold"] * 10 + ["LedgerBusy"] * 5
    assert isinstance(got[-1], LedgerBusy)
    assert (await ledger.reserve(asking("run_later", "0.01"))).run_id == "run_later"


async def test_what_was_in_flight_when_the_writer_died_is_asked_again(ledger: Ledger, path: Path) -> None:
    await ledger.grant(Grant(1, "payment", parse_usd("1000"), "invoice 1", ""))
    holds = [await ledger.reserve(asking(f"run_{n}")) for n in range(50)]
    asked = [asyncio.create_task(ledger.settle(settling(hold, "0.10"))) for hold in holds]
    asked += [asyncio.create_task(ledger.reserve(asking(f"run_more_{n}"))) for n in range(50)]  # type: ignore[arg-type]
    await asyncio.sleep(0)
    assert ledger.child.pid is not None
    os.kill(ledger.child.pid, signal.SIGKILL)
    got = await asyncio.gather(*asked)
    assert len(got) == 100
    assert ledger.child.restarts == 1
    balance = Statements(path).balance(1, now_ms())
    assert balance.total_used_nano_usd == parse_usd("5")
    assert len(balance.open_holds) == 50


async def test_where_the_writer_stays_away_the_caller_is_told_in_time(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "ANSWER_WITHIN_S", 0.3)
    assert ledger.child.pid is not None
    os.kill(ledger.child.pid, signal.SIGSTOP)
    try:
        with pytest.raises(LedgerUnavailable):
            await ledger.reserve(asking("run_1"))
    finally:
        os.kill(ledger.child.pid, signal.SIGCONT)
    assert (await ledger.reserve(asking("run_2"))).run_id == "run_2"


async def test_a_second_writer_of_the_same_file_does_not_start(ledger: Ledger, path: Path) -> None:
    with pytest.raises(ChildFailed):
        await Ledger.open(path, free_money_limit_nano_usd=LIMIT)
    assert (await ledger.reserve(asking("run_1"))).no == 1


async def test_nobody_else_may_use_the_socket_or_read_the_ledger(ledger: Ledger, path: Path) -> None:
    socket = ledger.socket
    assert socket.stat().st_mode & 0o777 == 0o600
    assert ledger.socket.parent.stat().st_mode & 0o777 == 0o700
    assert path.stat().st_mode & 0o077 == 0


async def test_after_close_nothing_runs_and_nothing_is_left(path: Path) -> None:
    ledger = await Ledger.open(path, free_money_limit_nano_usd=LIMIT)
    hold = await ledger.reserve(asking("run_1"))
    settle = asyncio.create_task(ledger.settle(settling(hold, "0.10")))
    await asyncio.sleep(0)
    pid, folder = ledger.child.pid, ledger.socket.parent
    await ledger.close()
    assert (await settle).charged_nano_usd == parse_usd("0.10")
    assert pid is not None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert not folder.exists()
    with pytest.raises(LedgerUnavailable):
        await ledger.reserve(asking("run_2"))


async def test_the_sweeper_ends_what_nobody_keeps_alive(ledger: Ledger, path: Path) -> None:
    dying = await ledger.reserve(asking("run_dying", "1", lease_ms=50))
    living = await ledger.reserve(asking("run_living", "1", lease_ms=30_000))
    await ledger.checkpoint(Checkpoint(1, "run_dying", settling(dying, "0.25").lines, 50))
    await asyncio.sleep(0.06)
    assert await ledger.sweep() == 1
    assert (await ledger.settle(settling(dying, "1"))).replayed
    await ledger.void(Void(1, living.run_id))
    assert Statements(path).balance(1, now_ms()).total_used_nano_usd == parse_usd("0.25")


async def test_one_bad_command_has_no_victims(ledger: Ledger) -> None:
    good = [asking(f"run_{n}", "0.01") for n in range(20)]
    too_large = msgspec.structs.replace(  # passes the rules, and is more than a column takes
        asking("run_bad", "0.01"), facts=msgspec.structs.replace(FACTS, user_id=2**63)
    )
    held = await ledger.reserve(too_large)
    bad = msgspec.structs.replace(settling(held, "0.01"), facts=too_large.facts)
    got = await outcomes(
        *(ledger.reserve(one) for one in good[:10]),
        ledger.settle(bad),
        *(ledger.reserve(one) for one in good[10:]),
    )
    assert [type(outcome).__name__ for outcome in got] == ["Hold"] * 10 + ["LedgerBug"] + ["Hold"] * 10
    assert isinstance(got[10], BillingError)
    await ledger.void(Void(1, "run_bad"))


_DOOMED = """
import asyncio, sys
from pathlib import Path
from billing.commands import Checkpoint
from billing.writer import Ledger
from tests.billing.test_writer import LIMIT, asking, settling

async def main() -> None:
    ledger = await Ledger.open(Path(sys.argv[1]), free_money_limit_nano_usd=LIMIT)
    hold = await ledger.reserve(asking("run_doomed", "1", lease_ms=800))
    await ledger.checkpoint(Checkpoint(1, hold.run_id, settling(hold, "0.25").lines, 800))
    print(ledger.child.pid, flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


async def test_where_everything_is_killed_the_writer_ends_and_the_next_one_ends_what_was_open(
    path: Path,
) -> None:
    doomed = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _DOOMED, str(path), stdout=asyncio.subprocess.PIPE, cwd=ROOT
    )
    assert doomed.stdout is not None
    writer_pid = int(await asyncio.wait_for(doomed.stdout.readline(), 20))
    doomed.kill()
    await doomed.wait()
    async with asyncio.timeout(10):
        while _lives(writer_pid):
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.8)
    ledger = await Ledger.open(path, free_money_limit_nano_usd=LIMIT)  # which sweeps at its start
    balance = Statements(path).balance(1, now_ms())
    await ledger.close()
    assert balance.open_holds == ()
    assert balance.total_used_nano_usd == parse_usd("0.25")


def _lives(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


async def test_killed_again_and_again_the_writer_loses_nothing_that_it_acknowledged(path: Path) -> None:
    """Callers reserve, checkpoint and settle while the writer is killed under them; then everything dies."""
    ledger = await Ledger.open(path, free_money_limit_nano_usd=LIMIT)
    await ledger.grant(Grant(1, "payment", parse_usd("100000"), "invoice 1", ""))
    receipts: dict[str, Receipt] = {}
    held: set[str] = set()
    ending = asyncio.Event()

    async def call(caller: int) -> None:
        n = 0
        while not ending.is_set():
            n += 1
            hold = await ledger.reserve(asking(f"run_{caller}_{n}", lease_ms=1_500))
            held.add(hold.run_id)
            if n % 3 == 0:
                await ledger.checkpoint(Checkpoint(1, hold.run_id, settling(hold, "0.05").lines, 1_500))
            if n % 5:
                receipts[hold.run_id] = await ledger.settle(settling(hold, "0.10"))

    callers = [asyncio.create_task(call(caller)) for caller in range(20)]
    for _ in range(6):
        await asyncio.sleep(0.1)
        await kill(ledger)
    for caller in callers:
        caller.cancel()
    ending.set()
    await asyncio.gather(*callers, return_exceptions=True)
    await ledger.close()

    after = await Ledger.open(path, free_money_limit_nano_usd=LIMIT)
    await asyncio.sleep(1.5)  # the leases of whatever was open
    await after.sweep()
    await after.close()
    statements = Statements(path)
    assert ledger.child.restarts == 6
    assert len(receipts) > 100
    assert statements.balance(1, now_ms()).open_holds == ()
    for run_id, receipt in receipts.items():
        entry = statements.entry_of_run(1, run_id)
        assert entry is not None
        assert entry.hash == receipt.entry_hash.hex()
        assert entry.cost_nano_usd == receipt.cost_nano_usd
