"""How sure a rating is: an interval for one look, and one that holds however often one looks. Pure.

Both are of a *contrast* of the fit's parameters (one strength against the average of the reference models,
one against another, the side effect), from two variances, of which the wider is used:

- the Bayesian fit's own (`ratings_fit`, Laplace), which is right where votes are few: nobody's interval is
  ever narrower than it, and so a model with one vote is not taken for certain;
- a bootstrap's, which resamples whole *voters*, whole *prompts* and whole voter-prompt cells, refits, and
  adds: V = V_voter + V_prompt - V_cell (Cameron, Gelbach and Miller, J. Bus. Econ. Stat. 29, 2011,
  238-249). Ten votes of one person, or on one prompt, are not ten independent votes. Below `FEW_CLUSTERS`
  voters (or prompts) their spread cannot be told from a sample, and the interval speaks of these voters
  (these prompts) only. Student's t with Satterthwaite's degrees of freedom (Biometrics Bulletin 2, 1946,
  110-114) pays for few clusters.

**One look**: estimate plus or minus t times the standard deviation, 95 %, for someone who looks once, at
a number of votes fixed before.

**Any look**: who looks after every vote, and stops when it looks clear, is right less often than 95 %.
The wider interval is a confidence sequence: Robbins' normal mixture (Ann. Math. Stat. 41, 1970,
1397-1409) around an asymptotically normal estimate (Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas,
Ann. Stat. 52, 2024, 2613-2640). The probability that it *ever* leaves the truth out is at most 5 %; which
pair is voted on next may depend on all votes before. Words such as "clear", and decisions, use this one.
Robbins' bound would keep its promise for ever and from the first vote on. Ratings are drawn in colour from
30 votes on, and this one keeps it up to 30,000 votes of a model: within that range a bound of `_RANGE` times
the level is left as seldom (a Brownian motion's crossings, counted in the tests), and is narrower.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from battles.ratings_fit import STATED, Fit, Floats, Ints, Prior, fit
from battles.ratings_votes import Ballots, Tallied, tallied
from telemetry.numpy_later import np

ROUNDS = 200  # of each of the three bootstraps: a standard deviation to 5 %
FEW_CLUSTERS = 5
ALPHA = 0.05
_RANGE = 1.45
MIXTURE_SD = 1.0  # log-odds: where the any-look interval is at its best; any value keeps its promise
_NORMAL_975 = 1.959964
_STEPS = 3  # of Newton's method from the whole fit: more change nothing that is shown
_SEED = 1952  # any will do; one that stays, so that a page drawn twice shows the same


@dataclass(frozen=True, slots=True)
class Interval:
    """In log-odds. `low`, `high`: one look, 95 %. `any_low`, `any_high`: any look, 95 %, infinite where
    the votes do not say anything yet."""

    value: float
    low: float
    high: float
    any_low: float
    any_high: float
    variance: float


@dataclass(frozen=True, slots=True)
class Spread:
    """Covariances (m+2, m+2) of the parameters: the posterior's, and the bootstraps' (None: too few)."""

    posterior: Floats
    cell: Floats | None
    voter: Floats | None
    prompt: Floats | None
    clusters: tuple[int, int, int]  # cells, voters, prompts

    def variance(self, contrast: Floats) -> tuple[float, float]:
        """Of `contrast` (m+2,), and its degrees of freedom."""
        own = _along(self.posterior, contrast)
        if self.cell is None:
            return own, math.inf
        base = _along(self.cell, contrast)
        parts = [(base, self.clusters[0])]
        for between, clusters in ((self.voter, self.clusters[1]), (self.prompt, self.clusters[2])):
            if between is not None:
                parts.append((max(0.0, _along(between, contrast) - base), clusters))
        total = sum(part for part, _ in parts)
        if total <= own:
            return own, math.inf
        return total, total**2 / sum(part**2 / (clusters - 1) for part, clusters in parts)


def spread_of(ballots: Ballots, whole: Fit, prior: Prior = STATED, rounds: int = ROUNDS) -> Spread:
    """`whole` is the fit of these ballots, with its covariance. The draws are the same every time."""
    assert whole.covariance is not None
    gathered, seeded = tallied(ballots), np.random.default_rng(_SEED)
    resampled: list[Floats | None] = []
    clusters = []
    for numbers in (ballots.cell, ballots.voter, ballots.prompt):
        groups = int(numbers.max(initial=-1)) + 1
        clusters.append(groups)
        enough = groups >= FEW_CLUSTERS
        resampled.append(
            _bootstrap(gathered, numbers, groups, whole, prior, rounds, seeded) if enough else None
        )
    cell, voter, prompt = resampled
    return Spread(whole.covariance[0], cell, voter, prompt, (clusters[0], clusters[1], clusters[2]))


def interval(
    parameters: Floats, spread: Spread, contrast: Floats, prior: Prior = STATED, alpha: float = ALPHA
) -> Interval:
    """Of `contrast` (m+2,) of `parameters` (m+2,); its weights on strengths sum to zero."""
    value = float(contrast @ parameters)
    variance, freedom = spread.variance(contrast)
    half = student_975(freedom) * math.sqrt(variance)
    before = float(contrast**2 @ prior.variances(len(contrast) - 2))
    centre, half_any = any_look(value, _along(spread.posterior, contrast), variance, before, alpha)
    return Interval(value, value - half, value + half, centre - half_any, centre + half_any, variance)


def any_look(
    value: float, posterior: float, variance: float, before: float, alpha: float = ALPHA
) -> tuple[float, float]:
    """Centre and half width of the any-look interval. The prior is taken out again (it drew `value` to
    zero, and its variance `before` made `posterior` smaller), so that the promise does not rest on it."""
    if posterior >= before * (1 - 1e-9):
        return value, math.inf
    votes_alone = 1 / (1 / posterior - 1 / before)
    unshrunk = 1 + votes_alone / before
    return value * unshrunk, radius(max(votes_alone, variance * unshrunk**2), alpha)


def radius(variance: float, alpha: float = ALPHA, mixture_sd: float = MIXTURE_SD) -> float:
    """Half width of Robbins' normal mixture where an estimate has `variance`."""
    mixture, level = mixture_sd**2, _RANGE * alpha
    ratio = (variance + mixture) / variance
    return math.sqrt(variance * (variance + mixture) / mixture * (math.log(ratio) + 2 * math.log(1 / level)))


