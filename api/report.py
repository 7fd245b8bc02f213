"""GET /v1/report: what the team spent, by day or hour, model, provider, member, key, tag or kind of key.

Read from the ledger, so the rows of one grouping add up to the ledger's own total (but by tag, where a
run counts under each of its tags, and not at all where it has none).
"""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from api.authentication import principal_of
from api.exchange import Answer, Exchange, Text
from api.wire.values import instant, usd_number
from billing.money import decimal_usd
from billing.usage import SettledRun
from gateway.errors import BadRequest
from identity.permissions import require

_MOST_DAYS = 366
_CSV_HEADERS = ((b"content-disposition", b'attachment; filename="report.csv"'),)
_INPUT = ("input", "cached_input", "cache_write")
_Names = Callable[[SettledRun], Iterable[str]]


async def show(exchange: Exchange) -> Answer:
    """`start_date` and `end_date` are days of UTC, both included."""
    principal = await principal_of(exchange)
    require(principal, "read_credits")
    first, last = _day(exchange, "start_date"), _day(exchange, "end_date")
    if not 0 <= (last - first).days < _MOST_DAYS:
        raise BadRequest(
            f"`end_date` is not before `start_date`, and at most {_MOST_DAYS - 1} days after.", "end_date"
        )
    column, names_of = _grouping(exchange)
    wanted = _filter(exchange)
    runs = exchange.services.usage.settled(principal.team_id, _ms(first), _ms(last + timedelta(days=1)))
    as_csv = _as_csv(exchange)
    rows = await asyncio.to_thread(_rows, (run for run in runs if wanted(run)), names_of)
    results: list[dict[str, object]] = [{column: name, **row.written()} for name, row in sorted(rows.items())]
    if as_csv:
        return Answer(200, Text(_csv(column, results), "text/csv; charset=utf-8"), _CSV_HEADERS)
    return Answer(200, {"object": "report", "currency": "USD", "results": results})


def _as_csv(exchange: Exchange) -> bool:
    format = exchange.query("format")
    if format not in (None, "json", "csv"):
        raise BadRequest("`format` is json or csv.", "format")
    return format == "csv"


def _csv(column: str, results: list[dict[str, object]]) -> str:
    """What begins like a formula is shown as text by the programs that open it."""
    written = io.StringIO()
    table = csv.writer(written)
    names = [column, *(name for name in _Row().written() if name != "total_cost")]
    table.writerow(names)
    for result in results:
        table.writerow([_cell(result[name]) for name in names])
    return written.getvalue()


def _cell(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t")) else value


@dataclass(slots=True)
class _Row:
    runs: int = 0
    cost_nano_usd: int = 0
    input_tokens: int = 0
    cached_input_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0

    def add(self, run: SettledRun) -> None:
        self.runs += 1
        self.cost_nano_usd += run.cost_nano_usd
        for line in run.lines:
            self.input_tokens += line.quantity if line.bucket in _INPUT else 0
            self.cached_input_tokens += line.quantity if line.bucket == "cached_input" else 0
            self.cache_write_tokens += line.quantity if line.bucket == "cache_write" else 0
            self.output_tokens += line.quantity if line.bucket == "output" else 0

    def written(self) -> dict[str, object]:
        """`total_cost` is a number, for clients that want one; `cost` is exact."""
        return {
            "total_cost": usd_number(self.cost_nano_usd),
            "cost": decimal_usd(self.cost_nano_usd),
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "cached_input_tokens": self.cached_input_tokens,
            "cache_creation_input_tokens": self.cache_write_tokens,
            "request_count": self.runs,
        }


def _rows(runs: Iterable[SettledRun], names_of: _Names) -> dict[str, _Row]:
    rows: dict[str, _Row] = {}
    for run in runs:
        for name in names_of(run):
            rows.setdefault(name, _Row()).add(run)
    return rows


def _grouping(exchange: Exchange) -> tuple[str, _Names]:
    """The name of the rows' first column, and what stands in it."""
    by = exchange.query("group_by") or "day"
    part = exchange.query("date_part") or "day"
    groupings: dict[str, _Names] = {
        "day": lambda run: (instant(run.at_ms)[:10],),
        "hour": lambda run: (f"{instant(run.at_ms)[:13]}:00:00.000Z",),
        "user": lambda run: ("none" if run.user_id is None else str(run.user_id),),
        "member": lambda run: ("none" if run.user_id is None else str(run.user_id),),
        "key": lambda run: ("none" if run.key_id is None else str(run.key_id),),
        "model": lambda run: (run.model,),
        "provider": lambda run: (run.provider,),
        "tag": lambda run: dict.fromkeys(run.tags),
        "credential_type": lambda run: (_credential(run),),
    }
    if by not in groupings or by == "hour":
        offered = ", ".join(name for name in groupings if name != "hour")
        raise BadRequest(f"`group_by` is one of {offered}.", "group_by")
    if part not in ("day", "hour"):
        raise BadRequest("`date_part` is day or hour.", "date_part")
    column = part if by == "day" else by
    return column, groupings[column]


def _filter(exchange: Exchange) -> Callable[[SettledRun], bool]:
    model, provider = exchange.query("model"), exchange.query("provider")
    user, credential = exchange.query("user_id"), exchange.query("credential_type")
    key = exchange.query("key_id")
    tags = frozenset(tag for tag in (exchange.query("tags") or "").split(",") if tag)

    def wanted(run: SettledRun) -> bool:
        return (
            (model is None or run.model == model)
            and (provider is None or run.provider == provider)
            and (user is None or str(run.user_id) == user)
            and (key is None or str(run.key_id) == key)
            and (credential is None or _credential(run) == credential)
            and tags <= set(run.tags)
        )

    return wanted


def _credential(run: SettledRun) -> str:
    return "byok" if run.series == "byok" else "system"


def _day(exchange: Exchange, name: str) -> date:
    text = exchange.query(name) or ""
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).date()
    except ValueError:
        raise BadRequest(f"`{name}` is a day, as 2026-01-31.", name) from None


def _ms(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1_000
