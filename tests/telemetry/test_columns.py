"""Columns come back as they were, whatever is in them, and take no more bytes than they must."""

from __future__ import annotations

import numpy as np
from hypothesis import given, strategies as some

from telemetry import columns

_NUMBERS = some.one_of(
    some.integers(0, 3), some.integers(0, 300), some.integers(0, 2**40), some.integers(-(2**63), 2**63 - 1)
)


@given(some.lists(some.one_of(some.lists(_NUMBERS), some.lists(_NUMBERS).map(sorted)), max_size=4))
def test_columns_come_back_as_they_were(found: list[list[int]]) -> None:
    packed = columns.pack(np.array(column, dtype=np.int64) for column in found)
    assert [column.tolist() for column in columns.unpack(b"head" + packed, 4)] == found


def test_what_repeats_or_counts_takes_hardly_a_byte() -> None:
    def size(numbers: object) -> int:
        return len(columns.pack([np.array(numbers)]))

    head = 5
    assert size(range(1_000)) == head
    assert size([7] * 1_000) == head + 8
    assert size([no // 10 for no in range(1_000)]) == 2 * head + 8
    assert size([no % 200 for no in range(1_000)]) == head + 1_000
    assert size([no % 300 for no in range(1_000)]) == head + 2_000
