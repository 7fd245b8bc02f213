"""The operator's command line: `python -m operate --help`.

Works on the data folder or the PostgreSQL database that the server uses, whether or not the server runs.
In a folder the ledger has one writer: where a server runs, a grant is handed to its writer; else one is
started for as long as the grant takes. A key that is revoked here is refused by a running server within 5
seconds.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import startup
from alerting import Address, try_out
from billing import audit, audit_postgresql
from billing.caps import SCOPES, read_alerts, read_window
from billing.client import LedgerClient
from billing.commands import CapSet, CapWindow, Grant, Granted, Result, SetCap
from billing.door import ask, knock
from billing.errors import BillingError
from billing.money import format_usd, parse_usd
from billing.writer import Ledger
from billing.writer_postgresql import PostgresLedger
from gateway.catalog import Catalog, CatalogError, CatalogOverrides
from gateway.team_money import MoneyKind, cap_told, credit_told
from gateway.tiers import Rate, set_rate
from identity.api_keys import KeyView, create_key, list_keys, revoke_key
from identity.audit_log import AuditLog, note
from identity.errors import IdentityError
from identity.tables import MemberRow, TeamRow
from operations import caps, copies, credit, reports, request_log, rollups
from operations.office import Office, Refused
from settings import Settings, SettingsError, load, secret_key
from store.databases import Databases
from store.ids import new_id

_DAY_MS = 24 * 60 * 60 * 1000

_OF_A_TEAM = {"payment", "refund", "reverse", "add", "what-if"}

Command = Callable[[Settings, argparse.Namespace], int]
Commands = Any  # argparse's own type has no public name


def main(arguments: Sequence[str]) -> int:
    """0 where it was done, 1 where it was refused, 2 where the command was not understood."""
    asked = _parser().parse_args(arguments)
    try:
        settings = load()
        needs_data = asked.run is not put_back and settings.database_url is None
        if needs_data and not (settings.data_dir / "app.db").exists():
            raise Refused(
                f"{settings.data_dir} holds no data yet: start the server once, or set TILTYARD_DATA_DIR."
            )
        code: int = asked.run(settings, asked)
        return code
    except (SettingsError, CatalogError) as error:
        return _refuse(*error.problems)
    except (Refused, BillingError, IdentityError) as error:
        return _refuse(str(error))


# --- commands --------------------------------------------------------------------------------


def grant(settings: Settings, asked: argparse.Namespace) -> int:
    """Give a team credit, or take some back (`--kind adjustment`, with a negative amount)."""
    amount_nano_usd = _amount(asked.usd)
    if amount_nano_usd == 0 or (amount_nano_usd < 0 and asked.kind != "adjustment"):
        raise Refused("--usd must be above 0; only --kind adjustment may take credit back.")
    if asked.kind != "grant" and not asked.reason:
        raise Refused(f"--kind {asked.kind} needs a --reason.")
    _require_team(settings, asked.team)
    command = Grant(
        team_id=asked.team,
        kind=asked.kind,
        amount_nano_usd=amount_nano_usd,
        ref=asked.ref or new_id("grant"),
        reason=asked.reason or "given by the operator",
        expires_ms=None if asked.days is None else _now_ms() + asked.days * _DAY_MS,
    )
    granted = _hand_in(settings, command)
    again = " (this reference was used before; nothing was given twice)" if granted.replayed else ""
    print(
        f"Team {asked.team}: {format_usd(granted.amount_nano_usd)} in entry {granted.entry_seq}{again}. "
        f"Available now: {format_usd(granted.available_after_nano_usd)}."
    )
    return 0


def show_keys(settings: Settings, asked: argparse.Namespace) -> int:
    """List a team's API keys, newest first."""
    _require_team(settings, asked.team)
    with closing(_databases(settings)) as databases, databases.app.session() as session:
        keys = list_keys(session, asked.team)
    print(f"{'id':>4}  {'key':<12}  {'state':<8}  {'made':<16}  {'last used':<16}  name")
    for key in keys:
        print(
            f"{key.id:>4}  {key.prefix + '...':<12}  {_state(key):<8}  {_moment(key.created_ms):<16}  "
            f"{_moment(key.last_used_ms):<16}  {_plain(key.name)}"
        )
    return 0


