"""Top-up codes: good once, for one team, and not to be guessed or changed."""

from __future__ import annotations

import asyncio
import string

import pytest

from billing.codes import PURPOSE, Code, TopUps, make_code, read_code
from billing.commands import Grant, Granted
from billing.errors import CodeSpent, CodeUnknown, LedgerUnavailable
from identity.keys import purpose_key
from store.databases import Databases
from tests.billing.bank import DAY_MS, START_MS, Bank, usd
from tests.databases import Home

SIGNER = purpose_key(b"s" * 32, PURPOSE)
ENDS_MS = START_MS + 10 * DAY_MS


@pytest.fixture
def databases(home: Home) -> Databases:
    return home.open()


@pytest.fixture
def top_ups(databases: Databases, sqlite_bank: Bank) -> TopUps:
    async def grant(command: Grant) -> Granted:
        granted = sqlite_bank.do(command)
        assert isinstance(granted, Granted)
        return granted

    return TopUps(SIGNER, databases.app, grant, now_ms=lambda: sqlite_bank.now_ms)


def code(amount: str = "10", days: int | None = None) -> str:
    return make_code(SIGNER, usd(amount), ENDS_MS, "payment", days)


def test_a_code_says_what_it_is_worth_however_it_is_typed() -> None:
    made = make_code(SIGNER, usd("0.000000001"), ENDS_MS + 999, "grant", 30)
    said = read_code(SIGNER, made)
    assert said == Code(said.id, "grant", 1, ENDS_MS, 30)
    assert len(said.id) == 20
    spaced = "  " + made.lower().replace("-", "  ") + "\n"
    assert read_code(SIGNER, spaced) == said
    assert read_code(SIGNER, made.removeprefix("TYC-")) == said


def test_no_letter_of_a_code_can_be_changed() -> None:
    made = code()
    for at, letter in enumerate(made):
        if letter == "-" or at < 3:
            continue
        for other in {"A", "7", string.ascii_uppercase[(ord(letter) - 64) % 26]} - {letter}:
            with pytest.raises(CodeUnknown):
                read_code(SIGNER, made[:at] + other + made[at + 1 :])


@pytest.mark.parametrize(
    "text",
    ["", "TYC", "TYC-" + "A" * 64, "\N{LATIN CAPITAL LETTER A WITH GRAVE}" * 64, "1" * 64, "A" * 9_999],
)
def test_what_is_no_code_is_unknown(text: str) -> None:
    with pytest.raises(CodeUnknown):
        read_code(SIGNER, text)


def test_a_code_of_another_installation_or_another_purpose_is_unknown() -> None:
    for other in (purpose_key(b"t" * 32, PURPOSE), purpose_key(b"s" * 32, "live-ticket")):
        with pytest.raises(CodeUnknown):
            read_code(SIGNER, make_code(other, usd("10"), ENDS_MS))


@pytest.mark.parametrize(
    ("amount", "ends_ms", "days"),
    [
        (0, ENDS_MS, None),
        (-1, ENDS_MS, None),
        (1 << 62, ENDS_MS, None),
        (1, 1 << 62, None),
        (1, ENDS_MS, 70_000),
    ],
)
def test_a_code_that_makes_no_sense_is_not_made(amount: int, ends_ms: int, days: int | None) -> None:
    with pytest.raises(ValueError):
        make_code(SIGNER, amount, ends_ms, "payment", days)


async def test_a_code_is_worth_its_amount_once(top_ups: TopUps, sqlite_bank: Bank) -> None:
    made = code()
    first = await top_ups.redeem(1, 7, made)
    again = await top_ups.redeem(1, 8, made)
    assert (first.amount_nano_usd, first.replayed) == (usd("10"), False)
    assert (again.entry_seq, again.replayed) == (first.entry_seq, True)
    balance = sqlite_bank.balance()
    assert balance.available_nano_usd == usd("10")
    assert balance.ends_allowance


async def test_a_code_that_one_team_has_is_no_other_teams(top_ups: TopUps, sqlite_bank: Bank) -> None:
    made = code()
    await top_ups.redeem(1, None, made)
    with pytest.raises(CodeSpent, match="used"):
        await top_ups.redeem(2, None, made)
    assert sqlite_bank.kinds(2) == []


async def test_twenty_teams_at_once_and_one_has_it(top_ups: TopUps, sqlite_bank: Bank) -> None:
    made = code()
    outcomes = await asyncio.gather(
        *(top_ups.redeem(team, None, made) for team in range(1, 21)), return_exceptions=True
    )
    assert sum(isinstance(outcome, Granted) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, CodeSpent) for outcome in outcomes) == 19
    assert sum(len(sqlite_bank.kinds(team)) for team in range(1, 21)) == 1


async def test_a_code_can_be_redeemed_until_its_end_and_its_credit_lives_from_then(
    top_ups: TopUps, sqlite_bank: Bank
) -> None:
    late, early = code(), code(days=3)
    sqlite_bank.now_ms = ENDS_MS - 1
    await top_ups.redeem(1, None, early)
    sqlite_bank.now_ms = ENDS_MS
    with pytest.raises(CodeSpent, match="ended"):
        await top_ups.redeem(1, None, late)
    assert (await top_ups.redeem(1, None, early)).replayed
    sqlite_bank.now_ms = ENDS_MS + 3 * DAY_MS
    assert sqlite_bank.available() == 0


async def test_a_withdrawn_code_is_worth_nothing_and_a_used_one_cannot_be_withdrawn(top_ups: TopUps) -> None:
    gone, used = code(), code()
    await top_ups.withdraw(gone)
    await top_ups.withdraw(gone)
    with pytest.raises(CodeSpent):
        await top_ups.redeem(1, None, gone)
    await top_ups.redeem(1, None, used)
    with pytest.raises(CodeSpent):
        await top_ups.withdraw(used)


async def test_a_code_whose_credit_did_not_come_can_be_brought_again_by_the_same_team(
    databases: Databases, top_ups: TopUps, sqlite_bank: Bank
) -> None:
    async def away(command: Grant) -> Granted:
        raise LedgerUnavailable("The ledger's writer does not answer.")

    made = code()
    with pytest.raises(LedgerUnavailable):
        await TopUps(SIGNER, databases.app, away, now_ms=lambda: START_MS).redeem(1, None, made)
    with pytest.raises(CodeSpent):
        await top_ups.redeem(2, None, made)
    sqlite_bank.now_ms = ENDS_MS + 1  # it was brought in time
    assert not (await top_ups.redeem(1, None, made)).replayed
