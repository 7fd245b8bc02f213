"""What a batch comes to: a winner, or *not yet* and why. Pure.

Two things can speak: checks (how many rows each lane passes) and people (how often each lane is preferred
to another, blind). Lanes see the same rows, so they are compared row by row: by the exact test of McNemar
(Q. McNemar, 1947) on rows that one passed and the other did not, and by the exact sign test on votes for
one or the other, ties left out. The best lane wins where it beats every other with p < 0.05, Holm's step
(S. Holm, 1979) taken over the lanes that it was held against. Where both speak, the winner must be the
same; where the models of a judge voted, they are shown and decide nothing.

Shares come with Wilson's 95 % interval (E. B. Wilson, 1927).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

SIGNIFICANT: Final = 0.05
LEAST_ROWS: Final = 20  # of a share or a percentile: below, it is shown grey
_Z: Final = 1.959963984540054  # the normal distribution's 97.5 %


@dataclass(frozen=True, slots=True)
class Share:
    """`hits` of `n`, with the 95 % interval; `value` is None where n is 0."""

    hits: int
    n: int

    @property
    def value(self) -> float | None:
        return self.hits / self.n if self.n else None

    @property
    def interval(self) -> tuple[float, float]:
        return wilson(self.hits, self.n)

    @property
    def faint(self) -> bool:
        return self.n < LEAST_ROWS


@dataclass(frozen=True, slots=True)
class LaneSum:
    """A lane over all rows. `cost_nano_usd` is what its paid answers cost, earlier tries included.
    `p95_ms` is of whole answers; None where there is none."""

    no: int
    passed: Share
    wins: Share  # of people's votes for it or another lane, ties left out
    answered: int
    failed: int
    cost_nano_usd: int
    p95_ms: float | None

    @property
    def cost_per_1000_nano_usd(self) -> int | None:
        return -(-self.cost_nano_usd * 1000 // self.answered) if self.answered else None


@dataclass(frozen=True, slots=True)
class Card:
    """`winner` is a lane's number, or None: *not yet*, and `why` says what is missing or stands against
    it. `by` is what spoke for the winner."""

    winner: int | None
    why: str
    by: tuple[Voice, ...] = ()


Voice = Literal["checks", "votes"]

Passed = Mapping[int, Mapping[int, bool]]
"""lane -> row -> whether its answer passed every check"""

Ballot = tuple[int, int, Literal["one", "other", "tie", "both_bad"]]
"""(a lane, another lane, which was better)"""

_Counts = Callable[[int, int], tuple[int, int]]
"""How many rows or votes speak for one lane, and how many for the other."""


def decide(lanes: int, passed: Passed, ballots: Sequence[Ballot], *, whole: bool) -> Card:
    """`whole`: no row is left to be answered."""
    if lanes < 2:
        return Card(None, "One lane alone has nobody to win against.")
    by_checks = _leader(lanes, lambda one, other: _discordant(passed, one, other))
    by_votes = _leader(lanes, lambda one, other: _preferred(ballots, one, other))
    if by_checks is None and by_votes is None:
        return Card(None, "Nothing has spoken yet: there are no checks, and nobody has voted.")
    missing = "" if whole else " Rows are still to be answered."
    told: tuple[tuple[Voice, tuple[int, float] | None], ...] = (("checks", by_checks), ("votes", by_votes))
    sure = [(leader[0], voice) for voice, leader in told if leader is not None and leader[1] < SIGNIFICANT]
    if not sure:
        best = min(leader[1] for _, leader in told if leader is not None)
        return Card(None, f"The lanes cannot be told apart (p = {best:.2f}; below 0.05 decides)." + missing)
    if len({lane for lane, _ in sure}) > 1:
        return Card(None, "Checks and people disagree." + missing)
    if not whole:
        return Card(None, "Rows are still to be answered; so far one lane is ahead.")
    return Card(sure[0][0], "", tuple(voice for _, voice in sure))


def _leader(lanes: int, counts: _Counts) -> tuple[int, float] | None:
    """The lane that beats each other one, and the largest p of that after Holm's step; None where nothing
    was compared. Where no lane beats all, the one that comes nearest, with 1."""
    best: tuple[int, float] | None = None
    compared = False
    for one in range(lanes):
        ps, beats = [], True
        for other in range(lanes):
            if other != one:
                for_one, for_other = counts(one, other)
                compared = compared or for_one + for_other > 0
                beats = beats and for_one > for_other
                ps.append(sign_test(for_one, for_other))
        p = _holm(ps) if beats else 1.0
        if best is None or p < best[1]:
            best = (one, p)
    return best if compared else None


def _discordant(passed: Passed, one: int, other: int) -> tuple[int, int]:
    ours, theirs = passed.get(one, {}), passed.get(other, {})
    both = ours.keys() & theirs.keys()
    return (
        sum(ours[row] and not theirs[row] for row in both),
        sum(theirs[row] and not ours[row] for row in both),
    )


def _preferred(ballots: Sequence[Ballot], one: int, other: int) -> tuple[int, int]:
    for_one = for_other = 0
    for left, right, said in ballots:
        if {left, right} == {one, other} and said in ("one", "other"):
            chosen = left if said == "one" else right
            for_one += chosen == one
            for_other += chosen == other
    return for_one, for_other


def sign_test(for_one: int, for_other: int) -> float:
    """The two-sided exact probability of a split at least as uneven, were both as likely; 1 of nothing."""
    n, most = for_one + for_other, max(for_one, for_other)
    if n == 0 or for_one == for_other:
        return 1.0
    logs = (math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) for k in range(most, n + 1))
    return min(1.0, 2 * sum(math.exp(each - n * math.log(2)) for each in logs))


def _holm(ps: Sequence[float]) -> float:
    """The largest adjusted p: below the level where every comparison of the family holds."""
    adjusted = 0.0
    for rank, p in enumerate(sorted(ps)):
        adjusted = max(adjusted, min(1.0, p * (len(ps) - rank)))
    return adjusted


def wilson(hits: int, n: int) -> tuple[float, float]:
    """0 to 1 where n is 0."""
    if n == 0:
        return 0.0, 1.0
    share = hits / n
    middle = (share + _Z * _Z / (2 * n)) / (1 + _Z * _Z / n)
    half = _Z * math.sqrt(share * (1 - share) / n + _Z * _Z / (4 * n * n)) / (1 + _Z * _Z / n)
    return max(0.0, middle - half), min(1.0, middle + half)


def percentile(values: Sequence[float], q: float) -> float | None:
    """The value at or above which a share 1 - q lies (nearest rank); None of nothing."""
    if not values:
        return None
    ranked = sorted(values)
    return ranked[max(0, math.ceil(q * len(ranked)) - 1)]
