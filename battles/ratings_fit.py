"""Bradley-Terry with ties and a side effect, fitted to counts of votes. Pure.

The model is Davidson's (J. Am. Stat. Assoc. 65, 1970, 317-328), which gives a tie a probability of its
own, with the order effect of Davidson and Beaver (Biometrics 33, 1977, 693-702). For strengths t, the
side effect b, and d = t_left - t_right + b:

    P(left wins) = exp(d/2) / Z     P(tie) = exp(c) / Z     P(right wins) = exp(-d/2) / Z

Counting a tie as half a win would do for a ranking, but it overstates how much a tie varies, and so is
wrong exactly where intervals are wanted. Among votes that are no tie this *is* Bradley-Terry (Biometrika
39, 1952, 324-345): without ties, side and prior the fit equals the classical one.

Strengths are natural log-odds. The log-likelihood is concave, so Newton's method finds the one maximum;
many fits to different counts of the same pairs (a bootstrap, a simulation) run as one. With a prior
(normal, mean 0) the maximum always exists, and the inverse of the curvature there is the covariance of
the normal approximation to the posterior (Laplace); without one it exists only where every group of
models has both won and lost against the rest (Ford, Am. Math. Monthly 64, 1957, part 2, 28-33).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from telemetry.numpy_later import np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Floats: TypeAlias = "NDArray[np.float64]"
Ints: TypeAlias = "NDArray[np.int64]"

LEFT, TIE, RIGHT = 0, 1, 2  # the last axis of counts

_ENOUGH_STEPS = 60
_LONGEST_STEP = 2.0  # of one strength in one step, in log-odds
_STILL = 1e-10


@dataclass(frozen=True, slots=True)
class Prior:
    """Normal, in log-odds: what is believed before the first vote. A strength: 95 of 100 models within
    2 of the average, where 2 is winning 88 of 100 decided votes. A side effect: within 1. The tie term is
    centred on one tie in five between equals."""

    strength_sd: float = 1.0
    side_sd: float = 0.5
    tie_mean: float = -0.69  # exp(c) = 0.5: one tie in five
    tie_sd: float = 1.5

    def variances(self, models: int) -> Floats:
        """Of strengths, side effect, tie term: (models+2,)."""
        each = np.full(models + 2, float(self.strength_sd**2))
        each[models], each[models + 1] = self.side_sd**2, self.tie_sd**2
        return each


STATED = Prior()


@dataclass(frozen=True, slots=True)
class Fit:
    """Of B sets of counts at once. `strengths` (B, m), `side` (B,), `tie` (B,) and `covariance`
    (B, m+2, m+2) over strengths, side, tie; None where nobody asked for it."""

    strengths: Floats
    side: Floats
    tie: Floats
    covariance: Floats | None = None

    @property
    def parameters(self) -> Floats:
        return np.concatenate([self.strengths, self.side[:, None], self.tie[:, None]], axis=1)


def expected(difference: Floats, tie: Floats | float) -> tuple[Floats, Floats, Floats]:
    """P(left wins), P(tie), P(right wins) where `difference` includes the side effect."""
    left, right, tied = np.exp(difference / 2), np.exp(-difference / 2), np.exp(tie)
    total = left + right + tied
    return left / total, tied / total, right / total


def fit(
    pairs: Ints,
    counts: Floats,
    models: int,
    *,
    prior: Prior | None = STATED,
    ties: bool = True,
    side: bool = True,
    start: Floats | None = None,
    steps: int = _ENOUGH_STEPS,
    covariance: bool = False,
) -> Fit:
    """`pairs` (P, 2) are indices of the left and the right model, each pair once; `counts` (B, P, 3) of
    LEFT, TIE, RIGHT (any weights >= 0). `ties=False` and `side=False` leave the term out. `start`
    (B, m+2) and few `steps` are for those who know where the maximum nearly is. Without a prior
    strengths sum to zero."""
    design = _design(pairs, models)
    at = np.zeros((len(counts), models + 2)) if start is None else start.copy()
    if start is None and prior is not None:
        at[:, -1] = prior.tie_mean
    fixed = np.zeros(models + 2, dtype=bool)
    fixed[models], fixed[models + 1] = not side, not ties
    if not ties:
        at[:, -1] = -np.inf
    for _ in range(steps):
        slope, curvature = _slopes(pairs, design, counts, at, prior, fixed)
        step = np.linalg.solve(curvature, slope[:, :, None])[:, :, 0]
        longest = np.abs(step).max(axis=1, keepdims=True)
        at += step * np.minimum(1.0, _LONGEST_STEP / np.maximum(longest, 1e-300))
        if longest.max(initial=0.0) < _STILL:
            break
    spread: Floats | None = None
    if covariance:
        spread = np.asarray(
            np.linalg.inv(_slopes(pairs, design, counts, at, prior, fixed)[1]), dtype=np.float64
        )
    return Fit(at[:, :models], at[:, models], at[:, models + 1], spread)


def information(difference: Floats, tie: float) -> Floats:
    """What one vote tells of a difference of strengths (Fisher), in 1 / log-odds squared."""
    left, _, right = expected(difference, tie)
    return np.asarray(((left + right) - (left - right) ** 2) / 4)


def _design(pairs: Ints, models: int) -> Floats:
    """(P, m+1): half the difference of strengths, and half the side effect."""
    design = np.zeros((len(pairs), models + 1))
    rows = np.arange(len(pairs))
    design[rows, pairs[:, 0]] += 0.5
    design[rows, pairs[:, 1]] -= 0.5
    design[:, models] = 0.5
    return design


def _between(pairs: Ints, weights: Floats, models: int) -> Floats:
    """design' weights design for each row of `weights` (B, P), as (B, m+1, m+1): a pair touches four
    places only, so that nothing is multiplied."""
    placed = np.zeros((len(weights), models, models))
    placed[:, pairs[:, 0], pairs[:, 1]] = weights
    both = placed + placed.transpose(0, 2, 1)
    found = np.empty((len(weights), models + 1, models + 1))
    found[:, :models, :models] = -both
    found[:, range(models), range(models)] = both.sum(axis=2)
    found[:, :models, models] = found[:, models, :models] = placed.sum(axis=2) - placed.sum(axis=1)
    found[:, models, models] = weights.sum(axis=1)
    return found


def _slopes(
    pairs: Ints, design: Floats, counts: Floats, at: Floats, prior: Prior | None, fixed: NDArray[np.bool_]
) -> tuple[Floats, Floats]:
    """Gradient (B, m+2) and negative Hessian (B, m+2, m+2) of the log posterior."""
    size = at.shape[1]
    n = counts.sum(axis=2)
    left, tied, right = expected(2 * (at[:, :-1] @ design.T), at[:, -1:])
    mean = left - right
    slope = np.empty_like(at)
    slope[:, :-1] = (counts[:, :, LEFT] - counts[:, :, RIGHT] - n * mean) @ design
    slope[:, -1] = (counts[:, :, TIE] - n * tied).sum(axis=1)
    curvature = np.empty((len(at), size, size))
    curvature[:, :-1, :-1] = _between(pairs, n * (left + right - mean**2) / 4, size - 2)
    across = -(n * mean * tied) @ design
    curvature[:, :-1, -1] = curvature[:, -1, :-1] = across
    curvature[:, -1, -1] = (n * tied * (1 - tied)).sum(axis=1)
    if prior is None:
        curvature[:, :-2, :-2] += 1.0 / (size - 2)  # the strengths' sum stays where it is: at zero
    else:
        precision = 1 / prior.variances(size - 2)
        middle = np.zeros(size)
        middle[-1] = prior.tie_mean
        slope -= precision * np.where(fixed, 0.0, at - middle)
        curvature[:, range(size), range(size)] += precision
    if fixed.any():
        slope[:, fixed] = 0.0
        curvature[:, fixed, :] = 0.0
        curvature[:, :, fixed] = 0.0
        curvature[:, fixed, fixed] = 1.0
    return slope, curvature
