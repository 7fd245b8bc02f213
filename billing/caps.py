"""Spending caps: what a team, member, key, tag, battle or batch may spend in a window; pure arithmetic.

A cap counts what is spent in its present window and what open holds set aside; a hold counts until
it ends, whatever the window. A window is all time, one of the calendar in the cap's zone
(`windows.py`), or *rolling*: the last days up to now. A rolling window moves in steps (`step_ms`), and
what was spent leaves it with its step: never early, and at most one step late.

A calendar window, once begun, stands with its end: another zone counts from the next one on.

A cap tells once a window when spending reaches one of its `alert_at` (percent of the limit); its 100 %
also when it turns a request away with half of it or more spent, since holds never let spending come
quite that far. Of a rolling window, once is in any time as long as the window. A change of the limit
begins anew.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from billing.commands import ALERT_AT, MAX_AMOUNT_NANO_USD, CapWindow, SetCap
from billing.errors import CapReached, LedgerBug
from billing.windows import DAY_MS, TOTAL, WINDOWS, is_zone, window_ends_ms, window_starts_ms

SCOPES: Final = ("team", "member", "key", "tag", "battle", "batch")
ROLLING: Final = 4
MOST_DAYS: Final = 366
MOST_ALERTS: Final = 10
COLUMNS: Final = (
    'no, scope, subject, "window", limit_nano_usd, window_starts_ms, spent_nano_usd, held_nano_usd,'
    " days, zone, alert_at, window_ends_ms, steps, alerted, change_no"
)
"""Of `ledger_cap`, as `cap_of` takes them."""

_NAMES: Final[dict[int, CapWindow]] = {no: name for name, no in WINDOWS.items()} | {ROLLING: "rolling"}
_MINUTE_MS: Final = 60_000
_STEPS: Final = ((1, 15 * _MINUTE_MS), (7, 60 * _MINUTE_MS), (31, 6 * 60 * _MINUTE_MS), (MOST_DAYS, DAY_MS))


def window_no(window: CapWindow) -> int:
    """The number that stands in the database."""
    return ROLLING if window == "rolling" else WINDOWS[window]


def window_name(no: int) -> CapWindow:
    return _NAMES[no]


def read_window(text: str) -> tuple[CapWindow, int]:
    """What somebody typed: `total`, `day`, `week`, `month`, or `7d` (`24h` is `1d`) for the last days.
    Raises `ValueError`."""
    if text in WINDOWS:
        return text, 0
    match = re.fullmatch(r"(\d{1,4})([dh])", text, re.ASCII)
    number = int(match[1]) if match else 0
    days = number // 24 if match and match[2] == "h" and number % 24 == 0 else number
    if match is None or not 0 < days <= MOST_DAYS or (match[2] == "h" and number % 24):
        raise ValueError(f"{text!r} is no window: total, day, week, month, or the last days as in 7d")
    return "rolling", days


def read_alerts(text: str) -> tuple[int, ...]:
    """Percents that somebody typed, as in `50, 80, 100`; none where it is empty. Raises `ValueError`."""
    parts = [part.strip().removesuffix("%").strip() for part in text.split(",") if part.strip()]
    percents = tuple(sorted({int(part) for part in parts if part.isascii() and part.isdigit()}))
    if len(percents) != len(parts) or len(percents) > MOST_ALERTS or not _rise(percents):
        raise ValueError(f"{text!r} are no percents: up to {MOST_ALERTS}, from 1 to 100, as in 50, 80, 100")
    return percents


def step_ms(days: int) -> int:
    """A quarter of an hour in a window of one day, an hour to 7 days, 6 hours to 31, else a day."""
    return next(step for most, step in _STEPS if days <= most)


@dataclass(slots=True)
class Cap:
    """A row of `ledger_cap`. `window_starts_ms` is from when on `spent_nano_usd` counts; of a rolling
    window, `steps` has it by the start of each step, oldest first. `alerted` is when each percent was
    last told. `change_no` counts how often somebody set it."""

    no: int
    scope: str
    subject: str
    window: int
    limit_nano_usd: int | None
    window_starts_ms: int
    spent_nano_usd: int
    held_nano_usd: int
    days: int = 0
    zone: str = "UTC"
    alert_at: tuple[int, ...] = ALERT_AT
    window_ends_ms: int | None = None
    steps: list[tuple[int, int]] = field(default_factory=list)
    alerted: dict[int, int] = field(default_factory=dict)
    change_no: int = 0

    @property
    def window_name(self) -> CapWindow:
        return window_name(self.window)

    def is_named_by(self, reached: CapReached) -> bool:
        named = (reached.scope, reached.subject, reached.window, reached.days)
        return (self.scope, self.subject, self.window_name, self.days) == named

    def counts(self, command: SetCap) -> bool:
        """Whether this is the cap that a command sets."""
        return (self.scope, self.subject, self.window, self.days) == (
            command.scope, command.subject, window_no(command.window), command.days
        )  # fmt: skip

    def remaining_nano_usd(self, now_ms: int) -> int | None:
        """What may still be reserved, never below 0; None where the cap is switched off."""
        if self.limit_nano_usd is None:
            return None
        return max(self.limit_nano_usd - self.spent_at(now_ms) - self.held_nano_usd, 0)

    def spent_at(self, now_ms: int) -> int:
        """What was spent in the window that `now_ms` lies in."""
        if self.window == ROLLING:
            first_ms = self._first_step_ms(now_ms)
            return self.spent_nano_usd - sum(spent for at_ms, spent in self.steps if at_ms < first_ms)
        return 0 if self._is_over(now_ms) else self.spent_nano_usd

    def window_at(self, now_ms: int) -> tuple[int, int | None]:
        """Start and end of the window that `now_ms` lies in; a rolling one ends now, and so has no end."""
        if self.window == ROLLING:
            return now_ms - self.days * DAY_MS, None
        if self.window == TOTAL or not self._is_over(now_ms):
            return self.window_starts_ms, self.window_ends_ms
        ended_ms = self.window_ends_ms or 0
        starts_ms = window_starts_ms(self.window, now_ms, self.zone)
        return max(starts_ms, ended_ms), window_ends_ms(self.window, now_ms, self.zone)

    def resets_at_ms(self, now_ms: int, needed_nano_usd: int = 0) -> int | None:
        """When there will be room for `needed`, if nothing else is spent and what is held stays held;
        None where waiting does not help."""
        if self.limit_nano_usd is None or needed_nano_usd > self.limit_nano_usd:
            return None
        if self.window != ROLLING:
            return self.window_at(now_ms)[1]
        left = self.limit_nano_usd - self.held_nano_usd - self.spent_at(now_ms)
        first_ms = self._first_step_ms(now_ms)
        for at_ms, spent in self.steps:
            if at_ms >= first_ms:
                left += spent
                if left >= needed_nano_usd:
                    return at_ms + step_ms(self.days) + self.days * DAY_MS
        return None

    def hold(self, amount_nano_usd: int) -> None:
        self.held_nano_usd += amount_nano_usd

    def release(self, amount_nano_usd: int) -> None:
        self.held_nano_usd -= amount_nano_usd

    def spend(self, charged_nano_usd: int, now_ms: int) -> None:
        if self.window == ROLLING:
            first_ms = self._first_step_ms(now_ms)
            self.steps = [step for step in self.steps if step[0] >= first_ms]
            _add(self.steps, now_ms // step_ms(self.days) * step_ms(self.days), charged_nano_usd)
            self.window_starts_ms = first_ms
            self.spent_nano_usd = sum(spent for _, spent in self.steps)
            return
        self.spent_nano_usd = self.spent_at(now_ms) + charged_nano_usd
        self.window_starts_ms, self.window_ends_ms = self.window_at(now_ms)

    def tell(self, now_ms: int, *, refused: bool = False) -> tuple[int, ...]:
        """The percents that are reached now and were not told in this window; they count as told."""
        if not self.limit_nano_usd:
            return ()
        spent, starts_ms = self.spent_at(now_ms), self.window_at(now_ms)[0]
        due = tuple(
            percent
            for percent in self.alert_at
            if (spent * 100 >= self.limit_nano_usd * percent or (refused and percent == 100))
            and self.alerted.get(percent, -1) < starts_ms
        )
        self.alerted.update(dict.fromkeys(due, now_ms))
        return due

    def set(self, command: SetCap) -> bool:
        """Take over what a command says; whether that changed anything."""
        said = (command.limit_nano_usd, command.zone, command.alert_at)
        if said == (self.limit_nano_usd, self.zone, self.alert_at) and self.change_no:
            return False
        if command.limit_nano_usd != self.limit_nano_usd:
            self.alerted = {}
        self.limit_nano_usd, self.zone, self.alert_at = said
        self.change_no += 1
        return True

    def _is_over(self, now_ms: int) -> bool:
        return self.window_ends_ms is not None and now_ms >= self.window_ends_ms

    def _first_step_ms(self, now_ms: int) -> int:
        step = step_ms(self.days)
        return (now_ms - self.days * DAY_MS) // step * step


def new_cap(no: int, command: SetCap, now_ms: int) -> Cap:
    """A cap that counts from now on, before `set`."""
    window = window_no(command.window)
    starts_ms, ends_ms = now_ms, None
    if window != ROLLING:
        starts_ms = window_starts_ms(window, now_ms, command.zone)
        ends_ms = window_ends_ms(window, now_ms, command.zone)
    return Cap(
        no, command.scope, command.subject, window, None, starts_ms, 0, 0,
        days=command.days, zone=command.zone, alert_at=command.alert_at, window_ends_ms=ends_ms,
    )  # fmt: skip


def check(command: SetCap) -> None:
    """Raises `LedgerBug` for what nobody may ask: whoever reads people's words looks before."""
    limit = command.limit_nano_usd or 0
    if command.scope not in SCOPES or not command.subject or not 0 <= limit <= MAX_AMOUNT_NANO_USD:
        raise LedgerBug("A cap needs a scope, a subject, and a limit of zero or more.")
    if not (0 < command.days <= MOST_DAYS if command.window == "rolling" else command.days == 0):
        raise LedgerBug(f"A rolling window has from 1 to {MOST_DAYS} days, and no other has any.")
    if not is_zone(command.zone):
        raise LedgerBug(f"There is no time zone {command.zone!r}.")
    if len(command.alert_at) > MOST_ALERTS or not _rise(command.alert_at):
        raise LedgerBug(f"A cap tells at up to {MOST_ALERTS} percents from 1 to 100, each above the last.")


