"""What the database keeps of battles, on both engines."""

from __future__ import annotations

import pytest
from sqlalchemy import delete, text, update
from sqlalchemy.exc import DatabaseError
from sqlmodel import col

from battles import storage
from battles.models import Battle, Example, Lane, LaneRun, Prompt, Settings, Turn
from battles.tables import BattleVoteRow
from gateway.messages import Sampling
from tests.databases import Home

SETTINGS = Settings(
    system="Answer briefly.",
    examples=(Example("1+1", "2"),),
    template="Say: {{prompt}}",
    sampling=Sampling(max_output_tokens=50, temperature=0.5, stop=("END",)),
    response_format={"type": "json_object"},
)


def a_battle(battle_id: str = "btl_1", *, keeps_text: bool = True) -> Battle:
    lanes = tuple(
        Lane(no, 1 - no, f"lab/{no}", None, "lab", "pv_1", SETTINGS, ("temperature",)) for no in range(2)
    )
    return Battle(
        battle_id, 1, 7, "battle", "page", False, True, "coding", ("a", "b"), "auto", 5, SETTINGS, lanes,
        keeps_text, 1_000,
    )  # fmt: skip


def a_turn(turn_id: str = "trn_1", no: int = 1, prompt: str = "Hello\0 World") -> Turn:
    return Turn(turn_id, "btl_1", None, no, 7, Prompt(prompt, ("data:,x",), {"x": "y"}), "00" * 32, "en", 5)


def test_a_battle_comes_back_as_it_was(home: Home) -> None:
    databases = home.open()
    with databases.app.session() as session:
        storage.insert_battle(session, a_battle(), request_key="k")
        storage.insert_turn(session, a_turn(prompt="Hello World"), keeps_text=True)
    with databases.app.session() as session:
        assert storage.find_battle(session, 1, "btl_1") == a_battle()
        assert storage.find_battle(session, 2, "btl_1") is None
        assert storage.find_battle(session, 1, "btl_\0") is None
        assert storage.find_by_request_key(session, 1, "k") == a_battle()
        assert storage.turns_of(session, ["btl_1"]) == (a_turn(prompt="Hello World"),)
        assert storage.next_turn_no(session, "btl_1") == 2


def test_of_a_battle_that_keeps_no_text_none_is_in_the_database(home: Home) -> None:
    databases = home.open()
    with databases.app.session() as session:
        storage.insert_battle(session, a_battle(keeps_text=False))
        storage.insert_turn(session, a_turn(), keeps_text=False)
    with databases.app.session() as session:
        kept = [
            str(row)
            for table in ("battle", "battle_lane", "battle_turn")
            for row in session.execute(text(f"SELECT * FROM {table}"))
        ]
        for words in ("briefly", "1+1", "Say:", "Hello", "hello", "World"):
            assert not [row for row in kept if words in row], words
        battle = storage.find_battle(session, 1, "btl_1")
    assert battle is not None
    assert battle.shared.sampling == SETTINGS.sampling


def test_what_postgresql_cannot_store_is_replaced(home: Home) -> None:
    databases = home.open()
    with databases.app.session() as session:
        storage.insert_turn(session, a_turn(), keeps_text=True)
    with databases.app.session() as session:
        (turn,) = storage.turns_of(session, ["btl_1"])
    assert turn.prompt is not None
    assert turn.prompt.text == "Hello\ufffd World"


def test_a_lane_that_waits_is_moved_on_once(home: Home) -> None:
    databases = home.open()
    waiting = [LaneRun("trn_1", lane, 1, f"run_{lane}", "waiting", 5) for lane in (0, 1, 2)]
    with databases.app.session() as session:
        storage.insert_runs(session, waiting, "proc_gone")
        storage.insert_turn(session, a_turn(), keeps_text=True)
        assert storage.move_run(session, "run_0", "admitted")
        assert not storage.move_run(session, "run_0", "stopped")
        assert storage.end_interrupted(session, "proc_me") == 2
        assert storage.end_interrupted(session, "proc_me") == 0
    with databases.app.session() as session:
        runs = storage.runs_of(session, ["trn_1"])
        assert [run.state for run in runs] == ["admitted", "refused", "refused"]
        assert runs[1].failure == storage.INTERRUPTED
        assert storage.battle_runs(session, ["run_0", "run_9"]) == {"run_0": "btl_1"}


def test_a_vote_is_neither_changed_nor_deleted(home: Home) -> None:
    databases = home.open()
    with databases.app.session() as session:
        session.add(
            BattleVoteRow(
                id="vot_1",
                battle_id="btl_1",
                turn_id="trn_1",
                team_id=1,
                voter="user:7",
                voter_kind="person",
                voter_user_id=7,
                stage="first",
                pairs_json="[]",
                lanes_json="[]",
                reasons_json="[]",
                tags_json="[]",
                prompt_sha256="",
                created_ms=1,
            )
        )
    for statement in (
        update(BattleVoteRow).where(col(BattleVoteRow.id) == "vot_1").values(stage="final"),
        delete(BattleVoteRow).where(col(BattleVoteRow.id) == "vot_1"),
    ):
        with pytest.raises(DatabaseError, match="append-only"), databases.app.session() as session:
            session.execute(statement)


def test_who_knows_the_names_is_kept_once(home: Home) -> None:
    databases = home.open()
    with databases.app.session() as session:
        storage.reveal(session, "btl_1", 7, 10)
        storage.reveal(session, "btl_1", 7, 11)
        assert storage.revealed_to(session, 7, ["btl_1", "btl_2"]) == {"btl_1"}
        assert storage.revealed_to(session, 8, ["btl_1", "btl_2"]) == frozenset()
