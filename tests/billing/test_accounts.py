"""What is hashed for ever: these numbers may be added to, never changed."""

from __future__ import annotations

from billing.accounts import (
    BUCKETS,
    AccountKind,
    EntryKind,
    EntryRow,
    PostingRow,
    SystemAccount,
    UsageLineRow,
    UsageRow,
    entry_hash,
)


def test_the_numbers_of_kinds_accounts_and_buckets_stay() -> None:
    assert {kind.name: int(kind) for kind in EntryKind} == {
        "ALLOWANCE": 1,
        "GRANT": 2,
        "PAYMENT": 3,
        "ADJUSTMENT": 4,
        "LAPSE": 5,
        "SETTLE": 6,
        "EXPIRE": 7,
    }
    assert {kind.name: int(kind) for kind in AccountKind} == {
        "SYSTEM": 0,
        "ALLOWANCE": 1,
        "GRANT": 2,
        "PAYMENT": 3,
        "ADJUSTMENT": 4,
    }
    assert {account.name: int(account) for account in SystemAccount} == {
        "ISSUED": -1,
        "CASH": -2,
        "SPENT": -3,
        "LAPSED": -4,
        "WRITTEN_OFF": -5,
        "ADJUSTED": -6,
    }
    assert BUCKETS == {
        "input": 1,
        "cached_input": 2,
        "cache_write": 3,
        "output": 4,
        "tool_call": 5,
        "image": 6,
        "request": 7,
    }


def test_an_allowance_hashes_as_it_always_did() -> None:
    entry = EntryRow(
        1, 1, EntryKind.ALLOWANCE, "allowance:1790000000000", None, 1_790_000_000_000, 5_000_000_000, None, ""
    )
    postings = [PostingRow(1, 1, -1, -5_000_000_000), PostingRow(1, 1, 1, 5_000_000_000)]
    assert (
        entry_hash(bytes(32), entry, postings, None, []).hex()
        == "0c304b1dad11a8c4adb700f6cb9c3bdc237a6ec2094d881f925e8d38c6be55e3"
    )


def test_a_settle_hashes_as_it_always_did() -> None:
    entry = EntryRow(1, 2, EntryKind.SETTLE, "run_1", 1, 1_790_000_000_500, 4_999_970_000, None, "")
    postings = [PostingRow(1, 2, -3, 30_000), PostingRow(1, 2, 1, -30_000)]
    usage = UsageRow(1, 2, "lab/fast", "lab", "2026-08-01", 7, None, '["ci"]', "paid", 0)
    lines = [UsageLineRow(1, 2, 1, 1, 100, 100_000), UsageLineRow(1, 2, 2, 4, 50, 400_000)]
    assert (
        entry_hash(b"\x01" * 32, entry, postings, usage, lines).hex()
        == "abaefe55224c796aa3c4df07e1b8cb8dcc6022dab7b9b26dcd5719d868ad8b81"
    )
