"""The stories are told to a real ledger, which is audited at the end of each."""

from tests.billing.conftest import audited, bank, folder

__all__ = ["audited", "bank", "folder"]
