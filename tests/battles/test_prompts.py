"""The prompt library on both engines: versions that stay, labels that move, names of one team."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError

from battles.errors import BadBattle, BadPrompt, PromptChanged, PromptNotFound, PromptTaken
from battles.models import BattleWish, Example, LaneWish, Prompt, Settings
from battles.prompt_values import MOST_ROWS, VersionWish, checked_rows, version_of
from battles.prompts import Prompts, forget
from gateway.messages import CompletionRequest, ImagePart, Message, Sampling, Tool, ToolCall
from gateway.preferences import RoutingPreferences
from gateway.retention import Retention
from identity.errors import NotPermitted
from store.databases import Database
from tests.battles.ring import Ring
from tests.databases import Home
from tests.gateway.desk import LOCAL
from tests.identity.house import House, house

WHOLE = Settings(
    system="You extract {{what}}.",
    examples=(Example("Anna, Bremen", '{"name": "Anna"}'),),
    template="From {{ text }}: {{prompt}}",
    sampling=Sampling(max_output_tokens=100, temperature=0.2, stop=("END",), effort="low"),
    response_format={"type": "json_object"},
    tools=(Tool("look", "Looks.", {"type": "object"}, strict=True),),
)


@pytest.fixture
def database(home: Home) -> Database:
    return home.open().app


@pytest.fixture
def here(database: Database) -> House:
    return house(database, lambda: 1_000)


@pytest.fixture
def prompts(database: Database) -> Prompts:
    return Prompts(database)


def says(template: str, note: str = "") -> VersionWish:
    return VersionWish(Settings(template=template), note=note)


def test_a_version_keeps_everything(prompts: Prompts, here: House) -> None:
    me = here.people["member"]
    made = prompts.create(me, "extract", VersionWish(WHOLE, "openai/gpt-4.1", "openai", "first"))
    found = prompts.served(me, "extract")
    assert found == made and found.settings == WHOLE
    assert (found.no, found.model, found.provider, found.note) == (1, "openai/gpt-4.1", "openai", "first")
    assert found.variables == ("what", "text") and found.takes_prompt
    assert prompts.by_id(me, made.id) == made
    lane = made.lane("lab/other")
    assert (lane.model, lane.provider, lane.prompt_version_id) == ("openai/gpt-4.1", "openai", made.id)


def test_versions_stay_and_a_rollback_is_a_new_one(prompts: Prompts, here: House, database: Database) -> None:
    me = here.people["member"]
    first = prompts.create(me, "p", says("one"))
    assert prompts.save(me, "p", says("one", "just a note")) == first  # nothing changed: no version
    prompts.save(me, "p", says("two"))
    third = prompts.restore(me, "p", 1)
    assert (third.no, third.restored_no, third.settings) == (3, 1, first.settings)
    assert [version.no for version in prompts.versions(me, "p")] == [3, 2, 1]
    assert prompts.served(me, "p", no=2).settings.template == "two"
    with pytest.raises(DatabaseError, match="never changes"), database.session() as session:
        session.execute(text("UPDATE prompt_version SET said_json = '{}'"))


def test_who_edits_an_older_version_is_told(prompts: Prompts, here: House) -> None:
    me = here.people["member"]
    prompts.create(me, "p", says("one"))
    prompts.save(me, "p", says("two"), after_no=1)
    with pytest.raises(PromptChanged) as told:
        prompts.save(me, "p", says("three"), after_no=1)
    assert told.value.newest_no == 2


async def test_versions_that_are_saved_at_once_each_have_their_number(prompts: Prompts, here: House) -> None:
    me = here.people["member"]
    prompts.create(me, "p", says("one"))
    await asyncio.gather(*(asyncio.to_thread(prompts.save, me, "p", says(f"text {no}")) for no in range(8)))
    assert [version.no for version in prompts.versions(me, "p")] == list(range(9, 0, -1))


def test_a_label_serves_what_it_was_moved_to(prompts: Prompts, here: House) -> None:
    me = here.people["member"]
    prompts.create(me, "p", says("one"))
    prompts.save(me, "p", says("two"))
    assert prompts.served(me, "p").no == 2  # no production yet: the newest
    prompts.set_label(me, "p", "production", 1)
    assert prompts.served(me, "p").no == prompts.served(me, "p", label="production").no == 1
    assert prompts.served(me, "p", label="newest").no == 2
    assert prompts.served(me, "p").labels == ("production",)
    prompts.set_label(me, "p", "production", 2)
    assert dict(prompts.show(me, "p").labels) == {"production": 2}
    prompts.remove_label(me, "p", "production")
    with pytest.raises(PromptNotFound, match="no label"):
        prompts.served(me, "p", label="production")
    assert here.kinds()[-4:] == ["prompt_made", *["prompt_label_moved"] * 3]


def test_names_belong_to_one_team(prompts: Prompts, here: House) -> None:
    mine = prompts.create(here.people["owner"], "p", says("ours"))
    with pytest.raises(PromptTaken):
        prompts.create(here.people["member"], "p", says("again"))
    for work in (
        lambda: prompts.show(here.stranger, "p"),
        lambda: prompts.by_id(here.stranger, mine.id),
        lambda: prompts.save(here.stranger, "p", says("theirs")),
        lambda: prompts.set_label(here.stranger, "p", "production", 1),
        lambda: prompts.put_rows(here.stranger, "p", []),
        lambda: prompts.served(here.people["owner"], "p", no=2**70),
        lambda: prompts.show(here.people["owner"], "p\0"),
    ):
        with pytest.raises(PromptNotFound):
            work()
    theirs = prompts.create(here.stranger, "p", says("theirs"))
    assert prompts.served(here.stranger, "p") == theirs != mine


def test_a_viewer_reads_and_an_auditor_does_not(prompts: Prompts, here: House) -> None:
    prompts.create(here.people["owner"], "p", says("one"))
    assert prompts.served(here.people["viewer"], "p").no == 1
    with pytest.raises(NotPermitted):
        prompts.save(here.people["viewer"], "p", says("two"))
    with pytest.raises(NotPermitted):
        prompts.all(here.people["auditor"])


def test_rows_are_saved_whole(prompts: Prompts, here: House) -> None:
    me = here.people["member"]
    prompts.create(me, "p", says("{{a}} {{b}}"))
    prompts.put_rows(me, "p", [{"a": "1", "b": "\0"}, {"a": "3"}])
    assert [dict(row.values) for row in prompts.rows(me, "p")] == [{"a": "1", "b": "\ufffd"}, {"a": "3"}]
    prompts.put_rows(me, "p", [{"a": "only"}])
    assert [(row.no, dict(row.values)) for row in prompts.rows(me, "p")] == [(1, {"a": "only"})]
    bad: tuple[Sequence[Mapping[str, str]], ...] = (
        [{"a b": "1"}],
        [{"a": "x" * 100_001}],
        [{}] * (MOST_ROWS + 1),
    )
    for rows in bad:
        with pytest.raises(BadPrompt):
            checked_rows(rows)


def test_an_archived_prompt_leaves_the_list_and_is_still_served(prompts: Prompts, here: House) -> None:
    me = here.people["member"]
    prompts.create(me, "p", says("one"), description="What it is for")
    prompts.archive(me, "p")
    assert prompts.all(me) == () and prompts.all(me, archived=True)[0].description == "What it is for"
    assert prompts.served(me, "p").no == 1
    prompts.archive(me, "p", archived=False)
    assert len(prompts.all(me)) == 1


@pytest.mark.parametrize("name", ["", "A", "a b", "a/b", "-a", "a" * 81, "a\n"])
def test_a_bad_name_is_refused(prompts: Prompts, here: House, name: str) -> None:
    with pytest.raises(BadPrompt):
        prompts.create(here.people["owner"], name, says("x"))


def test_a_version_needs_something_and_not_too_much(prompts: Prompts, here: House) -> None:
    for wish in (VersionWish(), says(" "), says("x" * 200_001), says("x", "n" * 501)):
        with pytest.raises(BadPrompt):
            prompts.create(here.people["owner"], "p", wish)


async def test_a_deleted_teams_prompts_are_deleted_and_an_old_ones_stay(
    prompts: Prompts, here: House, database: Database
) -> None:
    prompts.create(here.people["owner"], "p", says("ours"))
    prompts.put_rows(here.people["owner"], "p", [{"a": "1"}])
    prompts.create(here.stranger, "p", says("theirs"))
    with database.session() as session:
        forget(session, 1, 10**15)
    assert len(prompts.all(here.people["owner"])) == 1
    await Retention(database, also=(forget,)).forget_team(1, here.people["owner"])
    assert prompts.all(here.people["owner"]) == () and len(prompts.all(here.stranger)) == 1
    with database.session() as session:
        assert session.execute(text("SELECT count(*) FROM prompt_version")).scalar() == 1


def test_a_request_becomes_a_version() -> None:
    asked = CompletionRequest(
        "openai/gpt-4.1",
        (
            Message.of("system", "Be brief."),
            Message.of("user", "a?"),
            Message.of("assistant", "A."),
            Message.of("user", "b?"),
        ),
        Sampling(temperature=0.5),
        routing=RoutingPreferences(only=("openai",)),
    )
    wish = version_of(asked)
    assert (wish.model, wish.provider) == ("openai/gpt-4.1", "openai")
    assert wish.settings == Settings("Be brief.", (Example("a?", "A."),), "b?", Sampling(temperature=0.5))


@pytest.mark.parametrize(
    "messages",
    [
        (Message(role="user", parts=(ImagePart("https://example.org/a.png"),)),),
        (Message.of("user", "a"), Message.of("user", "b")),
        (Message.of("user", "a"), Message.of("assistant", "b")),
        (Message.of("user", "a"), Message(role="assistant", tool_calls=(ToolCall("1", "look", "{}"),))),
    ],
)
def test_what_no_template_can_hold_is_refused(messages: tuple[Message, ...]) -> None:
    with pytest.raises(BadPrompt):
        version_of(CompletionRequest("lab/fast", messages))


@pytest.mark.asyncio(loop_scope="session")
async def test_a_lane_puts_a_version_with_every_place_filled(at: Ring) -> None:
    lanes = (
        LaneWish("north/alpha", None, "prv_1", WHOLE),
        LaneWish("south/beta", settings=Settings(system="Braces {{here}} are text.")),
    )
    battle = await at.battles.create(LOCAL, BattleWish(lanes))
    with pytest.raises(BadBattle, match="{{what}}"):
        await at.battles.start_turn(LOCAL, battle.id, Prompt("it", variables={"text": "Anna, Bremen"}))
    variables = {"text": "Anna, Bremen", "what": "cities", "here": "no"}
    await at.battles.start_turn(LOCAL, battle.id, Prompt("city?", variables=variables))
    await at.ended(battle)
    asked = {call.model: [message.text for message in call.request.messages] for call in at.lab.calls}
    assert asked["alpha"] == [
        "You extract cities.", "Anna, Bremen", '{"name": "Anna"}', "From Anna, Bremen: city?",
    ]  # fmt: skip
    assert asked["beta"] == ["Braces {{here}} are text.", "city?"]
