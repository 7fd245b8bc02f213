"""How much of a blind turn's answers is shown: as much of each as of every other, whoever wrote faster.

One position for all lanes, in characters of masked text, moves on as long as every lane that has not ended
is ahead of it: a fast lane waits for the slowest, a lane that has ended is simply shorter. No lane is told
to have ended, or to have failed, before all have. Pure; `battles/live.py` moves it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

CHARS_PER_S: Final = 160.0  # about as fast as people read along
CATCH_UP_S: Final = 3.0  # what has piled up is shown within this time


@dataclass(frozen=True, slots=True)
class Ready:
    """A lane as far as it is known: how much masked text of it is there, and whether it has ended."""

    length: int
    ended: bool


def furthest(lanes: Sequence[Ready]) -> int:
    """Where the position may come to now."""
    running = [lane.length for lane in lanes if not lane.ended]
    return min(running) if running else max((lane.length for lane in lanes), default=0)


def moved(position: float, lanes: Sequence[Ready], passed_s: float) -> float:
    """The position after `passed_s`, never beyond what every running lane has."""
    room = furthest(lanes) - position
    if room <= 0:
        return position
    return position + min(room, passed_s * max(CHARS_PER_S, room / CATCH_UP_S))


def is_over(position: float, lanes: Sequence[Ready]) -> bool:
    """Whether everything was shown, and the lanes may say that they have ended."""
    return all(lane.ended and lane.length <= position for lane in lanes)