def cap_of(row: Sequence[Any]) -> Cap:
    """A row of `COLUMNS`."""
    no, scope, subject, window, limit, starts_ms, spent, held, *rest = row
    days, zone, alert_at, ends_ms, steps, alerted, change_no = rest
    return Cap(
        no, scope, subject, window, limit, starts_ms, spent, held,
        days=days, zone=zone, alert_at=tuple(msgspec.json.decode(alert_at)), window_ends_ms=ends_ms,
        steps=msgspec.json.decode(steps, type=list[tuple[int, int]]),
        alerted=dict(msgspec.json.decode(alerted, type=list[tuple[int, int]])),
        change_no=change_no,
    )  # fmt: skip


def row_of(team_id: int, cap: Cap) -> dict[str, Any]:
    """What stands in the database, by column."""
    return {
        "team_id": team_id,
        "no": cap.no,
        "scope": cap.scope,
        "subject": cap.subject,
        "window": cap.window,
        "limit_nano_usd": cap.limit_nano_usd,
        "window_starts_ms": cap.window_starts_ms,
        "spent_nano_usd": cap.spent_nano_usd,
        "held_nano_usd": cap.held_nano_usd,
        "days": cap.days,
        "zone": cap.zone,
        "alert_at": _json(cap.alert_at),
        "window_ends_ms": cap.window_ends_ms,
        "steps": _json(cap.steps),
        "alerted": _json(sorted(cap.alerted.items())),
        "change_no": cap.change_no,
    }


def caps_on(caps: Iterable[Cap], scopes: Sequence[tuple[str, str]]) -> list[Cap]:
    """The caps of these scopes, in the order that the scopes are named in."""
    there = list(caps)
    return [cap for named in scopes for cap in there if (cap.scope, cap.subject) == named]


def turned_away(caps: Iterable[Cap], reached: CapReached, now_ms: int) -> Cap | None:
    """The cap that a reserve failed on, where it is spending that fills it, and not what is held."""
    for cap in caps:
        if cap.limit_nano_usd is not None and cap.is_named_by(reached):
            spent = cap.spent_at(now_ms)
            room = cap.limit_nano_usd - spent
            if 2 * spent >= cap.limit_nano_usd and room < reached.needed_nano_usd:
                return cap
    return None


def _add(steps: list[tuple[int, int]], at_ms: int, charged_nano_usd: int) -> None:
    if steps and steps[-1][0] == at_ms:
        charged_nano_usd += steps.pop()[1]
    steps.append((at_ms, charged_nano_usd))


def _rise(percents: Sequence[int]) -> bool:
    return all(low < high for low, high in zip((0, *percents), (*percents, 101), strict=True))


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