def make_key(settings: Settings, asked: argparse.Namespace) -> int:
    """Make an API key and print it, this once."""
    now_ms = _now_ms()
    expires_ms = None if asked.days is None else now_ms + asked.days * _DAY_MS
    with closing(_databases(settings)) as databases, databases.app.session() as session:
        if session.get(MemberRow, (asked.team, asked.user)) is None:
            raise Refused(f"User {asked.user} is no member of team {asked.team}.")
        made = create_key(session, asked.team, asked.user, asked.name, now_ms=now_ms, expires_ms=expires_ms)
    print(made.secret)
    print(f"Key {made.key.id} of team {asked.team}, shown this once.", file=sys.stderr)
    return 0


def end_key(settings: Settings, asked: argparse.Namespace) -> int:
    """Revoke an API key."""
    with closing(_databases(settings)) as databases, databases.app.session() as session:
        key = revoke_key(session, asked.team, asked.id, now_ms=_now_ms())
    print(f"Key {key.id} ({key.prefix}...) is revoked; a running server refuses it within 5 seconds.")
    return 0


def limit_rate(settings: Settings, asked: argparse.Namespace) -> int:
    """Set what a team or a key may use a minute; without numbers, take its limits away."""
    _require_team(settings, asked.team)
    rate = None
    if asked.requests is not None or asked.tokens is not None:
        rate = Rate(asked.requests, asked.tokens)
    with closing(_databases(settings)) as databases, databases.app.session() as session:
        if asked.key is None:
            set_rate(session, "team", asked.team, rate)
        elif asked.key in {key.id for key in list_keys(session, asked.team)}:
            set_rate(session, "key", asked.key, rate)
        else:
            raise Refused(f"Team {asked.team} has no key {asked.key}.")
        told = {} if rate is None else {"requests": rate.requests, "tokens": rate.tokens}
        subject = f"team {asked.team}" if asked.key is None else f"key {asked.key}"
        note(session, "limit_changed", by=None, subject=subject, team_id=asked.team, detail=told)
    who = f"Team {asked.team}" if asked.key is None else f"Key {asked.key}"
    what = "has no limits of its own any more" if rate is None else f"may use {_rate(rate)} a minute"
    print(f"{who} {what}; a running server knows within 5 seconds.")
    return 0


def _rate(rate: Rate) -> str:
    parts = ((rate.requests, "requests"), (rate.tokens, "tokens"))
    return " and ".join(f"{amount:,} {what}" for amount, what in parts if amount is not None)


def check_ledger(settings: Settings, asked: argparse.Namespace) -> int:
    """Check every rule of the ledger and its hash chain, while it is in use or not."""
    heads = [word for kept in asked.extends for word in ("--extends", kept)]
    if settings.database_url is not None:
        return audit_postgresql.main([settings.database_url, *heads])
    return audit.main([str(_ledger_path(settings)), *heads])


def put_back(settings: Settings, asked: argparse.Namespace) -> int:
    """Put a backup into an empty data folder, or an empty database, verified."""
    secret = None if settings.secret_key is None else settings.secret_key.encode()
    with startup.claim_folder(settings.data_dir):
        return copies.put_back(settings.data_dir, settings.database_url, secret, asked)


def try_alerts(settings: Settings, asked: argparse.Namespace) -> int:
    """Send a word to each address of TILTYARD_ALERT_URLS, and say which took it."""
    if not settings.alert_urls:
        raise Refused("TILTYARD_ALERT_URLS names no address: see docs/alerts.md.")
    addresses = [Address(url, settings.alert_private_address) for url in settings.alert_urls]
    results = asyncio.run(try_out(addresses, settings.url))
    for name, why in results:
        print(f"{name}: {why or 'sent'}")
    return 1 if any(why for _, why in results) else 0


def _in_office(work: Callable[[Office, argparse.Namespace], int]) -> Command:
    """A command of `operations`, which knows no settings."""

    def run(settings: Settings, asked: argparse.Namespace) -> int:
        office = Office(
            data_dir=settings.data_dir,
            ledger=settings.database_url or _ledger_path(settings),
            hand_in=lambda command: _hand_in(settings, command),
            set_cap=lambda command: _set_cap(settings, command),
            databases=lambda: _databases(settings),
            catalog=lambda: Catalog.load(
                CatalogOverrides(settings.providers, settings.models, settings.stand_ins)
            ),
            secret=lambda: secret_key(settings),
            secret_is_set=settings.secret_key is not None,
            log_days=settings.log_days,
        )
        return work(office, asked)

    return run


# --- the ledger's writer ---------------------------------------------------------------------


def _hand_in(settings: Settings, command: Grant) -> Granted:
    granted = _asked_of_the_writer(settings, command)
    assert isinstance(granted, Granted)
    if not granted.replayed:
        _note(settings, "credit_changed", command.team_id, *credit_told(command))
    return granted


