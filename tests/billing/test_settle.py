"""What becomes of a hold: settled, voided, expired, each once."""

from __future__ import annotations

import msgspec
import pytest

from billing.commands import MAX_LEASE_MS, Checkpoint, Line, Receipt, Settle, Void
from billing.errors import HoldGone, LedgerBug
from tests.billing.bank import LEASE_MS, Bank, bill, usd


def test_what_a_run_did_not_use_comes_back(bank: Bank) -> None:
    receipt = bank.settle(bank.reserve("2"), "0.75")
    assert (receipt.cost_nano_usd, receipt.charged_nano_usd, receipt.writeoff_nano_usd) == (
        usd("0.75"),
        usd("0.75"),
        0,
    )
    assert receipt.available_after_nano_usd == bank.available() == usd("4.25")


def test_settling_twice_answers_the_first_receipt_and_charges_once(bank: Bank) -> None:
    hold = bank.reserve("1")
    first = bank.settle(hold, "0.40")
    for _ in range(2):
        again = bank.settle(hold, "0.90")
        assert again == msgspec.structs.replace(first, replayed=True)
        bank.restart()
    assert bank.balance().total_used_nano_usd == usd("0.40")


def test_a_hold_over_many_grants_is_the_same_after_a_restart(bank: Bank) -> None:
    bank.pay("1")
    bank.grant("1", days=10)
    bank.grant("1", days=5)
    bank.grant("1", days=20)
    hold = bank.reserve("3.50")
    assert [line.account_no for line in hold.lines] == [3, 2, 4, 1]
    bank.restart()
    bank.settle(hold, "2.50")
    entry = bank.statements.entry_of_run(1, hold.run_id)
    assert entry is not None
    taken = {p.account_no: p.amount_nano_usd for p in entry.postings if p.account_no > 0}
    assert taken == {3: usd("-1"), 2: usd("-1"), 4: usd("-0.50")}


def test_a_run_that_cost_more_than_its_hold_takes_the_rest_from_free_credit(bank: Bank) -> None:
    receipt = bank.settle(bank.reserve("1"), "1.50")
    assert (receipt.charged_nano_usd, receipt.writeoff_nano_usd) == (usd("1.50"), 0)
    assert bank.available() == usd("3.50")


def test_what_credit_does_not_cover_is_written_off_and_no_team_goes_below_zero(bank: Bank) -> None:
    other = bank.reserve("3")
    receipt = bank.settle(bank.reserve("1"), "2.75")
    assert (receipt.cost_nano_usd, receipt.charged_nano_usd, receipt.writeoff_nano_usd) == (
        usd("2.75"),
        usd("2"),
        usd("0.75"),
    )
    assert bank.available() == 0
    assert bank.balance().held_nano_usd == usd("3")
    entry = bank.statements.entry_of_run(1, receipt.run_id)
    assert entry is not None
    assert {p.account: p.amount_nano_usd for p in entry.postings} == {
        "allowance": usd("-2"),
        "spent": usd("2.75"),
        "written_off": usd("-0.75"),
    }
    bank.settle(other, "3")


def test_a_settle_must_come_to_its_lines(bank: Bank) -> None:
    hold = bank.reserve("1")
    with pytest.raises(LedgerBug):
        bank.do(Settle(hold, bill("0.50"), usd("0.50") + 1, hold.facts))
    assert bank.balance().held_nano_usd == usd("1")


@pytest.mark.parametrize("line", [Line("output", -1, 1), Line("output", 1, -1)])
def test_a_line_below_zero_is_refused(bank: Bank, line: Line) -> None:
    hold = bank.reserve("1")
    with pytest.raises(LedgerBug):
        bank.do(Settle(hold, (line,), 0, hold.facts))
    with pytest.raises(LedgerBug):
        bank.do(Checkpoint(1, hold.run_id, (line,), LEASE_MS))


def test_a_settle_must_carry_its_hold_as_it_was_reserved(bank: Bank) -> None:
    hold = bank.reserve("1")
    forged = msgspec.structs.replace(hold, no=hold.no + 1)
    with pytest.raises(LedgerBug):
        bank.settle(forged, "0.50")


def test_a_hold_that_a_lost_write_forgot_is_reserved_and_settled_at_once(bank: Bank) -> None:
    held = bank.reserve("1.50")
    bank.void(held)  # another ledger, in which this hold never was: see below
    unknown = msgspec.structs.replace(held, run_id="run_lost", no=99)
    receipt = bank.settle(unknown, "0.50")
    assert receipt.charged_nano_usd == usd("0.50")
    assert bank.settle(unknown, "0.50").replayed
    assert bank.available() == usd("4.50")


def test_a_forgotten_hold_whose_credit_is_gone_is_charged_as_far_as_there_is_some(bank: Bank) -> None:
    held = bank.reserve("5")
    bank.void(held)
    bank.spend("4")
    receipt = bank.settle(msgspec.structs.replace(held, run_id="run_lost"), "3")
    assert (receipt.charged_nano_usd, receipt.writeoff_nano_usd) == (usd("1"), usd("2"))


def test_a_void_gives_everything_back_and_makes_no_entry(bank: Bank) -> None:
    hold = bank.reserve("2")
    bank.void(hold)
    bank.void(hold)
    assert bank.available() == usd("5")
    assert bank.kinds() == ["allowance"]
    with pytest.raises(HoldGone) as gone:
        bank.settle(hold, "1")
    assert gone.value.how == "voided"


