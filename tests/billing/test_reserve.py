"""What a reserve may take, in which order, and what refuses it."""

from __future__ import annotations

import hashlib

import msgspec
import pytest

from billing.commands import MAX_LEASE_MS, Hold, HoldLine, Idempotency, Reserve, Void
from billing.errors import (
    CapReached,
    HoldGone,
    IdempotencyConflict,
    InsufficientCredits,
    LedgerBug,
    Replayed,
)
from tests.billing.bank import DAY_MS, START_MS, Bank, usd


def key(name: str, body: str = "a prompt") -> Idempotency:
    return Idempotency(hashlib.sha256(name.encode()).digest(), hashlib.sha256(body.encode()).digest())


def test_a_hold_sets_money_aside_and_charges_nothing(bank: Bank) -> None:
    hold = bank.reserve("0.20")
    assert hold.amount_nano_usd == usd("0.20")
    assert hold.available_after_nano_usd == usd("4.80")
    balance = bank.balance()
    assert (balance.balance_nano_usd, balance.held_nano_usd, balance.available_nano_usd) == (
        usd("5"),
        usd("0.20"),
        usd("4.80"),
    )
    assert balance.total_used_nano_usd == 0


def test_a_hold_takes_as_much_as_there_is_down_to_the_least(bank: Bank) -> None:
    bank.reserve("4.50")
    hold = bank.reserve("2.00", least="0.50")
    assert hold.amount_nano_usd == usd("0.50")
    assert bank.available() == 0


def test_below_the_least_nothing_is_held_and_the_refusal_says_what_is_missing(bank: Bank) -> None:
    bank.reserve("4.50")
    with pytest.raises(InsufficientCredits) as refused:
        bank.reserve("2.00", least="0.500000001")
    assert refused.value.needed_nano_usd == usd("0.500000001")
    assert refused.value.available_nano_usd == usd("0.50")
    assert refused.value.next_allowance_at_ms == START_MS + 30 * DAY_MS
    assert bank.balance().held_nano_usd == usd("4.50")


def test_what_ends_first_is_spent_first_and_bought_credit_last(bank: Bank) -> None:
    bank.pay("10")  # before the first use: there never is an allowance
    bank.grant("1")
    bank.grant("1", days=10)
    bank.grant("1", days=5)
    hold = bank.reserve("3.50")
    assert [(line.account_no, line.amount_nano_usd) for line in hold.lines] == [
        (4, usd("1")),
        (3, usd("1")),
        (2, usd("1")),
        (1, usd("0.50")),
    ]
    bank.settle(hold, "2.25")
    newest = bank.statements.entries(1, 1)[0]
    assert {p.account_no: p.amount_nano_usd for p in newest.postings if p.account_no > 0} == {
        4: usd("-1"),
        3: usd("-1"),
        2: usd("-0.25"),
    }


def test_the_allowance_is_spent_before_what_was_bought(bank: Bank) -> None:
    bank.reserve("0.01")
    bank.pay("10")
    hold = bank.reserve("6")
    assert hold.lines == (HoldLine(1, usd("4.99")), HoldLine(2, usd("1.01")))


def test_a_free_model_needs_no_credit(bank: Bank) -> None:
    bank.spend("5")
    hold = bank.do(Reserve(1, "run_free", 0, 0, 1_000, bank.asking().facts))
    assert isinstance(hold, Hold)
    assert hold.lines == ()
    receipt = bank.settle(hold, "0", lines=())
    assert (receipt.cost_nano_usd, receipt.charged_nano_usd) == (0, 0)
    assert bank.statements.entries(1, 1)[0].postings == ()


def test_asking_again_for_a_run_answers_its_hold(bank: Bank) -> None:
    asked = bank.asking("0.20")
    hold = bank.do(asked)
    assert bank.do(asked) == hold
    bank.restart()
    again = bank.do(asked)
    assert isinstance(again, Hold)
    assert isinstance(hold, Hold)
    assert msgspec.structs.replace(again, available_after_nano_usd=hold.available_after_nano_usd) == hold
    assert bank.balance().held_nano_usd == usd("0.20")


@pytest.mark.parametrize("how", ["settled", "voided", "expired"])
def test_a_run_that_has_ended_is_not_reserved_again(bank: Bank, how: str) -> None:
    asked = bank.asking("0.20", key=key("k"))
    hold = bank.do(asked)
    assert isinstance(hold, Hold)
    if how == "settled":
        bank.settle(hold, "0.10")
    elif how == "voided":
        bank.void(hold)
    else:
        bank.checkpoint(hold, "0.10")
        bank.pass_time(ms=MAX_LEASE_MS)
        bank.commit.sweep()
    for _ in range(2):
        with pytest.raises(HoldGone) as gone:
            bank.do(asked)
        assert gone.value.how == how
        bank.restart()


def test_the_same_key_and_request_is_a_replay_and_says_which_run_it_was(bank: Bank) -> None:
    first = bank.reserve("0.20", key=key("k"))
    bank.settle(first, "0.10")
    for _ in range(2):
        with pytest.raises(Replayed) as replayed:
            bank.reserve("0.20", key=key("k"))
        assert replayed.value.run_id == first.run_id
        bank.restart()
    assert bank.balance().total_used_nano_usd == usd("0.10")


def test_a_replay_is_a_replay_also_where_there_is_no_credit_left(bank: Bank) -> None:
    first = bank.reserve("5", key=key("k"))
    with pytest.raises(Replayed) as replayed:
        bank.reserve("5", key=key("k"))
    assert replayed.value.run_id == first.run_id


