"""What-if and invoices from the command line, on a real ledger."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from billing.commands import Facts, Line, Reserve, Settle
from billing.money import cost_nano_usd
from billing.writer import Ledger
from tests.operations.conftest import Shell

MODEL = "openai/gpt-4.1"


@pytest.fixture
def month(shell: Shell) -> str:
    """Two settled runs of today; the month they are in."""
    asyncio.run(_spend(shell, "run_1", "run_2"))
    return f"{datetime.now(UTC):%Y-%m}"


async def _spend(shell: Shell, *run_ids: str) -> None:
    ledger = await Ledger.open(shell.folder / "ledger.db", free_money_limit_nano_usd=10**13)
    facts = Facts(model=MODEL, provider="openai", price_version="v1")
    lines = (
        Line("input", 1_000, 2_000_000),
        Line("cached_input", 500, 500_000),
        Line("output", 100, 8_000_000),
    )
    try:
        for run_id in run_ids:
            hold = await ledger.reserve(Reserve(1, run_id, 10**8, 10**8, 30_000, facts))
            await ledger.settle(Settle(hold, lines, cost_nano_usd(lines), facts, run_id == "run_2"))
    finally:
        await ledger.close()


def test_the_last_days_on_another_model(shell: Shell, month: str) -> None:
    assert shell.run("what-if", "--model", "openai/gpt-4.1-mini", "--team", "1", "--days", "30") == 0
    row = next(line for line in shell.out.splitlines() if MODEL in line)
    assert row.split()[:2] == ["2", "$0.0061"]  # 2 x (0.002 + 0.00025 + 0.0008)
    assert "1 of the runs were billed by our own count" in shell.out


def test_the_last_days_on_a_price_list_of_ones_own(shell: Shell, month: str) -> None:
    assert shell.run("what-if", "--input", "1", "--output", "10") == 0
    total = next(line for line in shell.out.splitlines() if "in all" in line)
    assert total.split()[:4] == ["2", "$0.0061", "$0.005", "-$0.0011"]
    assert "1,000 cached tokens are rated as fresh input" in shell.out


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--model", "nope/nope"),
        ("--provider", "nobody"),
        ("--input", "1"),
        ("--input", "1", "--output", "1", "--model", MODEL),
        ("--input", "-1", "--output", "1"),
        ("--input", "0.0000001", "--output", "1"),
        ("--model", MODEL, "--version", "1999"),
    ],
)
def test_a_what_if_that_makes_no_sense_is_refused_in_a_sentence(
    shell: Shell, arguments: tuple[str, ...]
) -> None:
    shell.run("grant", "--usd", "1")
    assert shell.run("what-if", *arguments) == 1
    assert shell.err.startswith("operate: ")


def test_an_invoice_is_matched_with_the_drift_a_line(shell: Shell, month: str, tmp_path: Path) -> None:
    file = tmp_path / "invoice.csv"
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    file.write_text(
        "\ufeffUsage day,Model,Cost (USD)\n"
        f"{today},gpt-4.1-2025-04-14,$0.0062\n{today},dall-e-9,1\n2020-01-01,gpt-4.1,5\n"
    )
    columns = ("date=Usage day", "model=Model", "amount=Cost (USD)")
    said = [word for column in columns for word in ("--column", column)]
    assert shell.run("invoice", str(file), "--provider", "openai", "--month", month, *said) == 0
    matched = next(line for line in shell.out.splitlines() if MODEL in line)
    assert matched.split()[:4] == ["$0.0062", "$0.0061", "$0.0001", "2"]
    assert "no run of ours is known" in shell.out
    assert "dall-e-9" in shell.out
    assert "1 lines of other months are left out (line 4)" in shell.out
    total = next(line for line in shell.out.splitlines() if "in all" in line)
    assert total.split()[:3] == ["$1.0062", "$0.0061", "$1.0001"]


def test_runs_that_are_not_on_the_invoice_are_named(shell: Shell, month: str, tmp_path: Path) -> None:
    file = tmp_path / "invoice.csv"
    file.write_text("run,amount\nrun_1,0.00305\n")
    assert shell.run("invoice", str(file), "--provider", "openai", "--month", month) == 0
    assert "not on the invoice" in shell.out
    total = next(line for line in shell.out.splitlines() if "in all" in line)
    assert total.split()[:3] == ["$0.00305", "$0.0061", "-$0.00305"]


@pytest.mark.parametrize(
    ("text", "arguments", "said"),
    [
        ("model,amount\nm,1\n", ("--provider", "nobody", "--month", "2026-11"), "no provider"),
        ("model,amount\nm,1\n", ("--provider", "openai", "--month", "2026-13"), "no month"),
        ("model,amount\nm,x\n", ("--provider", "openai", "--month", "2026-11"), "line 2"),
        ("model,amount\nm,\x1b[2J\n", ("--provider", "openai", "--month", "2026-11"), "line 2"),
        (
            "model,amount\nm,1\n",
            ("--provider", "openai", "--month", "2026-11", "--column", "amount"),
            "--column",
        ),
    ],
)
def test_an_invoice_that_cannot_be_read_is_refused_in_a_sentence(
    shell: Shell, tmp_path: Path, text: str, arguments: tuple[str, ...], said: str
) -> None:
    shell.run("grant", "--usd", "1")
    file = tmp_path / "invoice.csv"
    file.write_text(text)
    assert shell.run("invoice", str(file), *arguments) == 1
    assert said in shell.err
    assert "\x1b" not in shell.err


def test_a_file_that_is_not_there_is_named(shell: Shell) -> None:
    shell.run("grant", "--usd", "1")
    assert shell.run("invoice", "nowhere.csv", "--provider", "openai", "--month", "2026-11") == 1
    assert "nowhere.csv" in shell.err