def _set_cap(settings: Settings, command: SetCap) -> CapSet:
    made = _asked_of_the_writer(settings, command)
    assert isinstance(made, CapSet)
    _note(settings, "cap_changed", command.team_id, *cap_told(command))
    return made


def _note(settings: Settings, kind: MoneyKind, team_id: int, subject: str, detail: Mapping[str, Any]) -> None:
    """Whoever has this command line is the installation itself: no person is named."""
    with closing(_databases(settings)) as databases:
        AuditLog(databases.app).note(kind, by=None, subject=subject, team_id=team_id, detail=detail)


def _asked_of_the_writer(settings: Settings, command: Grant | SetCap) -> Result:
    if settings.database_url is not None:
        return asyncio.run(_hand_in_beside_others(settings, settings.database_url, command))
    connection = knock(_ledger_path(settings))
    if connection is None:
        return asyncio.run(_hand_in_alone(settings, command))
    with connection:
        return ask(connection, command)


async def _hand_in_alone(settings: Settings, command: Grant | SetCap) -> Result:
    """Keeps a server from starting meanwhile, and refuses where one is just starting or ending."""
    with startup.claim_folder(settings.data_dir):
        ledger = await Ledger.open(
            _ledger_path(settings), free_money_limit_nano_usd=parse_usd(settings.free_money_limit_usd)
        )
        return await _handed_in(ledger, command)


async def _hand_in_beside_others(settings: Settings, url: str, command: Grant | SetCap) -> Result:
    ledger = await PostgresLedger.open(
        url, free_money_limit_nano_usd=parse_usd(settings.free_money_limit_usd)
    )
    return await _handed_in(ledger, command)


async def _handed_in(ledger: LedgerClient, command: Grant | SetCap) -> Result:
    try:
        return await (ledger.grant(command) if isinstance(command, Grant) else ledger.set_cap(command))
    finally:
        await ledger.close()


def _databases(settings: Settings) -> Databases:
    return Databases.open(settings.data_dir, settings.database_url)


def _ledger_path(settings: Settings) -> Path:
    return settings.data_dir / "ledger.db"


# --- reading and writing words ---------------------------------------------------------------


def _require_team(settings: Settings, team_id: int) -> None:
    with closing(_databases(settings)) as databases, databases.app.session() as session:
        if session.get(TeamRow, team_id) is None:
            raise Refused(f"There is no team {team_id}.")


def _amount(text: str) -> int:
    try:
        return parse_usd(text)
    except ValueError as error:
        raise Refused(f"--usd: {error}.") from None


def _state(key: KeyView) -> str:
    if key.revoked_ms is not None:
        return "revoked"
    return "expired" if key.expires_ms is not None and key.expires_ms <= _now_ms() else "good"


def _moment(ms: int | None) -> str:
    return "never" if ms is None else f"{datetime.fromtimestamp(ms // 1000, UTC):%Y-%m-%d %H:%M}"


