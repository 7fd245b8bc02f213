"""A provider's invoice beside our own runs."""

from __future__ import annotations

import io
from datetime import UTC, date, datetime

import pytest

from billing.invoices import InvoiceLine, InvoiceUnreadable, match, read_invoice
from billing.money import parse_usd
from billing.usage import SettledRun

MONTH = (
    int(datetime(2026, 11, 1, tzinfo=UTC).timestamp() * 1_000),
    int(datetime(2026, 12, 1, tzinfo=UTC).timestamp() * 1_000),
)
NAMES = {"fast-1": "lab/fast", "fast-1-2026-08-01": "lab/fast"}


def run(run_id: str, at: str, cost: str, model: str = "lab/fast") -> SettledRun:
    at_ms = int(datetime.fromisoformat(at).replace(tzinfo=UTC).timestamp() * 1_000)
    nano = parse_usd(cost)
    return SettledRun(1, 1, run_id, at_ms, model, "lab", "v1", "paid", False, None, None, (), nano, ())


def read(text: str, **columns: str) -> tuple[InvoiceLine, ...]:
    return read_invoice(io.StringIO(text, newline=""), columns)


def test_lines_of_a_day_and_model_are_matched_with_its_runs_and_drift() -> None:
    lines = read("date,model,amount\n2026-11-03,fast-1,0.30\n2026-11-03,fast-1-2026-08-01,0.25\n")
    runs = [run("run_1", "2026-11-03T00:00", "0.20"), run("run_2", "2026-11-03T23:59:59", "0.30")]
    result = match(lines, runs, NAMES, *MONTH)
    (row,) = result.matched
    assert (row.model, row.day, row.lines, row.runs) == ("lab/fast", date(2026, 11, 3), [2, 3], 2)
    assert (row.invoiced_nano_usd, row.billed_nano_usd) == (parse_usd("0.55"), parse_usd("0.50"))
    assert row.drift_nano_usd == result.drift_nano_usd == parse_usd("0.05")


def test_what_has_no_counterpart_is_named_both_ways_and_counts_in_the_totals() -> None:
    lines = read("date,model,amount\n2026-11-03,fast-1,1\n2026-11-04,strange,2\n2026-10-31,fast-1,4\n")
    runs = [run("run_1", "2026-11-03T10:00", "1"), run("run_2", "2026-11-05T10:00", "8")]
    result = match(lines, runs, NAMES, *MONTH)
    assert [row.drift_nano_usd for row in result.matched] == [0]
    assert [(row.model, row.lines) for row in result.without_runs] == [("strange", [3])]
    assert [(row.day, row.runs) for row in result.without_lines] == [(date(2026, 11, 5), 1)]
    assert [line.no for line in result.outside] == [4]
    assert (result.invoiced_nano_usd, result.billed_nano_usd) == (parse_usd("3"), parse_usd("9"))
    assert result.drift_nano_usd == parse_usd("-6")


def test_a_line_that_names_our_run_is_matched_with_it_alone() -> None:
    lines = read("run,amount\nrun_1,0.5\nrun_9,0.5\n")
    runs = [run("run_1", "2026-11-03T10:00", "0.4"), run("run_2", "2026-11-03T10:00", "0.1")]
    result = match(lines, runs, {}, *MONTH)
    assert [(row.run_id, row.drift_nano_usd) for row in result.matched] == [("run_1", parse_usd("0.1"))]
    assert [row.run_id for row in result.without_runs] == ["run_9"]
    assert [(row.model, row.runs) for row in result.without_lines] == [("lab/fast", 1)]


def test_an_invoice_without_days_is_matched_by_the_month() -> None:
    lines = read("model,amount\nfast-1,1\n")
    runs = [run("run_1", "2026-11-03T10:00", "0.4"), run("run_2", "2026-11-09T10:00", "0.5")]
    (row,) = match(lines, runs, NAMES, *MONTH).matched
    assert (row.day, row.runs, row.drift_nano_usd) == (None, 2, parse_usd("0.1"))


def test_an_empty_invoice_leaves_every_run_without_a_line() -> None:
    result = match(read("date,model,amount\n"), [run("run_1", "2026-11-03T10:00", "1")], NAMES, *MONTH)
    assert (result.matched, len(result.without_lines)) == ((), 1)


@pytest.mark.parametrize(
    ("written", "nano_usd"),
    [
        ("1", 1_000_000_000),
        ("$1,234.50", 1_234_500_000_000),
        ("-$2.00", -2_000_000_000),
        ("-2", -2_000_000_000),
        ("1.2E-05", 12_000),
        ("0.0000000005", 0),
        ("0.0000000015", 2),
        (" 0.10 ", 100_000_000),
    ],
)
def test_amounts_are_read_as_providers_write_them(written: str, nano_usd: int) -> None:
    (line,) = read(f'model,amount\nm,"{written}"\n')
    assert line.amount_nano_usd == nano_usd


@pytest.mark.parametrize(
    ("written", "day"),
    [
        ("2026-11-03", 3),
        ("2026-11-03T23:59:59", 3),
        ("2026-11-03T23:59:59Z", 3),
        ("2026-11-03T23:00:00-05:00", 4),
    ],
)
def test_a_moment_counts_on_its_day_in_utc(written: str, day: int) -> None:
    (line,) = read(f"model,amount,date\nm,1,{written}\n")
    assert line.day == date(2026, 11, day)


def test_columns_may_be_called_anything() -> None:
    (line,) = read(
        "Cost (USD),Model name,Day\n1,fast-1,2026-11-03\n",
        amount="Cost (USD)",
        model="Model name",
        date="Day",
    )
    assert (line.model, line.day) == ("fast-1", date(2026, 11, 3))


@pytest.mark.parametrize(
    ("text", "columns", "said"),
    [
        ("", {}, "No column 'amount'"),
        ("model,cost\nm,1\n", {}, "No column 'amount'"),
        ("amount,day\n1,2026-11-03\n", {}, "No column 'model'"),
        ("model,amount\nm,1\n", {"amount": "cost"}, "no column 'cost'"),
        ("model,amount\nm,1\n", {"colour": "amount"}, "no field 'colour'"),
        ("model,amount\nm,NaN\n", {}, "line 2: 'NaN' is no amount"),
        ("model,amount\nm,1e999\n", {}, "is no amount"),
        ("model,amount\nm,1e30\n", {}, "more than any invoice"),
        ("model,amount\nm\n", {}, "line 2: '' is no amount"),
        ("model,amount\n,1\n", {}, "neither a model nor a run"),
        ("model,amount,date\nm,1,03/11/2026\n", {}, "is no date"),
        ("model,amount,date\nm,1,\n", {}, "is no date"),
        ('model,amount\n"m,1\n', {}, "after line 1"),
    ],
)
def test_what_cannot_be_read_is_named_by_its_line_and_nothing_is_matched(
    text: str, columns: dict[str, str], said: str
) -> None:
    with pytest.raises(InvoiceUnreadable, match=said.replace("(", "\\(")):
        read(text, **columns)


def test_every_bad_line_is_named_up_to_twenty() -> None:
    with pytest.raises(InvoiceUnreadable) as refused:
        read("model,amount\n" + "m,x\n" * 50)
    assert len(refused.value.problems) == 20
