"""The cheapest model that is not worse than X here, how sure that is, and how many votes are missing. Pure.

The team states the *margin*: the share of decided votes that it would accept to win against X, 45 % for a
margin of 5 points. A model is not worse where its strength is above X's less that margin (a test of
non-inferiority: Piaggio et al., CONSORT, JAMA 308, 2012, 2594-2604). *Confidence* is the posterior
probability of that, from the Bayesian fit and never surer than the clustered bootstrap. The word does not
come from it alone: who looks after every vote meets 95 % by luck sooner or later, so

- *not worse*: also the any-look bound clears the margin (one-sided: false at most once in twenty, ever);
- *likely*: 95 % in this look; more votes make it hold;
- *worse*: the any-look bound is below the margin; *open*: neither.

Where both answered rows that were checked, pass rates on those same rows must hold too: confidence is then
that of the weaker of the two, from Beta posteriors (Jeffreys' prior) and a margin of its own. *Votes needed*
are votes on this very pair, if the truth is what it looks like now.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

from battles.ratings import Rated, win_share
from battles.ratings_fit import STATED, information
from battles.ratings_intervals import ALPHA, Interval, against, any_look, interval, radius
from battles.ratings_votes import Setup
from telemetry.numpy_later import np

MARGIN = 0.05  # of decided votes
PASS_MARGIN = 0.02  # of checked rows
CONFIDENT = 0.95
_ENOUGH_PASSES = 20  # checked rows of each, before pass rates are held against anybody
_DRAWS = 20_000
_MOST_VOTES = 10_000

Verdict = Literal["not worse", "likely", "open", "worse"]


@dataclass(frozen=True, slots=True)
class Passes:
    """Checked rows."""

    passed: int
    checked: int


# Of a set-up and another on the rows that both answered.
PassPairs = Mapping[tuple[Setup, Setup], tuple[Passes, Passes]]


@dataclass(frozen=True, slots=True)
class Candidate:
    """Against X. `win_share` of decided votes and its one-look interval; `votes_needed` until the word is
    firm, None where it is, or where more than `_MOST_VOTES` would be needed. `passes` None: not checked."""

    setup: Setup
    verdict: Verdict
    confidence: float
    win_share: tuple[float, float, float]
    cost_nano_usd: float
    votes: int
    votes_needed: int | None
    passes: tuple[Passes, Passes] | None
    pass_confidence: float | None


@dataclass(frozen=True, slots=True)
class Recommendation:
    """`candidates` cost less than X, the cheapest first. `firm`: the cheapest that is not worse;
    `likely`: a cheaper one than that which may turn out so."""

    reference: Setup
    reference_cost_nano_usd: float
    margin: float
    candidates: tuple[Candidate, ...]

    @property
    def firm(self) -> Candidate | None:
        return next((each for each in self.candidates if each.verdict == "not worse"), None)

    @property
    def likely(self) -> Candidate | None:
        return next((each for each in self.candidates if each.verdict in ("not worse", "likely")), None)


def recommend(
    rated: Rated,
    reference: Setup,
    cost_nano_usd: Mapping[Setup, float],
    passes: PassPairs | None = None,
    margin: float = MARGIN,
) -> Recommendation | None:
    """`cost_nano_usd` is the mean of an answer here. None where X has no rating or no known cost."""
    names = rated.ballots.names
    if reference not in names or reference not in cost_nano_usd:
        return None
    dear = cost_nano_usd[reference]
    cheaper = [name for name in names if name != reference and cost_nano_usd.get(name, math.inf) < dear]
    candidates = [
        _candidate(rated, name, reference, cost_nano_usd[name], margin, passes or {}) for name in cheaper
    ]
    candidates.sort(key=lambda each: each.cost_nano_usd)
    return Recommendation(reference, dear, margin, tuple(candidates))


def _candidate(
    rated: Rated, name: Setup, reference: Setup, cost: float, margin: float, passes: PassPairs
) -> Candidate:
    names = rated.ballots.names
    contrast = against(len(names), names.index(name), names.index(reference))
    told = interval(rated.parameters, rated.spread, contrast)
    allowed = math.log((0.5 - margin) / (0.5 + margin))  # the margin, in log-odds
    confidence = NormalDist().cdf((told.value - allowed) / math.sqrt(told.variance))
    posterior = float(contrast @ rated.spread.posterior @ contrast)
    before = STATED.strength_sd**2 * 2
    centre, half = any_look(told.value, posterior, told.variance, before, 2 * ALPHA)  # one-sided
    checked, passing = _passing(passes.get((name, reference)))
    rating = rated.of(name)
    early = rating is None or rating.provisional
    verdict = _verdict(centre - allowed, half, confidence, passing, early)
    return Candidate(
        name,
        verdict,
        confidence if passing is None else min(confidence, passing),
        (win_share(told.value), win_share(told.low), win_share(told.high)),
        cost,
        rating.votes if rating else 0,
        None if verdict in ("not worse", "worse") else _needed(rated, told, centre - allowed),
        checked,
        passing,
    )


def _verdict(above: float, half: float, confidence: float, passing: float | None, early: bool) -> Verdict:
    if above < -half or (passing is not None and passing < 1 - CONFIDENT):
        return "worse"
    if early or confidence < CONFIDENT or (passing is not None and passing < CONFIDENT):
        return "open"
    return "not worse" if above > half else "likely"


def _passing(both: tuple[Passes, Passes] | None) -> tuple[tuple[Passes, Passes] | None, float | None]:
    if both is None or min(each.checked for each in both) < _ENOUGH_PASSES:
        return None, None
    own, others = both
    seeded = np.random.default_rng((own.passed, own.checked, others.passed, others.checked))
    mine = seeded.beta(own.passed + 0.5, own.checked - own.passed + 0.5, _DRAWS)
    theirs = seeded.beta(others.passed + 0.5, others.checked - others.passed + 0.5, _DRAWS)
    return both, float((mine > theirs - PASS_MARGIN).mean())


def _needed(rated: Rated, told: Interval, above: float) -> int | None:
    """Votes on the pair until `above` leaves the any-look bound, whichever way it points."""
    tie = float(rated.parameters[-1])
    one_vote = float(information(np.array([told.value]), tie)[0])
    low, high = 0, _MOST_VOTES

    def settled(votes: int) -> bool:
        return radius(1 / (1 / told.variance + votes * one_vote), 2 * ALPHA) < abs(above)

    if not settled(high):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        if settled(middle):
            high = middle
        else:
            low = middle
    return high
