"""What becomes of an item of a batch: once, whatever happens to it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from battles import batch_storage as storage
from battles.batch_models import Item, Judge
from battles.batch_work import MOST_TRIES
from battles.checks import Exact, Regex
from battles.errors import BadBattle, BatchNotFound, BatchNotNow, NotYours
from battles.models import LaneWish
from gateway.errors import Forbidden
from identity.errors import NotPermitted
from identity.policy import Policy
from identity.principal import Principal
from tests.battles.batch_desk import ONE, PAID_NANO_USD, TWO, asked, batch_desk, says
from tests.gateway.desk import LOCAL
from tests.gateway.scripted import cut_in_the_middle, refuses, unreachable

MEMBER = Principal(team_id=1, team_name="Local", user_id=2, role="member")
STRANGER = Principal(team_id=2, team_name="Other", user_id=3, role="owner")

answers_as_expected = says(lambda call: asked(call).removeprefix("Say "))


async def test_a_row_is_answered_checked_and_paid_once_however_often_it_is_asked_for(tmp_path: Path) -> None:
    async with batch_desk(tmp_path, answers_as_expected) as desk:
        batch = await desk.open(checks=(Exact("{{expected}}"), Regex(r"\d")))
        at_once = await asyncio.gather(*(desk.do(batch) for _ in range(5)))
        assert {told.outcome for told in at_once} == {"done"} and (await desk.do(batch)).outcome == "done"
        answer = desk.answer(batch)
        assert (answer.state, answer.text, answer.passed) == ("done", "row 0", True)
        assert answer.cost_nano_usd == desk.used_nano_usd == PAID_NANO_USD
        assert [verdict.kind for verdict in answer.verdicts] == ["exact", "regex"]


async def test_an_answer_that_was_kept_and_not_reckoned_gets_its_cost_from_the_ledger(tmp_path: Path) -> None:
    async with batch_desk(tmp_path, answers_as_expected) as desk:
        batch = await desk.open(checks=(Exact("{{expected}}"),))
        await desk.do(batch)
        # As a process leaves it that dies between the settle and the last write.
        left = {"state": "answered", "cost_nano_usd": 0, "passed": None}
        await desk.batches.database.write(lambda s: storage.put_answer(s, batch.id, Item(0, 0), left))
        assert (await desk.do(batch)).outcome == "done"
        assert (desk.answer(batch).cost_nano_usd, desk.answer(batch).passed) == (PAID_NANO_USD, True)
        assert desk.used_nano_usd == PAID_NANO_USD


async def test_what_was_paid_for_and_has_no_answer_is_cut_and_not_asked_again_by_itself(
    tmp_path: Path,
) -> None:
    async with batch_desk(tmp_path, answers_as_expected) as desk:
        batch = await desk.open()
        await desk.do(batch)
        left = {"state": "waiting", "text": None, "cost_nano_usd": 0}
        await desk.batches.database.write(lambda s: storage.put_answer(s, batch.id, Item(0, 0), left))
        assert (await desk.do(batch)).outcome == "done"
        assert (desk.answer(batch).state, desk.answer(batch).cost_nano_usd) == ("cut", PAID_NANO_USD)
        assert desk.used_nano_usd == PAID_NANO_USD  # nothing was asked

        desk.batches.pause(LOCAL, batch.id)
        assert desk.batches.ask_again(LOCAL, batch.id) == 1  # somebody says so: then it may cost again
        again = desk.now(batch)
        assert (again.state, again.epoch) == ("running", 2)
        assert (await desk.do(again)).outcome == "done"
        answer = desk.answer(batch)
        assert (answer.state, answer.cost_nano_usd, answer.earlier_nano_usd) == (
            "done", PAID_NANO_USD, PAID_NANO_USD,
        )  # fmt: skip
        assert desk.batches.show(LOCAL, batch.id)[1].paid_nano_usd == desk.used_nano_usd == 2 * PAID_NANO_USD


async def test_what_comes_to_nothing_for_nothing_is_tried_four_times(tmp_path: Path) -> None:
    async with batch_desk(tmp_path, unreachable) as desk:
        batch = await desk.open()
        told = [(await desk.do(batch)).outcome for _ in range(MOST_TRIES)]
        assert told == ["later"] * (MOST_TRIES - 1) + ["done"]
        answer = desk.answer(batch)
        assert (answer.state, answer.failure_kind) == ("failed", "ProviderUnreachable")
        assert desk.used_nano_usd == 0


async def test_a_limit_on_requests_is_waited_out_and_costs_no_try(tmp_path: Path) -> None:
    limited = [refuses(429, 3.0)] * (MOST_TRIES + 2)
    async with batch_desk(tmp_path, *limited, answers_as_expected) as desk:
        batch = await desk.open()
        for _ in limited:
            told = await desk.do(batch)
            assert (told.outcome, told.wait_s) == ("again", 3.0)
        assert (await desk.do(batch)).outcome == "done" and desk.answer(batch).state == "done"


async def test_an_answer_that_breaks_off_is_paid_told_and_left_to_a_person(tmp_path: Path) -> None:
    async with batch_desk(tmp_path, cut_in_the_middle) as desk:
        batch = await desk.open()
        assert (await desk.do(batch)).outcome == "done"
        answer = desk.answer(batch)
        assert (answer.state, answer.text) == ("failed", "half of an")
        assert answer.cost_nano_usd == desk.used_nano_usd > 0
        ((failed, line_no),) = desk.batches.failures(LOCAL, batch.id)
        assert (failed.failure_kind, line_no) == ("ProviderBroke", 1)


async def test_at_its_cap_a_batch_pauses_and_goes_on_when_the_cap_is_raised(tmp_path: Path) -> None:
    async with batch_desk(tmp_path, answers_as_expected) as desk:
        batch = await desk.open(cost_cap_nano_usd=1_000)  # less than a hold of one row
        assert (await desk.do(batch)).outcome == "over"
        paused = desk.now(batch)
        assert paused.state == "paused" and "cap" in paused.why and desk.used_nano_usd == 0
        await desk.batches.set_cap(LOCAL, batch.id, 1_000_000_000)
        desk.batches.resume(LOCAL, batch.id)
        assert (await desk.do(batch)).outcome == "over"  # of the epoch before
        assert (await desk.do(desk.now(batch))).outcome == "done"


async def test_whoever_may_no_longer_act_pauses_their_batch(tmp_path: Path) -> None:
    async with batch_desk(tmp_path, answers_as_expected) as desk:
        batch = await desk.open()
        desk.standing.gone = True
        assert (await desk.do(batch)).outcome == "over"
        assert desk.now(batch).state == "paused" and desk.used_nano_usd == 0


async def test_a_batch_of_nothing_but_wishes_is_refused_before_it_costs(tmp_path: Path) -> None:
    async with batch_desk(tmp_path, answers_as_expected) as desk:
        for wrong in (
            {"lanes": ()},
            {"lanes": (LaneWish("simulated/steady"),)},
            {"checks": (Exact("{{nowhere}}"),)},
            {"at_once": 0},
            {"judge": Judge(ONE)},  # of one lane
            {"cost_cap_nano_usd": 0},
        ):
            with pytest.raises(BadBattle):
                await desk.open(**wrong)
        with pytest.raises(Forbidden):
            await desk.open(by=replace(LOCAL, policy=Policy(text_days=0)))
        with pytest.raises(NotPermitted):
            await desk.open(by=replace(LOCAL, role="viewer"))
        assert desk.batches.listed(LOCAL) == ()


async def test_a_batch_is_its_teams_to_see_and_its_authors_to_change(tmp_path: Path) -> None:
    async with batch_desk(tmp_path, answers_as_expected) as desk:
        batch = await desk.open()
        assert desk.batches.show(MEMBER, batch.id)[0].id == batch.id
        for work in (desk.batches.pause, desk.batches.stop, desk.batches.ask_again):
            with pytest.raises(NotYours):
                work(MEMBER, batch.id)
            with pytest.raises(BatchNotFound):
                work(STRANGER, batch.id)
        with pytest.raises(BatchNotFound):
            desk.batches.report(STRANGER, batch.id)
        with pytest.raises(BatchNotNow):
            desk.batches.resume(LOCAL, batch.id)
        desk.batches.stop(LOCAL, batch.id)
        with pytest.raises(BatchNotNow):
            desk.batches.pause(LOCAL, batch.id)
        assert (await desk.do(batch)).outcome == "over"


async def test_a_judge_is_asked_in_both_orders_and_contradicting_itself_is_a_tie(tmp_path: Path) -> None:
    judge = says("Both are fine.\nVERDICT: FIRST")  # whichever stands first
    async with batch_desk(tmp_path, says("A"), slow=(says("B"), judge)) as desk:
        batch = await desk.open(1, lanes=(LaneWish(ONE), LaneWish(TWO)), judge=Judge(TWO))
        await desk.do_all(batch)
        for first, second in ((0, 1), (1, 0), (1, 0)):
            assert (await desk.work.judge(batch.id, 1, 0, first, second)).outcome == "done"
        (judged,) = desk.batches.report(LOCAL, batch.id).judged
        assert (judged.for_low, judged.for_high, judged.ties, judged.disagreed) == (0, 0, 1, 1)
        progress = desk.batches.show(LOCAL, batch.id)[1]
        assert (progress.judged, progress.to_judge) == (2, 2)
        assert progress.paid_nano_usd == desk.used_nano_usd


async def test_a_judge_without_a_verdict_is_asked_again_and_then_let_be(tmp_path: Path) -> None:
    async with batch_desk(tmp_path, says("A"), slow=(says("B"), says("I cannot say."))) as desk:
        batch = await desk.open(1, lanes=(LaneWish(ONE), LaneWish(TWO)), judge=Judge(TWO))
        await desk.do_all(batch)
        told = [(await desk.work.judge(batch.id, 1, 0, 0, 1)).outcome for _ in range(MOST_TRIES)]
        assert told == ["later"] * (MOST_TRIES - 1) + ["done"]
        assert desk.batches.report(LOCAL, batch.id).judged[0].ties == 0


async def test_text_that_is_forgotten_takes_rows_prompts_and_answers_and_leaves_the_figures(
    tmp_path: Path,
) -> None:
    async with batch_desk(tmp_path, answers_as_expected) as desk:
        batch = await desk.open(1, checks=(Exact("{{expected}}"),))
        await desk.do(batch)
        desk.batches.stop(LOCAL, batch.id)
        with desk.batches.database.session() as session:
            assert storage.forget_text(session, 2, None) == 0
            assert storage.forget_text(session, 1, None) == 1
        left = desk.now(batch)
        assert not left.keeps_text and left.spec.lanes[0].settings.template is None
        assert desk.batches.page(LOCAL, batch.id, 0, 1) == ()
        answer = desk.answer(batch)
        assert (answer.text, answer.passed, answer.cost_nano_usd) == (None, True, PAID_NANO_USD)
        with pytest.raises(BatchNotNow):
            desk.batches.ask_again(LOCAL, batch.id)
