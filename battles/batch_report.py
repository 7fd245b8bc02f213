"""What a batch comes to so far: each lane's figures, what judge and people said, the decision card. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from battles.agreement import Agreement, agreement
from battles.batch_asking import better_of
from battles.batch_models import Answer, Batch
from battles.decision import Ballot, Card, LaneSum, Share, decide, percentile


@dataclass(frozen=True, slots=True)
class PersonVote:
    """`left` and `right` are lanes as they were shown."""

    row_no: int
    left: int
    right: int
    user_id: int
    outcome: str


@dataclass(frozen=True, slots=True)
class JudgeSum:
    """Of two lanes: how often the judge preferred each in both orders, how often it did not, and how often
    its two words were for different answers (a tie each)."""

    low: int
    high: int
    for_low: int
    for_high: int
    ties: int
    disagreed: int


@dataclass(frozen=True, slots=True)
class Report:
    lanes: tuple[LaneSum, ...]
    card: Card
    votes: int
    agreement: Agreement
    judged: tuple[JudgeSum, ...]


def report_of(
    batch: Batch,
    answers: Iterable[Answer],
    votes: Sequence[PersonVote],
    judged: Mapping[tuple[int, int, int], str | None],
) -> Report:
    count = len(batch.spec.lanes)
    tallies = [_Tally() for _ in range(count)]
    for answer in answers:
        tallies[answer.lane].add(answer)
    ballots = [_ballot(vote) for vote in votes]
    over = sum(tally.answered + tally.failed for tally in tallies)
    passed = {no: tally.passed for no, tally in enumerate(tallies) if tally.passed}
    return Report(
        lanes=tuple(_sum(no, tally, ballots) for no, tally in enumerate(tallies)),
        card=decide(count, passed, ballots, whole=over >= batch.rows * count),
        votes=len(votes),
        agreement=agreement(
            ((vote.row_no, *sorted((vote.left, vote.right))), vote.user_id, _word(vote)) for vote in votes
        ),
        judged=tuple(_judged(judged, low, high) for low, high in combinations(range(count), 2))
        if judged
        else (),
    )


class _Tally:
    def __init__(self) -> None:
        self.answered = self.failed = self.cost_nano_usd = 0
        self.passed: dict[int, bool] = {}
        self.times_ms: list[float] = []

    def add(self, answer: Answer) -> None:
        self.cost_nano_usd += answer.cost_nano_usd + answer.earlier_nano_usd
        if answer.state == "done":
            self.answered += 1
            if answer.passed is not None:
                self.passed[answer.row_no] = answer.passed
            if answer.total_ms is not None:
                self.times_ms.append(answer.total_ms)
        elif answer.state in ("failed", "cut"):
            self.failed += 1


def _sum(no: int, tally: _Tally, ballots: Sequence[Ballot]) -> LaneSum:
    for_it = sum(1 for ballot in ballots if _chosen(ballot) == no)
    decided = sum(1 for ballot in ballots if no in ballot[:2] and _chosen(ballot) is not None)
    return LaneSum(
        no=no,
        passed=Share(sum(tally.passed.values()), len(tally.passed)),
        wins=Share(for_it, decided),
        answered=tally.answered,
        failed=tally.failed,
        cost_nano_usd=tally.cost_nano_usd,
        p95_ms=percentile(tally.times_ms, 0.95),
    )


def _ballot(vote: PersonVote) -> Ballot:
    match vote.outcome:
        case "left":
            return vote.left, vote.right, "one"
        case "right":
            return vote.left, vote.right, "other"
        case "tie":
            return vote.left, vote.right, "tie"
    return vote.left, vote.right, "both_bad"


def _chosen(ballot: Ballot) -> int | None:
    return {"one": ballot[0], "other": ballot[1]}.get(ballot[2])


def _word(vote: PersonVote) -> str:
    """The same word for the same opinion, whichever side an answer was shown on."""
    chosen = _chosen(_ballot(vote))
    return vote.outcome if chosen is None else f"lane {chosen}"


def _judged(judged: Mapping[tuple[int, int, int], str | None], low: int, high: int) -> JudgeSum:
    for_low = for_high = ties = disagreed = 0
    for row_no in {row for row, first, second in judged if (first, second) == (low, high)}:
        better = better_of(judged, row_no, low, high)
        if better == ():
            continue
        for_low += better == low
        for_high += better == high
        ties += better is None
        words = (judged[row_no, low, high], judged[row_no, high, low])
        disagreed += better is None and words != ("tie", "tie")
    return JudgeSum(low, high, for_low, for_high, ties, disagreed)
