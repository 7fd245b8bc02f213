"""Whole numbers in columns as bytes, each column as narrow as what is in it. Pure.

A column is one byte that says how it lies, four of its length, then the numbers, little-endian: unsigned
ones of 1, 2 or 4 bytes, else signed ones of 8; or the one number that stands in all of it; or nothing where
it counts from 0; or, where it never falls, a column of how often each number from 0 on is in it.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Collection, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from telemetry.numpy_later import np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Ints: TypeAlias = "NDArray[Any]"  # of whole numbers, of whatever width

_HEAD: Final = struct.Struct("<BI")
_ALIKE: Final = struct.Struct("<q")
_COUNTING, _CONSTANT, _RISING = 0, 9, 10
_WIDTHS: Final = {1: "<u1", 2: "<u2", 4: "<u4", 8: "<i8"}


def pack(columns: Iterable[Ints]) -> bytes:
    return b"".join(_packed(column) for column in columns)


def unpack(packed: bytes, at: int = 0) -> Iterator[Ints]:
    """The columns from byte `at` on, in their order."""
    while at < len(packed):
        column, at = unpacked(packed, at)
        yield column


def some(packed: bytes, wanted: Collection[int]) -> Iterator[tuple[int, Ints]]:
    """Those of the columns that are wanted, by number, in their order."""
    at, number = 0, 0
    while at < len(packed):
        how, length = _HEAD.unpack_from(packed, at)
        if number in wanted:
            column, at = unpacked(packed, at)
            yield number, column
        elif how == _CONSTANT:
            at += _HEAD.size + _ALIKE.size
        elif how in _WIDTHS:
            at += _HEAD.size + how * length
        else:
            _, at = unpacked(packed, at)
        number += 1


def unpacked(packed: bytes, at: int) -> tuple[Ints, int]:
    """The column that begins at a byte, and where the next one does."""
    how, length = _HEAD.unpack_from(packed, at)
    at += _HEAD.size
    if how == _COUNTING:
        return _counting(length.bit_length())[:length], at
    if how == _CONSTANT:
        return np.ndarray((length,), _WIDTHS[8], packed, at, (0,)), at + _ALIKE.size  # the one, over and over
    if how == _RISING:
        often, at = unpacked(packed, at)
        return np.repeat(np.arange(len(often)), often), at
    return np.frombuffer(packed, _WIDTHS[how], length, at), at + how * length


@functools.lru_cache(maxsize=32)
def _counting(bits: int) -> Ints:
    counting = np.arange(1 << bits)
    counting.flags.writeable = False
    return counting


def _packed(column: Ints) -> bytes:
    length = len(column)
    if not length:
        return _HEAD.pack(1, 0)
    low, high = int(column.min()), int(column.max())
    if low == high:
        return _HEAD.pack(_CONSTANT, length) + _ALIKE.pack(low)
    if low >= 0 and high < length and bool((column[1:] >= column[:-1]).all()):
        often = np.bincount(column)
        if high == length - 1 and low == 0 and int(often.max()) == 1:
            return _HEAD.pack(_COUNTING, length)
        return _HEAD.pack(_RISING, length) + _packed(often)
    width = 8 if low < 0 or high >= 2**32 else 4 if high >= 2**16 else 2 if high >= 2**8 else 1
    narrow: Ints = column.astype(_WIDTHS[width])
    return _HEAD.pack(width, length) + narrow.tobytes()