def test_voiding_what_never_was_is_nothing(bank: Bank) -> None:
    bank.do(Void(1, "run_never"))
    assert bank.kinds() == []


def test_what_was_settled_cannot_be_voided(bank: Bank) -> None:
    hold = bank.reserve("2")
    bank.settle(hold, "1")
    for _ in range(2):
        with pytest.raises(HoldGone):
            bank.void(hold)
        bank.restart()


def test_a_run_that_died_is_billed_as_far_as_it_was_checkpointed(bank: Bank) -> None:
    hold = bank.reserve("2")
    bank.checkpoint(hold, "0.30")
    bank.checkpoint(hold, "0.20")  # progress never goes back
    bank.restart()
    bank.pass_time(ms=LEASE_MS - 1)
    assert bank.commit.sweep() == 0
    bank.pass_time(ms=1)
    assert bank.commit.sweep() == 1
    entry = bank.statements.entry_of_run(1, hold.run_id)
    assert entry is not None
    assert (entry.kind.name, entry.amount_nano_usd, entry.estimated) == ("EXPIRE", usd("-0.30"), True)
    late = bank.settle(hold, "0.90")
    assert (late.replayed, late.cost_nano_usd, late.estimated) == (True, usd("0.30"), True)


@pytest.mark.parametrize("restarted", [False, True])
def test_a_run_that_died_names_who_was_answering_it_and_not_whom_its_hold_was_made_with(
    bank: Bank, restarted: bool
) -> None:
    hold = bank.reserve("2")
    answering = msgspec.structs.replace(hold.facts, provider="backup", price_version="another")
    bank.do(Checkpoint(1, hold.run_id, bill("0.30"), LEASE_MS, answering))
    if restarted:
        bank.restart()
    bank.pass_time(ms=LEASE_MS)
    assert bank.commit.sweep() == 1
    entry = bank.statements.entry_of_run(1, hold.run_id)
    assert entry is not None
    assert (entry.provider, entry.price_version) == ("backup", "another")
    assert entry.amount_nano_usd == usd("-0.30")


def test_a_run_that_died_before_anything_came_owes_nothing(bank: Bank) -> None:
    hold = bank.reserve("2")
    bank.checkpoint(hold, None)
    bank.pass_time(ms=LEASE_MS)
    assert bank.commit.sweep() == 1
    assert bank.kinds() == ["allowance"]
    assert bank.available() == usd("5")


def test_a_checkpoint_keeps_a_run_alive(bank: Bank) -> None:
    hold = bank.reserve("2")
    for _ in range(5):
        bank.pass_time(ms=LEASE_MS - 1)
        bank.checkpoint(hold, None)
        assert bank.commit.sweep() == 0
    bank.settle(hold, "2")


@pytest.mark.parametrize("how", ["settled", "voided", "unknown"])
def test_a_checkpoint_of_what_is_not_open_says_so(bank: Bank, how: str) -> None:
    hold = bank.reserve("2")
    if how == "settled":
        bank.settle(hold, "1")
    else:
        bank.void(hold)
    run_id = hold.run_id if how != "unknown" else "run_never"
    with pytest.raises(HoldGone) as gone:
        bank.do(Checkpoint(1, run_id, (), LEASE_MS))
    assert gone.value.how == how


def test_a_clock_that_jumped_ahead_and_back_keeps_no_hold_open(bank: Bank) -> None:
    bank.pass_time(days=40)
    hold = bank.reserve("2")
    bank.checkpoint(hold, "0.50")
    bank.pass_time(days=-40)
    bank.restart()
    assert bank.commit.sweep() == 0
    bank.pass_time(ms=LEASE_MS)
    assert bank.commit.sweep() == 1
    assert bank.balance().open_holds == ()


def test_one_sweep_ends_many_holds_of_many_teams(bank: Bank) -> None:
    for team in range(1, 21):
        for _ in range(20):
            bank.reserve("0.10", team=team)
    bank.pass_time(ms=MAX_LEASE_MS)
    assert bank.commit.sweep() == 400
    assert bank.commit.sweep() == 0


def test_a_bill_keeps_every_line_and_whose_it_was(bank: Bank) -> None:
    facts = msgspec.structs.replace(
        bank.asking().facts, user_id=3, key_id=11, tags=("ci", "naïve"), series="demonstration"
    )
    hold = bank.do(bank.asking("1", facts=facts))
    lines = (Line("input", 1_000, 100_000), Line("cached_input", 24, 25_000), Line("output", 77, 400_000))
    receipt = bank.do(Settle(hold, lines, 131_400, facts, estimated=True))  # type: ignore[arg-type]
    assert isinstance(receipt, Receipt)
    entry = bank.statements.entry_of_run(1, receipt.run_id)
    assert entry is not None
    assert entry.lines == lines
    assert (entry.model, entry.provider, entry.price_version) == ("lab/fast", "lab", "2026-08-01")
    assert (entry.user_id, entry.key_id, entry.tags) == (3, 11, ("ci", "naïve"))
    assert (entry.series, entry.estimated) == ("demonstration", True)
    assert entry.cost_nano_usd == 131_400
    assert entry.hash == receipt.entry_hash.hex()
