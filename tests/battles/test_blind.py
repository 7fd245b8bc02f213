"""What a voter may see before the vote: text alone, of all lanes as much, with no name in it."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import msgspec
import pytest

from battles import history, storage
from battles.ballots import Ballot
from battles.history import Sought
from battles.live import FRAME_S
from battles.looking import battle_of
from battles.models import BattleWish, LaneWish
from battles.pacing import Ready, furthest, is_over, moved
from gateway.errors import RunNotFound
from gateway.glimpse import Source
from tests.battles.ring import MEMBER, Gated, Ring, fails, says
from tests.gateway.desk import LOCAL

pytestmark = pytest.mark.asyncio(loop_scope="session")
NAMES = ("alpha", "beta", "gamma", "north", "south", "west", '"lab"', "run_", "cost", "tokens_per_s")


async def test_a_view_says_nothing_of_who_a_lane_is_until_its_reader_has_voted(at: Ring) -> None:
    at.lab.plays_of(alpha=says("I am Alpha One."), beta=says("Paris, says GPT-4.1 mini by OpenAI."))
    battle, _ = await at.fought("alpha", "beta", blind=True)
    for reader in (LOCAL, MEMBER):
        seen = await at.view(battle, reader)
        told = msgspec.json.encode(seen).decode().lower().replace('"cost_nano_usd":null', "")
        told = told.replace('"cost_cap_nano_usd":null', "").replace('"run_id":null', "")
        assert [name for name in (*NAMES, "gpt", "openai") if name in told] == []
        (line,) = [
            line for line in history.lines(at.battles.database, reader, Sought()) if line.id == battle.id
        ]
        assert (line.hidden, line.models) == (True, ())
    texts = {lane.text for lane in (await at.view(battle)).turns[0].lanes}
    assert texts == {"I am [model].", "Paris, says [model] by [maker]."}
    await at.votes.cast(LOCAL, battle.id, Ballot(outcome="tie"))
    seen = await at.view(battle)
    assert {lane.text for lane in seen.turns[0].lanes} == {
        "I am Alpha One.", "Paris, says GPT-4.1 mini by OpenAI.",
    }  # fmt: skip
    assert {lane.model for lane in seen.lanes} == {"north/alpha", "south/beta"}
    assert (await at.view(battle, MEMBER)).hidden


async def test_a_search_by_model_does_not_find_a_hidden_battle(at: Ring) -> None:
    battle, _ = await at.fought("alpha", "beta", blind=True)

    def found() -> list[str]:
        sought = Sought(model="north/alpha")
        return [line.id for line in history.lines(at.battles.database, LOCAL, sought)]

    assert battle.id not in found()
    await at.votes.reveal(LOCAL, battle.id)
    assert battle.id in found()


async def test_a_request_leads_to_its_battle_once_its_reader_knows_the_names(at: Ring) -> None:
    battle, turn = await at.fought("alpha", "beta", blind=True)
    runs = await at.battles.database.read(lambda session: storage.runs_of(session, [turn.id]))
    run_id = runs[0].run_id
    assert await battle_of(at.battles, LOCAL, run_id) is None
    await at.votes.reveal(LOCAL, battle.id)
    assert await battle_of(at.battles, LOCAL, run_id) == battle.id
    assert await battle_of(at.battles, MEMBER, run_id) is None, "who has not seen the names"
    assert await battle_of(at.battles, replace(LOCAL, team_id=2), run_id) is None
    assert await battle_of(at.battles, LOCAL, "run_of_no_battle") is None


async def test_runs_of_a_hidden_battle_are_hidden_from_those_who_may_vote(at: Ring) -> None:
    battle, _ = await at.fought("alpha", "beta", blind=True)
    runs = {run.run_id for run in (await at.battles.known(battle)).runs}
    hidden = at.battles.hidden_runs
    assert runs <= hidden.of(LOCAL) and runs <= hidden.of(MEMBER)
    assert not runs & hidden.of(replace(LOCAL, team_id=2))
    await at.votes.cast(LOCAL, battle.id, Ballot(outcome="left"))
    assert not runs & hidden.of(LOCAL)
    assert runs <= hidden.of(MEMBER)
    mine, _ = await at.fought(
        wish=BattleWish((LaneWish("north/alpha"), LaneWish("south/beta")), blind=True, personal=True)
    )
    own = {run.run_id for run in (await at.battles.known(mine)).runs}
    assert own <= hidden.of(LOCAL)
    assert not own & hidden.of(MEMBER)


async def test_the_log_hears_of_a_blind_battle_when_its_names_are_known(at: Ring) -> None:
    battle, _ = await at.fought("alpha", "beta", blind=True)
    assert at.log == []
    await at.votes.cast(MEMBER, battle.id, Ballot(outcome="left"))  # who did not start it
    assert at.log == []
    await at.votes.cast(LOCAL, battle.id, Ballot(outcome="left"))
    assert len(at.log) == 2


async def test_the_order_is_drawn_by_lot_and_kept(at: Ring) -> None:
    orders = set()
    for _ in range(24):
        battle = await at.battles.create(
            LOCAL, BattleWish(tuple(LaneWish(f"north/{name}") for name in ["alpha"] * 3), blind=True)
        )
        orders.add(tuple(lane.asked_no for lane in battle.lanes))
        assert [lane.no for lane in battle.lanes] == [0, 1, 2]
        assert (await at.battles.find(LOCAL, battle.id)).lanes == battle.lanes
    assert len(orders) > 2


# --- the pace -----------------------------------------------------------------------------------


async def test_all_lanes_are_released_at_one_pace_whatever_upstream_does(at: Ring) -> None:
    fast, slow = Gated("f" * 180), Gated("s" * 120, "s" * 30)
    at.lab.plays_of(alpha=fast, beta=slow)
    battle, _ = await at.fought("alpha", "beta", blind=True, wait=False)
    lanes = (await at.view(battle)).turns[0].lanes
    sources = [await at.lanes.source(LOCAL, lane.live_id) for lane in lanes]
    leaving = [source.follow(lambda: None) for source in sources]
    fast.end()
    await asyncio.sleep(FRAME_S * 3)
    assert [source.look().text for source in sources] == ["", ""]  # the slow one has said nothing
    slow.go(1)
    await _until(sources, 10)
    texts = [source.look().text for source in sources]
    assert len(texts[0]) == len(texts[1]) <= 120
    assert [source.state for source in sources] == ["running", "running"]  # though one has ended
    slow.end()
    async with asyncio.timeout(10):
        while any(source.state == "running" for source in sources):
            await asyncio.sleep(FRAME_S)
    assert sorted(len(source.look().text) for source in sources) == [150, 180]
    for leave in leaving:
        leave()


async def test_a_lane_shows_no_figures_no_reasoning_and_how_it_failed_only_with_the_others(at: Ring) -> None:
    slow = Gated("some words")
    at.lab.plays_of(alpha=fails, beta=slow)
    battle, _ = await at.fought("alpha", "beta", blind=True, wait=False)
    lanes = (await at.view(battle)).turns[0].lanes
    assert [lane.state for lane in lanes] == ["running", "running"]
    sources = [await at.lanes.source(LOCAL, lane.live_id) for lane in lanes]
    leaving = [source.follow(lambda: None) for source in sources]
    await asyncio.sleep(FRAME_S * 2)
    assert [source.state for source in sources] == ["running", "running"]
    slow.end()
    async with asyncio.timeout(10):
        while any(source.state == "running" for source in sources):
            await asyncio.sleep(FRAME_S)
    looks = [source.look() for source in sources]
    assert sorted(look.state for look in looks) == ["done", "failed"]
    told = msgspec.json.encode(looks).decode()
    assert "ProviderUnreachable" not in told and '"lab"' not in told
    assert all(look.figures.cost_nano_usd is None and look.finish_reason is None for look in looks)
    for leave in leaving:
        leave()


async def test_a_page_that_comes_late_finds_all_of_an_ended_turn(at: Ring) -> None:
    battle, _ = await at.fought("alpha", "beta", blind=True)
    lanes = (await at.view(battle)).turns[0].lanes
    looks = [(await at.lanes.source(LOCAL, lane.live_id)).look() for lane in lanes]
    assert {look.text for look in looks} == {"alpha was asked", "beta was asked"}
    assert [look.state for look in looks] == ["done", "done"]


async def test_a_lane_is_asked_for_by_its_open_name_only_where_names_are_shown(at: Ring) -> None:
    battle, _ = await at.fought("alpha", "beta", blind=True)
    hidden = (await at.view(battle)).turns[0].lanes[0].live_id
    with pytest.raises(RunNotFound):
        await at.lanes.source(LOCAL, hidden + "o")
    for other in (replace(LOCAL, team_id=2), replace(LOCAL, role="auditor", user_id=8)):
        with pytest.raises(RunNotFound):
            await at.lanes.source(other, hidden)
    for name in ("lane_", "lane_x_0_1", f"{hidden}0_1_2", "lane_00_9_1", "lane_00_0_1\n"):
        with pytest.raises(RunNotFound):
            await at.lanes.source(LOCAL, name)
    await at.votes.cast(LOCAL, battle.id, Ballot(outcome="left"))
    shown = (await at.view(battle)).turns[0].lanes[0].live_id
    assert shown == hidden + "o"
    look = (await at.lanes.source(LOCAL, shown)).look()
    assert look.figures.cost_nano_usd == 140_000


async def test_an_open_lane_streams_as_it_comes_and_shows_itself_when_its_turn_comes(at: Ring) -> None:
    first, second = Gated("one"), Gated("two")
    at.lab.plays_of(alpha=first, beta=second)
    wish = BattleWish((LaneWish("north/alpha"), LaneWish("south/beta")), order="in_sequence")
    battle, _ = await at.fought(wish=wish, wait=False)
    lanes = (await at.view(battle)).turns[0].lanes
    sources = [await at.lanes.source(LOCAL, lane.live_id) for lane in lanes]
    leaving = [source.follow(lambda: None) for source in sources]
    assert [source.state for source in sources] == ["running", "running"]
    first.go(1)
    await _until(sources[:1], 3)
    first.end()
    second.go(1)
    await _until(sources, 3)
    second.end()
    await at.ended(battle)
    assert [source.look().text for source in sources] == ["one", "two"]
    for leave in leaving:
        leave()


async def test_a_lane_is_stopped_through_the_live_channel(at: Ring) -> None:
    slow = Gated("one")
    at.lab.plays_of(beta=slow)
    battle, _ = await at.fought("alpha", "beta", wait=False)
    lane = (await at.view(battle)).turns[0].lanes[1]
    await at.lanes.stop(LOCAL, lane.live_id)
    assert [lane.state for lane in (await at.ended(battle)).turns[0].lanes] == ["done", "stopped"]


async def _until(sources: list[Source], chars: int) -> None:
    async with asyncio.timeout(10):
        while min(len(source.look().text) for source in sources) < chars:
            await asyncio.sleep(0.01)


# --- pure ---------------------------------------------------------------------------------------


async def test_the_position_never_passes_a_lane_that_still_writes() -> None:
    lanes = [Ready(50, True), Ready(80, False), Ready(400, False)]
    assert furthest(lanes) == 80
    position = 0.0
    for _ in range(200):
        position = moved(position, lanes, 0.1)
    assert position == 80
    assert not is_over(position, lanes)
    ended = [replace(lane, ended=True) for lane in lanes]
    assert furthest(ended) == 400
    assert is_over(400, ended) and not is_over(399, ended)
    assert moved(80, ended, 0.001) == pytest.approx(80.16, abs=0.1)
    assert is_over(0, [Ready(0, True)])


async def test_a_run_of_a_hidden_battle_is_no_ones_to_look_up(at: Ring) -> None:
    battle, _ = await at.fought("alpha", "beta", blind=True)
    run_id = (await at.battles.known(battle)).runs[0].run_id
    for reader in (LOCAL, MEMBER):
        with pytest.raises(RunNotFound, match="Vote first"):
            await at.desk.gateway.record(reader, run_id)
    await at.votes.cast(LOCAL, battle.id, Ballot(outcome="left"))
    assert (await at.desk.gateway.record(LOCAL, run_id)).id == run_id
    with pytest.raises(RunNotFound):
        await at.desk.gateway.record(MEMBER, run_id)
