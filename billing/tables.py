"""What `billing` keeps outside the ledger: schedules, and who redeemed which code. Neither is money; the
ledger's own tables are handwritten SQL (`sql/`). Instants are UTC milliseconds."""

from __future__ import annotations

from sqlalchemy import BigInteger, Integer
from sqlmodel import Field

from store.tables import AppTable

# SQLite counts up by itself only where the primary key is an INTEGER.
_ID = BigInteger().with_variant(Integer(), "sqlite")


class RecurringGrantRow(AppTable, table=True):
    """Credit that is given anew in each window; see `recurring.py`.

    `every` is day, week or month. `carry_over_windows`: for how many further windows what is unused
    stays; none for ever. `given_until_ms` is the end of the newest window that was given.
    """

    __tablename__ = "recurring_grant"

    id: int | None = Field(default=None, primary_key=True, sa_type=_ID)
    team_id: int = Field(sa_type=BigInteger, index=True)
    amount_nano_usd: int = Field(sa_type=BigInteger)
    every: str
    carry_over_windows: int | None  # no default: SQLAlchemy would take it in place of none
    reason: str
    starts_ms: int = Field(sa_type=BigInteger)
    ends_ms: int | None = Field(default=None, sa_type=BigInteger)
    given_until_ms: int | None = Field(default=None, sa_type=BigInteger)


class RedeemedCodeRow(AppTable, table=True):
    """A top-up code that is used up: by a team, or (`team_id` none) withdrawn by the operator."""

    __tablename__ = "redeemed_code"

    code_id: str = Field(primary_key=True)
    team_id: int | None = Field(default=None, sa_type=BigInteger)
    at_ms: int = Field(sa_type=BigInteger)
