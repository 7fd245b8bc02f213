"""Refunds and reversals: adjustments that name the entry that they correct, and why; pure.

What was entered stays; a correction is an entry of its own. Its reference is made from the original's,
so each run is refunded once, and each entry reversed once, for ever. Neither brings an allowance back:
that ended with the first payment, refunded or not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from billing.accounts import EntryKind
from billing.commands import Grant
from billing.money import format_usd
from billing.statements import EntryView
from billing.usage import CreditAccount

LEAST_LIFE_MS: Final = 30 * 24 * 60 * 60 * 1_000
_RUNS: Final = (EntryKind.SETTLE, EntryKind.EXPIRE)
_REVERSIBLE: Final = (EntryKind.ALLOWANCE, EntryKind.GRANT, EntryKind.PAYMENT, EntryKind.ADJUSTMENT)


def refund(
    team_id: int,
    entry: EntryView,
    accounts: Sequence[CreditAccount],
    reason: str,
    now_ms: int,
    amount_nano_usd: int | None = None,
) -> Grant:
    """Give back what a run was charged, or a part of it. `accounts` are those that paid.

    It lives as long as what paid for it: for ever where any of that was without end, else to the last
    end, and 30 days from now at least. Raises `ValueError` with a sentence.
    """
    charged = -entry.amount_nano_usd
    if entry.kind not in _RUNS:
        raise ValueError(f"Entry {entry.seq} is no run's: it can be reversed, not refunded.")
    if charged <= 0:
        raise ValueError(f"{entry.run_id} cost the team nothing.")
    amount = charged if amount_nano_usd is None else amount_nano_usd
    if not 0 < amount <= charged:
        raise ValueError(f"{entry.run_id} cost the team {format_usd(charged)}: no more can be refunded.")
    ends = [account.expires_ms for account in accounts]
    lasting = not ends or None in ends
    return Grant(
        team_id=team_id,
        kind="adjustment",
        amount_nano_usd=amount,
        ref=f"refund:{entry.run_id}",
        reason=f"refund of entry {entry.seq}, {entry.run_id}: {reason}",
        expires_ms=None if lasting else max(now_ms + LEAST_LIFE_MS, *(end for end in ends if end)),
    )


def reversal(
    team_id: int,
    entry: EntryView,
    accounts: Sequence[CreditAccount],
    reason: str,
    amount_nano_usd: int | None = None,
) -> Grant:
    """Undo a grant, a payment, an allowance or an adjustment. Credit is taken from where it was given.

    With no amount named all of it is undone, and all of it must still be there; an amount that is named
    is taken from other credit where too little is left. Raises `ValueError` with a sentence.
    """
    if entry.kind not in _REVERSIBLE:
        raise ValueError(
            f"Entry {entry.seq} is of the kind {entry.kind.name.lower()}: it cannot be reversed."
        )
    given = entry.amount_nano_usd
    amount = abs(given) if amount_nano_usd is None else amount_nano_usd
    if not 0 < amount <= abs(given):
        raise ValueError(f"Entry {entry.seq} is over {format_usd(abs(given))}: no more can be reversed.")
    left = sum(account.free_nano_usd for account in accounts)
    if given > 0 and amount_nano_usd is None and left < amount:
        raise ValueError(
            f"Of entry {entry.seq} {format_usd(left)} is left. Name an amount with --usd: more than that is "
            "taken from other credit."
        )
    return Grant(
        team_id=team_id,
        kind="adjustment",
        amount_nano_usd=-amount if given > 0 else amount,
        ref=f"reversal:{entry.seq}",
        reason=f"reversal of entry {entry.seq}, {entry.kind.name.lower()} {entry.ref}: {reason}",
        undoes_account_no=accounts[0].no if given > 0 and accounts else None,
    )
