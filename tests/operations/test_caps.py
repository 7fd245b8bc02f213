"""Spending caps from the command line, on a real ledger."""

from __future__ import annotations

import pytest

from tests.operations.conftest import Shell


def test_a_cap_is_set_listed_changed_and_removed_and_each_change_is_told(shell: Shell) -> None:
    assert (
        shell.run("caps", "set", "key", "7", "--usd", "10", "--window", "month", "--zone", "Europe/Berlin")
        == 0
    )
    assert shell.out == "Cap 1 of team 1, change 1: $10.00, key 7, month.\n"
    assert shell.run("caps", "set", "key", "7", "--usd", "12", "--window", "month", "--alert-at", "90") == 0
    assert shell.run("caps", "set", "team", "--usd", "1.50", "--window", "7d") == 0
    assert shell.run("caps", "list") == 0
    first, monthly, weekly = shell.out.splitlines()
    assert "left" in first
    assert monthly.split()[:4] == ["$12.00", "$0.00", "$0.00", "$12.00"]
    assert monthly.endswith("key 7, month (Europe/Berlin)")
    assert "bit by bit" in weekly and weekly.endswith("team 1, last 7d")
    assert shell.run("caps", "remove", "key", "7", "--window", "month") == 0
    assert shell.run("caps", "remove", "key", "7", "--window", "month") == 1
    assert "no such cap" in shell.err
    assert shell.run("caps", "list", "--changes") == 0
    rows = [line.split("  ") for line in shell.out.splitlines()[1:]]
    assert sorted(row[1].strip() or row[2].strip() for row in rows)[-1] == "off" or "off" in shell.out
    assert shell.out.count("operator") == 4


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("team", "--usd", "-1"), "--usd"),
        (("team", "2", "--usd", "1"), "--team"),
        (("key", "--usd", "1"), "which key"),
        (("key", "ci", "--usd", "1"), "number"),
        (("team", "--usd", "1", "--zone", "Mars/Olympus"), "no time zone"),
        (("team", "--usd", "1", "--team", "99"), "no team 99"),
    ],
)
def test_a_cap_that_makes_no_sense_is_refused_in_words(
    shell: Shell, words: tuple[str, ...], why: str
) -> None:
    assert shell.run("caps", "set", *words) == 1
    assert why in shell.err


@pytest.mark.parametrize(
    "words", [("--window", "fortnight"), ("--window", "0d"), ("--window", "367d"), ("--window", "5h"),
              ("--alert-at", "0"), ("--alert-at", "50,x"), ("--alert-at", "50,101")]
)  # fmt: skip
def test_words_that_are_no_window_and_no_percents_are_not_understood(
    shell: Shell, words: tuple[str, str]
) -> None:
    with pytest.raises(SystemExit):
        shell.run("caps", "set", "team", "--usd", "1", *words)
