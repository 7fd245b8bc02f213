"""Members judge a batch's answers, blind and once."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from battles.errors import AlreadyVoted, BatchNotFound, NotAVoter, NotVotable
from battles.models import LaneWish
from identity.errors import NotPermitted
from tests.battles.batch_desk import ONE, TWO, asked, batch_desk, says
from tests.gateway.desk import LOCAL

LANES = (LaneWish(ONE), LaneWish(TWO))
_better = says(lambda call: f"good {asked(call)[-1]}")
_worse = says(lambda call: f"poor {asked(call)[-1]}")


async def test_each_pair_is_judged_once_by_each_member_without_a_word_of_the_lanes(tmp_path: Path) -> None:
    async with batch_desk(tmp_path, _better, slow=(_worse,)) as desk:
        batch = await desk.open(9, lanes=LANES)
        await desk.do_all(batch)
        desk.batches.open_votes(LOCAL, batch.id, are_open=True)
        sides: Counter[str] = Counter()
        for user_id in (1, 2):
            voter = replace(LOCAL, user_id=user_id)
            seen = set()
            while (pair := desk.queue.next(voter, batch.id)) is not None:
                seen.add(pair.row_no)
                assert ONE not in repr(pair) and TWO not in repr(pair)
                side = "left" if pair.left.startswith("good") else "right"
                sides[side] += 1
                desk.queue.vote(voter, batch.id, pair.place, side)  # type: ignore[arg-type]  # one of the two
                with pytest.raises(AlreadyVoted):
                    desk.queue.vote(voter, batch.id, pair.place, "tie")
            assert seen == set(range(9))
        assert min(sides.values()) >= 2  # the good one is not always on one side
        report = desk.batches.report(LOCAL, batch.id)
        assert (report.votes, report.agreement.kappa, report.agreement.items) == (18, None, 9)
        assert report.agreement.share == 1.0
        assert (report.lanes[0].wins.hits, report.lanes[1].wins.hits) == (18, 0)
        assert report.card.winner == 0 and report.card.by == ("votes",)


async def test_pairs_that_say_the_same_are_nobodys_to_judge_and_a_skipped_one_comes_back_later(
    tmp_path: Path,
) -> None:
    async with batch_desk(tmp_path, says("same"), slow=(says("same"), says("other"))) as desk:
        batch = await desk.open(3, lanes=LANES)
        await desk.do_all(batch)
        desk.batches.open_votes(LOCAL, batch.id, are_open=True)
        first = desk.queue.next(LOCAL, batch.id)
        assert first is not None and first.row_no in (1, 2)
        second = desk.queue.next(LOCAL, batch.id, [first.place])
        assert second is not None and {first.row_no, second.row_no} == {1, 2}
        assert desk.queue.next(LOCAL, batch.id, [first.place, second.place]) is None
        assert desk.queue.next(LOCAL, batch.id) == first


async def test_only_members_with_a_name_judge_what_is_open(tmp_path: Path) -> None:
    async with batch_desk(tmp_path, _better, slow=(_worse,)) as desk:
        batch = await desk.open(1, lanes=LANES)
        await desk.do_all(batch)
        with pytest.raises(NotVotable):
            desk.queue.next(LOCAL, batch.id)
        desk.batches.open_votes(LOCAL, batch.id, are_open=True)
        with pytest.raises(NotAVoter):
            desk.queue.next(replace(LOCAL, user_id=None, key_id=1), batch.id)
        with pytest.raises(NotPermitted):
            desk.queue.next(replace(LOCAL, role="viewer"), batch.id)
        with pytest.raises(BatchNotFound):
            desk.queue.next(replace(LOCAL, team_id=2), batch.id)
        with pytest.raises(NotVotable):
            desk.queue.vote(LOCAL, batch.id, "7.0.1", "left")
        with pytest.raises(NotVotable):
            desk.queue.vote(LOCAL, batch.id, "0.0.1", "best")  # type: ignore[arg-type]  # on purpose
