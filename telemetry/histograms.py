"""Packed logarithmic histograms: durations kept to within 2 %, merged by putting bytes end to end.

Bin k holds what lies in [0.01 ms x 1.04^k, 0.01 ms x 1.04^(k+1)); there are 470, so the last ends
at 1,012 s, and what is outside the range counts in the first or last bin. A value is read back as
the point from which both ends of its bin are equally far, (1.04 - 1) / (1.04 + 1) = 1.96 %. A blob
is the occupied bins as (uint16 bin, uint32 count) pairs, little-endian, ordered by bin.

Writing adds a few values to a blob, in plain Python. Reading adds up thousands of blobs, with numpy, which
is loaded by whoever reads first: it is 12 MB of a process that may only ever write.
"""

from __future__ import annotations

import functools
import math
import struct
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, TypeAlias

from telemetry.numpy_later import np

if TYPE_CHECKING:
    from numpy.typing import NDArray

GAMMA = 1.04
FIRST_MS = 0.01
BINS = 470
EMPTY = b""

Counts: TypeAlias = "NDArray[np.int64]"  # one count a bin

_PAIR = struct.Struct("<HI")
_PAIR_FIELDS = [("bin", "<u2"), ("count", "<u4")]
_LOG_GAMMA = math.log(GAMMA)
_VALUES_MS = tuple(FIRST_MS * GAMMA**bin * (2 * GAMMA / (1 + GAMMA)) for bin in range(BINS))


def bin_of(value_ms: float) -> int:
    if value_ms <= FIRST_MS:
        return 0
    return min(BINS - 1, int(math.log(value_ms / FIRST_MS) / _LOG_GAMMA))


def added(blob: bytes, bins: Iterable[int]) -> bytes:
    """A blob with one value more for each of the bins."""
    counts = dict(_PAIR.iter_unpack(blob))
    for bin in bins:
        counts[bin] = counts.get(bin, 0) + 1
    return b"".join(_PAIR.pack(bin, count) for bin, count in sorted(counts.items()))


def counts_of(bins: Iterable[int]) -> Counts:
    """How often each bin occurs."""
    return unpack([added(EMPTY, bins)])


def pack(counts: Counts) -> bytes:
    return b"".join(_PAIR.pack(bin, count) for bin, count in enumerate(counts.tolist()) if count)


def unpack(blobs: Iterable[bytes]) -> Counts:
    """The sum of any number of blobs."""
    pairs = np.frombuffer(b"".join(blobs), dtype=_PAIR_FIELDS)
    # Weights are float64, exact up to 2^53 requests.
    return np.bincount(pairs["bin"], weights=pairs["count"], minlength=BINS).astype(np.int64)


@functools.cache
def nothing() -> Counts:
    """Of no value at all; not to be written to."""
    counts = unpack(())
    counts.flags.writeable = False
    return counts


def merge(blobs: Iterable[bytes]) -> bytes:
    return pack(unpack(blobs))


def percentile_ms(counts: Counts, percent: int) -> float | None:
    """Nearest rank: the value of the ceil(percent / 100 x n)-th smallest; None of nothing."""
    n = int(counts.sum())
    if n == 0:
        return None
    return ranked_ms(counts, max(1, -(-percent * n // 100)))


def percentiles_ms(counts: Counts, percents: Sequence[int]) -> list[float | None]:
    """Several of them, for the price of one."""
    upto = counts.cumsum()
    n = int(upto[-1])
    if n == 0:
        return [None] * len(percents)
    ranks = [max(1, -(-percent * n // 100)) for percent in percents]
    return [_VALUES_MS[bin] for bin in upto.searchsorted(ranks).tolist()]


def percentile_of_each(several: Sequence[Counts], percent: int) -> list[tuple[float | None, int]]:
    """(`percentile_ms`, n) of each, for little more than the price of one."""
    if not several:
        return []
    upto = np.cumsum(np.stack(several), axis=1)
    n = upto[:, -1]
    ranks = np.maximum(1, -(-percent * n // 100))
    bins = np.minimum(BINS - 1, (upto < ranks[:, None]).sum(axis=1))
    values = [_VALUES_MS[bin] for bin in bins.tolist()]
    return [(value if count else None, count) for value, count in zip(values, n.tolist(), strict=True)]


def percentile_bin(counts: Counts, percent: int) -> int:
    """The bin in which that percentile lies; there must be a value."""
    rank = max(1, -(-percent * int(counts.sum()) // 100))
    return int(counts.cumsum().searchsorted(rank))


def ranked_ms(counts: Counts, rank: int) -> float:
    """The `rank`-th smallest value, counted from 1; there must be as many."""
    return _VALUES_MS[int(counts.cumsum().searchsorted(rank))]


def value_ms(bin: int) -> float:
    """What a value in that bin is read back as."""
    return _VALUES_MS[bin]
