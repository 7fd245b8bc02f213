"""Controlled conditions: one model against itself, and one provider against another for the same model. Pure.

**A against A** (model, provider, prompt and settings equal) is the noise floor: how often voters prefer
one of two answers that come from the same thing. A model that wins no more than that is not better.

**Provider against provider**: is the backend that answers under this model's name the same? Each battle
gives a pair of answers; were the providers the same, their labels could be swapped in any battle without
anybody noticing. The permutation test swaps them (all ways where that is few, else `ROUNDS` drawn ways; a
battle's votes are swapped together) and tells how often chance alone makes a difference as large: for the
votes, for length, for refusals, for valid JSON. The four p-values are corrected together (Holm, Scand. J.
Stat. 6, 1979, 65-70). Drawn ways count the one seen: (r + 1) / (n + 1) (Phipson and Smyth, Stat. Appl.
Genet. Mol. Biol. 9, 2010, art. 39), so that p is never zero.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal

from battles.comparisons import Comparison, Contender
from battles.ratings_fit import Floats
from telemetry.numpy_later import np

ROUNDS = 9_999
_ALL_WAYS = 12  # battles: up to 4,096 ways are all gone through
_SEED = 1935
_Z = 1.959964

Question = Literal["votes", "length", "refusals", "json"]


@dataclass(frozen=True, slots=True)
class NoiseFloor:
    """`votes` on two answers of the same thing. `decided` is the share that preferred one of them, with
    its 95 % interval (Wilson, J. Am. Stat. Assoc. 22, 1927, 209-212); `left` of the decided, for the left."""

    votes: int
    decided: tuple[float, float, float]
    left: tuple[float, float, float] | None


@dataclass(frozen=True, slots=True)
class Answered:
    """What the answers to one question were: means on both sides over `battles`, how likely chance alone
    makes such a difference, and that after the correction for asking all."""

    question: Question
    battles: int
    one: float
    other: float
    p: float
    p_corrected: float


@dataclass(frozen=True, slots=True)
class ProviderTest:
    model: str
    one: str
    other: str
    battles: int
    answers: tuple[Answered, ...]

    @property
    def differs(self) -> bool:
        return any(each.p_corrected < 0.05 for each in self.answers)


def same_thing(each: Comparison) -> bool:
    """A against A."""
    return each.board == "provider" and each.left.provider == each.right.provider


def noise_floor(comparisons: Iterable[Comparison]) -> NoiseFloor | None:
    """Of first votes of one kind of voter; None without any on two answers of the same thing."""
    outcomes = [each.outcome for each in comparisons if same_thing(each) and each.stage == "first"]
    if not outcomes:
        return None
    left, right = outcomes.count("left"), outcomes.count("right")
    return NoiseFloor(
        len(outcomes),
        _wilson(left + right, len(outcomes)),
        _wilson(left, left + right) if left + right else None,
    )


def provider_tests(comparisons: Iterable[Comparison]) -> list[ProviderTest]:
    """One for each model and pair of providers that met, most battles first."""
    met: dict[tuple[str, str, str], list[Comparison]] = defaultdict(list)
    for each in comparisons:
        one, other = each.left.provider, each.right.provider
        if each.board == "provider" and each.stage == "first" and one and other and one != other:
            met[each.left.model, *sorted((one, other))].append(each)  # type: ignore[index]  # three strings
    tests = [provider_test(model, one, other, its) for (model, one, other), its in met.items()]
    return sorted(tests, key=lambda test: -test.battles)


def provider_test(model: str, one: str, other: str, its: Sequence[Comparison]) -> ProviderTest:
    """`its` are comparisons of `one` with `other` for `model`."""
    by_battle: dict[tuple[str, str], list[Comparison]] = defaultdict(list)
    for each in its:
        by_battle[each.battle_id, each.prompt_sha256].append(each)
    pairs = [_sides(votes[0], one) for votes in by_battle.values()]
    votes = [_mean_vote(of_one, one) for of_one in by_battle.values()]
    asked: list[tuple[Question, list[tuple[float, float]]]] = [
        ("votes", votes),
        ("length", [(float(a.output_chars), float(b.output_chars)) for a, b in pairs]),
        (
            "refusals",
            [(a.refused, b.refused) for a, b in pairs if a.refused is not None and b.refused is not None],
        ),
        (
            "json",
            [
                (a.valid_json, b.valid_json)
                for a, b in pairs
                if a.valid_json is not None and b.valid_json is not None
            ],
        ),
    ]
    told = [(question, np.array(values, dtype=float)) for question, values in asked if values]
    chances = [permutation_p(values[:, 0] - values[:, 1]) for _, values in told]
    answers = tuple(
        Answered(question, len(values), float(values[:, 0].mean()), float(values[:, 1].mean()), p, corrected)
        for (question, values), p, corrected in zip(told, chances, holm(chances), strict=True)
    )
    return ProviderTest(model, one, other, len(by_battle), answers)


def permutation_p(differences: Floats) -> float:
    """How likely the mean of `differences` (one a battle) is at least as far from zero when each one's
    sign is a coin's."""
    n, seen = len(differences), abs(float(differences.sum()))
    if n <= _ALL_WAYS:
        signs = np.array(list(product((1.0, -1.0), repeat=n)))
        return float((np.abs(signs @ differences) >= seen - 1e-9).mean())
    drawn = np.random.default_rng(_SEED).integers(0, 2, size=(ROUNDS, n), dtype=np.int8) * 2 - 1
    as_far = int((np.abs(drawn @ differences) >= seen - 1e-9).sum())
    return (as_far + 1) / (ROUNDS + 1)


def holm(chances: Sequence[float]) -> list[float]:
    """p-values corrected for each other, in the order given."""
    corrected, so_far = [0.0] * len(chances), 0.0
    for rank, index in enumerate(sorted(range(len(chances)), key=lambda index: chances[index])):
        so_far = max(so_far, min(1.0, chances[index] * (len(chances) - rank)))
        corrected[index] = so_far
    return corrected


def _sides(each: Comparison, one: str) -> tuple[Contender, Contender]:
    return (each.left, each.right) if each.left.provider == one else (each.right, each.left)


def _mean_vote(votes: Sequence[Comparison], one: str) -> tuple[float, float]:
    """The share of a battle's votes that went to each provider; a tie is half."""
    won = 0.0
    for each in votes:
        if each.outcome in ("tie", "both_bad"):
            won += 0.5
        else:
            won += float((each.outcome == "left") == (each.left.provider == one))
    return won / len(votes), 1 - won / len(votes)


def _wilson(part: int, whole: int) -> tuple[float, float, float]:
    """The share, and its 95 % interval."""
    share = part / whole
    middle = (share + _Z**2 / (2 * whole)) / (1 + _Z**2 / whole)
    half = _Z / (1 + _Z**2 / whole) * math.sqrt(share * (1 - share) / whole + _Z**2 / (4 * whole**2))
    return share, middle - half, middle + half
