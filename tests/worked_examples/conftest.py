"""The stories are told to a real ledger on each engine, which is audited at the end of each."""

from tests.billing.conftest import (
    audited,
    bank,
    folder,
    ledgers,
    open_bank,
    open_postgresql_bank,
    open_sqlite_bank,
)

__all__ = ["audited", "bank", "folder", "ledgers", "open_bank", "open_postgresql_bank", "open_sqlite_bank"]
