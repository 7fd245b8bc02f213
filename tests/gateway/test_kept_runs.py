"""Runs as they are kept, on both engines; and what processes that share a database do to each other's."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from sqlalchemy import update
from sqlmodel import col

from gateway.errors import RunNotFound
from gateway.kept_runs import KeptRuns
from gateway.messages import CompletionRequest, HostedTool, Message, Sampling, Tool, ToolCall
from gateway.preferences import RoutingPreferences
from gateway.providers.simulated import Pace
from gateway.records import record_of
from gateway.runs import Failure, Figures, Run
from identity.principal import Principal
from store.clock import now_ms
from store.databases import Database
from store.ids import new_id
from store.processes import DEAD_AFTER_MS, Processes
from store.tables import ProcessRow
from tests.databases import Home
from tests.gateway.desk import LOCAL, Desk, asking, desk, ended, first_words

SLOW = Pace(first_token_s=0.01, tokens_per_s=20)


@pytest.fixture
def database(home: Home) -> Database:
    return home.open().app


def a_run(text: str = "", **facts: object) -> Run:
    run = Run(
        id=new_id("run"),
        team_id=1,
        user_id=1,
        surface="page",
        model_id="lab/fast",
        model_name="Lab Fast",
        provider="lab",
        series="paid",
        request=CompletionRequest("lab/fast", (Message.of("user", "Why?\0"),)),
        created_ms=time.time_ns() // 1_000_000,
        out_cap=100,
        keeps_text=True,
    )
    for name, value in facts.items():
        setattr(run, name, value)
    if text:
        run.append_text(text)
    return run


async def test_a_run_comes_back_as_it_was(database: Database) -> None:
    kept = KeptRuns(database)
    run = a_run(
        "An answer with \U0001f600 and \u202e.",
        notes=("temperature was left out",),
        tool_calls=(ToolCall("call_1", "look", '{"at": "\\u0000"}'),),
        figures=Figures(total_ms=12.5, cost_nano_usd=9_007_199_254_740_993, output_tokens=7),
    )
    run.append_reasoning("Hm.")
    kept.mark(run)
    await kept.flush()
    assert await kept.get(1, run.id) == record_of(run)
    assert await kept.get(2, run.id) is None


async def test_the_whole_request_comes_back_with_the_text_and_goes_with_it(database: Database) -> None:
    kept = KeptRuns(database)
    version_id = "prv_" + "0" * 32
    asked = CompletionRequest(
        "lab/fast",
        (Message.of("user", "Weather?"),),
        Sampling(temperature=0.5, stop=("END",), effort="low"),
        tools=(Tool("look", "Looks", {"type": "object"}, strict=True), HostedTool("web_search", {"n": 1})),
        tool_choice={"type": "function", "function": {"name": "look"}},
        response_format={"type": "json_object"},
        routing=RoutingPreferences(only=("lab",)),
        prompt_version_id=version_id,
    )
    run = a_run("Sunny.", request=asked)
    kept.mark(run)
    await kept.flush()
    found = await kept.get(1, run.id)
    assert found is not None and found.asked == asked
    await kept.forget_text(1, run.id)
    found = await kept.get(1, run.id)
    assert found is not None and found.asked is None and found.prompt_version_id == version_id


async def test_each_flush_brings_the_row_up_to_date(database: Database) -> None:
    kept = KeptRuns(database)
    run = a_run("Half")
    kept.mark(run)
    await kept.flush()
    run.append_text(" and whole.")
    run.finish_reason = "stop"
    run.end("done")
    kept.mark(run)
    await kept.flush()
    found = await kept.get(1, run.id)
    assert found is not None
    assert (found.state, found.text, found.finish_reason) == ("done", "Half and whole.", "stop")


async def test_text_that_no_column_takes_spoils_no_other_run(database: Database) -> None:
    kept = KeptRuns(database)
    hostile = a_run("a\0b\ud800c", failure=Failure("ProviderError", "said \0 and \udfff"))
    hostile.append_reasoning("\0")
    other = a_run("fine")
    kept.mark(hostile)
    kept.mark(other)
    await kept.flush()
    found = await kept.get(1, hostile.id)
    assert found is not None
    assert (found.text, found.reasoning) == ("a\ufffdb?c", "\ufffd")
    assert found.messages[0].text == "Why?\0", "JSON says it in other characters"
    assert found.failure is not None
    assert found.failure.message == "said \ufffd and ?"
    fine = await kept.get(1, other.id)
    assert fine is not None
    assert fine.text == "fine"


async def test_an_id_with_a_nul_is_as_unknown_as_any(database: Database) -> None:
    assert await KeptRuns(database).get(1, "run_\0") is None


# --- several processes -----------------------------------------------------------------------


async def test_alone_every_run_that_was_left_running_has_failed(database: Database) -> None:
    before = KeptRuns(database)
    left, whole = a_run("cut"), a_run("whole")
    whole.end("done")
    before.mark(left)
    before.mark(whole)
    await before.flush()
    after = KeptRuns(database)
    assert await after.end_interrupted() == 1
    found = await after.get(1, left.id)
    assert found is not None
    assert (found.state, found.text) == ("failed", "cut")
    assert found.failure is not None
    assert found.failure.kind == "Interrupted"


async def test_only_a_dead_processs_runs_are_ended_by_another(database: Database) -> None:
    living, dying, mine = Processes(database), Processes(database), Processes(database)
    runs: dict[str, Run] = {}
    for process in (living, dying, mine):
        await process.beat()
        kept = KeptRuns(database, process.id)
        runs[process.id] = a_run("so far")
        kept.mark(runs[process.id])
        await kept.flush()
    sweeper = KeptRuns(database, mine.id)
    assert await sweeper.end_interrupted() == 0
    with database.session() as session:
        silent_ms = now_ms() - DEAD_AFTER_MS - 1
        session.execute(
            update(ProcessRow).where(col(ProcessRow.id) == dying.id).values(heartbeat_ms=silent_ms)
        )
    assert await sweeper.end_interrupted() == 1
    states = {}
    for process in (living, dying, mine):
        found = await sweeper.get(1, runs[process.id].id)
        assert found is not None
        states[process.id] = found.state
    assert states == {living.id: "running", dying.id: "failed", mine.id: "running"}


async def test_a_process_that_was_taken_for_dead_puts_its_runs_right(database: Database) -> None:
    slow, other = KeptRuns(database, "proc_slow"), KeptRuns(database, "proc_other")
    run = a_run("Half")
    slow.mark(run)
    await slow.flush()
    assert await other.end_interrupted() == 1
    run.append_text(" and whole.")
    run.end("done")
    slow.mark(run)
    await slow.flush()
    found = await other.get(1, run.id)
    assert found is not None
    assert (found.state, found.failure) == ("done", None)


async def test_a_stop_is_left_for_the_owner_alone_and_checkpoints_do_not_undo_it(database: Database) -> None:
    owner, other = KeptRuns(database, "proc_owner"), KeptRuns(database, "proc_other")
    run = a_run("on and on")
    owner.mark(run)
    await owner.flush()
    assert await owner.asked_to_stop() == ()
    await other.ask_to_stop(2, run.id)  # another team's
    assert await owner.asked_to_stop() == ()
    await other.ask_to_stop(1, run.id)
    owner.mark(run)
    await owner.flush()
    assert await owner.asked_to_stop() == (run.id,)
    assert await other.asked_to_stop() == ()
    run.end("stopped")
    owner.mark(run)
    await owner.flush()
    assert await owner.asked_to_stop() == ()


@pytest.fixture
async def two_desks(postgresql_home: Home, tmp_path: Path) -> AsyncIterator[tuple[Desk, Desk]]:
    """Two processes on one PostgreSQL."""
    async with AsyncExitStack() as stack:
        desks = []
        for name in ("first", "second"):
            (tmp_path / name).mkdir()
            process = Processes(postgresql_home.open().app)
            await process.open()
            stack.push_async_callback(process.close)
            here = desk(tmp_path / name, pace=SLOW, databases=postgresql_home.open(), process_id=process.id)
            desks.append(await stack.enter_async_context(here))
        yield desks[0], desks[1]


@pytest.mark.postgresql
async def test_a_run_is_read_and_stopped_from_another_process(two_desks: tuple[Desk, Desk]) -> None:
    here, there = two_desks
    run = await here.gateway.admit(LOCAL, asking("simulated/steady"), surface="page")
    await first_words(run)
    async with asyncio.timeout(5):
        while True:
            try:
                record = await there.gateway.record(LOCAL, run.id)
            except RunNotFound:
                await asyncio.sleep(0.05)
            else:
                break
    assert record.state == "running"
    stranger = Principal(team_id=2, team_name="Other", user_id=2, role="owner")
    with pytest.raises(RunNotFound):
        await there.gateway.stop(stranger, run.id)
    await there.gateway.stop(LOCAL, run.id)
    await ended(run, within_s=3)
    assert (run.state, run.stop_reason) == ("stopped", "user")
    assert run.receipt is not None
    await there.gateway.stop(LOCAL, run.id)
