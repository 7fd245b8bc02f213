"""The list of battles, what a search finds, and what is left when text goes, on both engines."""

from __future__ import annotations

from dataclasses import replace

from battles import history, storage
from battles.hidden import HiddenRuns
from battles.history import Sought
from battles.models import Battle, Lane, LaneRun, Prompt, Settings, Turn
from battles.retention import forget
from identity.principal import Principal
from store.databases import Databases
from tests.battles.ring import MEMBER, STRANGER
from tests.databases import Home
from tests.gateway.desk import LOCAL

NOW_MS = 4_000_000_000_000  # later than any week ago


def put(databases: Databases, no: int, prompt: str, **fields: object) -> Battle:
    lanes = tuple(
        Lane(lane, lane, f"lab/{lane}", None, None, None, Settings(system="secret plan"), ())
        for lane in (0, 1)
    )
    battle = Battle(
        f"btl_{no}", 1, 1, "battle", "page", False, False, None, ("a,b", 'c"d'), "auto", None, Settings(),
        lanes, True, NOW_MS + no,
    )  # fmt: skip
    battle = replace(battle, **fields)  # type: ignore[arg-type]  # fields of a battle by name
    turn = Turn(f"trn_{no}", battle.id, None, 1, battle.user_id, Prompt(prompt), "00", "en", NOW_MS + no)
    runs = [LaneRun(turn.id, lane, 1, f"run_{no}_{lane}", "admitted", NOW_MS + no) for lane in (0, 1)]
    with databases.app.session() as session:
        storage.insert_battle(session, battle)
        storage.insert_turn(session, turn, keeps_text=True)
        storage.insert_runs(session, runs, None)
    return battle


def found(databases: Databases, reader: Principal, **sought: object) -> list[str]:
    lines = history.lines(databases.app, reader, Sought(**sought))  # type: ignore[arg-type]  # by name
    return [line.id for line in lines]


def test_a_reader_finds_what_they_may_see_by_words_model_tag_and_page(home: Home) -> None:
    databases = home.open()
    put(databases, 1, "Straße nach  Köln, 100% of it")
    put(databases, 2, "A letter", category="creative", personal=True)
    put(databases, 3, "Another letter", user_id=2)
    put(databases, 4, "Blind letter", blind=True)
    put(databases, 5, "Elsewhere", team_id=2, user_id=9)
    assert found(databases, LOCAL) == ["btl_4", "btl_3", "btl_2", "btl_1"]
    assert found(databases, MEMBER) == ["btl_4", "btl_3", "btl_1"]
    assert found(databases, STRANGER) == ["btl_5"]
    assert found(databases, replace(LOCAL, role="auditor", user_id=7)) == []
    assert found(databases, LOCAL, text="STRASSE  NACH") == ["btl_1"]
    assert found(databases, LOCAL, text="100%") == ["btl_1"]
    assert found(databases, LOCAL, text="0_") == []
    assert found(databases, LOCAL, text="letter", mine=True) == ["btl_4", "btl_2"]
    assert found(databases, LOCAL, category="creative") == ["btl_2"]
    assert found(databases, LOCAL, tag='c"d') == ["btl_4", "btl_3", "btl_2", "btl_1"]
    assert found(databases, LOCAL, tag="a") == []
    assert found(databases, LOCAL, model="lab/0") == ["btl_3", "btl_2", "btl_1"]  # the blind one is hidden
    assert found(databases, LOCAL, before="btl_3") == ["btl_2", "btl_1"]
    assert found(databases, LOCAL, before="btl_\0") == ["btl_4", "btl_3", "btl_2", "btl_1"]
    (line,) = history.lines(databases.app, LOCAL, Sought(), limit=1)
    assert (line.hidden, line.models, line.title) == (True, (), "Blind letter")


def test_hidden_runs_are_those_that_a_reader_may_still_vote_on(home: Home) -> None:
    databases = home.open()
    put(databases, 1, "open")
    put(databases, 2, "blind", blind=True)
    put(databases, 3, "blind and another's own", blind=True, personal=True, user_id=2)
    put(databases, 4, "blind and long ago", blind=True, created_ms=1_000)
    put(databases, 5, "another team's", blind=True, team_id=2)
    hidden = HiddenRuns(databases.app)
    assert hidden.of(LOCAL) == {"run_2_0", "run_2_1"}
    assert hidden.of(MEMBER) == {"run_2_0", "run_2_1", "run_3_0", "run_3_1"}
    viewer = replace(LOCAL, role="viewer", user_id=5)
    assert hidden.of(viewer) == {"run_2_0", "run_2_1"}
    with databases.app.session() as session:
        storage.reveal(session, "btl_2", 1, 5)
    hidden.changed()
    assert hidden.of(LOCAL) == hidden.of(viewer) == frozenset()
    assert hidden.of(MEMBER) == {"run_2_0", "run_2_1", "run_3_0", "run_3_1"}


def test_text_that_is_older_than_its_team_keeps_it_is_gone_and_the_rest_stands(home: Home) -> None:
    databases = home.open()
    put(databases, 1, "old words")
    put(databases, 2, "new words")
    put(databases, 3, "another team's words", team_id=2)
    with databases.app.session() as session:
        assert forget(session, 1, NOW_MS + 2) == 1
        assert forget(session, 1, NOW_MS + 2) == 0
    with databases.app.session() as session:
        old, new = (storage.find_battle(session, 1, f"btl_{no}") for no in (1, 2))
        assert old is not None and new is not None
        assert old.lanes[0].settings == Settings()
        assert new.lanes[0].settings.system == "secret plan"
        assert [turn.prompt for turn in storage.turns_of(session, ["btl_1"])] == [None]
    assert found(databases, LOCAL, text="words") == ["btl_2"]
    with databases.app.session() as session:
        forget(session, 1, None)
    assert found(databases, LOCAL, text="words") == []
    assert found(databases, LOCAL) == ["btl_2", "btl_1"]
    assert found(databases, replace(STRANGER, user_id=1), text="words") == ["btl_3"]
