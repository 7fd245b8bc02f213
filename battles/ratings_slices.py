"""Which votes a board is made of. Pure.

One kind of voter and one stage at a time, always: a judge's votes never mix with people's, and a vote on
the text alone never with what became of it once names, speed and price were shown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from battles.comparisons import Comparison, VoterKind, VoteStage


@dataclass(frozen=True, slots=True)
class Slice:
    """None: whatever it is. `without` are voters left out."""

    voter_kind: VoterKind = "person"
    stage: VoteStage = "first"
    tag: str | None = None
    category: str | None = None
    language: str | None = None
    team_id: int | None = None
    since_ms: int | None = None
    without: frozenset[str] = frozenset()

    def holds(self, each: Comparison) -> bool:
        return (
            each.voter_kind == self.voter_kind
            and each.stage == self.stage
            and (self.tag is None or self.tag in each.tags)
            and (self.category is None or each.category == self.category)
            and (self.language is None or each.prompt_language == self.language)
            and (self.team_id is None or each.team_id == self.team_id)
            and (self.since_ms is None or each.created_ms >= self.since_ms)
            and each.voter not in self.without
        )

    def of(self, comparisons: Iterable[Comparison]) -> list[Comparison]:
        return [each for each in comparisons if self.holds(each)]


@dataclass(frozen=True, slots=True)
class Facets:
    """What there is to slice by, with the number of votes behind each, most first."""

    tags: Sequence[tuple[str, int]]
    categories: Sequence[tuple[str, int]]
    languages: Sequence[tuple[str, int]]
    teams: Sequence[tuple[int, int]]
    votes: int
    judges: int


def facets(comparisons: Iterable[Comparison]) -> Facets:
    """Counted in votes on the text alone; `judges` are those of judges."""
    votes = {each.vote_id: each for each in comparisons if each.stage == "first"}.values()
    return Facets(
        Counter(tag for each in votes for tag in each.tags).most_common(),
        Counter(each.category for each in votes if each.category).most_common(),
        Counter(each.prompt_language for each in votes if each.prompt_language).most_common(),
        Counter(each.team_id for each in votes).most_common(),
        len(votes),
        sum(each.voter_kind == "judge" for each in votes),
    )