def _plain(text: str) -> str:
    """A name is somebody's input, and a terminal obeys what is not printable."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _refuse(*sentences: str) -> int:
    for sentence in sentences:
        print(f"operate: {sentence}", file=sys.stderr)
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m operate", description="Operate this installation.")
    commands = parser.add_subparsers(required=True, metavar="command")

    one = commands.add_parser("grant", help=grant.__doc__, description=grant.__doc__)
    one.add_argument("--team", type=int, default=1, help="its number (1 is the local team)")
    one.add_argument("--usd", required=True, help='dollars, for example "5" or "0.25"')
    one.add_argument("--reason", help="kept in the entry for ever")
    one.add_argument("--kind", choices=("grant", "payment", "adjustment"), default="grant",
                     help="a payment ends the team's allowance; a grant does not")  # fmt: skip
    one.add_argument("--ref", help="your own reference: the same one is never given twice")
    one.add_argument("--days", type=_days, help="how long the credit lasts (default: for ever)")
    one.set_defaults(run=grant)

    keys = commands.add_parser("keys", help="API keys: list, create, revoke").add_subparsers(
        required=True, metavar="what"
    )
    one = keys.add_parser("list", help=show_keys.__doc__, description=show_keys.__doc__)
    one.add_argument("--team", type=int, default=1)
    one.set_defaults(run=show_keys)
    one = keys.add_parser("create", help=make_key.__doc__, description=make_key.__doc__)
    one.add_argument("name", help="what it is for")
    one.add_argument("--team", type=int, default=1)
    one.add_argument("--user", type=int, default=1, help="whose role it has")
    one.add_argument("--days", type=_days, help="how long it lasts (default: for ever)")
    one.set_defaults(run=make_key)
    one = keys.add_parser("revoke", help=end_key.__doc__, description=end_key.__doc__)
    one.add_argument("id", type=int)
    one.add_argument("--team", type=int, default=1)
    one.set_defaults(run=end_key)

    one = commands.add_parser("limit", help=limit_rate.__doc__, description=limit_rate.__doc__)
    one.add_argument("--team", type=int, default=1, help="its number (1 is the local team)")
    one.add_argument("--key", type=int, help="of this key alone, beside its team's")
    one.add_argument("--requests", type=_count, help="a minute")
    one.add_argument("--tokens", type=_count, help="a minute")
    one.set_defaults(run=limit_rate)

    one = commands.add_parser("audit", help=check_ledger.__doc__, description=check_ledger.__doc__)
    one.add_argument("--extends", "--head", action="append", default=[], metavar="TEAM:SEQ:HASH",
                     help="a head that an earlier audit printed, or a team's older export")  # fmt: skip
    one.set_defaults(run=check_ledger)
    _add_credit_commands(commands)
    _add_cap_commands(commands)
    _add_reports_and_backup(commands)
    return parser


def _add_credit_commands(commands: Commands) -> None:
    one = _command(commands, "payment", _in_office(credit.payment), credit.payment)
    one.add_argument("--usd", required=True, help="dollars that were paid")
    one.add_argument("--ref", required=True, help="the payment's own number: the same one is booked once")
    one.add_argument("--reason", help="kept in the entry for ever")
    one.add_argument("--days", type=_days, help="how long the credit lasts (default: for ever)")

    one = _command(commands, "refund", _in_office(credit.give_back), credit.give_back)
    one.add_argument("--run", required=True, dest="run_id", metavar="RUN", help="run_...")
    one.add_argument("--reason", required=True, help="kept in the entry for ever")
    one.add_argument("--usd", help="a part of what it cost (default: all of it)")

    one = _command(commands, "reverse", _in_office(credit.reverse), credit.reverse)
    one.add_argument("--entry", required=True, type=int, help="its number")
    one.add_argument("--reason", required=True, help="kept in the entry for ever")
    one.add_argument("--usd", help="a part of it (default: all, which must still be there)")

    some = commands.add_parser("recurring", help="credit that comes again: add, list, end")
    what = some.add_subparsers(required=True, metavar="what")
    one = _command(what, "add", _in_office(credit.add_schedule), credit.add_schedule)
    one.add_argument("--usd", required=True)
    one.add_argument("--every", required=True, choices=("day", "week", "month"))
    one.add_argument("--carry-over", type=credit.carry_over, default=0, metavar="WINDOWS",
                     help="how many further windows what is unused stays, or always")  # fmt: skip
    one.add_argument("--reason", help="kept in each entry for ever")
    one = _command(what, "list", _in_office(credit.list_schedules), credit.list_schedules)
    one.set_defaults(team=None)
    one = _command(what, "end", _in_office(credit.end_schedule), credit.end_schedule)
    one.add_argument("id", type=int)

    some = commands.add_parser("codes", help="top-up codes: make, withdraw")
    what = some.add_subparsers(required=True, metavar="what")
    one = _command(what, "make", _in_office(credit.make_codes), credit.make_codes)
    one.add_argument("--usd", required=True, help="what each is worth")
    one.add_argument("--count", type=_count, default=1)
    one.add_argument("--kind", choices=("payment", "grant"), default="payment",
                     help="a payment ends the team's allowance; a grant does not")  # fmt: skip
    one.add_argument(
        "--valid-days", type=_days, default=365, help="how long it can be redeemed (default: 365)"
    )
    one.add_argument("--days", type=_days, help="how long the credit lasts then (default: for ever)")
    one = _command(what, "withdraw", _in_office(credit.withdraw_code), credit.withdraw_code)
    one.add_argument("code")


def _add_cap_commands(commands: Commands) -> None:
    some = commands.add_parser("caps", help="spending caps: list, set, remove")
    what = some.add_subparsers(required=True, metavar="what")
    one = _command(what, "list", _in_office(caps.show), caps.show)
    one.add_argument("--team", type=int, default=1, help="its number (1 is the local team)")
    one.add_argument("--changes", action="store_true", help="who set which cap to what, and when")
    for name, work in (("set", caps.put), ("remove", caps.remove)):
        one = _command(what, name, _in_office(work), work)
        one.add_argument("scope", choices=SCOPES)
        one.add_argument("subject", nargs="?", help="a number, or the tag's name (a team needs none)")
        one.add_argument("--team", type=int, default=1, help="its number (1 is the local team)")
        one.add_argument("--window", type=_window, default=("total", 0), metavar="WINDOW",
                         help="total (default), day, week, month, or the last days as in 7d")  # fmt: skip
        if name == "set":
            one.add_argument("--usd", required=True, help="the limit, in dollars")
            one.add_argument(
                "--zone", help="whose days they are, as in Europe/Berlin (default: as it was, else UTC)"
            )
            one.add_argument("--alert-at", type=_alerts, metavar="PERCENTS",
                             help='when to tell, as in "50,80,100" (else as it was, or these)')  # fmt: skip


def _add_reports_and_backup(commands: Commands) -> None:
    one = _command(commands, "what-if", _in_office(reports.what_if), reports.what_if)
    one.add_argument("--model", help="re-rate every run on this model")
    one.add_argument("--provider", help="at this provider; alone, each run on its own model there")
    one.add_argument("--version", help="of the model's price list (default: today's)")
    one.add_argument("--input", metavar="USD", help="a price list of your own: dollars a million tokens")
    one.add_argument("--output", metavar="USD")
    one.add_argument("--cached-input", metavar="USD")
    one.add_argument("--cache-write", metavar="USD")
    one.add_argument("--days", type=_days, default=30)

    one = _command(commands, "invoice", _in_office(reports.invoice), reports.invoice)
    one.add_argument("file", help="a CSV with a header; columns amount, model, date, run")
    one.add_argument("--provider", required=True)
    one.add_argument("--month", required=True, metavar="YYYY-MM")
    one.add_argument("--column", action="append", default=[], metavar="FIELD=COLUMN",
                     help='what the file calls it, for example "amount=Cost (USD)"')  # fmt: skip

    some = commands.add_parser("alerts", help="where alerts go: test")
    what = some.add_subparsers(required=True, metavar="what")
    _command(what, "test", try_alerts, try_alerts)

    some = commands.add_parser("rollups", help="what charts are drawn from: rebuild")
    what = some.add_subparsers(required=True, metavar="what")
    one = _command(what, "rebuild", _in_office(rollups.rebuild), rollups.rebuild)
    one.add_argument("--from", dest="first", metavar="DAY", help="as 2026-01-31, UTC (default: all)")
    one.add_argument("--to", dest="last", metavar="DAY", help="the last day (default: today)")

    some = commands.add_parser("log", help="the request log: check it against the ledger, let old rows go")
    what = some.add_subparsers(required=True, metavar="what")
    one = _command(what, "check", _in_office(request_log.check), request_log.check)
    one.add_argument("--team", type=int, help="its number (default: all)")
    one.add_argument("--days", type=_days, default=30, help="how far back (default: 30)")
    one = _command(what, "forget", _in_office(request_log.forget), request_log.forget)
    one.add_argument("--days", type=_days, required=True, help="what is to be kept, at least")

    one = _command(commands, "backup", _in_office(copies.make), copies.make)
    one.add_argument("path", help="a new folder, or a new file that ends in .tar or .tar.gz")
    one = _command(commands, "restore", put_back, put_back)
    one.add_argument("path", help="what backup made")


def _command(
    commands: Commands, name: str, run: Command, explained: Callable[..., int]
) -> argparse.ArgumentParser:
    """A command that says of itself what its function says; with a team, unless it says otherwise."""
    parser: argparse.ArgumentParser = commands.add_parser(
        name, help=explained.__doc__, description=explained.__doc__
    )
    parser.set_defaults(run=run)
    if name in _OF_A_TEAM:
        parser.add_argument("--team", type=int, default=1, help="its number (1 is the local team)")
    return parser


def _count(text: str) -> int:
    count = int(text)
    if not 1 <= count <= 1_000:
        raise argparse.ArgumentTypeError("from 1 to 1000")
    return count


def _window(text: str) -> tuple[CapWindow, int]:
    try:
        return read_window(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _alerts(text: str) -> tuple[int, ...]:
    try:
        return read_alerts(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _days(text: str) -> int:
    days = int(text)
    if not 1 <= days <= 36_500:
        raise argparse.ArgumentTypeError("from 1 to 36500 days")
    return days


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
