"""Spending seen from elsewhere: on another price list, and beside a provider's invoice."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from datetime import UTC, datetime

from billing.invoices import InvoiceUnreadable, Match, match, read_invoice
from billing.money import format_usd, parse_usd
from billing.usage import SettledRun
from billing.windows import WINDOWS, window_ends_ms
from gateway.catalog import Catalog
from gateway.catalog_values import Rates
from gateway.errors import GatewayError
from gateway.what_if import TargetOf, on_model, on_provider, on_rates, re_rate
from operations.office import DAY_MS, Office, Refused, now_ms, plain

_LEFT_OUT = {
    "no_such_route": "the provider does not serve their model",
    "prompt_too_long": "the prompt is longer than the model's context",
    "answer_too_long": "the answer is longer than the model gives",
    "tool_calls_not_priced": "they call tools, for which there is no fee",
    "bucket_not_priced": "they are billed for something that the list does not price",
}


def what_if(office: Office, asked: argparse.Namespace) -> int:
    """Re-rate a team's settled runs on another model, provider or price list."""
    at_ms = now_ms()
    try:
        target_of = _target(office, asked, at_ms)
    except GatewayError as error:
        raise Refused(str(error)) from None
    result = re_rate(office.usage.settled(asked.team, at_ms - asked.days * DAY_MS, at_ms + 1), target_of)
    print(f"{'runs':>8}  {'was':>14}  {'would be':>14}  {'difference':>14}  model")
    for row in result.compared:
        print(
            f"{row.runs:>8}  {format_usd(row.was_nano_usd):>14}  {format_usd(row.would_nano_usd):>14}  "
            f"{format_usd(row.difference_nano_usd):>14}  {plain(row.model)} ({row.series})"
        )
    print(
        f"{result.runs:>8}  {format_usd(result.was_nano_usd):>14}  {format_usd(result.would_nano_usd):>14}  "
        f"{format_usd(result.would_nano_usd - result.was_nano_usd):>14}  in all, {asked.days} days"
    )
    if result.as_fresh_tokens:
        print(f"{result.as_fresh_tokens:,} cached tokens are rated as fresh input, for want of a rate.")
    if result.estimated:
        print(f"{result.estimated:,} of the runs were billed by our own count of tokens.")
    for reason, runs in sorted(result.left_out.items()):
        print(f"{runs:,} runs are left out of both sums: {_LEFT_OUT[reason]}.")
    return 0


def _target(office: Office, asked: argparse.Namespace, at_ms: int) -> TargetOf:
    if asked.input is not None or asked.output is not None:
        if asked.model or asked.provider or asked.input is None or asked.output is None:
            raise Refused("A price list of your own has --input and --output, and no --model or --provider.")
        return on_rates(
            Rates(
                input=_rate(asked.input),
                output=_rate(asked.output),
                cached_input=None if asked.cached_input is None else _rate(asked.cached_input),
                cache_write=None if asked.cache_write is None else _rate(asked.cache_write),
            )
        )
    if asked.model:
        catalog = office.catalog()
        return on_model(catalog, asked.model, at_ms, provider=asked.provider, version=asked.version)
    if asked.provider:
        return on_provider(office.catalog(), asked.provider, at_ms)
    raise Refused("Name a --model, a --provider, or a price list with --input and --output.")


def _rate(usd_per_million: str) -> int:
    """Pico-dollars a token: micro-dollars a million."""
    try:
        nano_usd = parse_usd(usd_per_million)
    except ValueError as error:
        raise Refused(f"{error}.") from None
    if nano_usd < 0 or nano_usd % 1_000:
        raise Refused(f"{usd_per_million} is no rate: dollars per million tokens, with up to six decimals.")
    return nano_usd // 1_000


def invoice(office: Office, asked: argparse.Namespace) -> int:
    """Match a provider's invoice (a CSV) with what was billed here, line by line."""
    from_ms, to_ms = month_of(asked.month)
    catalog = office.catalog()
    if catalog.provider(asked.provider) is None and not _serves(catalog, asked.provider):
        raise Refused(f"There is no provider {plain(asked.provider)!r} in the catalog.")
    try:
        with open(asked.file, encoding="utf-8-sig", newline="") as file:
            lines = read_invoice(file, _columns(asked.column))
    except InvoiceUnreadable as error:
        raise Refused("\n".join(plain(problem) for problem in error.problems)) from None
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(f"{asked.file} cannot be read: {error}") from None
    runs = _runs_of_all_teams(office, asked.provider, from_ms, to_ms)
    result = match(lines, runs, _names(catalog, asked.provider), from_ms, to_ms)
    print(f"{'invoiced':>14}  {'billed here':>14}  {'drift':>14}  {'runs':>7}  lines, day, model or run")
    for heading, rows in (
        ("", result.matched),
        ("Invoiced, and no run of ours is known:", result.without_runs),
        ("Billed here, and not on the invoice:", result.without_lines),
    ):
        if heading and rows:
            print(heading)
        for row in rows:
            print(_row(row))
    print(
        f"{format_usd(result.invoiced_nano_usd):>14}  {format_usd(result.billed_nano_usd):>14}  "
        f"{format_usd(result.drift_nano_usd):>14}  {'':>7}  in all"
    )
    if result.outside:
        numbers = ", ".join(str(line.no) for line in result.outside[:20])
        print(f"{len(result.outside)} lines of other months are left out (line {numbers}).")
    return 0


def month_of(text: str) -> tuple[int, int]:
    """First instant of a month of UTC, and of the next. Raises `Refused`."""
    if re.fullmatch(r"20\d\d-(0[1-9]|1[0-2])", text, re.ASCII) is None:
        raise Refused(f"--month: {plain(text)!r} is no month; write it as 2026-11.")
    year, month = text.split("-")
    from_ms = int(datetime(int(year), int(month), 1, tzinfo=UTC).timestamp()) * 1_000
    to_ms = window_ends_ms(WINDOWS["month"], from_ms)
    assert to_ms is not None
    return from_ms, to_ms


def _row(row: Match) -> str:
    lines = ",".join(str(no) for no in row.lines[:6]) + (",..." if len(row.lines) > 6 else "")
    what = " ".join(
        word for word in (lines, str(row.day or ""), plain(row.model), plain(row.run_id or "")) if word
    )
    return (
        f"{format_usd(row.invoiced_nano_usd):>14}  {format_usd(row.billed_nano_usd):>14}  "
        f"{format_usd(row.drift_nano_usd):>14}  {row.runs:>7}  {what}"
    )


def _columns(said: list[str]) -> dict[str, str]:
    columns = dict(one.partition("=")[::2] for one in said)
    if any("=" not in one for one in said):
        raise Refused('--column says a field and its column: --column "amount=Cost (USD)".')
    return columns


def _serves(catalog: Catalog, provider: str) -> bool:
    return any(route.provider == provider for model in catalog.models() for route in model.providers)


def _names(catalog: Catalog, provider: str) -> dict[str, str]:
    """The provider's own names of models, its pinned versions too, and ours."""
    return {
        name: model.id
        for model in catalog.models()
        for route in model.providers
        if route.provider == provider
        for name in (route.model, *route.snapshots)
    }


def _runs_of_all_teams(office: Office, provider: str, from_ms: int, to_ms: int) -> Iterator[SettledRun]:
    for team_id in office.usage.teams():
        yield from office.usage.settled(team_id, from_ms, to_ms, provider)
