"""Every refusal has a sentence of its own, and says what to do."""

from __future__ import annotations

import inspect

import pytest

from billing import errors as billing
from components import notices, words
from components.notices import Reader
from gateway import errors as gateway

HERE = Reader(zone="Europe/Berlin", local=True)
ABROAD = Reader(zone=None, local=False)
# What a prompt can be refused with; the rest of the ledger's errors answer commands that no page gives.
OF_THE_LEDGER = (
    billing.InsufficientCredits,
    billing.CapReached,
    billing.FreeCreditExhausted,
    billing.IdempotencyConflict,
    billing.Replayed,
    billing.LedgerBusy,
    billing.LedgerUnavailable,
)


def of_the_gateway() -> list[type[Exception]]:
    classes = [each for _, each in inspect.getmembers(gateway, inspect.isclass)]
    return [
        each for each in classes if issubclass(each, gateway.GatewayError) and each.__subclasses__() == []
    ]


@pytest.mark.parametrize("kind", [*of_the_gateway(), *OF_THE_LEDGER], ids=lambda kind: str(kind.__name__))
def test_every_refusal_is_in_the_table(kind: type[Exception]) -> None:
    assert any(base in notices.KNOWN for base in kind.__mro__)


def test_what_is_in_no_table_admits_that_it_is_our_fault() -> None:
    notice = notices.notice_of(RuntimeError("secret path /etc"), HERE)
    assert (notice.tone, notice.title) == ("error", words.BROKEN)
    assert "secret" not in notice.advice


def test_no_credit_says_how_much_when_and_how_to_add_some() -> None:
    error = billing.InsufficientCredits(410_000, 12_000, 1_797_840_840_000)
    notice = notices.notice_of(error, HERE)
    assert notice.title == "This needs $0.00041 and $0.000012 can be spent."
    assert notice.advice.startswith("The next $5.00 comes on 21 Dec, 09:14 (Berlin).")
    assert notice.command == words.GRANT_COMMAND
    assert notices.notice_of(error, ABROAD).command is None


def test_no_credit_without_an_allowance_promises_none() -> None:
    notice = notices.notice_of(billing.InsufficientCredits(410_000, 12_000, None), HERE)
    assert notice.advice.startswith("No allowance is coming.")


def test_a_retired_model_names_its_successor_and_without_one_asks_for_another() -> None:
    notice = notices.notice_of(gateway.RetiredModel("a/old", "a/new", "2026-02-12"), HERE)
    assert (notice.title, notice.model) == ("a/old was retired on 2026-02-12.", "a/new")
    alone = notices.notice_of(gateway.RetiredModel("a/old", None, None), HERE)
    assert (alone.title, alone.advice) == ("a/old was retired.", words.PICK_ANOTHER)


def test_a_providers_fault_is_told_as_it_was_and_says_to_try_again() -> None:
    notice = notices.notice_of(gateway.ProviderTimeout("lab", "first_token", 120), HERE)
    assert notice.title == "The provider sent no token within 120 s."
    assert notice.advice == words.PROVIDER_ADVICE


def test_waiting_is_said_in_seconds() -> None:
    assert "in 5 seconds" in notices.notice_of(gateway.Draining(5.0), HERE).advice
    assert "in 1 second." in notices.notice_of(billing.LedgerBusy(0.2), HERE).advice
