"""Spending caps from the command line: what they are and how full, who set them, set one, remove one."""

from __future__ import annotations

import argparse
from contextlib import closing

from billing.budgets import CapChange, CapView
from billing.commands import ALERT_AT, SetCap
from billing.money import format_usd, parse_usd
from billing.windows import is_zone
from operations.office import Office, Refused, day_of, now_ms, plain


def show(office: Office, asked: argparse.Namespace) -> int:
    """List a team's spending caps, with what is spent, held and left; or every change of them."""
    if asked.changes:
        print(f"{'when (UTC)':<16}  {'limit':>12}  {'by':<10}  cap")
        for change in office.budgets.changes(asked.team):
            limit = "off" if change.limit_nano_usd is None else format_usd(change.limit_nano_usd)
            who = "operator" if change.actor_user_id is None else f"member {change.actor_user_id}"
            print(f"{day_of(change.at_ms):<16}  {limit:>12}  {who:<10}  {_named(change)}")
        return 0
    print(f"{'limit':>12}  {'spent':>12}  {'held':>12}  {'left':>12}  {'resets (UTC)':<16}  told at  cap")
    for cap in office.budgets.caps(asked.team, now_ms()):
        amounts = (cap.limit_nano_usd, cap.spent_nano_usd, cap.held_nano_usd, cap.remaining_nano_usd)
        resets = "bit by bit" if cap.window == "rolling" else day_of(cap.window_ends_ms)
        told = ",".join(str(percent) for percent in cap.told) or "-"
        print(
            "  ".join(f"{format_usd(each):>12}" for each in amounts),
            f" {resets:<16}  {told:<7}  {_named(cap)}",
        )
    return 0


def put(office: Office, asked: argparse.Namespace) -> int:
    """Set or change a spending cap: by team, member, key, tag, battle or batch, in a window."""
    try:
        limit = parse_usd(asked.usd)
    except ValueError as error:
        raise Refused(f"--usd: {error}.") from None
    if limit < 0:
        raise Refused("--usd must be 0 or more.")
    if asked.zone is not None and not is_zone(asked.zone):
        raise Refused(f"There is no time zone {plain(asked.zone)!r}; write it as Europe/Berlin.")
    with closing(office.databases()) as databases:
        office.require_team(databases, asked.team)
    before = _found(office, asked)
    zone = asked.zone or (before.zone if before else "UTC")
    alert_at = asked.alert_at if asked.alert_at is not None else before.alert_at if before else ALERT_AT
    window, days = asked.window
    command = SetCap(asked.team, asked.scope, _subject(asked), limit, window, days, zone, alert_at)
    made = office.set_cap(command)
    print(
        f"Cap {made.no} of team {asked.team}, change {made.change_no}: {format_usd(limit)}, {_asked(asked)}."
    )
    return 0


def remove(office: Office, asked: argparse.Namespace) -> int:
    """Switch a spending cap off; what it counted is kept."""
    before = _found(office, asked)
    if before is None:
        raise Refused(f"Team {asked.team} has no such cap ({_asked(asked)}).")
    window, days = asked.window
    command = SetCap(
        asked.team, asked.scope, before.subject, None, window, days, before.zone, before.alert_at
    )
    made = office.set_cap(command)
    print(f"Cap {made.no} of team {asked.team} is off ({_asked(asked)}).")
    return 0


def _found(office: Office, asked: argparse.Namespace) -> CapView | None:
    wanted = (asked.scope, _subject(asked), *asked.window)
    caps = office.budgets.caps(asked.team, now_ms()) if _has_ledger(office) else ()
    return next((cap for cap in caps if (cap.scope, cap.subject, cap.window, cap.days) == wanted), None)


def _has_ledger(office: Office) -> bool:
    """A folder whose server was never asked for anything has none yet; the writer makes it."""
    return isinstance(office.ledger, str) or office.ledger.exists()


def _subject(asked: argparse.Namespace) -> str:
    if asked.scope == "team":
        if asked.subject not in (None, str(asked.team)):
            raise Refused("A team's cap is for that team: name it with --team.")
        return str(asked.team)
    if not asked.subject:
        raise Refused(f"Say which {asked.scope}.")
    if asked.scope in ("member", "key") and not (asked.subject.isascii() and asked.subject.isdigit()):
        raise Refused(f"A {asked.scope} is named by its number.")
    return str(asked.subject)


def _asked(asked: argparse.Namespace) -> str:
    return _words(asked.scope, _subject(asked), *asked.window)


def _named(cap: CapView | CapChange) -> str:
    zone = "" if cap.window in ("total", "rolling") else f" ({cap.zone})"
    return _words(cap.scope, cap.subject, cap.window, cap.days) + zone


def _words(scope: str, subject: str, window: str, days: int) -> str:
    lately = f"last {days}d" if window == "rolling" else window
    return f"{scope} {plain(subject)}, {lately}"
