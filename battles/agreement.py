"""How far people who judged the same things agree beyond chance. Pure.

Two voters: Cohen's kappa (J. Cohen, 1960, "A coefficient of agreement for nominal scales"), over what both
judged. More: Fleiss' kappa (J. L. Fleiss, 1971, "Measuring nominal scale agreement among many raters"), in
its form for items with different numbers of votes: agreement within an item is the share of its pairs of
votes that are equal, items count by their pairs. With the same number of votes on each item that is Fleiss'
own. 1 is full agreement, 0 what chance gives.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Final, Literal

LEAST_ITEMS: Final = 10  # below, the figure is shown grey

Vote = tuple[Hashable, Hashable, str]
"""(what was judged, who judged it, what they said)"""


@dataclass(frozen=True, slots=True)
class Agreement:
    """`kappa` is None where it is not defined: nothing was judged twice, or everybody always said the
    same one thing. `share` is the plain share of equal pairs. `items` were judged at least twice, by
    `voters` people, with `votes` on them."""

    method: Literal["cohen", "fleiss"]
    kappa: float | None
    share: float | None
    items: int
    voters: int
    votes: int

    @property
    def faint(self) -> bool:
        return self.items < LEAST_ITEMS


def agreement(votes: Iterable[Vote]) -> Agreement:
    """One vote a person and item; the last one counts where there are more."""
    by_item: dict[Hashable, dict[Hashable, str]] = defaultdict(dict)
    for item, voter, said in votes:
        by_item[item][voter] = said
    shared = [said for said in by_item.values() if len(said) >= 2]
    voters = {voter for said in shared for voter in said}
    count = sum(len(said) for said in shared)
    if len(voters) == 2:
        kappa, share = _cohen(shared, sorted(voters, key=repr))
        return Agreement("cohen", kappa, share, len(shared), 2, count)
    kappa, share = _fleiss(shared)
    return Agreement("fleiss", kappa, share, len(shared), len(voters), count)


def _cohen(shared: list[dict[Hashable, str]], voters: list[Hashable]) -> tuple[float | None, float | None]:
    one, other = voters
    equal = sum(said[one] == said[other] for said in shared) / len(shared)
    ones, others = Counter(said[one] for said in shared), Counter(said[other] for said in shared)
    chance = sum(ones[each] * others[each] for each in ones) / len(shared) ** 2
    return _beyond(equal, chance), equal


def _fleiss(shared: list[dict[Hashable, str]]) -> tuple[float | None, float | None]:
    if not shared:
        return None, None
    all_votes = Counter(vote for said in shared for vote in said.values())
    count = all_votes.total()
    equal = pairs = 0
    for said in shared:
        tally = Counter(said.values())
        equal += sum(n * (n - 1) for n in tally.values())
        pairs += len(said) * (len(said) - 1)
    chance = sum((n / count) ** 2 for n in all_votes.values())
    return _beyond(equal / pairs, chance), equal / pairs


def _beyond(equal: float, chance: float) -> float | None:
    return None if chance >= 1 else (equal - chance) / (1 - chance)
