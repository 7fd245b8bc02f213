"""From how a person votes to what that says of lanes, two by two; and whether they may. Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

from battles.comparisons import Choice
from battles.errors import AlreadyRevealed, AlreadyVoted, BadBattle, NotAVoter, NotVotable
from battles.models import Battle, LaneState, Pair, Vote

Stage = Literal["first", "final"]


@dataclass(frozen=True, slots=True)
class Ballot:
    """One way of voting: `outcome` for two lanes (of more, `tie` and `both_bad` alone, which then say it of
    all); `best` and `worst`, or one of them, for three or more; or `pairs` for any."""

    outcome: Choice | None = None
    best: int | None = None
    worst: int | None = None
    pairs: tuple[Pair, ...] = ()


def pairs_of(ballot: Ballot, lanes: int) -> tuple[Pair, ...]:
    """Each pair once, the one further left on its left. Raises `BadBattle`."""
    ways = [ballot.outcome is not None, (ballot.best, ballot.worst) != (None, None), bool(ballot.pairs)]
    if sum(ways) != 1:
        raise BadBattle("Vote in one way: an outcome, best and worst, or pairs.", "vote")
    if ballot.outcome is not None:
        return _of_outcome(ballot.outcome, lanes)
    if ballot.pairs:
        return _of_pairs(ballot.pairs, lanes)
    return _of_best_and_worst(ballot.best, ballot.worst, lanes)


def _of_outcome(outcome: Choice, lanes: int) -> tuple[Pair, ...]:
    if outcome in ("left", "right") and lanes != 2:
        raise BadBattle("With more than two lanes name the best, the worst, or pairs.", "outcome")
    return tuple(Pair(left, right, outcome) for left, right in combinations(range(lanes), 2))


def _of_pairs(pairs: tuple[Pair, ...], lanes: int) -> tuple[Pair, ...]:
    found: dict[tuple[int, int], Pair] = {}
    turned: dict[Choice, Choice] = {"left": "right", "right": "left"}
    for pair in pairs:
        if not (0 <= pair.left < lanes and 0 <= pair.right < lanes) or pair.left == pair.right:
            raise BadBattle("A pair is of two lanes of this battle.", "pairs")
        if pair.left > pair.right:
            pair = Pair(pair.right, pair.left, turned.get(pair.outcome, pair.outcome))
        if (pair.left, pair.right) in found:
            raise BadBattle("Each pair is judged once.", "pairs")
        found[pair.left, pair.right] = pair
    return tuple(found[place] for place in sorted(found))


def _of_best_and_worst(best: int | None, worst: int | None, lanes: int) -> tuple[Pair, ...]:
    if any(not 0 <= no < lanes for no in (best, worst) if no is not None) or best == worst:
        raise BadBattle("Best and worst are two lanes of this battle.", "best")
    won: dict[tuple[int, int], Choice] = {}
    for no in range(lanes):
        if best is not None and no != best:
            won[min(best, no), max(best, no)] = "left" if best < no else "right"
        if worst is not None and no != worst:
            won[min(worst, no), max(worst, no)] = "right" if worst < no else "left"
    return tuple(Pair(left, right, won[left, right]) for left, right in sorted(won))


@dataclass(frozen=True, slots=True)
class Standing:
    """How a reader stands to a battle's vote. `answered` are the lanes with an answer to the turn that is
    voted on; `voters_own` their votes so far."""

    voter: bool
    revealed: bool
    states: Collection[LaneState]
    answered: int
    simulated: bool
    voters_own: Collection[Vote] = ()


def stage_for(battle: Battle, standing: Standing) -> Stage:
    """The vote that may be cast now. Raises `VoteRefused`, with the reason in words."""
    if battle.kind == "drill" or standing.simulated:
        raise NotVotable("Simulated models are never voted on.")
    if not battle.blind:
        raise NotVotable(
            "Names were shown in this battle from the start, so a vote would say more of them than of the "
            "answers. Open a blind one to vote."
        )
    if not standing.voter:
        raise NotAVoter("Votes are cast by members of the team who may send prompts, under their own name.")
    stages = {vote.stage for vote in standing.voters_own}
    if "final" in stages:
        raise AlreadyVoted("You have voted on this battle, before the names were shown and after.")
    if "first" in stages:
        return "final"
    if standing.revealed:
        raise AlreadyRevealed("You had the names shown without voting: the vote on the text alone is over.")
    if not standing.states:
        raise NotVotable("There is nothing to vote on yet.")
    if any(state in ("waiting", "running") for state in standing.states):
        raise NotVotable("Some lane has not ended yet. Vote when all have, or stop them.")
    if standing.answered < 2:
        raise NotVotable("Fewer than two lanes have answered, so there is nothing to compare.")
    return "first"
