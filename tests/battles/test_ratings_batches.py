"""What batches add to the leaderboard, on both engines."""

from __future__ import annotations

import msgspec
import pytest
from sqlalchemy.orm import Session

from battles.batch_models import BatchSpec, encoded
from battles.comparisons import VoterKind
from battles.models import LaneWish, Settings
from battles.ratings_batches import BatchRatings
from battles.ratings_choice import Passes
from battles.ratings_votes import Setup
from battles.tables_batches import BatchAnswerRow, BatchRow, BatchVoteRow
from store.databases import Database
from tests.battles.voting import lane, model
from tests.databases import Home

JUDGES: tuple[VoterKind, ...] = ("judge",)
LANES = (LaneWish("lab/a"), LaneWish("lab/b"), LaneWish("lab/b", settings=Settings(system="Be brief.")))


@pytest.fixture
def database(home: Home) -> Database:
    app = home.open().app
    with app.session() as session:
        _batch(session, "bat_1", 1)
        _batch(session, "bat_2", 2)
        for row_no in range(4):
            for number, passed in enumerate((row_no < 3, row_no < 1, None)):
                _answer(session, "bat_1", row_no, number, passed)
        _answer(session, "bat_1", 9, 0, True)  # which the other lanes did not answer
        _vote(session, "bat_1", 1, "left")
    return app


def _batch(session: Session, batch_id: str, team_id: int) -> None:
    session.add(
        BatchRow(
            id=batch_id, team_id=team_id, name="Rows", surface="page", state="done", epoch=1, rows=10,
            columns_json="[]", spec_json=encoded(BatchSpec("{{x}}", LANES, category="coding", tags=("sql",))),
            created_ms=1_000, updated_ms=1_000,
        )
    )  # fmt: skip


def _answer(session: Session, batch_id: str, row_no: int, number: int, passed: bool | None) -> None:
    session.add(
        BatchAnswerRow(
            batch_id=batch_id, row_no=row_no, lane=number, state="done", passed=passed, updated_ms=1_000
        )
    )


def _vote(session: Session, batch_id: str, row_no: int, outcome: str) -> None:
    session.add(
        BatchVoteRow(
            id="vot_1", batch_id=batch_id, team_id=1, row_no=row_no, low_lane=0, high_lane=1, left_lane=1,
            right_lane=0, user_id=7, outcome=outcome, prompt_sha256="f" * 64, prompt_language="en",
            sides_json=msgspec.json.encode([lane("lab/b"), lane("lab/a")]).decode(), created_ms=5_000,
        )
    )  # fmt: skip


def test_a_vote_on_a_row_is_a_first_vote_on_the_models(database: Database) -> None:
    found = BatchRatings(database)
    (told,) = found.comparisons(1)
    assert (told.voter, told.stage, told.board, told.outcome) == ("user:7", "first", "model", "left")
    assert (told.left.model, told.right.model) == ("lab/b", "lab/a")
    assert (told.category, told.tags, told.battle_id) == ("coding", ("sql",), "bat_1:1")
    assert list(found.comparisons(2)) == list(found.comparisons(1, since_ms=5_001)) == []
    assert found.comparisons(1, kinds=JUDGES) == ()


def test_pass_rates_are_held_against_each_other_on_rows_that_both_answered(database: Database) -> None:
    found = BatchRatings(database).passes(1)
    a, b = model("lab/a"), model("lab/b")
    assert found[a, b] == (Passes(3, 4), Passes(1, 4))
    assert found[b, a] == (Passes(1, 4), Passes(3, 4))
    assert set(found) == {(a, b), (b, a)}, "nothing was checked on the lane with its own system prompt"
    assert BatchRatings(database).passes(2) == {}


def test_lanes_that_differ_in_more_than_the_model_are_set_ups(database: Database) -> None:
    with database.session() as session:
        for row_no in range(4):
            answer = session.get_one(BatchAnswerRow, ("bat_1", row_no, 2))
            answer.passed = row_no < 2
    found = BatchRatings(database).passes(1)
    (brief,) = {one for one, _ in found if one.settings}
    assert found[brief, Setup("lab/a")] == (Passes(2, 4), Passes(3, 4))
    assert found[model("lab/a"), model("lab/b")] == (Passes(3, 4), Passes(1, 4))
