"""What was written in battles whose team keeps no text: in memory alone, for 15 minutes."""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import Final, Generic, TypeVar

from gateway.runs import KEEP_FINISHED_S

_MOST: Final = 5_000
T = TypeVar("T")


class Unkept(Generic[T]):
    """Values by id."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, tuple[float, T]] = OrderedDict()

    def put(self, name: str, value: T) -> None:
        self._forget_old()
        self._kept[name] = (time.monotonic() + KEEP_FINISHED_S, value)

    def get(self, name: str) -> T | None:
        found = self._kept.get(name)
        return found[1] if found is not None and time.monotonic() < found[0] else None

    def forget(self, name: str) -> None:
        self._kept.pop(name, None)

    def _forget_old(self) -> None:
        now_s = time.monotonic()
        while self._kept:
            until_s, _ = next(iter(self._kept.values()))
            if now_s < until_s and len(self._kept) < _MOST:
                return
            self._kept.popitem(last=False)