def test_the_same_key_with_another_request_is_a_conflict(bank: Bank) -> None:
    bank.reserve("0.20", key=key("k"))
    with pytest.raises(IdempotencyConflict):
        bank.reserve("0.20", key=key("k", "another prompt"))


def test_keys_belong_to_their_team(bank: Bank) -> None:
    bank.reserve("0.20", key=key("k"), team=1)
    assert bank.reserve("0.20", key=key("k"), team=2).team_id == 2


def test_a_key_is_free_again_when_its_hold_is_voided(bank: Bank) -> None:
    first = bank.reserve("0.20", key=key("k"))
    bank.void(first)
    second = bank.reserve("0.20", key=key("k", "another prompt"))
    bank.restart()
    bank.void(second)
    bank.settle(bank.reserve("0.20", key=key("k")), "0.10")


def test_a_key_whose_hold_is_voided_in_the_same_batch_is_free_at_once(bank: Bank) -> None:
    first, second = bank.asking("0.20", key=key("k")), bank.asking("0.20", key=key("k"))
    outcomes = bank.together(first, Void(1, first.run_id), second)
    assert [type(outcome).__name__ for outcome in outcomes] == ["Hold", "Done", "Hold"]


def test_a_refused_reserve_keeps_the_allowance_and_the_lapse_that_it_caused(bank: Bank) -> None:
    with pytest.raises(InsufficientCredits):
        bank.reserve("6")
    assert bank.kinds() == ["allowance"]
    bank.pass_time(days=30)
    with pytest.raises(InsufficientCredits):
        bank.reserve("6")
    assert bank.kinds() == ["allowance", "lapse", "allowance"]
    assert bank.available() == usd("5")


@pytest.mark.parametrize(
    ("amount", "least", "lease_ms"),
    [(-1, -1, 1_000), (5, 6, 1_000), (5, 0, 1_000), (10**18, 1, 1_000), (5, 5, 0), (5, 5, MAX_LEASE_MS + 1)],
)
def test_a_reserve_that_makes_no_sense_is_our_bug_and_changes_nothing(
    bank: Bank, amount: int, least: int, lease_ms: int
) -> None:
    with pytest.raises(LedgerBug):
        bank.do(Reserve(1, "run_1", amount, least, lease_ms, bank.asking().facts))
    assert bank.kinds() == []


# --- caps -----------------------------------------------------------------------------------------


def test_a_cap_counts_what_is_held_and_what_was_spent(bank: Bank) -> None:
    bank.cap("1", "key", "7")
    scopes = (("key", "7"), ("team", "1"))
    bank.settle(bank.reserve("0.50", scopes=scopes), "0.30")
    held = bank.reserve("0.60", scopes=scopes)
    with pytest.raises(CapReached) as reached:
        bank.reserve("0.11", scopes=scopes)
    assert (reached.value.scope, reached.value.subject) == ("key", "7")
    assert (reached.value.needed_nano_usd, reached.value.available_nano_usd) == (usd("0.11"), usd("0.10"))
    assert reached.value.resets_at_ms is None
    bank.restart()
    bank.void(held)
    assert bank.reserve("0.70", scopes=scopes).amount_nano_usd == usd("0.70")


def test_a_hold_is_cut_to_what_the_tightest_cap_leaves(bank: Bank) -> None:
    bank.cap("1", "member", "3")
    bank.cap("0.40", "tag", "ci")
    hold = bank.reserve("2", least="0.10", scopes=(("member", "3"), ("tag", "ci")))
    assert hold.amount_nano_usd == usd("0.40")


def test_a_cap_binds_only_its_own_subject_and_team(bank: Bank) -> None:
    bank.cap("0", "key", "7")
    assert bank.reserve("1", scopes=(("key", "8"),)).amount_nano_usd == usd("1")
    assert bank.reserve("1", scopes=(("key", "7"),), team=2).amount_nano_usd == usd("1")


def test_what_a_cap_counted_is_forgotten_when_its_window_ends_but_not_what_is_held(bank: Bank) -> None:
    bank.cap("1", "team", "1", window="day")
    scopes = (("team", "1"),)
    bank.settle(bank.reserve("0.70", scopes=scopes), "0.70")
    bank.reserve("0.20", scopes=scopes)
    with pytest.raises(CapReached) as reached:
        bank.reserve("0.20", scopes=scopes)
    assert reached.value.resets_at_ms == (START_MS // DAY_MS + 1) * DAY_MS
    bank.pass_time(days=1)
    assert bank.reserve("0.80", scopes=scopes).amount_nano_usd == usd("0.80")
    with pytest.raises(CapReached):
        bank.reserve("0.01", scopes=scopes)


def test_a_cap_that_is_switched_off_no_longer_binds_and_goes_on_where_it_was(bank: Bank) -> None:
    scopes = (("batch", "b1"),)
    bank.cap("1", "batch", "b1")
    open_before = bank.reserve("0.25", scopes=scopes)
    bank.settle(bank.reserve("0.50", scopes=scopes), "0.50")
    bank.cap(None, "batch", "b1")
    bank.settle(bank.reserve("2", scopes=scopes), "2")
    bank.settle(open_before, "0.25")
    bank.cap("1", "batch", "b1")
    with pytest.raises(CapReached) as reached:
        bank.reserve("0.50", scopes=scopes)
    assert reached.value.available_nano_usd == usd("0.25")
