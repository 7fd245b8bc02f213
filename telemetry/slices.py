"""What somebody wants to see of the log: which requests, over which window, told apart by what. Pure.

By model and provider figures come from roll-ups, for any window; by key, tag or length, or of one key or
tag, from sheets (`sheet_windows.py`). Where these are behind, at most the newest `MOST_ROWS` rows are read
instead, so that a view costs the same however large the log is; whoever shows it says since when.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, cast, get_args

from telemetry import rollups
from telemetry.rows import Series
from telemetry.tables import ROLLUPS

By = Literal["model", "provider", "key", "tag", "input_length", "output_length"]
BYS: Final[tuple[By, ...]] = get_args(By)

# Simulated models are for trying faults out: they show only where they are asked for.
DEFAULT_SERIES: tuple[Series, ...] = ("paid", "demonstration", "byok")

SHORTEST_MS: Final = 5 * rollups.MINUTE_MS
LONGEST_MS: Final = 90 * 24 * rollups.HOUR_MS
MOST_ROWS: Final = 10_000
_MOST_READ: Final = 300  # slots, for a line
_LONGEST_TEXT: Final = 200
_LONGEST_INT: Final = 2**63 - 1
_LATEST_MS: Final = 4_102_444_800_000  # 2100
_MOST_SLOTS: Final = 120  # of a line: more than a chart has pixels to tell apart

# The longest of each bucket, in tokens; one more bucket holds what is longer.
LENGTHS: Final[Mapping[str, tuple[int, ...]]] = {
    "input_length": (100, 1_000, 4_000, 16_000, 64_000),
    "output_length": (50, 200, 500, 1_500),
}


@dataclass(frozen=True, slots=True)
class Slice:
    """Requests that ended in [from_ms, to_ms), of one team or (None) of the installation; the other fields
    narrow it where they are set."""

    team_id: int | None
    from_ms: int
    to_ms: int
    by: By = "model"
    model: str | None = None
    provider: str | None = None
    key_id: int | None = None
    tag: str | None = None
    series: Collection[Series] = DEFAULT_SERIES

    @property
    def length_ms(self) -> int:
        return self.to_ms - self.from_ms

    @property
    def rolled_up(self) -> bool:
        """Whether roll-ups know it; else sheets must be read."""
        return self.by in ("model", "provider") and self.key_id is None and self.tag is None

    def before(self) -> Slice:
        """The same over the window of the same length before."""
        return replace(self, from_ms=self.from_ms - self.length_ms, to_ms=self.from_ms)

    def whole_slots(self, now_ms: int) -> tuple[int, int, int]:
        """(first instant, end, width) of the roll-ups' slots that cover it."""
        width_ms = rollups.width_for(self.length_ms, now_ms - self.from_ms)
        first_ms, last_ms = rollups.slot_of(self.from_ms, width_ms), rollups.slot_of(self.to_ms - 1, width_ms)
        return first_ms, last_ms + width_ms, width_ms

    def line_slots(self, now_ms: int) -> tuple[int, int, int, int]:
        """(first instant, end, width as stored, width as shown) of the slots of a line: few enough to be
        read at once, and told apart."""
        narrowest = self.whole_slots(now_ms)[2]
        stored_ms = next(
            width for width in ROLLUPS
            if width >= narrowest and (self.length_ms <= width * _MOST_READ or width == rollups.DAY_MS)
        )  # fmt: skip
        slots = -(-self.length_ms // stored_ms)
        first_ms = rollups.slot_of(self.from_ms, stored_ms)
        end_ms = rollups.slot_of(self.to_ms - 1, stored_ms) + stored_ms
        return first_ms, end_ms, stored_ms, stored_ms * -(-slots // _MOST_SLOTS)


def read_slice(team_id: int | None, params: Mapping[str, Any], now_ms: int) -> Slice:
    """What a browser or a caller asks for, each part checked: `window_ms`, or `from_ms` and `to_ms`; `by`,
    `model`, `provider`, `key_id`, `tag`, `simulated`. Raises `ValueError` with a sentence."""
    from_ms, to_ms = _window(params, now_ms)
    by, simulated = params.get("by", "model"), params.get("simulated", False)
    if by not in BYS or not isinstance(simulated, bool):
        raise ValueError(f"`by` is one of {', '.join(BYS)}.")
    key_id = params.get("key_id")
    if key_id is not None and (type(key_id) is not int or not 0 <= key_id <= _LONGEST_INT):
        raise ValueError("`key_id` is a key's number.")
    return Slice(
        team_id=team_id,
        from_ms=from_ms,
        to_ms=to_ms,
        by=cast(By, by),
        model=_text(params, "model"),
        provider=_text(params, "provider"),
        key_id=key_id,
        tag=_text(params, "tag"),
        series=(*DEFAULT_SERIES, "simulated") if simulated else DEFAULT_SERIES,
    )


def _window(params: Mapping[str, Any], now_ms: int) -> tuple[int, int]:
    window_ms = params.get("window_ms")
    if window_ms is not None:
        from_ms, to_ms = (now_ms - window_ms, now_ms) if type(window_ms) is int else (0, 0)
    else:
        from_ms, to_ms = params.get("from_ms", 0), params.get("to_ms", 0)
    whole = type(from_ms) is int and type(to_ms) is int
    if not whole or to_ms > _LATEST_MS or not SHORTEST_MS <= to_ms - from_ms <= LONGEST_MS or from_ms < 0:
        raise ValueError("A window is from 5 minutes to 90 days long.")
    return from_ms, to_ms


def _text(params: Mapping[str, Any], name: str) -> str | None:
    value = params.get(name)
    if value is not None and (not isinstance(value, str) or len(value) > _LONGEST_TEXT or "\0" in value):
        raise ValueError(f"`{name}` is a name.")
    return value


def groups_of(
    by: By,
    *,
    model: str | None,
    provider: str | None,
    key_id: int | None,
    tags: Collection[str],
    input_tokens: int | None,
    output_tokens: int | None,
) -> tuple[str, ...]:
    """The groups that a request belongs to; "" where it has none of the kind."""
    if by == "model":
        return (model or "",)
    if by == "provider":
        return (provider or "",)
    if by == "key":
        return ("" if key_id is None else str(key_id),)
    if by == "tag":
        return tuple(dict.fromkeys(tags)) or ("",)
    return (bucket_of(by, input_tokens if by == "input_length" else output_tokens),)


def bucket_of(by: By, tokens: int | None) -> str:
    """The bucket's number, from 0; "" where nobody knows how long it was."""
    return "" if tokens is None else str(bisect_left(LENGTHS[by], tokens))


def name_of(by: By, group: str, names: Mapping[str, str]) -> str:
    """A group as people read it. `names` are those of models and providers."""
    if by in ("model", "provider"):
        return names.get(group, group) or "Refused before it had one"
    if by == "key":
        return f"Key {group}" if group else "Pages"
    if by == "tag":
        return group or "No tag"
    if not group:
        return "Not known"
    ends, number = LENGTHS[by], int(group)
    if number == len(ends):
        return f"Over {ends[-1]:,} tokens"
    return (
        f"Up to {ends[0]:,} tokens" if number == 0 else f"{ends[number - 1] + 1:,} to {ends[number]:,} tokens"
    )


def key_of(by: By, group: str, series: Series) -> str:
    """What a line is known by, and its colour chosen by: a model's own id, everywhere."""
    named = group if by == "model" else f"{by}:{group}"
    return named + SERIES_ASIDE.get(series, "")


SERIES_ASIDE: Final[Mapping[str, str]] = {"byok": " (own key)", "simulated": " (simulated)"}
