"""Whether what came lately is worse than what came before, by two exact one-sided tests. Pure.

`slower` is the exceedance test of Gumbel and von Schelling (Annals of Mathematical Statistics 21, 1950, page
247): how many of m new values lie above the r-th largest of n old ones, which under "nothing changed" has
one distribution, whatever that of the values:

    P(j) = C(r + j - 1, j) C(n - r + m - j, m - j) / C(n + m, m)

`more_often` is Fisher's exact test of two shares. Many tests at once are corrected with Holm's procedure
(Scandinavian Journal of Statistics 6, 1979), which needs no independence.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

_NOTHING_MORE = 1e-12  # of the sum: smaller terms change nothing that is shown


def slower(above: int, new: int, old_above: int, old: int) -> float:
    """P of `above` or more of `new` values above a limit that lies above all but `old_above` of `old` ones.

    The limit need not be one of the values: it lies at or above the (old_above + 1)-th largest, so that
    what is returned is never too small. 1.0 where fewer than expected lie above it.
    """
    r = old_above + 1
    if r > old or above * (old + 1) <= new * r:
        return 1.0
    term = math.exp(
        _choose(r + above - 1, above) + _choose(old - r + new - above, new - above) - _choose(old + new, new)
    )
    total = 0.0
    for j in range(above, new + 1):
        total += term
        if term < total * _NOTHING_MORE or j == new:
            break
        term *= (r + j) / (j + 1) * (new - j) / (old - r + new - j)
    return min(1.0, total)


def more_often(hits: int, new: int, old_hits: int, old: int) -> float:
    """P of `hits` or more of `new` trials, given all hits of both; 1.0 where no more than expected."""
    marked, every = hits + old_hits, new + old
    if every == 0 or hits * every <= new * marked:
        return 1.0
    term = math.exp(_choose(marked, hits) + _choose(every - marked, new - hits) - _choose(every, new))
    total = 0.0
    for j in range(hits, min(new, marked) + 1):
        total += term
        if term < total * _NOTHING_MORE or j == min(new, marked):
            break
        term *= (marked - j) / (j + 1) * (new - j) / (every - marked - new + j + 1)
    return min(1.0, total)


def holm(values: Sequence[float]) -> list[float]:
    """Each p-value corrected for all of them."""
    order = sorted(range(len(values)), key=lambda at: values[at])
    corrected, highest = [1.0] * len(values), 0.0
    for rank, at in enumerate(order):
        highest = max(highest, min(1.0, values[at] * (len(values) - rank)))
        corrected[at] = highest
    return corrected


def _choose(n: int, k: int) -> float:
    """The logarithm of the binomial coefficient."""
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
