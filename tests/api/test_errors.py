"""The one table from errors to answers knows every error."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from types import ModuleType

import pytest

import api.errors
import battles.errors
import billing.errors
import gateway.errors
import identity.errors
from api.errors import TABLE, status_of, verdict_of_failure
from api.wire.errors import error_answer


def errors_of(module: ModuleType) -> list[type[Exception]]:
    return [
        found
        for _, found in inspect.getmembers(module, inspect.isclass)
        if issubclass(found, Exception) and found.__module__ == module.__name__
    ]


@pytest.mark.parametrize(
    "module",
    [gateway.errors, billing.errors, identity.errors, battles.errors, api.errors],
    ids=lambda module: module.__name__,
)
def test_every_error_has_a_line_of_its_own(module: ModuleType) -> None:
    found = errors_of(module)
    assert len(found) > 3
    assert [error.__name__ for error in found if error not in TABLE] == []


def test_no_two_errors_share_a_name_since_failures_are_looked_up_by_it() -> None:
    names = [error.__name__ for error in TABLE]
    assert len(set(names)) == len(names)
    assert verdict_of_failure("ProviderTimeout", None).status == 504
    assert verdict_of_failure("KeyError", None).status == 500


def test_a_new_error_is_answered_like_the_nearest_above_it_and_a_stranger_is_our_fault() -> None:
    class ProviderOnFire(gateway.errors.ProviderError):
        pass

    assert status_of(ProviderOnFire("lab", "It burns.")) == 502
    assert status_of(ZeroDivisionError()) == 500


def test_what_is_our_fault_shows_no_detail() -> None:
    answer = error_answer(billing.errors.LedgerBug("posting 7 of team 3 is off by 1"), "req_1")
    assert answer.status == 500
    assert "posting" not in str(answer.body)
    assert "req_1" in str(answer.body)


def test_whoever_must_wait_is_told_how_long() -> None:
    wait = gateway.errors.TooManyRequests("Slow down.", 2.2)
    assert (b"retry-after", b"3") in error_answer(wait, "req_1").headers
    assert (b"retry-after", b"5") in error_answer(gateway.errors.Draining(5.0), "req_1").headers
    assert dict(error_answer(gateway.errors.TooLarge("big"), "req_1").headers).get(b"retry-after") is None


def test_the_documentation_lists_every_code_with_its_status() -> None:
    text = (Path(api.errors.__file__).parent.parent / "docs" / "api.md").read_text(encoding="utf-8")
    lines = re.findall(r"^\| (\d{3}) \| (.+?) \|", text, re.MULTILINE)
    documented = {(int(status), code) for status, codes in lines for code in re.findall(r"`(\w+)`", codes)}
    refused = [verdict_of_failure("ProviderRefused", status) for status in (400, 429)]
    known = {(verdict.status, verdict.code) for verdict in (*TABLE.values(), *refused)}
    assert documented == known | {(421, "wrong_host")}  # which Edge says, before any table


@pytest.mark.parametrize(
    ("provider_status", "status"), [(400, 400), (422, 400), (429, 429), (401, 502), (500, 502), (None, 502)]
)
def test_a_providers_refusal_is_the_callers_to_mend_only_where_it_says_so(
    provider_status: int | None, status: int
) -> None:
    refused = gateway.errors.ProviderRefused("lab", "no", status=provider_status)
    assert status_of(refused) == status
    assert verdict_of_failure("ProviderRefused", provider_status).status == status
