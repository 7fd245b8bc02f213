"""Votes: on the text first, then with everything shown; once each, by members alone, and for ever."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

import pytest

from battles.ballots import Ballot, pairs_of
from battles.battle import Battles
from battles.comparisons import VoterKind
from battles.errors import (
    AlreadyRevealed,
    AlreadyVoted,
    BadBattle,
    BattleNotFound,
    NotAVoter,
    NotVotable,
)
from battles.leaderboard import Leaderboard, Wish
from battles.models import BattleWish, LaneWish, Pair, Prompt, Settings
from battles.ratings_slices import Slice
from battles.ratings_votes import Setup
from gateway.messages import Sampling
from identity.principal import Principal
from tests.battles.ring import MEMBER, STRANGER, Gated, Ring, fails
from tests.gateway.desk import LOCAL

pytestmark = pytest.mark.asyncio(loop_scope="session")
LEFT = Ballot(outcome="left")
SINCE = time.time_ns() // 1_000_000
JUDGES: tuple[VoterKind, ...] = ("judge",)


async def test_both_votes_are_kept_with_what_the_lanes_were(at: Ring) -> None:
    wish = BattleWish(
        (LaneWish("north/alpha"), LaneWish("south/beta")), blind=True, category="factual", tags=("capitals",)
    )
    battle, _ = await at.fought(wish=wish, prompt="Quelle est la capitale de la France ?")
    assert (await at.view(battle)).may_vote == "first"
    first = await at.votes.cast(LOCAL, battle.id, LEFT, reasons=("correct", "concise"))
    seen = await at.view(battle)
    assert (seen.hidden, seen.may_vote) == (False, "final")
    await at.votes.cast(LOCAL, battle.id, Ballot(outcome="right"))
    seen = await at.view(battle)
    assert [(vote.stage, vote.pairs) for vote in seen.votes] == [
        ("first", (Pair(0, 1, "left"),)), ("final", (Pair(0, 1, "right"),)),
    ]  # fmt: skip
    assert seen.may_vote is None
    told = [one for one in at.votes.comparisons(1, SINCE) if one.battle_id == battle.id]
    assert [(one.stage, one.outcome, one.board) for one in told] == [
        ("first", "left", "model"), ("final", "right", "model"),
    ]  # fmt: skip
    one = told[0]
    assert (one.vote_id, one.voter, one.prompt_language) == (first.id, "user:1", "fr")
    assert (one.category, one.tags, one.reasons) == ("factual", ("capitals",), ("correct", "concise"))
    lanes = {lane.no: lane for lane in battle.lanes}
    assert (one.left.model, one.right.model) == (lanes[0].model, lanes[1].model)
    assert (one.left.provider, one.left.cost_nano_usd) == ("lab", 140_000)
    assert one.left.snapshot == one.left.model.partition("/")[2]
    assert one.left.first_answer_ms is not None
    assert one.left.output_chars == len(seen.turns[0].lanes[0].text)


async def test_whoever_votes_twice_or_in_two_tabs_is_refused(at: Ring) -> None:
    battle, _ = await at.fought("alpha", "beta", blind=True)
    tabs = await asyncio.gather(
        *(at.votes.cast(LOCAL, battle.id, LEFT, stage="first") for _ in range(2)), return_exceptions=True
    )
    assert len([one for one in tabs if isinstance(one, AlreadyVoted)]) == 1
    with pytest.raises(AlreadyVoted):
        await at.votes.cast(LOCAL, battle.id, LEFT, stage="first")
    await at.votes.cast(LOCAL, battle.id, LEFT, stage="final")
    with pytest.raises(AlreadyVoted):
        await at.votes.cast(LOCAL, battle.id, LEFT, stage="final")
    with pytest.raises(AlreadyVoted):
        await at.votes.cast(LOCAL, battle.id, LEFT)
    assert len(await at.votes.of(battle.id)) == 2
    await at.votes.cast(MEMBER, battle.id, LEFT)  # another member's vote is their own
    assert len(await at.votes.of(battle.id)) == 3


async def test_whoever_had_the_names_shown_votes_no_more(at: Ring) -> None:
    battle, _ = await at.fought("alpha", "beta", blind=True)
    await at.votes.reveal(LOCAL, battle.id)
    assert not (await at.view(battle)).hidden
    with pytest.raises(AlreadyRevealed):
        await at.votes.cast(LOCAL, battle.id, LEFT)
    assert (await at.view(battle, MEMBER)).hidden
    await at.votes.cast(MEMBER, battle.id, LEFT)


@pytest.mark.parametrize(
    ("voter", "error"),
    [
        (STRANGER, BattleNotFound),
        (replace(LOCAL, user_id=None, key_id=3), NotAVoter),
        (replace(LOCAL, role="viewer", user_id=5), NotAVoter),
    ],
    ids=["another team's", "a service key", "a viewer"],
)
async def test_who_is_no_voter_is_refused(at: Ring, voter: Principal, error: type[Exception]) -> None:
    battle, _ = await at.fought("alpha", "beta", blind=True)
    with pytest.raises(error):
        await at.votes.cast(voter, battle.id, LEFT)
    assert await at.votes.of(battle.id) == ()


async def test_what_cannot_be_voted_on_says_why(at: Ring) -> None:
    shown, _ = await at.fought("alpha", "beta")
    with pytest.raises(NotVotable, match="Names were shown"):
        await at.votes.cast(LOCAL, shown.id, LEFT)
    drill = BattleWish((LaneWish("simulated/steady"), LaneWish("simulated/empty")), kind="drill")
    drilled, _ = await at.fought(wish=drill)
    with pytest.raises(NotVotable, match="Simulated"):
        await at.votes.cast(LOCAL, drilled.id, LEFT)
    empty = await at.battles.create(
        LOCAL, BattleWish((LaneWish("north/alpha"), LaneWish("south/beta")), blind=True)
    )
    with pytest.raises(NotVotable, match="nothing to vote on"):
        await at.votes.cast(LOCAL, empty.id, LEFT)
    at.lab.plays_of(beta=fails)
    alone, _ = await at.fought("alpha", "beta", blind=True)
    with pytest.raises(NotVotable, match="Fewer than two"):
        await at.votes.cast(LOCAL, alone.id, LEFT)
    slow = Gated("a")
    at.lab.plays_of(beta=slow)
    running, _ = await at.fought("alpha", "beta", blind=True, wait=False)
    with pytest.raises(NotVotable, match="not ended"):
        await at.votes.cast(LOCAL, running.id, LEFT)
    slow.end()
    seen = await at.ended(running)
    assert (seen.may_vote, seen.why_no_vote) == ("first", "")
    with pytest.raises(BadBattle):
        await at.votes.cast(LOCAL, running.id, LEFT, reasons=("sounds nice",))  # type: ignore[arg-type]  # as from outside


async def test_a_turn_that_was_voted_on_stays_as_it_is(at: Ring) -> None:
    battle, turn = await at.fought("alpha", "beta", blind=True)
    await at.votes.cast(LOCAL, battle.id, LEFT)
    with pytest.raises(BadBattle, match="voted on"):
        await at.battles.retry(LOCAL, battle.id, turn.id, lane=0)
    await at.battles.start_turn(LOCAL, battle.id, Prompt("And now?"), turn.id)
    await at.ended(battle)
    final = await at.votes.cast(LOCAL, battle.id, LEFT)
    assert final.turn_id == turn.id


async def test_lanes_that_differ_in_settings_feed_the_prompt_board(at: Ring) -> None:
    warm = Settings(sampling=Sampling(temperature=1.0))
    one_model = (LaneWish("north/alpha"), LaneWish("north/alpha", settings=warm))
    versions = tuple(LaneWish("north/alpha", prompt_version_id=f"prv_{no}") for no in "12")
    twice = (LaneWish("north/alpha"), LaneWish("north/alpha"))
    boards = []
    for lanes in (one_model, versions, twice):
        battle, _ = await at.fought(wish=BattleWish(lanes, blind=True))
        await at.votes.cast(LOCAL, battle.id, Ballot(outcome="tie"))
        boards += [one.board for one in at.votes.comparisons(1, SINCE) if one.battle_id == battle.id]
    assert boards == ["prompt", "prompt", "provider"]


async def test_a_judges_votes_are_kept_apart_and_show_nobody_a_name(at: Ring) -> None:
    battle, _ = await at.fought("alpha", "beta", blind=True)
    await at.votes.cast_as_judge(LOCAL, battle.id, "north/alpha", Ballot(outcome="tie"))
    with pytest.raises(AlreadyVoted):
        await at.votes.cast_as_judge(LOCAL, battle.id, "north/alpha", LEFT)
    assert (await at.view(battle)).hidden
    people = [one for one in at.votes.comparisons(1, SINCE) if one.battle_id == battle.id]
    judges = [one for one in at.votes.comparisons(1, SINCE, JUDGES) if one.battle_id == battle.id]
    assert (people, [one.voter for one in judges]) == ([], ["judge:north/alpha"])


async def test_a_vote_stands_when_its_text_is_gone(at: Ring, one_ring: Ring) -> None:
    battle, _ = await at.fought("alpha", "beta", blind=True)
    await at.votes.cast(LOCAL, battle.id, LEFT)
    for lane in (await at.view(battle)).turns[0].lanes:
        assert lane.run_id is not None
        await at.desk.gateway.forget_text(LOCAL, lane.run_id)
    (one,) = [one for one in at.votes.comparisons(1, SINCE) if one.battle_id == battle.id]
    assert one.left.output_chars > 0
    assert isinstance(at.battles, Battles)


# --- ballots: pure -----------------------------------------------------------------------------


def _said(*pairs: tuple[int, int, str]) -> tuple[Pair, ...]:
    return tuple(Pair(left, right, outcome) for left, right, outcome in pairs)  # type: ignore[arg-type]  # literals below


@pytest.mark.parametrize(
    ("ballot", "lanes", "pairs"),
    [
        (Ballot(outcome="left"), 2, _said((0, 1, "left"))),
        (Ballot(outcome="both_bad"), 3, _said((0, 1, "both_bad"), (0, 2, "both_bad"), (1, 2, "both_bad"))),
        (Ballot(best=1), 3, _said((0, 1, "right"), (1, 2, "left"))),
        (Ballot(worst=0), 3, _said((0, 1, "right"), (0, 2, "right"))),
        (Ballot(best=2, worst=0), 3, _said((0, 1, "right"), (0, 2, "right"), (1, 2, "right"))),
        (
            Ballot(best=0, worst=3),
            4,
            _said((0, 1, "left"), (0, 2, "left"), (0, 3, "left"), (1, 3, "left"), (2, 3, "left")),
        ),
        (Ballot(pairs=(Pair(2, 0, "left"), Pair(0, 1, "tie"))), 3, _said((0, 1, "tie"), (0, 2, "right"))),
    ],
)
async def test_a_ballot_says_something_of_each_pair_once(
    ballot: Ballot, lanes: int, pairs: tuple[Pair, ...]
) -> None:
    assert pairs_of(ballot, lanes) == pairs


@pytest.mark.parametrize(
    ("ballot", "lanes"),
    [
        (Ballot(), 2),
        (Ballot(outcome="left", best=0), 2),
        (Ballot(outcome="left"), 3),
        (Ballot(best=3), 3),
        (Ballot(best=1, worst=1), 3),
        (Ballot(worst=-1), 3),
        (Ballot(pairs=(Pair(0, 0, "tie"),)), 2),
        (Ballot(pairs=(Pair(0, 2, "tie"),)), 2),
        (Ballot(pairs=(Pair(0, 1, "tie"), Pair(1, 0, "tie"))), 2),
    ],
)
async def test_a_ballot_that_says_nothing_clear_is_refused(ballot: Ballot, lanes: int) -> None:
    with pytest.raises(BadBattle):
        pairs_of(ballot, lanes)


async def test_a_vote_moves_the_leaderboard_at_once(at: Ring) -> None:
    board, wish = Leaderboard(at.votes), Wish(slice=Slice(tag="moves"))
    lanes = (LaneWish("north/alpha"), LaneWish("south/beta"))
    for number in range(2):
        battle, _ = await at.fought(wish=BattleWish(lanes, blind=True, tags=("moves",)))
        assert board.view(LOCAL, wish).votes == number
        await at.votes.cast(LOCAL, battle.id, Ballot(outcome="left"))
        view = board.view(LOCAL, wish)
        assert view.votes == number + 1
        won = view.row(Setup(battle.lanes[0].model))
        assert won is not None and won.measured.total.wins >= 1
        assert won.measured.cost_n == number + 1
