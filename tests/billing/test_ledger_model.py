"""Any sequence of commands, on any clock: every rule of the audit holds after each of them.

The statements are the oracle of what a reserve may take: they reckon a balance from the rows on their
own, before the command, and the command must agree to the nano-dollar.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings, strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from billing.commands import (
    CapWindow,
    Checkpoint,
    Command,
    Done,
    Hold,
    Idempotency,
    Line,
    Receipt,
    Reserve,
    Result,
    Settle,
    Sweep,
    Void,
)
from billing.errors import (
    BillingError,
    CapReached,
    FreeCreditExhausted,
    HoldGone,
    InsufficientCredits,
    Replayed,
)
from billing.money import cost_nano_usd
from tests.billing.bank import LEASE_MS, Bank
from tests.billing.bank_postgresql import PostgresqlBank
from tests.billing.conftest import Ledgers

TEAMS = st.integers(1, 3)
CENTS = st.integers(1, 700).map(lambda cents: f"{cents / 100:.2f}")
WINDOWS: st.SearchStrategy[tuple[CapWindow, int]] = st.sampled_from(
    [("total", 0), ("day", 0), ("month", 0), ("rolling", 1), ("rolling", 30)]
)
SCOPES = st.sampled_from([(), (("key", "7"),), (("key", "7"), ("team", "1"))])


class LedgerMachine(RuleBasedStateMachine):
    holds = Bundle("holds")
    ended = Bundle("ended")

    def open_bank(self) -> Bank:
        self._folder = tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
        return Bank(Path(self._folder.name) / "ledger.db", free_money_limit="10")

    def put_away(self) -> None:
        self._folder.cleanup()

    @initialize()
    def open(self) -> None:
        self.bank = self.open_bank()
        self.given: dict[int, int] = {}  # what operators gave, by team
        self.receipts: dict[str, Receipt] = {}

    def teardown(self) -> None:
        if hasattr(self, "bank"):
            self.bank.journal.close()
            self.put_away()

    # --- commands -----------------------------------------------------------------------------

    @rule(target=holds, team=TEAMS, amount=CENTS, least=CENTS, scopes=SCOPES, keyed=st.booleans())
    def reserve(
        self, team: int, amount: str, least: str, scopes: tuple[tuple[str, str], ...], keyed: bool
    ) -> tuple[Hold, Reserve] | None:
        if float(least) > float(amount):
            amount, least = least, amount
        asked = self.bank.asking(amount, team=team, least=least, scopes=scopes)
        if keyed:
            digest = hashlib.sha256(asked.run_id.encode()).digest()
            asked = self.bank.asking(
                amount, team=team, least=least, scopes=scopes, key=Idempotency(digest, b"request")
            )
        available = self.bank.available(team)
        hold = self._ask(asked)
        if isinstance(hold, CapReached):
            assert scopes
            assert hold.available_nano_usd < asked.least_nano_usd <= available
            return None
        if isinstance(hold, InsufficientCredits | FreeCreditExhausted):
            assert available < asked.least_nano_usd
            return None
        assert isinstance(hold, Hold)
        assert asked.least_nano_usd <= hold.amount_nano_usd <= min(asked.amount_nano_usd, available)
        if not scopes:
            assert hold.amount_nano_usd == min(asked.amount_nano_usd, available)
        assert hold.available_after_nano_usd == available - hold.amount_nano_usd == self.bank.available(team)
        return hold, asked

    @rule(held=holds)
    def reserve_again(self, held: tuple[Hold, Reserve] | None) -> None:
        if held is None:
            return
        hold, asked = held
        again = self._ask(asked)
        if hold.run_id in self._open(hold.team_id):
            assert isinstance(again, Hold)
            assert (again.no, again.lines) == (hold.no, hold.lines)
        else:
            assert isinstance(again, HoldGone)

    @rule(held=holds)
    def ask_under_the_same_key(self, held: tuple[Hold, Reserve] | None) -> None:
        if held is None or held[1].idempotency is None:
            return
        hold, asked = held
        key_is_free = hold.run_id not in self._open(hold.team_id) and hold.run_id not in self._charged(hold)
        again = self._ask(self.bank.asking("0.01", team=hold.team_id, key=asked.idempotency))
        if isinstance(again, Hold):
            assert key_is_free
            self.bank.void(again)
        elif isinstance(again, Replayed):
            assert not key_is_free
            assert again.run_id == hold.run_id
        else:
            assert isinstance(again, InsufficientCredits | FreeCreditExhausted)
            assert key_is_free

    @rule(target=ended, held=consumes(holds), cost=st.integers(0, 9_000_000_000), same=st.booleans())
    def settle(self, held: tuple[Hold, Reserve] | None, cost: int, same: bool) -> Hold | None:
        if held is None:
            return None
        hold = held[0]
        cost = hold.amount_nano_usd if same else cost
        was_open = hold.run_id in self._open(hold.team_id)
        self._settle(hold, cost, first=was_open)
        return hold

    @rule(hold=ended, cost=st.integers(0, 9_000_000_000))
    def settle_again(self, hold: Hold | None, cost: int) -> None:
        if hold is not None:
            self._settle(hold, cost, first=False)

    def _settle(self, hold: Hold, cost: int, *, first: bool) -> None:
        lines = (Line("output", cost, 1_000),) if cost else ()
        receipt = self._ask(Settle(hold, lines, cost_nano_usd(lines), hold.facts))
        if isinstance(receipt, HoldGone):
            assert receipt.how == "voided"
            assert not first
            return
        assert isinstance(receipt, Receipt)
        assert receipt.replayed is not first
        known = self.receipts.setdefault(hold.run_id, receipt)
        assert receipt.entry_hash == known.entry_hash
        assert receipt.cost_nano_usd == known.cost_nano_usd
        assert receipt.charged_nano_usd + receipt.writeoff_nano_usd == receipt.cost_nano_usd
        if first:
            assert receipt.cost_nano_usd == cost
            if cost <= hold.amount_nano_usd:
                assert receipt.writeoff_nano_usd == 0
            if receipt.writeoff_nano_usd:
                left = self.bank.balance(hold.team_id)
                assert left.available_nano_usd == left.allowance_due_nano_usd  # which comes with a request

    @rule(target=ended, held=consumes(holds))
    def void(self, held: tuple[Hold, Reserve] | None) -> Hold | None:
        if held is None:
            return None
        was_charged = held[0].run_id in self._charged(held[0])
        outcome = self._ask(Void(held[0].team_id, held[0].run_id))
        assert isinstance(outcome, HoldGone) is was_charged
        assert held[0].run_id not in self._open(held[0].team_id)
        return held[0]

    @rule(held=holds, cents=st.integers(0, 300))
    def checkpoint(self, held: tuple[Hold, Reserve] | None, cents: int) -> None:
        if held is None:
            return
        lines = (Line("output", cents, 10_000_000_000),) if cents else ()
        was_open = held[0].run_id in self._open(held[0].team_id)
        outcome = self._ask(Checkpoint(held[0].team_id, held[0].run_id, lines, LEASE_MS))
        assert isinstance(outcome, Done) is was_open

    @rule(team=TEAMS, amount=CENTS, kind=st.sampled_from(["grant", "payment", "adjustment"]),
          days=st.sampled_from([None, 1, 29, 45]))  # fmt: skip
    def grant(self, team: int, amount: str, kind: str, days: int | None) -> None:
        before = self.bank.available(team)
        granted = self.bank.grant(amount, kind, team=team, days=days)  # type: ignore[arg-type]
        self.given[team] = self.given.get(team, 0) + granted.amount_nano_usd
        if kind != "payment":  # which may take away the allowance that was about to come
            assert self.bank.available(team) == before + granted.amount_nano_usd

    @rule(team=TEAMS, amount=CENTS)
    def take_back(self, team: int, amount: str) -> None:
        before = self.bank.available(team)
        try:
            granted = self.bank.grant(f"-{amount}", "adjustment", team=team)
        except InsufficientCredits:
            return
        self.given[team] = self.given.get(team, 0) + granted.amount_nano_usd
        assert self.bank.available(team) == before + granted.amount_nano_usd

    @rule(limit=st.sampled_from([None, "0", "0.50", "3"]), window=WINDOWS,
          scope=st.sampled_from([("key", "7"), ("team", "1")]),
          zone=st.sampled_from(["UTC", "Europe/Berlin", "America/Havana"]))  # fmt: skip
    def set_cap(
        self, limit: str | None, window: tuple[CapWindow, int], scope: tuple[str, str], zone: str
    ) -> None:
        self.bank.cap(limit, *scope, window=window[0], days=window[1], zone=zone)

    # --- time, death and company ----------------------------------------------------------------

    @rule(days=st.floats(-40, 40), exactly=st.sampled_from([None, 30, -30, 29.999, 60]))
    def jump(self, days: float, exactly: float | None) -> None:
        self.bank.pass_time(days=days if exactly is None else exactly)

    @rule(ms=st.integers(0, 2 * LEASE_MS))
    def wait(self, ms: int) -> None:
        self.bank.pass_time(ms=ms)

    @rule()
    def sweep(self) -> None:
        self.bank.do(Sweep())
        for team in (1, 2, 3):
            for hold in self.bank.balance(team).open_holds:
                assert self.bank.now_ms < hold.expires_ms <= self.bank.now_ms + LEASE_MS

    @rule()
    def restart(self) -> None:
        self.bank.restart()

    @rule(teams=st.lists(TEAMS, min_size=2, max_size=6), amount=CENTS)
    def one_batch(self, teams: list[int], amount: str) -> None:
        """Reserves, and the end of each, decided and written together."""
        asked = [self.bank.asking(amount, team=team) for team in teams]
        held = [outcome for outcome in self.bank.together(*asked) if isinstance(outcome, Hold)]
        again = self.bank.together(*asked, *(Void(hold.team_id, hold.run_id) for hold in held))
        assert [outcome for outcome in again if isinstance(outcome, Hold)] == held
        assert not any(isinstance(outcome, BillingError) for outcome in again[len(asked) :])

    # --- what holds after every step -----------------------------------------------------------

    @invariant()
    def every_rule_of_the_audit_holds(self) -> None:
        assert self.bank.findings() == []

    @invariant()
    def nothing_was_given_but_by_operators_and_allowances(self) -> None:
        for team in (1, 2, 3):
            entries = self.bank.statements.entries(team, 1_000)
            operators = [e for e in entries if e.kind.name in ("GRANT", "PAYMENT", "ADJUSTMENT")]
            assert sum(entry.amount_nano_usd for entry in operators) == self.given.get(team, 0)

    def _ask(self, command: Command) -> Result | BillingError:
        (outcome,) = self.bank.together(command)
        return outcome

    def _charged(self, hold: Hold) -> set[str]:
        """The run, if it was settled or expired."""
        entry = self.bank.statements.entry_of_run(hold.team_id, hold.run_id)
        return {hold.run_id} if entry else set()

    def _open(self, team: int) -> set[str]:
        return {hold.run_id for hold in self.bank.balance(team).open_holds}


SETTINGS = settings(
    max_examples=30,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    print_blob=True,
)

TestLedger = LedgerMachine.TestCase
TestLedger.settings = SETTINGS


@pytest.mark.postgresql
def test_any_sequence_of_commands_keeps_every_rule_on_postgresql(ledgers: Ledgers) -> None:
    class OnPostgresql(LedgerMachine):
        def open_bank(self) -> Bank:
            self._url = ledgers.take()
            return PostgresqlBank(self._url, free_money_limit="10")

        def put_away(self) -> None:
            ledgers.give_back(self._url)

    # The rules are the same code, tried often enough above: here it is about what is written and read.
    run_state_machine_as_test(
        OnPostgresql, settings=settings(SETTINGS, max_examples=4, stateful_step_count=20)
    )
