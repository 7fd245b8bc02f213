"""Payments, schedules, codes, refunds and reversals from the command line, on a real ledger."""

from __future__ import annotations

import asyncio
import re

import pytest

from billing.codes import PURPOSE, TopUps
from billing.commands import Facts, Line, Receipt, Reserve, Settle
from billing.money import cost_nano_usd
from billing.writer import Ledger
from identity.keys import purpose_key
from settings import load, secret_key
from store.databases import Databases
from tests.operations.conftest import Shell


async def spend(shell: Shell, run_id: str, nano_usd: int) -> Receipt:
    ledger = await Ledger.open(shell.folder / "ledger.db", free_money_limit_nano_usd=10**13)
    try:
        facts = Facts(model="lab/fast", provider="lab", price_version="v1")
        lines = (Line("output", nano_usd, 1_000),)
        hold = await ledger.reserve(Reserve(1, run_id, nano_usd, nano_usd, 30_000, facts))
        return await ledger.settle(Settle(hold, lines, cost_nano_usd(lines), facts))
    finally:
        await ledger.close()


def test_a_payment_is_booked_once_by_its_number_and_ends_the_allowance(shell: Shell) -> None:
    assert shell.run("payment", "--usd", "20", "--ref", "2026-117") == 0
    assert "$20.00" in shell.out
    assert shell.run("payment", "--usd", "20", "--ref", "2026-117") == 0
    assert "nothing was done twice" in shell.out
    assert shell.run("payment", "--usd", "21", "--ref", "2026-117") == 1
    assert "was used for a different grant" in shell.err
    (entry,) = shell.statements.entries(1)
    assert (entry.kind.name, entry.reason) == ("PAYMENT", "payment 2026-117")
    assert shell.statements.balance(1, entry.at_ms).ends_allowance


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("payment", "--usd", "0", "--ref", "x"), "above 0"),
        (("payment", "--usd", "1", "--ref", "x", "--team", "9"), "no team 9"),
        (("recurring", "add", "--usd", "-1", "--every", "day"), "above 0"),
        (("recurring", "end", "7"), "no schedule 7"),
        (("codes", "make", "--usd", "99999999"), "at most ten million"),
        (("codes", "withdraw", "TYC-nonsense"), "no such top-up code"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_sentence(
    shell: Shell, arguments: tuple[str, ...], said: str
) -> None:
    assert shell.run(*arguments) == 1
    assert said in shell.err
    assert "Traceback" not in shell.err


def test_a_run_is_refunded_with_a_reason_and_once(shell: Shell) -> None:
    receipt = asyncio.run(spend(shell, "run_x", 2_000_000_000))
    assert shell.available == "$3.00"
    assert shell.run("refund", "--run", "run_x", "--reason", "it was wrong") == 0
    assert shell.available == "$5.00"
    assert shell.run("refund", "--run", "run_x", "--reason", "again") == 0
    assert "nothing was done twice" in shell.out
    assert shell.available == "$5.00"
    entry = shell.statements.entries(1)[0]
    assert entry.reason == f"refund of entry {receipt.entry_seq}, run_x: it was wrong"
    assert shell.run("refund", "--run", "run_y", "--reason", "it was wrong") == 1
    assert "No run run_y" in shell.err


def test_a_payment_is_reversed_while_a_server_runs_and_the_allowance_stays_ended(shell: Shell) -> None:
    async def beside() -> None:
        ledger = await Ledger.open(shell.folder / "ledger.db", free_money_limit_nano_usd=10**13)
        try:
            assert await asyncio.to_thread(shell.run, "payment", "--usd", "20", "--ref", "1") == 0
            assert (
                await asyncio.to_thread(shell.run, "reverse", "--entry", "1", "--reason", "charged back") == 0
            )
        finally:
            await ledger.close()

    asyncio.run(beside())
    assert shell.available == "$0.00"
    assert [entry.kind.name for entry in shell.statements.entries(1)] == ["ADJUSTMENT", "PAYMENT"]
    assert shell.statements.balance(1, 1_890_000_000_000).ends_allowance
    assert shell.run("reverse", "--entry", "9", "--reason", "x") == 1
    assert "no entry 9" in shell.err


def test_a_schedule_gives_at_once_and_again_nothing_until_its_next_window(shell: Shell) -> None:
    adding = ("recurring", "add", "--usd", "10", "--every", "month", "--reason", "the team's budget")
    assert shell.run(*adding) == 0
    assert "Schedule 1: $10.00 each month" in shell.out
    (entry,) = shell.statements.entries(1)
    assert (entry.kind.name, entry.reason) == ("GRANT", "the team's budget")
    assert re.fullmatch(r"grant:recurring:1:\d{13}", entry.ref)
    assert shell.run("recurring", "list") == 0
    assert "the team's budget" in shell.out
    assert shell.run("recurring", "end", "1") == 0
    assert len(shell.statements.entries(1)) == 1


def test_codes_are_printed_bare_and_redeemed_once_each(shell: Shell) -> None:
    assert shell.run("codes", "make", "--usd", "10", "--count", "3") == 0
    codes = shell.out.split()
    assert len(set(codes)) == 3
    assert all(code.startswith("TYC-") for code in codes)
    assert shell.run("codes", "withdraw", codes[2]) == 0

    async def redeem() -> list[bool]:
        databases = Databases.open(shell.folder)
        ledger = await Ledger.open(shell.folder / "ledger.db", free_money_limit_nano_usd=10**13)
        top_ups = TopUps(purpose_key(secret_key(load()), PURPOSE), databases.app, ledger.grant)
        try:
            return [(await top_ups.redeem(1, 1, code)).replayed for code in (codes[0], codes[1], codes[0])]
        finally:
            await ledger.close()
            databases.close()

    assert asyncio.run(redeem()) == [False, False, True]
    assert shell.available == "$20.00"
    assert shell.run("codes", "withdraw", codes[0]) == 1
    assert "A team has redeemed this code" in shell.err
