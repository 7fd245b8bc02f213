import math

import numpy as np
import pytest
from hypothesis import given, strategies as st

from telemetry import histograms

durations = st.floats(min_value=0.01, max_value=1_000_000, allow_nan=False)
samples = st.lists(durations, min_size=1, max_size=300)


def blob_of(values: list[float]) -> bytes:
    return histograms.pack(histograms.counts_of(histograms.bin_of(value) for value in values))


@given(samples, st.sampled_from([1, 50, 95, 99, 100]))
def test_a_percentile_is_within_two_percent_of_the_exact_nearest_rank(
    values: list[float], percent: int
) -> None:
    exact = sorted(values)[math.ceil(percent * len(values) / 100) - 1]
    found = histograms.percentile_ms(histograms.unpack([blob_of(values)]), percent)
    assert found is not None
    assert abs(found - exact) <= 0.02 * exact


@given(st.lists(samples, min_size=1, max_size=6))
def test_merged_blobs_are_the_blob_of_all_values(parts: list[list[float]]) -> None:
    together = blob_of([value for part in parts for value in part])
    assert histograms.merge(blob_of(part) for part in parts) == together
    assert histograms.merge([together, histograms.EMPTY]) == together


def test_a_percentile_is_a_nearest_rank_and_not_an_average() -> None:
    counts = histograms.unpack([blob_of([100.0] * 19 + [9_000.0])])
    assert histograms.percentile_ms(counts, 95) == pytest.approx(100.0, rel=0.02)
    assert histograms.percentile_ms(counts, 96) == pytest.approx(9_000.0, rel=0.02)


def test_nothing_has_no_percentile() -> None:
    assert histograms.percentile_ms(histograms.unpack([]), 50) is None
    assert histograms.percentile_ms(histograms.unpack([b"", b""]), 50) is None


def test_what_is_out_of_range_counts_at_its_end() -> None:
    assert [histograms.bin_of(value) for value in (0.0, 0.01, 0.0104001)] == [0, 0, 1]
    assert histograms.bin_of(5_000_000.0) == 469


def test_a_blob_is_six_bytes_an_occupied_bin_in_the_order_of_bins() -> None:
    counts = np.zeros(histograms.BINS, dtype=np.int64)
    counts[[3, 258]] = [70_000, 1]
    assert histograms.pack(counts).hex() == "0300" + "70110100" + "0201" + "01000000"
    assert histograms.pack(np.zeros(histograms.BINS, dtype=np.int64)) == histograms.EMPTY


def test_values_that_are_added_to_a_blob_are_those_of_the_two_together() -> None:
    before, more = [0.0, 1.0, 1.0, 17.0], [1.0, 0.3, 2_000_000.0]
    added = histograms.added(blob_of(before), map(histograms.bin_of, more))
    assert added == blob_of([*before, *more]) == histograms.merge((blob_of(before), blob_of(more)))
