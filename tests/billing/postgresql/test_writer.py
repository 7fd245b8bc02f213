"""The ledger on PostgreSQL as the gateway has it: a writer on its event loop, alone or in company."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import asyncpg
import msgspec
import pytest

from billing import group_commit_postgresql, journal_postgresql, writer_postgresql
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
    CapReached,
    FreeCreditExhausted,
    HoldGone,
    InsufficientCredits,
    LedgerBusy,
    LedgerUnavailable,
    Replayed,
)
from billing.money import parse_usd
from billing.statements import Balance, Statements
from billing.writer_postgresql import PostgresLedger

pytestmark = pytest.mark.postgresql

FACTS = Facts(model="lab/fast", provider="lab", price_version="2026-08-01")
LIMIT = parse_usd("1000")


def asking(run: str, amount: str = "0.20", *, team: int = 1, lease_ms: int = 30_000) -> Reserve:
    nano_usd = parse_usd(amount)
    return Reserve(team, run, nano_usd, nano_usd, lease_ms, FACTS)


def settling(hold: Hold, cost: str) -> Settle:
    nano_usd = parse_usd(cost)
    return Settle(hold, (Line("output", nano_usd, 1_000),), nano_usd, FACTS)


async def outcomes(*asked: object) -> list[object]:
    return list(await asyncio.gather(*asked, return_exceptions=True))  # type: ignore[call-overload]


def names(got: list[object]) -> dict[str, int]:
    found: dict[str, int] = {}
    for outcome in got:
        found[type(outcome).__name__] = found.get(type(outcome).__name__, 0) + 1
    return found


def balance(url: str, team: int = 1) -> Balance:
    return Statements(url).balance(team, time.time_ns() // 1_000_000)


@pytest.fixture
async def ledger(ledger_url: str) -> AsyncIterator[PostgresLedger]:
    ledger = await PostgresLedger.open(ledger_url, free_money_limit_nano_usd=LIMIT)
    yield ledger
    await ledger.close()


@pytest.fixture
async def other(ledger_url: str) -> AsyncIterator[PostgresLedger]:
    """The writer of another process on the same database: it shares nothing with the first."""
    ledger = await PostgresLedger.open(ledger_url, free_money_limit_nano_usd=LIMIT)
    yield ledger
    await ledger.close()


# --- races ----------------------------------------------------------------------------------------


async def test_of_a_hundred_callers_who_want_20_cents_of_5_dollars_exactly_25_get_them(
    ledger: PostgresLedger, ledger_url: str
) -> None:
    got = await outcomes(*(ledger.reserve(asking(f"run_{n}")) for n in range(100)))
    assert names(got) == {"Hold": 25, "InsufficientCredits": 75}
    refused = [outcome for outcome in got if isinstance(outcome, InsufficientCredits)]
    assert {refusal.available_nano_usd for refusal in refused} == {0}
    assert balance(ledger_url).available_nano_usd == 0


async def test_of_a_hundred_callers_of_two_processes_exactly_25_get_them(
    ledger: PostgresLedger, other: PostgresLedger, ledger_url: str
) -> None:
    got = await outcomes(*((ledger, other)[n % 2].reserve(asking(f"run_{n}")) for n in range(100)))
    assert names(got) == {"Hold": 25, "InsufficientCredits": 75}
    assert balance(ledger_url).held_nano_usd == parse_usd("5")


async def test_of_racing_settles_one_charges_and_all_are_told_the_same(
    ledger: PostgresLedger, other: PostgresLedger, ledger_url: str
) -> None:
    holds = [await ledger.reserve(asking(f"run_{n}")) for n in range(25)]
    costs = ["0.10", "0.20", "0.33"]
    got = await outcomes(
        *((ledger, other)[n % 2].settle(settling(hold, costs[n % 3])) for n in range(8) for hold in holds)
    )
    receipts = [outcome for outcome in got if isinstance(outcome, Receipt)]
    assert len(receipts) == 200
    assert sum(not receipt.replayed for receipt in receipts) == 25
    by_run: dict[str, set[bytes]] = {}
    for receipt in receipts:
        by_run.setdefault(receipt.run_id, set()).add(receipt.entry_hash)
    assert all(len(hashes) == 1 for hashes in by_run.values())
    charged = sum(receipt.charged_nano_usd for receipt in receipts if not receipt.replayed)
    assert balance(ledger_url).total_used_nano_usd == charged


async def test_of_requests_under_one_key_at_once_one_is_admitted(
    ledger: PostgresLedger, other: PostgresLedger
) -> None:
    key = Idempotency(b"k" * 32, b"f" * 32)
    got = await outcomes(
        *(
            (ledger, other)[n % 2].reserve(msgspec.structs.replace(asking(f"run_{n}"), idempotency=key))
            for n in range(50)
        )
    )
    (held,) = [outcome for outcome in got if isinstance(outcome, Hold)]
    replayed = [outcome for outcome in got if isinstance(outcome, Replayed)]
    assert len(replayed) == 49
    assert {replay.run_id for replay in replayed} == {held.run_id}


async def test_a_run_that_settles_while_the_sweeper_ends_it_is_charged_once(
    ledger: PostgresLedger, other: PostgresLedger, ledger_url: str
) -> None:
    holds = [await ledger.reserve(asking(f"run_{n}", lease_ms=1)) for n in range(20)]
    for hold in holds:
        await ledger.checkpoint(Checkpoint(1, hold.run_id, settling(hold, "0.05").lines, 1))
    await asyncio.sleep(0.01)
    got = await outcomes(
        *(ledger.settle(settling(hold, "0.20")) for hold in holds[:10]),
        other.sweep(),
        *(ledger.settle(settling(hold, "0.20")) for hold in holds[10:]),
        ledger.sweep(),
    )
    assert not [outcome for outcome in got if isinstance(outcome, BaseException)]
    charged = sum(outcome.charged_nano_usd for outcome in got if isinstance(outcome, Receipt))
    found = balance(ledger_url)
    assert found.total_used_nano_usd == charged
    assert found.open_holds == ()


async def test_two_processes_on_one_busy_team_lose_and_double_nothing(
    ledger: PostgresLedger, other: PostgresLedger, ledger_url: str
) -> None:
    await ledger.grant(Grant(1, "payment", parse_usd("1000"), "invoice 1", ""))

    async def caller(writer: PostgresLedger, name: str) -> None:
        for n in range(15):
            hold = await writer.reserve(asking(f"run_{name}_{n}"))
            await writer.checkpoint(Checkpoint(1, hold.run_id, settling(hold, "0.01").lines, 30_000))
            receipt = await writer.settle(settling(hold, "0.10"))
            assert (receipt.replayed, receipt.charged_nano_usd) == (False, parse_usd("0.10"))

    await asyncio.gather(*(caller((ledger, other)[n % 2], str(n)) for n in range(20)))
    found = balance(ledger_url)
    assert found.total_used_nano_usd == parse_usd("30")
    assert (found.held_nano_usd, found.open_holds) == (0, ())


async def test_the_limit_on_free_money_holds_across_processes(ledger_url: str) -> None:
    limit = parse_usd("25")  # five teams' allowance
    writers = [await PostgresLedger.open(ledger_url, free_money_limit_nano_usd=limit) for _ in range(3)]
    got = await outcomes(*(writers[team % 3].reserve(asking("run_1", team=team)) for team in range(1, 31)))
    assert names(got) == {"Hold": 5, "FreeCreditExhausted": 25}
    with pytest.raises(FreeCreditExhausted):
        await writers[0].reserve(asking("run_2", team=99))
    for writer in writers:
        await writer.close()


async def test_a_refusal_is_never_made_on_what_is_remembered(
    ledger: PostgresLedger, other: PostgresLedger
) -> None:
    await ledger.reserve(asking("run_1", "5"))
    with pytest.raises(InsufficientCredits):
        await ledger.reserve(asking("run_2", "1"))
    await other.void(Void(1, "run_1"))
    await other.grant(Grant(1, "grant", parse_usd("1"), "welcome", ""))
    assert (await ledger.reserve(asking("run_3", "6"))).amount_nano_usd == parse_usd("6")
    with pytest.raises(HoldGone):
        await ledger.checkpoint(Checkpoint(1, "run_1", (), 1_000))


async def test_a_team_that_was_unknown_when_it_was_refused_is_looked_for_again(
    ledger_url: str, other: PostgresLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_commit_postgresql, "_CAREFUL_FOR_S", 0.0)
    ledger = await PostgresLedger.open(ledger_url, free_money_limit_nano_usd=0)
    with pytest.raises(FreeCreditExhausted):
        await ledger.reserve(asking("run_1", "1"))
    await other.grant(Grant(1, "grant", parse_usd("1"), "welcome", ""))
    assert (await ledger.reserve(asking("run_2", "1"))).amount_nano_usd == parse_usd("1")
    await ledger.close()


async def test_a_cap_that_another_process_set_holds_at_once(
    ledger: PostgresLedger, other: PostgresLedger
) -> None:
    scoped = [msgspec.structs.replace(asking(f"run_{n}"), scopes=(("key", "7"),)) for n in range(4)]
    await ledger.reserve(scoped[0])
    await other.set_cap(SetCap(1, "key", "7", parse_usd("0.25")))
    await ledger.reserve(scoped[1])
    with pytest.raises(CapReached) as reached:
        await ledger.reserve(scoped[2])
    assert reached.value.available_nano_usd == parse_usd("0.05")
    await other.set_cap(SetCap(1, "key", "7", None))
    await ledger.reserve(scoped[3])


async def test_progress_that_another_process_wrote_is_not_forgotten_by_the_sweeper(
    ledger: PostgresLedger, other: PostgresLedger, ledger_url: str
) -> None:
    hold = await ledger.reserve(asking("run_1", "1", lease_ms=30))
    await other.checkpoint(
        Checkpoint(1, "run_1", settling(hold, "0.10").lines, 30)
    )  # so it remembers the team
    await ledger.checkpoint(Checkpoint(1, "run_1", settling(hold, "0.50").lines, 30))
    await other.checkpoint(Checkpoint(1, "run_1", settling(hold, "0.20").lines, 30))  # less: only renews
    await asyncio.sleep(0.05)
    assert await other.sweep() == 1
    assert balance(ledger_url).total_used_nano_usd == parse_usd("0.50")


# --- the writer -----------------------------------------------------------------------------------


async def test_a_cancelled_callers_command_stands(ledger: PostgresLedger, ledger_url: str) -> None:
    hold = await ledger.reserve(asking("run_1", "1"))
    settle = asyncio.create_task(ledger.settle(settling(hold, "0.50")))
    await asyncio.sleep(0)
    settle.cancel()
    with pytest.raises(asyncio.CancelledError):
        await settle
    assert (await ledger.settle(settling(hold, "0.50"))).replayed
    assert balance(ledger_url).total_used_nano_usd == parse_usd("0.50")


async def test_a_caller_too_many_is_told_to_come_back(
    ledger: PostgresLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_postgresql, "MOST_IN_FLIGHT", 10)
    got = await outcomes(*(ledger.reserve(asking(f"run_{n}", "0.01")) for n in range(15)))
    assert [type(outcome).__name__ for outcome in got] == ["Hold"] * 10 + ["LedgerBusy"] * 5
    assert isinstance(got[-1], LedgerBusy)
    assert (await ledger.reserve(asking("run_later", "0.01"))).run_id == "run_later"


async def test_one_bad_command_has_no_victims(ledger: PostgresLedger) -> None:
    good = [asking(f"run_{n}", "0.01") for n in range(20)]
    bad = asking("run\x00bad", "0.01")  # passes the rules, and is no text that PostgreSQL takes
    got = await outcomes(
        *(ledger.reserve(one) for one in good[:10]),
        ledger.reserve(bad),
        *(ledger.reserve(one) for one in good[10:]),
    )
    assert [type(outcome).__name__ for outcome in got] == ["Hold"] * 10 + ["LedgerBug"] + ["Hold"] * 10


async def test_words_come_back_as_they_were_said(ledger: PostgresLedger, ledger_url: str) -> None:
    words = 'a "quote", a \\ backslash, {a: brace}, null,\na line\tand \u00fc\U0001f600'
    await ledger.grant(Grant(1, "grant", 5, words, words, None, 7))
    facts = msgspec.structs.replace(FACTS, model=words, tags=(words, "null"))
    reserve = msgspec.structs.replace(asking(words), facts=facts)
    hold = await ledger.reserve(reserve)
    await ledger.settle(Settle(hold, (), 0, facts))
    settled, _, granted = Statements(ledger_url).entries(1)
    assert (granted.ref, granted.reason) == (f"grant:{words}", words)
    assert (settled.run_id, settled.model, settled.tags) == (words, words, (words, "null"))


async def test_after_close_nothing_is_asked(ledger_url: str) -> None:
    ledger = await PostgresLedger.open(ledger_url, free_money_limit_nano_usd=LIMIT)
    hold = await ledger.reserve(asking("run_1"))
    settle = asyncio.create_task(ledger.settle(settling(hold, "0.10")))
    await asyncio.sleep(0)
    await ledger.close()
    assert (await settle).charged_nano_usd == parse_usd("0.10")
    assert not ledger.ready
    with pytest.raises(LedgerUnavailable):
        await ledger.reserve(asking("run_2"))


async def test_the_sweeper_ends_what_nobody_keeps_alive(ledger: PostgresLedger, ledger_url: str) -> None:
    dying = await ledger.reserve(asking("run_dying", "1", lease_ms=50))
    living = await ledger.reserve(asking("run_living", "1"))
    await ledger.checkpoint(Checkpoint(1, "run_dying", settling(dying, "0.25").lines, 50))
    await asyncio.sleep(0.06)
    assert await ledger.sweep() == 1
    assert (await ledger.settle(settling(dying, "1"))).replayed
    await ledger.void(Void(1, living.run_id))
    assert balance(ledger_url).total_used_nano_usd == parse_usd("0.25")


async def test_a_clock_that_is_wrong_here_is_not_what_leases_go_by(
    ledger: PostgresLedger, ledger_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ledger.reserve(asking("run_1"))
    right = group_commit_postgresql._wall_ms
    monkeypatch.setattr(group_commit_postgresql, "_wall_ms", lambda: right() + 3_600_000)
    ahead = await PostgresLedger.open(ledger_url, free_money_limit_nano_usd=LIMIT)
    assert await ahead.sweep() == 0
    assert len(balance(ledger_url).open_holds) == 1
    await ahead.close()


# --- company that misbehaves ----------------------------------------------------------------------


async def test_a_team_that_somebody_keeps_locked_costs_the_others_nothing_but_time(
    ledger_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(journal_postgresql._SESSION, "lock_timeout", "200ms")
    ledger = await PostgresLedger.open(ledger_url, free_money_limit_nano_usd=LIMIT)
    for team in (1, 2, 3):
        await ledger.reserve(asking("run_1", team=team))
    keeper = await asyncpg.connect(ledger_url)
    async with keeper.transaction():
        await keeper.execute("SELECT 1 FROM ledger.ledger_team WHERE id = 2 FOR UPDATE")
        got = await outcomes(*(ledger.reserve(asking("run_2", team=team)) for team in (1, 2, 3)))
    await keeper.close()
    assert [type(outcome).__name__ for outcome in got] == ["Hold", "LedgerUnavailable", "Hold"]
    assert (await ledger.reserve(asking("run_2", team=2))).run_id == "run_2"
    await ledger.close()


async def test_where_the_server_takes_no_more_connections_the_caller_is_told_and_later_served(
    ledger: PostgresLedger, ledger_url: str
) -> None:
    admin = await asyncpg.connect(ledger_url)
    try:
        await admin.execute("DROP ROLE IF EXISTS tiltyard_poor")
        await admin.execute("CREATE ROLE tiltyard_poor LOGIN CONNECTION LIMIT 1")
        await admin.execute("GRANT USAGE ON SCHEMA ledger TO tiltyard_poor")
        await admin.execute(
            "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA ledger TO tiltyard_poor"
        )
        parts = urlsplit(ledger_url)
        poor_url = parts._replace(netloc=f"tiltyard_poor@{parts.netloc.rpartition('@')[2]}").geturl()
        taken = await asyncpg.connect(poor_url)
        with pytest.raises(LedgerUnavailable):
            await PostgresLedger.open(poor_url, free_money_limit_nano_usd=LIMIT)
        await taken.close()
        await asyncio.sleep(0.1)
        # One that may neither make nor alter a table is enough to keep a ledger.
        poor = await PostgresLedger.open(poor_url, free_money_limit_nano_usd=LIMIT)
        hold = await poor.reserve(asking("run_1"))
        assert not (await poor.settle(settling(hold, "0.10"))).replayed
        await poor.close()
    finally:
        await admin.execute("DROP OWNED BY tiltyard_poor")
        await admin.execute("DROP ROLE tiltyard_poor")
        await admin.close()
