"""Where credit comes from and goes back to: payments, schedules, codes, refunds and reversals."""

from __future__ import annotations

import argparse
import asyncio
import sys
from contextlib import closing

from billing import recurring
from billing.codes import PURPOSE, TopUps, make_code, read_code
from billing.commands import Grant, Granted
from billing.corrections import refund, reversal
from billing.money import format_usd
from billing.recurring import MOST_CARRIED_OVER, RecurringGrants
from billing.statements import EntryView
from identity.keys import PurposeKey, purpose_key
from operations.office import DAY_MS, Office, Refused, amount_of, day_of, now_ms, plain


def payment(office: Office, asked: argparse.Namespace) -> int:
    """Book a payment: credit that is spent last, and ends the team's allowance for good."""
    amount = amount_of(asked.usd)
    with closing(office.databases()) as databases:
        office.require_team(databases, asked.team)
    command = Grant(
        team_id=asked.team,
        kind="payment",
        amount_nano_usd=amount,
        ref=f"payment:{asked.ref}",
        reason=asked.reason or f"payment {asked.ref}",
        expires_ms=None if asked.days is None else now_ms() + asked.days * DAY_MS,
    )
    _tell(asked.team, office.hand_in(command))
    return 0


def give_back(office: Office, asked: argparse.Namespace) -> int:
    """Refund a run: an adjustment that names it. Once a run."""
    entry = office.statements.entry_of_run(asked.team, asked.run_id)
    if entry is None:
        raise Refused(f"No run {plain(asked.run_id)} of team {asked.team} was charged.")
    amount = None if asked.usd is None else amount_of(asked.usd)
    accounts = office.usage.accounts_of_entry(asked.team, entry.seq)
    try:
        command = refund(asked.team, entry, accounts, asked.reason, now_ms(), amount)
    except ValueError as error:
        raise Refused(str(error)) from None
    _tell(asked.team, office.hand_in(command))
    return 0


def reverse(office: Office, asked: argparse.Namespace) -> int:
    """Undo a grant, a payment or an adjustment: an adjustment that names it. Once an entry."""
    entry = _entry(office, asked.team, asked.entry)
    amount = None if asked.usd is None else amount_of(asked.usd)
    accounts = office.usage.accounts_of_entry(asked.team, entry.seq)
    try:
        command = reversal(asked.team, entry, accounts, asked.reason, amount)
    except ValueError as error:
        raise Refused(str(error)) from None
    _tell(asked.team, office.hand_in(command))
    return 0


def _entry(office: Office, team_id: int, seq: int) -> EntryView:
    found = office.statements.entries(team_id, 1, seq + 1)
    if not found or found[0].seq != seq:
        raise Refused(f"Team {team_id} has no entry {seq}.")
    return found[0]


# --- schedules --------------------------------------------------------------------------------


def add_schedule(office: Office, asked: argparse.Namespace) -> int:
    """Give credit for each day, week or month of UTC, the present one included."""
    amount = amount_of(asked.usd)
    with closing(office.databases()) as databases:
        office.require_team(databases, asked.team)
        with databases.app.session() as session:
            number = recurring.add(
                session,
                asked.team,
                amount,
                asked.every,
                asked.carry_over,
                asked.reason or f"{asked.every}ly grant",
                now_ms(),
            )

        async def hand_in(command: Grant) -> Granted:
            return await asyncio.to_thread(office.hand_in, command)

        given = asyncio.run(RecurringGrants(databases.app, hand_in).give_due())
    print(f"Schedule {number}: {format_usd(amount)} each {asked.every} for team {asked.team}.")
    if not given:
        print("Nothing could be given yet; a running server tries again each 10 seconds.", file=sys.stderr)
    return 0


def list_schedules(office: Office, asked: argparse.Namespace) -> int:
    """List schedules of credit, ended ones too."""
    with closing(office.databases()) as databases, databases.app.session() as session:
        rows = recurring.schedules(session, asked.team)
        print(f"{'id':>4}  {'team':>4}  {'amount':>12}  {'each':<5}  {'kept':<12}  {'ended':<16}  reason")
        for row in rows:
            kept = "for ever" if row.carry_over_windows is None else f"{row.carry_over_windows} more"
            print(
                f"{row.id:>4}  {row.team_id:>4}  {format_usd(row.amount_nano_usd):>12}  {row.every:<5}  "
                f"{kept:<12}  {day_of(row.ends_ms):<16}  {plain(row.reason)}"
            )
    return 0


def end_schedule(office: Office, asked: argparse.Namespace) -> int:
    """End a schedule; what it gave stays."""
    with closing(office.databases()) as databases, databases.app.session() as session:
        if recurring.end(session, asked.id, now_ms()) is None:
            raise Refused(f"There is no schedule {asked.id}.")
    print(f"Schedule {asked.id} has ended.")
    return 0


def carry_over(text: str) -> int | None:
    """`always`, or for how many further windows."""
    if text == "always":
        return None
    windows = int(text)
    if not 0 <= windows <= MOST_CARRIED_OVER:
        raise argparse.ArgumentTypeError(f"from 0 to {MOST_CARRIED_OVER}, or always")
    return windows


# --- codes ------------------------------------------------------------------------------------


def make_codes(office: Office, asked: argparse.Namespace) -> int:
    """Make top-up codes and print them, this once; each is good once, for whichever team brings it."""
    amount = amount_of(asked.usd)
    signer = _signer(office)
    ends_ms = now_ms() + asked.valid_days * DAY_MS
    for _ in range(asked.count):
        try:
            code = make_code(signer, amount, ends_ms, asked.kind, asked.days)
        except ValueError as error:
            raise Refused(f"{error}.") from None
        print(code)
        print(f"  id {read_code(signer, code).id}", file=sys.stderr)
    print(f"{asked.count} codes of {format_usd(amount)}, good until {day_of(ends_ms)} UTC.", file=sys.stderr)
    return 0


def withdraw_code(office: Office, asked: argparse.Namespace) -> int:
    """Make a code worthless that nobody has redeemed."""
    with closing(office.databases()) as databases:
        code = asyncio.run(TopUps(_signer(office), databases.app, _never).withdraw(asked.code))
    print(f"Code {code.id} is withdrawn.")
    return 0


async def _never(command: Grant) -> Granted:
    raise AssertionError("withdrawing gives nothing")


def _signer(office: Office) -> PurposeKey:
    return purpose_key(office.secret(), PURPOSE)


def _tell(team_id: int, granted: Granted) -> None:
    again = " (done before; nothing was done twice)" if granted.replayed else ""
    print(
        f"Team {team_id}: {format_usd(granted.amount_nano_usd)} in entry {granted.entry_seq}{again}. "
        f"Available now: {format_usd(granted.available_after_nano_usd)}."
    )
