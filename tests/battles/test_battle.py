"""Battles through their use case: lanes that start together, go on, fork, fail alone, stop, try again."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

import pytest

from battles.errors import (
    BadBattle,
    BattleNotFound,
    LanesRunning,
    NothingToRetry,
    NotYours,
    RequestKeyReused,
)
from battles.models import Battle, BattleWish, Example, LaneWish, Prompt, Settings
from billing.budgets import lasting
from gateway.errors import UnknownModel
from gateway.messages import Sampling
from identity.errors import NotPermitted
from identity.policy import Policy
from tests.battles.ring import MEMBER, STRANGER, Gated, Ring, fails, says
from tests.gateway.desk import LOCAL

pytestmark = pytest.mark.asyncio(loop_scope="session")
TWO = (LaneWish("north/alpha"), LaneWish("south/beta"))


async def test_all_lanes_answer_one_prompt_and_each_is_charged_once(at: Ring) -> None:
    battle, turn = await at.fought("alpha", "beta", "gamma")
    seen = await at.view(battle)
    assert [lane.text for lane in seen.turns[0].lanes] == [
        "alpha was asked", "beta was asked", "gamma was asked",
    ]  # fmt: skip
    assert [lane.state for lane in seen.turns[0].lanes] == ["done"] * 3
    assert turn.language == "en"
    costs = [lane.cost_nano_usd for lane in seen.turns[0].lanes]
    assert costs == [140_000] * 3  # 100 tokens at $1 and 10 at $4 a million
    assert seen.cost_nano_usd == 420_000 == at.spent_nano_usd()
    assert {row.run_id for row in at.log} == {lane.run_id for lane in seen.turns[0].lanes}


async def test_lanes_run_beside_each_other(at: Ring) -> None:
    slow, slower = Gated("a"), Gated("b")
    at.lab.plays_of(alpha=slow, beta=slower)
    battle, _ = await at.fought("alpha", "beta", wait=False)
    async with asyncio.timeout(5):
        await slow.began.wait()
        await slower.began.wait()
    assert (await at.view(battle)).running
    slow.end()
    slower.end()
    assert not (await at.ended(battle)).running


async def test_a_lane_that_fails_leaves_the_others_untouched_and_is_tried_again_alone(at: Ring) -> None:
    at.lab.plays_of(beta=[fails, says("now it works")])
    battle, turn = await at.fought("alpha", "beta")
    first, second = (await at.view(battle)).turns[0].lanes
    assert (first.state, second.state) == ("done", "failed")
    assert second.failure is not None
    assert second.failure.kind == "ProviderUnreachable"
    assert second.cost_nano_usd == 0
    assert await at.battles.retry(LOCAL, battle.id, turn.id) == (1,)
    seen = await at.ended(battle)
    first, second = seen.turns[0].lanes
    assert (second.text, second.tries, second.cost_nano_usd) == ("now it works", 2, 140_000)
    assert first.tries == 1
    with pytest.raises(NothingToRetry):
        await at.battles.retry(LOCAL, battle.id, turn.id)
    await at.battles.retry(LOCAL, battle.id, turn.id, lane=0)  # one that is named is asked again
    seen = await at.ended(battle)
    assert seen.turns[0].lanes[0].cost_nano_usd == 280_000
    assert seen.cost_nano_usd == at.spent_nano_usd()


async def test_one_lane_is_stopped_and_says_what_it_cost(at: Ring) -> None:
    slow = Gated("some words came ", "and more")
    at.lab.plays_of(beta=slow)
    battle, _ = await at.fought("alpha", "beta", wait=False)
    await slow.began.wait()
    slow.go(1)
    await _until_text(at, battle, 1)
    with pytest.raises(NotYours):
        await at.battles.stop(MEMBER, battle.id)
    assert await at.battles.stop(LOCAL, battle.id, lane=1) == 1
    first, second = (await at.ended(battle)).turns[0].lanes
    assert (first.state, second.state, second.text) == ("done", "stopped", "some words came ")
    assert second.cost_nano_usd
    assert await at.battles.stop(LOCAL, battle.id) == 0


async def test_a_turn_goes_on_with_each_lanes_own_answer_and_may_be_forked(at: Ring) -> None:
    settings = Settings(system="Be brief.", examples=(Example("1+1", "2"),))
    lanes = (replace(TWO[0], settings=settings), TWO[1])
    battle, first = await at.fought(wish=BattleWish(lanes))
    second = await at.battles.start_turn(LOCAL, battle.id, Prompt("And then?"), first.id)
    await at.ended(battle)
    fork = await at.battles.start_turn(LOCAL, battle.id, Prompt("Or rather?"), first.id)
    seen = await at.ended(battle)
    assert [(turn.no, turn.parent_turn_id) for turn in seen.turns] == [
        (1, None), (2, first.id), (3, first.id),
    ]  # fmt: skip
    asked = [
        [message.text for message in call.request.messages] for call in at.lab.calls if call.model == "alpha"
    ]
    assert asked[1] == ["Be brief.", "1+1", "2", "What is the answer?", "alpha was asked", "And then?"]
    assert asked[2][-2:] == ["alpha was asked", "Or rather?"]
    assert second.id != fork.id
    beta = [call for call in at.lab.calls if call.model == "beta"]
    assert [message.text for message in beta[1].request.messages] == [
        "What is the answer?", "beta was asked", "And then?",
    ]  # fmt: skip


async def test_nothing_goes_on_from_an_answer_that_is_not_there_yet(at: Ring) -> None:
    slow = Gated("a")
    at.lab.plays_of(beta=slow)
    battle, turn = await at.fought("alpha", "beta", wait=False)
    with pytest.raises(LanesRunning):
        await at.battles.start_turn(LOCAL, battle.id, Prompt("And then?"), turn.id)
    with pytest.raises(LanesRunning):
        await at.battles.retry(LOCAL, battle.id, turn.id, lane=1)
    slow.end()


async def test_lanes_in_sequence_wait_for_each_other_and_may_be_stopped_while_they_wait(at: Ring) -> None:
    slow = Gated("a")
    at.lab.plays_of(alpha=slow)
    battle, _ = await at.fought(
        wish=BattleWish((*TWO, LaneWish("west/gamma")), order="in_sequence"), wait=False
    )
    assert [lane.state for lane in (await at.view(battle)).turns[0].lanes] == [
        "running", "waiting", "waiting",
    ]  # fmt: skip
    assert await at.battles.stop(LOCAL, battle.id, lane=1) == 1
    slow.end()
    seen = await at.ended(battle)
    assert [lane.state for lane in seen.turns[0].lanes] == ["done", "stopped", "done"]
    assert [call.model for call in at.lab.calls] == ["alpha", "gamma"]
    assert seen.turns[0].lanes[1].cost_nano_usd == 0


async def test_lanes_on_one_local_model_run_one_after_another_or_tell_no_times(at: Ring) -> None:
    local = tuple(
        LaneWish("house/local", settings=Settings(sampling=Sampling(temperature=heat))) for heat in (0, 1)
    )
    slow = Gated("a")
    at.lab.plays_of(local=[slow, says("b"), says("c"), says("d")])
    battle, _ = await at.fought(wish=BattleWish((*local, TWO[0])), wait=False)
    states = [lane.state for lane in (await at.view(battle)).turns[0].lanes]
    assert states[:2] == ["running", "waiting"]
    slow.end()
    seen = await at.ended(battle)
    assert [lane.shares_cpu for lane in seen.turns[0].lanes] == [False] * 3
    assert all(row.total_ms is not None for row in at.log)
    at.log.clear()
    crowded, _ = await at.fought(wish=BattleWish((*local, TWO[0]), order="at_once"))
    seen = await at.view(crowded)
    assert [lane.shares_cpu for lane in seen.turns[0].lanes] == [True, True, False]
    rows = sorted(at.log, key=lambda row: row.model != "house/local")
    assert [row.total_ms is None for row in rows] == [
        True, True, False,
    ]  # fmt: skip


async def test_a_battle_spends_no_more_than_its_cap(at: Ring) -> None:
    lanes = tuple(replace(lane, settings=Settings(sampling=Sampling(max_output_tokens=10))) for lane in TWO)
    battle, turn = await at.fought(wish=BattleWish(lanes, cost_cap_nano_usd=1_000))
    seen = await at.view(battle)
    assert {lane.failure.kind for lane in seen.turns[0].lanes if lane.failure} == {"CapReached"}
    assert seen.cost_nano_usd == 0 == at.spent_nano_usd()
    free, _ = await at.fought("alpha", "beta")
    assert (await at.view(free)).cost_nano_usd == 280_000
    assert turn.battle_id == battle.id


async def test_the_same_key_opens_one_battle(at: Ring) -> None:
    one = await at.battles.create(LOCAL, BattleWish(TWO), surface="api", idempotency_key="k")
    assert await at.battles.create(LOCAL, BattleWish(TWO), surface="api", idempotency_key="k") == one
    other = BattleWish((TWO[0], LaneWish("west/gamma")))
    with pytest.raises(RequestKeyReused):
        await at.battles.create(LOCAL, other, surface="api", idempotency_key="k")


async def test_what_cannot_be_a_battle_is_refused_before_anything_is_held(at: Ring) -> None:
    drill = BattleWish((LaneWish("simulated/steady"), LaneWish("simulated/empty")))
    for wish, error in (
        (BattleWish(TWO[:1]), BadBattle),
        (BattleWish(TWO * 4), BadBattle),
        (BattleWish((TWO[0], LaneWish("nobody/none"))), UnknownModel),
        (BattleWish((TWO[0], LaneWish("openai/text-embedding-3-small"))), BadBattle),
        (BattleWish((TWO[0], replace(TWO[1], provider="openai"))), BadBattle),
        (BattleWish(TWO, tags=("",)), BadBattle),
        (BattleWish(TWO, tags=("x",) * 9), BadBattle),
        (BattleWish(TWO, cost_cap_nano_usd=0), BadBattle),
        (BattleWish(TWO, category="other"), BadBattle),  # type: ignore[arg-type]  # as from outside
        (drill, BadBattle),
        (replace(drill, kind="drill", blind=True), BadBattle),
    ):
        with pytest.raises(error):
            await at.battles.create(LOCAL, wish)
    with pytest.raises(NotPermitted):
        await at.battles.create(replace(LOCAL, role="viewer"), BattleWish(TWO))
    battle = await at.battles.create(LOCAL, BattleWish(TWO))
    for prompt in (Prompt(""), Prompt("x" * 400_001), Prompt("x", images=("javascript:1",))):
        with pytest.raises(BadBattle):
            await at.battles.start_turn(LOCAL, battle.id, prompt)
    with pytest.raises(BadBattle):
        await at.battles.start_turn(LOCAL, battle.id, Prompt("x"), "trn_none")
    assert not at.lab.calls


async def test_a_fault_drill_is_the_place_of_simulated_models(at: Ring) -> None:
    lanes = (LaneWish("simulated/steady"), LaneWish("simulated/cut-mid-stream"))
    battle, _ = await at.fought(wish=BattleWish(lanes, kind="drill"))
    seen = await at.view(battle)
    assert [lane.state for lane in seen.turns[0].lanes] == ["done", "failed"]
    assert seen.may_vote is None


async def test_who_may_see_a_battle(at: Ring) -> None:
    mine, _ = await at.fought(wish=BattleWish(TWO, personal=True))
    ours, _ = await at.fought("alpha", "beta")
    assert (await at.view(ours, MEMBER)).turns[0].lanes[0].text == "alpha was asked"
    for reader, battle in (
        (MEMBER, mine),
        (STRANGER, ours),
        (replace(LOCAL, role="auditor", user_id=3), ours),
    ):
        with pytest.raises(BattleNotFound):
            await at.view(battle, reader)


async def test_a_prompt_version_fills_its_places(at: Ring) -> None:
    templates = ("Translate to {{language}}: {{prompt}}", "{{prompt}} in {{language}}")
    lanes = tuple(
        replace(lane, prompt_version_id=f"prv_{no}", settings=Settings(template=text))
        for no, (lane, text) in enumerate(zip(TWO, templates, strict=True))
    )
    battle = await at.battles.create(LOCAL, BattleWish(lanes))
    await at.battles.start_turn(LOCAL, battle.id, Prompt("hello", variables={"language": "French"}))
    await at.ended(battle)
    asked = {call.model: call.request.messages[-1].text for call in at.lab.calls}
    assert asked == {"alpha": "Translate to French: hello", "beta": "hello in French"}
    with pytest.raises(BadBattle, match="language"):
        await at.battles.start_turn(LOCAL, battle.id, Prompt("hello"))


async def test_where_the_team_keeps_no_text_memory_has_it_and_the_database_none(at: Ring) -> None:
    quiet = replace(LOCAL, policy=Policy(text_days=0))
    lanes = (replace(TWO[0], settings=Settings(system="hush-hush")), TWO[1])
    battle, turn = await at.fought(by=quiet, wish=BattleWish(lanes), prompt="whisper this")
    seen = await at.view(battle, quiet)
    assert seen.turns[0].prompt == Prompt("whisper this")
    assert seen.turns[0].lanes[0].text == "alpha was asked"
    await at.battles.start_turn(quiet, battle.id, Prompt("go on"), turn.id)
    await at.ended(battle, quiet)
    alpha = [call for call in at.lab.calls if call.model == "alpha"]
    assert alpha[1].request.messages[0].text == "hush-hush"
    for words in ("whisper", "hush-hush", "alpha was asked", "go on"):
        assert not at.has_written(battle, words)


async def _until_text(at: Ring, battle: Battle, lane: int) -> None:
    async with asyncio.timeout(5):
        while not (await at.view(battle)).turns[0].lanes[lane].text:
            await asyncio.sleep(0.005)


async def test_a_battles_cap_is_listed_while_something_of_it_runs(at: Ring) -> None:
    slow = Gated("a")
    at.lab.plays_of(beta=slow)
    battle, _ = await at.fought(wish=BattleWish(TWO, cost_cap_nano_usd=1_000_000_000), wait=False)

    def listed() -> list[str]:
        caps = at.budgets.caps(1, time.time_ns() // 1_000_000)
        return [cap.subject for cap in lasting(caps) if cap.scope == "battle"]

    assert battle.id in listed()
    slow.end()
    await at.ended(battle)
    assert battle.id not in listed()
