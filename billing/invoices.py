"""A provider's invoice beside what was billed here: each line with its drift, and what has no counterpart.

Pure. A line names our run (then it is matched with that run), or a model and usually a day (then all
lines of that model and day together are matched with the settled runs of that model on that UTC day).
Drift is what the provider asks minus what the runs came to at our prices. A run counts on the day on
which it ended; one that crosses midnight may drift on two days and cancels in the total.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from typing import Final

from billing.money import NANO_USD_PER_USD
from billing.usage import SettledRun

COLUMNS: Final = {"amount": "amount", "model": "model", "date": "date", "run": "run"}
"""What a line says -> the default name of its column. `amount` and one of `model` and `run` must be there."""

_MOST_LINES: Final = 1_000_000
_MOST_PROBLEMS: Final = 20
_MOST_NANO_USD: Final = 10**18
_AMOUNT: Final = re.compile(
    r"(?P<before>-?)\$?\s*(?P<number>-?[0-9][0-9,]*(?:\.[0-9]+)?(?:[eE][-+]?[0-9]{1,2})?)"
)


class InvoiceUnreadable(ValueError):
    """`problems` names every line that cannot be read (the first twenty); nothing is matched then."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True)
class InvoiceLine:
    """`no` is its line in the file. `day` is None where the file has no dates."""

    no: int
    amount_nano_usd: int
    model: str
    day: date | None = None
    run_id: str | None = None


@dataclass(slots=True)
class Match:
    """Lines and runs that belong together; `runs` of 0 or `lines` of none is what has no counterpart."""

    model: str
    day: date | None = None
    run_id: str | None = None
    lines: list[int] = field(default_factory=list)
    runs: int = 0
    invoiced_nano_usd: int = 0
    billed_nano_usd: int = 0

    @property
    def drift_nano_usd(self) -> int:
        return self.invoiced_nano_usd - self.billed_nano_usd


@dataclass(frozen=True, slots=True)
class Matched:
    """`outside` are lines of other months, which count nowhere else."""

    matched: tuple[Match, ...]
    without_runs: tuple[Match, ...]
    without_lines: tuple[Match, ...]
    outside: tuple[InvoiceLine, ...]

    @property
    def invoiced_nano_usd(self) -> int:
        return sum(match.invoiced_nano_usd for match in (*self.matched, *self.without_runs))

    @property
    def billed_nano_usd(self) -> int:
        return sum(match.billed_nano_usd for match in (*self.matched, *self.without_lines))

    @property
    def drift_nano_usd(self) -> int:
        return self.invoiced_nano_usd - self.billed_nano_usd


def read_invoice(rows: Iterable[str], columns: Mapping[str, str] | None = None) -> tuple[InvoiceLine, ...]:
    """The lines of a CSV with a header. `columns` says what `COLUMNS` are called in this file.

    An amount may have a dollar sign, commas between thousands, an exponent and any number of decimals
    (rounded to the nano-dollar, half to even). A date is ISO 8601; with a time of day, its day in UTC.
    Raises `InvoiceUnreadable`.
    """
    reader = csv.DictReader(rows, strict=True)
    problems: list[str] = []
    found: list[InvoiceLine] = []
    try:
        names = _names(reader.fieldnames or (), columns or {})
        for row in reader:
            if len(found) >= _MOST_LINES:
                raise InvoiceUnreadable([f"The file has more than {_MOST_LINES:,} lines."])
            try:
                found.append(_line(reader.line_num, {what: row[name] for what, name in names.items()}))
            except ValueError as error:
                problems.append(f"line {reader.line_num}: {error}")
                if len(problems) == _MOST_PROBLEMS:
                    break
    except csv.Error as error:
        problems.append(f"after line {reader.line_num}: {error}")
    if problems:
        raise InvoiceUnreadable(problems)
    return tuple(found)


def match(
    lines: Iterable[InvoiceLine],
    runs: Iterable[SettledRun],
    names: Mapping[str, str],
    from_ms: int,
    to_ms: int,
) -> Matched:
    """`runs` are those that this provider answered from `from_ms` on and before `to_ms`; `names` leads
    from the provider's name of a model to ours."""
    by_run: dict[str, Match] = {}
    by_key: dict[tuple[str, date | None], Match] = {}
    outside: list[InvoiceLine] = []
    from_day, to_day = _day(from_ms), _day(to_ms - 1)
    by_day = True
    for line in lines:
        if line.day is not None and not from_day <= line.day <= to_day:
            outside.append(line)
            continue
        model = names.get(line.model, line.model)
        if line.run_id is not None:
            into = by_run.setdefault(line.run_id, Match(model, line.day, line.run_id))
        else:
            by_day = line.day is not None
            into = by_key.setdefault((model, line.day), Match(model, line.day))
        into.lines.append(line.no)
        into.invoiced_nano_usd += line.amount_nano_usd
    for run in runs:
        found = by_run.get(run.run_id)
        if found is None:
            day = _day(run.at_ms) if by_day else None
            found = by_key.setdefault((run.model, day), Match(run.model, day))
        found.runs += 1
        found.billed_nano_usd += run.cost_nano_usd
        found.model = run.model
    every = sorted(
        (*by_run.values(), *by_key.values()),
        key=lambda one: (one.day or date.min, one.model, one.run_id or ""),
    )
    return Matched(
        matched=tuple(one for one in every if one.lines and one.runs),
        without_runs=tuple(one for one in every if not one.runs),
        without_lines=tuple(one for one in every if not one.lines),
        outside=tuple(outside),
    )


def _names(header: Sequence[str], columns: Mapping[str, str]) -> dict[str, str]:
    """What a line says -> its column in this file."""
    for what in columns.keys() - COLUMNS.keys():
        raise InvoiceUnreadable([f"There is no field {what!r}: {', '.join(COLUMNS)}."])
    names = {what: columns.get(what, usual) for what, usual in COLUMNS.items()}
    missing = [f"The file has no column {columns[what]!r}." for what in columns if names[what] not in header]
    if names["amount"] not in header and "amount" not in columns:
        missing.append(f"No column {names['amount']!r}: say which one it is.")
    if not {names["model"], names["run"]} & set(header):
        missing.append(f"No column {names['model']!r} and none {names['run']!r}: say which one it is.")
    if missing:
        raise InvoiceUnreadable(missing)
    return {what: name for what, name in names.items() if name in header}


def _line(no: int, said: Mapping[str, str | None]) -> InvoiceLine:
    words = {what: (text or "").strip() for what, text in said.items()}
    run_id, model = words.get("run") or None, words.get("model", "")
    if run_id is None and not model:
        raise ValueError("it names neither a model nor a run")
    day = None
    if "date" in words:
        day = _date(words["date"])
    return InvoiceLine(no, _amount(words["amount"]), model, day, run_id)


def _amount(text: str) -> int:
    found = _AMOUNT.fullmatch(text)
    try:
        if found is None:
            raise InvalidOperation
        nano = Decimal(found["number"].replace(",", "")) * NANO_USD_PER_USD
        rounded = int(nano.to_integral_value(ROUND_HALF_EVEN))
    except InvalidOperation:
        raise ValueError(f"{text[:40]!r} is no amount") from None
    if abs(rounded) > _MOST_NANO_USD:
        raise ValueError(f"{text[:40]!r} is more than any invoice")
    return -rounded if found["before"] else rounded


def _date(text: str) -> date:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text[:40]!r} is no date (ISO 8601: 2026-11-21)") from None
    return (moment if moment.tzinfo is None else moment.astimezone(UTC)).date()


def _day(ms: int) -> date:
    return datetime.fromtimestamp(ms // 1_000, UTC).date()