def against_average(models: int, index: int, reference: Ints) -> Floats:
    """The contrast of one model with the average of those in `reference`."""
    contrast = np.zeros(models + 2)
    contrast[reference] -= 1 / len(reference)
    contrast[index] += 1
    return contrast


def against(models: int, index: int, other: int) -> Floats:
    contrast = np.zeros(models + 2)
    contrast[index], contrast[other] = 1.0, -1.0
    return contrast


def of_the_side(models: int) -> Floats:
    contrast = np.zeros(models + 2)
    contrast[models] = 1.0
    return contrast


def student_975(freedom: float) -> float:
    """The 97.5 % point of Student's t, for 4 degrees of freedom or more to 0.3 % (Abramowitz and Stegun,
    26.7.5)."""
    z, nu = _NORMAL_975, max(freedom, FEW_CLUSTERS - 1.0)
    return (
        z
        + (z**3 + z) / (4 * nu)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * nu**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * nu**3)
    )


def _along(covariance: Floats, contrast: Floats) -> float:
    return float(contrast @ covariance @ contrast)


def _bootstrap(
    gathered: Tallied,
    numbers: Ints,
    groups: int,
    whole: Fit,
    prior: Prior,
    rounds: int,
    seeded: np.random.Generator,
) -> Floats:
    """Covariance (m+2, m+2) of the parameters over `rounds` samples of whole groups, with replacement."""
    drawn = seeded.multinomial(groups, np.full(groups, 1 / groups), size=rounds).astype(float)
    counts = gathered.counts(drawn[:, numbers])
    models = whole.strengths.shape[1]
    start = np.repeat(whole.parameters, rounds, axis=0)
    refits = fit(gathered.pairs, counts, models, prior=prior, start=start, steps=_STEPS)
    return np.asarray(np.cov(refits.parameters, rowvar=False) * groups / (groups - 1))
