"""What speed and price change: the votes on the text alone against the same votes after the reveal. Pure.

A voter who changes a vote once names, speed and price are shown says what these are worth to the team. Of
each vote the change is final less first, where the left is 1, a tie or both bad 1/2, the right 0. Two
figures for speed, and the same two for price:

- *moved*: the mean change towards the faster (cheaper) answer, over votes where one took at least
  `NOTICEABLE` times as long (cost as much) as the other. 0.10: ten of a hundred votes, on balance, went
  over to the faster one;
- *a doubling*: the least-squares slope of the change on both base-2 logarithms together (without a
  constant: with equal figures there is nothing to move for), which tells speed and price apart where fast
  models are also cheap.

Names are shown at the same moment, so what a name does is in these figures too: that is said beside them.
Intervals are one look's, 95 %, clustered by voter where there are `FEW_CLUSTERS`, by vote else.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from battles.comparisons import Comparison, Contender
from battles.ratings_fit import Floats
from battles.ratings_intervals import FEW_CLUSTERS, student_975
from telemetry.numpy_later import np

NOTICEABLE = 1.25
_MOST_DOUBLINGS = 6.0  # an answer that was free is no more than 64 times cheaper
_SCORE = {"left": 1.0, "tie": 0.5, "both_bad": 0.5, "right": 0.0}


@dataclass(frozen=True, slots=True)
class Estimate:
    """`n` votes; None where they cannot say."""

    value: float | None
    low: float | None
    high: float | None
    n: int


@dataclass(frozen=True, slots=True)
class Effect:
    moved: Estimate
    to_better: int  # votes that went over to the faster (cheaper) answer
    to_worse: int
    doubling: Estimate


@dataclass(frozen=True, slots=True)
class Effects:
    """`votes` were given twice, `changed` of them differ."""

    votes: int
    changed: int
    speed: Effect
    price: Effect


@dataclass(frozen=True, slots=True)
class _Twice:
    voter: str
    change: float
    slower: float | None  # base-2 logarithm of right over left
    dearer: float | None


def effects(comparisons: Iterable[Comparison]) -> Effects:
    """`comparisons` of one kind of voter, both stages."""
    twice = list(_twice(comparisons))
    both = [each for each in twice if each.slower is not None and each.dearer is not None]
    slopes = _slopes(both)
    return Effects(
        len(twice),
        sum(each.change != 0 for each in twice),
        _effect(twice, lambda each: each.slower, slopes[0]),
        _effect(twice, lambda each: each.dearer, slopes[1]),
    )


def _twice(comparisons: Iterable[Comparison]) -> Iterable[_Twice]:
    first: dict[tuple[object, ...], Comparison] = {}
    final: dict[tuple[object, ...], Comparison] = {}
    for each in comparisons:
        if each.board in ("model", "prompt"):
            (first if each.stage == "first" else final)[each.vote_id, each.left, each.right] = each
    for key, before in first.items():
        if after := final.get(key):
            change = _SCORE[after.outcome] - _SCORE[before.outcome]
            yield _Twice(
                before.voter,
                change,
                _doublings(before, lambda lane: lane.total_ms),
                _doublings(before, lambda lane: lane.cost_nano_usd),
            )


def _doublings(each: Comparison, figure: Callable[[Contender], float | None]) -> float | None:
    """How often the left's figure must be doubled to be the right's."""
    left, right = figure(each.left), figure(each.right)
    if left is None or right is None:
        return None
    if left == right:
        return 0.0
    if min(left, right) <= 0:
        return math.copysign(_MOST_DOUBLINGS, right - left)
    return max(-_MOST_DOUBLINGS, min(_MOST_DOUBLINGS, math.log2(right / left)))


def _effect(twice: Sequence[_Twice], figure: Callable[[_Twice], float | None], doubling: Estimate) -> Effect:
    told = [
        (each.voter, math.copysign(1.0, doublings) * each.change)
        for each in twice
        if (doublings := figure(each)) is not None and abs(doublings) >= math.log2(NOTICEABLE)
    ]
    moves = np.array([move for _, move in told])
    moved = _regressed(np.ones((len(told), 1)), moves, [voter for voter, _ in told])[0]
    return Effect(moved, int((moves > 0).sum()), int((moves < 0).sum()), doubling)


def _slopes(both: Sequence[_Twice]) -> tuple[Estimate, Estimate]:
    design = np.array([[each.slower, each.dearer] for each in both], dtype=float).reshape(-1, 2)
    told = _regressed(
        design,
        np.array([each.change for each in both]),
        [each.voter for each in both],
    )
    return told[0], told[1]


def _regressed(design: Floats, values: Floats, voters: Sequence[str]) -> list[Estimate]:
    """Least squares without a constant; standard errors from sums over clusters (Liang and Zeger,
    Biometrika 73, 1986, 13-22)."""
    n, columns = design.shape
    unknown = [Estimate(None, None, None, n)] * columns
    square = design.T @ design
    if n <= columns or np.linalg.matrix_rank(square) < columns:
        return unknown
    inverse = np.linalg.inv(square)
    slopes = inverse @ design.T @ values
    pulls = design * (values - design @ slopes)[:, None]
    numbers = np.unique(np.array(voters), return_inverse=True)[1]
    groups = int(numbers.max()) + 1
    if groups < FEW_CLUSTERS:
        numbers, groups = np.arange(n), n
    sums = np.zeros((groups, columns))
    np.add.at(sums, numbers, pulls)
    spread = inverse @ (sums.T @ sums) @ inverse * groups / (groups - 1)
    half = student_975(groups - 1) * np.sqrt(np.diagonal(spread))
    return [
        Estimate(float(slope), float(slope - wide), float(slope + wide), n)
        for slope, wide in zip(slopes, half, strict=True)
    ]
