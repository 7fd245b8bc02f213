"""How much a team has paid, in all: what its tier of rate limits goes by. Reads only."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from billing.accounts import SystemAccount
from billing.reading import moments_of

_REMEMBERED_MOST: Final = 10_000


class Payments:
    """Entries are never changed, so each is read once: what was summed up to an entry is remembered. For
    threads; two that ask at once read the same."""

    def __init__(self, where: Path | str) -> None:
        self._moments = moments_of(where)
        self._summed: dict[int, tuple[int, int]] = {}  # by team: up to which entry, how much

    def paid_nano_usd(self, team_id: int) -> int:
        """Raises `LedgerUnavailable`."""
        after, paid = self._summed.get(team_id, (0, 0))
        with self._moments() as db:
            found = db.execute(
                "SELECT entry_seq, first_payment_ms FROM ledger_team WHERE id = ?", (team_id,)
            ).fetchone()
            if found is None or found[1] is None or found[0] == after:
                return paid
            # CASH is on the other side of every payment, and of nothing else.
            paid -= int(
                db.execute(
                    "SELECT coalesce(sum(amount_nano_usd), 0) FROM ledger_posting"
                    " WHERE team_id = ? AND seq > ? AND seq <= ? AND account_no = ?",
                    (team_id, after, found[0], int(SystemAccount.CASH)),
                ).fetchone()[0]
            )
        if len(self._summed) >= _REMEMBERED_MOST:
            self._summed.clear()
        self._summed[team_id] = (found[0], paid)
        return paid
