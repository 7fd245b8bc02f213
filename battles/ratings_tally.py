"""What the votes on a board say before any model of them: who beat whom, at what price, how fast. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from battles.comparisons import Comparison, Contender
from battles.ratings_votes import RatedBoard, Setup, setup_of


@dataclass(slots=True)
class Against:
    """Votes on one set-up (the row) against another."""

    wins: int = 0
    ties: int = 0
    both_bad: int = 0
    losses: int = 0

    @property
    def votes(self) -> int:
        return self.wins + self.ties + self.both_bad + self.losses

    @property
    def share(self) -> float:
        """A tie, and both bad, are half a win."""
        return (self.wins + (self.ties + self.both_bad) / 2) / self.votes

    def count(self, outcome: str, left: bool) -> None:
        if outcome == "tie":
            self.ties += 1
        elif outcome == "both_bad":
            self.both_bad += 1
        elif (outcome == "left") == left:
            self.wins += 1
        else:
            self.losses += 1


@dataclass(frozen=True, slots=True)
class Measured:
    """What a set-up's voted answers cost and how long they took; None where none of them says.
    `*_n` answers are behind each. `cost_of_a_win_nano_usd` is the mean cost over the share of votes won
    outright: what is spent on the set-up for each vote that it wins; None without a win or a cost."""

    total: Against
    cost_nano_usd: float | None
    cost_n: int
    first_answer_ms: float | None  # median
    first_answer_n: int
    total_ms: float | None  # median
    total_n: int
    cost_of_a_win_nano_usd: float | None
    settings_words: str


@dataclass(frozen=True, slots=True)
class Tally:
    matrix: Mapping[tuple[Setup, Setup], Against]
    measured: Mapping[Setup, Measured]
    votes: int


@dataclass(slots=True)
class _Answers:
    total: Against = field(default_factory=Against)
    seen: dict[tuple[str, str], Contender] = field(default_factory=dict)


def tally(comparisons: Iterable[Comparison], board: RatedBoard) -> Tally:
    """An answer that several votes were given on counts once among prices and times."""
    matrix: dict[tuple[Setup, Setup], Against] = {}
    answers: dict[Setup, _Answers] = {}
    votes = set()
    for each in comparisons:
        if each.board != board:
            continue
        votes.add(each.vote_id)
        left, right = setup_of(each.left, board), setup_of(each.right, board)
        for one, other, contender, is_left in (
            (left, right, each.left, True),
            (right, left, each.right, False),
        ):
            matrix.setdefault((one, other), Against()).count(each.outcome, is_left)
            mine = answers.setdefault(one, _Answers())
            mine.total.count(each.outcome, is_left)
            mine.seen[each.battle_id, each.prompt_sha256] = contender
    return Tally(matrix, {setup: _measured(mine) for setup, mine in answers.items()}, len(votes))


def front(points: Mapping[Setup, tuple[float, float]]) -> frozenset[Setup]:
    """Those (rating, cost) of which no other is at least as good and at most as dear, and better in one:
    the Pareto front."""
    return frozenset(
        one
        for one, (rating, cost) in points.items()
        if not any(
            other_rating >= rating and other_cost <= cost and (other_rating, other_cost) != (rating, cost)
            for other_rating, other_cost in points.values()
        )
    )


def _measured(mine: _Answers) -> Measured:
    seen = list(mine.seen.values())
    costs = [each.cost_nano_usd for each in seen if each.cost_nano_usd is not None]
    firsts = [each.first_answer_ms for each in seen if each.first_answer_ms is not None]
    wholes = [each.total_ms for each in seen if each.total_ms is not None]
    cost = statistics.fmean(costs) if costs else None
    won = mine.total.wins / mine.total.votes
    return Measured(
        mine.total,
        cost,
        len(costs),
        _median(firsts),
        len(firsts),
        _median(wholes),
        len(wholes),
        cost / won if cost is not None and won else None,
        next((each.settings_words for each in seen if each.settings_words), ""),
    )


def _median(values: Sequence[float]) -> float | None:
    return statistics.median(values) if values else None
