"""Checked reading of one TOML table: every getter notes what is wrong and goes on.

So a file with five mistakes is answered with five sentences, not with the first. A getter that found
a mistake returns something of the right type: what was read is only used where `problems` stayed
empty. `need_*` is for what must be there. Money is read from texts, because 0.1 is not a tenth.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

_DOLLARS = re.compile(r"\d{1,9}(\.\d{1,18})?")


class Fields:
    """The fields of one table. `where` starts each sentence; `finish` names those that nobody read."""

    def __init__(self, table: Mapping[str, Any], where: str, problems: list[str]) -> None:
        self._table = table
        self._read: set[str] = set()
        self.where = where
        self.problems = problems

    def wrong(self, key: str, what: str) -> None:
        self.problems.append(f"{self.where}.{key}: {what}" if key else f"{self.where}: {what}")

    def has(self, key: str) -> bool:
        return key in self._table

    def has_any(self, *keys: str) -> bool:
        return any(key in self._table for key in keys)

    def finish(self) -> None:
        for key in self._table:
            if key not in self._read:
                self.wrong(str(key)[:80], "there is no such field")

    def raw(self, key: str) -> Any:
        """The value as it is, or None; whoever asks checks it."""
        self._read.add(key)
        return self._table.get(key)

    def text(self, key: str, pattern: str | None = None) -> str | None:
        """A text that is not empty, and that matches `pattern` as a whole."""
        value = self.raw(key)
        if value is None:
            return None
        if not isinstance(value, str) or not value.strip():
            self.wrong(key, "must be a text that is not empty")
            return None
        if pattern is not None and not re.fullmatch(pattern, value):
            self.wrong(key, f"{value[:80]!r} is not of the form {pattern}")
        return value

    def need_text(self, key: str, pattern: str | None = None) -> str:
        self._need(key)
        return self.text(key, pattern) or ""

    def choice(self, key: str, allowed: Sequence[str], default: str) -> str:
        value = self.text(key)
        if value is None:
            return default
        if value not in allowed:
            self.wrong(key, f"must be one of {', '.join(allowed)}")
            return default
        return value

    def whole(self, key: str, least: int = 0, most: int = 1_000_000_000) -> int | None:
        value = self.raw(key)
        if value is None:
            return None
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            self.wrong(key, f"must be a whole number from {least} to {most}")
            return None
        return value

    def need_whole(self, key: str, least: int = 0, most: int = 1_000_000_000) -> int:
        self._need(key)
        value = self.whole(key, least, most)
        return least if value is None else value

    def flag(self, key: str) -> bool:
        """True or false; false where it is absent."""
        value = self.raw(key)
        if value is not None and not isinstance(value, bool):
            self.wrong(key, "must be true or false")
        return value is True

    def names(
        self, key: str, default: Sequence[str] = (), allowed: Sequence[str] | None = None
    ) -> tuple[str, ...]:
        """A list of texts, each once; each one of `allowed` where that is given."""
        value = self.raw(key)
        if value is None:
            return tuple(default)
        if not isinstance(value, list | tuple) or not all(isinstance(name, str) and name for name in value):
            self.wrong(key, "must be a list of texts")
            return tuple(default)
        if len(set(value)) != len(value):
            self.wrong(key, "names something twice")
        for name in value:
            if allowed is not None and name not in allowed:
                self.wrong(key, f"{name[:80]!r} is not one of {', '.join(allowed)}")
        return tuple(value)

    def day(self, key: str) -> str | None:
        """A day as an ISO date, from TOML's own date or a text."""
        value = self.raw(key)
        if value is None:
            return None
        if isinstance(value, date) and not isinstance(value, datetime):
            return value.isoformat()
        try:
            return date.fromisoformat(value).isoformat()
        except (TypeError, ValueError):
            self.wrong(key, "must be a day, as 2026-02-12")
            return None

    def pico_usd(self, key: str, per: int, least: str, most: str) -> int | None:
        """A price in dollars for `per` units as pico-dollars a unit; 0, or from `least` to `most` dollars."""
        value = self.raw(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, str | int):
            self.wrong(key, 'must be dollars in quotes, as "0.10" (a number with a point is not exact)')
            return None
        text = str(value)
        dollars = Decimal(text) if _DOLLARS.fullmatch(text) else Decimal(-1)
        if dollars != 0 and not Decimal(least) <= dollars <= Decimal(most):
            self.wrong(key, f"{text[:40]!r} is not 0 or dollars from {least} to {most}")
            return None
        return int((dollars * 10**12 / per).quantize(Decimal(1), ROUND_HALF_UP))

    def limits(self, key: str) -> tuple[float, float] | None:
        """Two numbers, the lower first."""
        value = self.raw(key)
        if value is None:
            return None
        numbers = [
            float(number)
            for number in (value if isinstance(value, list | tuple) else ())
            if isinstance(number, int | float | Decimal) and not isinstance(number, bool)
        ]
        if len(numbers) != 2 or not numbers[0] < numbers[1]:
            self.wrong(key, "must be two numbers, the lower first, as [0, 2]")
            return None
        return numbers[0], numbers[1]

    def mapping(self, key: str) -> dict[str, str]:
        """A table of texts."""
        table = self._mapping(key)
        if not all(isinstance(value, str) and value for value in table.values()):
            self.wrong(key, "must be a table of texts")
            return {}
        return dict(table)

    def table(self, key: str) -> Fields:
        """The table under `key`; an empty one where there is none."""
        return Fields(self._mapping(key), f"{self.where}.{key}", self.problems)

    def tables(self, key: str) -> list[Fields]:
        value = self.raw(key)
        if value is None:
            return []
        if not isinstance(value, list | tuple) or not all(isinstance(each, Mapping) for each in value):
            self.wrong(key, "must be a list of tables")
            return []
        return [Fields(each, f"{self.where}.{key}[{at}]", self.problems) for at, each in enumerate(value)]

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(self._table)

    def _mapping(self, key: str) -> Mapping[str, Any]:
        value = self.raw(key)
        if value is None:
            return {}
        if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
            self.wrong(key, "must be a table")
            return {}
        return value

    def _need(self, key: str) -> None:
        if self._table.get(key) is None:
            self.wrong(key, "is missing")


def first_instant_ms(day: str) -> int:
    """Midnight UTC at the start of an ISO date, in milliseconds."""
    return int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()) * 1000
