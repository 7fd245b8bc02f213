"""The live channel through its door: a WebSocket that speaks for one tab."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from starlette.types import Message, Scope

from api.live import Live, live_app, renderings, tab
from gateway.records import RunRecord, record_of, without_text
from identity.principal import Principal
from identity.tickets import CHARTS, LIFE_MS, Tickets
from markup.answer import GrowingAnswer
from tests.live.harness.typist import STRANGER, TEAM, Script, Typist


class Client:
    """A tab without a browser: speaks ASGI to the channel, as a server does. `slow` stops it reading."""

    def __init__(self, live: Live, headers: Mapping[str, str]) -> None:
        self.heard: list[dict[str, Any]] = []
        self.closed: int | None = None
        self.accepted = False
        self.reading = asyncio.Event()
        self.reading.set()
        self._inbox: asyncio.Queue[Message] = asyncio.Queue()
        self._inbox.put_nowait({"type": "websocket.connect"})
        self._news = asyncio.Event()
        self._scope: Scope = {
            "type": "websocket",
            "path": "/live",
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
            "query_string": b"",
        }
        self._task = asyncio.create_task(live(self._scope, self._inbox.get, self._send))

    async def _send(self, message: Message) -> None:
        await self.reading.wait()
        if message["type"] == "websocket.accept":
            self.accepted = True
        elif message["type"] == "websocket.close":
            self.closed = message["code"]
            self._inbox.put_nowait({"type": "websocket.disconnect", "code": message["code"]})
        else:
            self.heard.append(msgspec.json.decode(message["text"]))
        self._news.set()

    def say(self, message: object) -> None:
        self.say_raw(msgspec.json.encode(message).decode())

    def say_raw(self, text: str) -> None:
        self._inbox.put_nowait({"type": "websocket.receive", "text": text})

    async def until(self, true: Callable[[], object], within_s: float = 5.0) -> None:
        async with asyncio.timeout(within_s):
            while not true():
                self._news.clear()
                await self._news.wait()

    def frames(self, run_id: str) -> list[dict[str, Any]]:
        return [message["runs"][run_id] for message in self.heard if run_id in message.get("runs", {})]

    def html(self, run_id: str) -> str:
        blocks: list[str] = []
        tail = ""
        for frame in self.frames(run_id):
            if "base" in frame:
                del blocks[frame["base"] :]
                tail = ""
            blocks += frame.get("blocks", [])
            if "tail" in frame:
                tail = tail[: frame["keep"]] + frame["tail"]
        return "".join(blocks) + tail

    def refused(self) -> dict[str, dict[str, str]]:
        return {name: why for message in self.heard for name, why in message.get("refused", {}).items()}

    def ended(self, run_id: str) -> bool:
        return any("end" in frame for frame in self.frames(run_id))

    async def leave(self) -> None:
        self.reading.set()
        self._inbox.put_nowait({"type": "websocket.disconnect", "code": 1001})
        async with asyncio.timeout(5):
            await self._task


HERE = {"host": "here.example:8501", "origin": "http://here.example:8501"}


class Room:
    """A typist, the channel that shows it, and tabs."""

    def __init__(self) -> None:
        self.typist = Typist()
        self.tickets = Tickets(b"k" * 32)
        self.live = live_app(
            self.typist.hub,
            self.tickets,
            self.typist.record,
            self.typist.stop,
            {"ttft": self.typist.chart},
            subscribe=self.typist.subscribe,
            origins=frozenset({"https://public.example"}),
        )
        self.clients: list[Client] = []

    def ticket(self, about: str = CHARTS, principal: Principal = TEAM) -> str:
        return self.tickets.issue(principal, about)

    def join(self, run_id: str, **held: Any) -> dict[str, Any]:
        return {"ticket": self.ticket(run_id), **held}

    def client(self, headers: Mapping[str, str] = HERE) -> Client:
        client = Client(self.live, headers)
        self.clients.append(client)
        return client


@asynccontextmanager
async def a_room() -> AsyncIterator[Room]:
    room = Room()
    yield room
    for client in room.clients:
        await client.leave()
    await room.live.close_all()


@pytest.fixture
async def room() -> AsyncIterator[Room]:
    async with a_room() as room:
        yield room


TEXT = "One **two** three.\n\n```python\nx = 1\n```\n\nLast words, and a few more of them.\n"


async def test_a_run_reaches_its_reader_whole(room: Room) -> None:
    run = room.typist.start(Script(TEXT, per_s=200, reasoning="Hm."))
    client = room.client()
    client.say({"sub": {run.id: room.join(run.id)}})
    await client.until(lambda: client.ended(run.id))
    frames = client.frames(run.id)
    assert "<strong>two</strong>" in client.html(run.id)
    assert "Last words, and a few more of them." in client.html(run.id)
    assert "".join(frame["reasoning"][1] for frame in frames if "reasoning" in frame) == "Hm."
    assert [frame["state"] for frame in frames if "state" in frame] == ["running", "done"]
    figures = [frame["figures"] for frame in frames if "figures" in frame][-1]
    assert figures["cost"] == {"text": "$0.000008", "nano_usd": 8_000}
    assert figures["estimated"] is False


async def test_a_run_is_shown_at_most_sixteen_times_a_second(room: Room) -> None:
    run = room.typist.start(Script("word " * 400, piece=5, per_s=400))
    client = room.client()
    client.say({"sub": {run.id: room.join(run.id)}})
    began_s = asyncio.get_running_loop().time()
    await client.until(lambda: client.ended(run.id), 10)
    took_s = asyncio.get_running_loop().time() - began_s
    assert len(client.frames(run.id)) <= took_s * 16 + 3
    figures = sum("figures" in frame for frame in client.frames(run.id))
    assert figures <= took_s * 4 + 2


async def test_whoever_comes_back_gets_only_the_blocks_that_are_missing(room: Room) -> None:
    run = room.typist.start(Script("First block.\n\nSecond block.\n\n" + "more\n" * 40, per_s=40))
    first = room.client()
    first.say({"sub": {run.id: room.join(run.id)}})
    await first.until(lambda: sum(len(frame.get("blocks", ())) for frame in first.frames(run.id)) == 2)
    epoch = first.frames(run.id)[0]["epoch"]
    await first.leave()
    room.clients.remove(first)
    second = room.client()
    second.say({"sub": {run.id: room.join(run.id, blocks=1, epoch=epoch)}})
    await second.until(lambda: second.frames(run.id))
    frame = second.frames(run.id)[0]
    assert (frame["base"], frame["epoch"]) == (1, epoch)
    assert frame["blocks"] == ['<p dir="auto">Second block.</p>']


async def test_another_teams_run_is_as_unknown_as_none(room: Room) -> None:
    run = room.typist.start(Script(TEXT), team_id=STRANGER.team_id)
    client = room.client()
    client.say(
        {
            "sub": {run.id: room.join(run.id), "run_none": room.join("run_none")},
            "copy": {run.id: room.ticket(run.id)},
        }
    )
    await client.until(lambda: len(client.refused()) == 2)
    refused = client.refused()
    assert refused[run.id] == refused["run_none"]
    assert refused[run.id]["kind"] == "not_found"
    client.say({"stop": [run.id], "ping": 1})
    await client.until(lambda: any("pong" in message for message in client.heard))
    assert run.state == "running"
    assert not any("runs" in message or "text" in message for message in client.heard)


@pytest.mark.parametrize("ticket", ["", "x.y.z", "forged"])
async def test_without_a_good_ticket_nothing_is_shown(room: Room, ticket: str) -> None:
    run = room.typist.start(Script(TEXT))
    other = Tickets(b"o" * 32).issue(TEAM, run.id)
    client = room.client()
    client.say(
        {"sub": {run.id: {"ticket": ticket or other}}, "chart": {"c": {"id": "ttft", "ticket": ticket}}}
    )
    await client.until(lambda: client.heard)
    assert {why["kind"] for why in client.heard[0]["refused"].values()} == {"ticket"}
    assert set(client.heard[0]) == {"refused"}


MATE = replace(TEAM, user_id=9, role="member")


async def test_a_ticket_opens_the_run_that_it_names_and_no_other(room: Room) -> None:
    one, other = room.typist.start(Script(TEXT)), room.typist.start(Script(TEXT))
    ticket, lane = room.ticket(one.id), "lane_ab_0_1"
    client = room.client()
    client.say(
        {
            "sub": {other.id: {"ticket": ticket}, lane: {"ticket": room.ticket("trn_cd")}},
            "copy": {"run_more": ticket},
            "renew": {"run_third": ticket},
            "chart": {"c": {"id": "ttft", "ticket": ticket}},
        }
    )
    await client.until(lambda: len(client.refused()) == 5)
    assert {why["kind"] for why in client.refused().values()} == {"ticket"}
    client.say({"stop": [other.id], "ping": 1})
    await client.until(lambda: any("pong" in message for message in client.heard))
    assert other.state == "running"
    assert not any({"runs", "text", "charts", "tickets"} & set(message) for message in client.heard)


async def test_a_ticket_for_a_colleagues_run_shows_none_of_its_text(room: Room) -> None:
    """Signed well, for a run that its holder may know of: what it shows is asked of the gateway."""
    run = room.typist.start(Script(TEXT))

    async def facts(principal: Principal, run_id: str) -> RunRecord:
        return record_of(run) if principal.user_id == run.user_id else without_text(record_of(run))

    live = live_app(room.typist.hub, room.tickets, facts, room.typist.stop, {})
    client = Client(live, HERE)
    room.clients.append(client)
    theirs = room.tickets.issue(MATE, run.id)
    client.say({"sub": {run.id: {"ticket": theirs}}, "copy": {run.id: theirs}})
    await client.until(lambda: client.ended(run.id), 10)
    assert "two" not in client.html(run.id)
    assert not any((message.get("text") or {}).get(run.id) for message in client.heard)


async def test_a_page_that_stays_open_has_its_tickets_renewed(room: Room) -> None:
    now_ms = 1_700_000_000_000
    room.tickets = Tickets(b"k" * 32, now_ms=lambda: now_ms)
    room.live = live_app(room.typist.hub, room.tickets, room.typist.record, room.typist.stop, {})
    run = room.typist.start(Script(TEXT, per_s=1000, piece=20))
    await run.ended.wait()
    first = {run.id: room.ticket(run.id), "c1": room.ticket()}
    client = room.client()
    now_ms += LIFE_MS // 2
    client.say({"renew": first})
    await client.until(lambda: client.heard)
    renewed = client.heard[0]["tickets"]
    now_ms += LIFE_MS // 2
    client.say({"copy": {run.id: renewed[run.id]}, "renew": first})
    await client.until(lambda: any("text" in message for message in client.heard))
    assert {why["kind"] for why in client.refused().values()} == {"ticket"}


@pytest.mark.parametrize(
    ("origin", "welcome"),
    [
        ("http://here.example:8501", True),
        ("https://public.example", True),
        ("http://evil.example", False),
        ("http://here.example", False),
        ("null", False),
        ("", False),
    ],
)
async def test_only_our_own_pages_may_connect(room: Room, origin: str, welcome: bool) -> None:
    client = room.client({"host": "here.example:8501", "origin": origin})
    await client.until(lambda: client.accepted or client.closed)
    assert client.accepted is welcome


async def test_a_page_of_no_known_origin_may_not_connect(room: Room) -> None:
    client = room.client({"host": "here.example:8501"})
    await client.until(lambda: client.closed)
    assert not client.accepted


@pytest.mark.parametrize("message", ["nonsense", '{"sub": 1}', '{"ping": "' + "x" * 70_000 + '"}'])
async def test_who_does_not_speak_this_language_is_shown_out(room: Room, message: str) -> None:
    client = room.client()
    client.say_raw(message)
    await client.until(lambda: client.closed)
    assert client.closed == 1008


async def test_a_flood_of_messages_is_cut(room: Room) -> None:
    client = room.client()
    for no in range(300):
        client.say({"ping": no})
    await client.until(lambda: client.closed)
    assert client.closed == 1008


async def test_who_shows_no_ticket_is_shown_out(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tab, "_ANONYMOUS_S", 0.2)
    client = room.client()
    client.say({"ping": 1})
    await client.until(lambda: client.closed)
    assert [message.get("pong") for message in client.heard] == [1]


async def test_one_page_may_not_watch_without_end(room: Room) -> None:
    runs = [room.typist.start(Script(TEXT * 20)) for _ in range(tab.MOST_RUNS + 1)]
    client = room.client()
    client.say({"sub": {run.id: room.join(run.id) for run in runs}})
    await client.until(lambda: any("refused" in message for message in client.heard))
    refused = next(message["refused"] for message in client.heard if "refused" in message)
    assert {why["kind"] for why in refused.values()} == {"too_many"}
    assert len(refused) == 1


async def test_runs_that_have_ended_do_not_count(room: Room) -> None:
    runs = [room.typist.start(Script("Short.", per_s=500)) for _ in range(tab.MOST_RUNS + 8)]
    await asyncio.gather(*(run.ended.wait() for run in runs))
    client = room.client()
    for run in runs:
        client.say({"sub": {run.id: room.join(run.id)}})
        await client.until(lambda run=run: client.ended(run.id))  # type: ignore[misc]
    assert not any("refused" in message for message in client.heard)


async def test_stop_ends_a_run_and_its_receipt_follows_at_once(room: Room) -> None:
    run = room.typist.start(Script("word " * 500))
    client = room.client()
    client.say({"sub": {run.id: room.join(run.id)}})
    await client.until(lambda: client.html(run.id))
    client.say({"stop": [run.id]})
    await client.until(lambda: client.ended(run.id), 0.5)
    assert client.frames(run.id)[-1]["state"] == "stopped"
    assert client.frames(run.id)[-1]["figures"]["cost"]["nano_usd"] > 0


async def test_copy_sends_the_text_as_the_model_wrote_it(room: Room) -> None:
    run = room.typist.start(Script(TEXT, per_s=1000, piece=20))
    await run.ended.wait()
    client = room.client()
    client.say({"copy": {run.id: room.ticket(run.id)}})
    await client.until(lambda: client.heard)
    assert client.heard[0]["text"] == {run.id: TEXT}


async def test_a_slow_reader_gets_the_newest_state_and_nothing_piles_up(room: Room) -> None:
    run = room.typist.start(Script("word " * 300, piece=5, per_s=300))
    client = room.client()
    client.say({"sub": {run.id: room.join(run.id)}})
    await client.until(lambda: client.frames(run.id))
    client.reading.clear()
    await run.ended.wait()
    await asyncio.sleep(0.2)
    frames_before = len(client.frames(run.id))
    client.reading.set()
    await client.until(lambda: client.ended(run.id))
    assert len(client.frames(run.id)) - frames_before <= 2
    assert client.html(run.id).count("word") == 300


async def test_a_reader_who_stands_still_is_let_go(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tab, "_SLOW_READER_S", 0.1)
    run = room.typist.start(Script("word " * 300, per_s=300))
    client = room.client()
    client.say({"sub": {run.id: room.join(run.id)}})
    await client.until(lambda: client.frames(run.id))
    client.reading.clear()
    await asyncio.sleep(0.3)
    client.reading.set()
    await client.until(lambda: client.closed)
    assert client.closed == 1008


async def test_a_run_of_another_process_is_followed_by_its_checkpoints(room: Room) -> None:
    run = room.typist.start(Script(TEXT * 3, per_s=40))
    await asyncio.sleep(0.2)
    del room.typist.hub._runs[run.id]
    steps: list[RunRecord] = []

    async def record(principal: Principal, run_id: str) -> RunRecord:
        steps.append(record_of(run))
        return steps[-1]

    live = live_app(room.typist.hub, room.tickets, record, room.typist.stop, {})
    client = Client(live, HERE)
    room.clients.append(client)
    client.say({"sub": {run.id: room.join(run.id)}})
    await client.until(lambda: client.ended(run.id), 10)
    assert client.html(run.id).count("Last words") == 3
    assert 2 <= len(steps) <= 8


async def test_a_late_receipt_still_arrives(room: Room) -> None:
    run = room.typist.start(Script("Short.", per_s=500))
    final = asyncio.create_task(run.ended.wait())
    client = room.client()
    client.say({"sub": {run.id: room.join(run.id)}})
    await final
    paid = run.figures
    run.figures = msgspec.structs.replace(paid, cost_nano_usd=None, available_after_nano_usd=None)
    await client.until(lambda: client.ended(run.id))
    run.figures = paid
    run.changed()
    await client.until(lambda: "cost" in client.frames(run.id)[-1].get("figures", {}))


async def test_a_chart_follows_finished_requests_within_a_second(room: Room) -> None:
    client = room.client()
    client.say({"chart": {"c1": {"id": "ttft", "params": {"figure": "ttft_ms"}, "ticket": room.ticket()}}})
    await client.until(lambda: client.heard)
    assert client.heard[0]["charts"]["c1"]["sentence"] == "No answers yet."
    await asyncio.sleep(1.1)
    room.typist.add_point(120.0)
    await client.until(lambda: len(client.heard) == 2, 1.0)
    assert client.heard[1]["charts"]["c1"]["n"] == 1


async def test_a_storm_of_requests_redraws_a_chart_once_a_second(room: Room) -> None:
    client = room.client()
    client.say({"chart": {"c1": {"id": "ttft", "ticket": room.ticket()}}})
    await client.until(lambda: client.heard)
    for value in range(220):
        room.typist.add_point(float(value))
        await asyncio.sleep(0.01)
    await client.until(lambda: client.heard[-1]["charts"]["c1"]["n"] == 220, 3)
    assert len(client.heard) <= 5


async def test_a_chart_that_does_not_exist_or_take_these_parameters_is_refused(room: Room) -> None:
    client = room.client()
    asked = {
        "a": {"id": "nope", "ticket": room.ticket()},
        "b": {"id": "ttft", "ticket": room.ticket(), "params": {"figure": "x"}},
    }
    client.say({"chart": asked})
    await client.until(lambda: len({n for m in client.heard for n in m.get("refused", {})}) == 2)
    refused = {
        name: why["kind"] for message in client.heard for name, why in message.get("refused", {}).items()
    }
    assert refused == {"a": "not_found", "b": "bad_request"}


async def test_what_nobody_watches_costs_nothing(room: Room) -> None:
    run = room.typist.start(Script("word " * 200))
    client = room.client()
    client.say({"sub": {run.id: room.join(run.id)}, "chart": {"c1": {"id": "ttft", "ticket": room.ticket()}}})
    await client.until(lambda: client.frames(run.id))
    assert len(run._watchers) == 1
    await client.leave()
    room.clients.remove(client)
    assert len(run._watchers) == 0
    assert room.live.tabs == 0
    assert not [task for task in asyncio.all_tasks() if task.get_name() in ("live chart", "live sender")]


async def test_closing_says_service_restart_and_lets_nobody_in(room: Room) -> None:
    client = room.client()
    client.say({"ping": 1})
    await client.until(lambda: client.heard)
    await room.live.close_all()
    assert client.closed == 1012
    late = room.client()
    await late.until(lambda: late.closed)
    assert not late.accepted


class Stumbling(GrowingAnswer):
    """Markdown that brings its renderer down once it holds a certain word."""

    def advance(self, text: str) -> None:
        if "banana" in text:
            raise ArithmeticError("slipped")
        super().advance(text)

    finish = advance


async def test_an_answer_that_cannot_be_rendered_is_shown_as_plain_text(
    room: Room, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(renderings, "GrowingAnswer", Stumbling)
    run = room.typist.start(Script("One **bold** <b>banana</b> split.", per_s=100))
    client = room.client()
    client.say({"sub": {run.id: room.join(run.id)}})
    await client.until(lambda: client.ended(run.id))
    assert client.html(run.id) == (
        '<p class="raw" dir="auto">One **bold** &lt;b&gt;banana&lt;/b&gt; split.</p>'
    )
    assert client.frames(run.id)[-1]["state"] == "done"
    assert "could not be rendered" in caplog.text


async def test_news_is_asked_for_while_a_chart_is_shown_and_again_when_one_comes_back(room: Room) -> None:
    assert room.typist.finished == []
    join = {"chart": {"c1": {"id": "ttft", "ticket": room.ticket()}}}
    client = room.client()
    client.say(join)
    await client.until(lambda: client.heard)
    assert len(room.typist.finished) == 1
    await client.leave()
    room.clients.remove(client)
    room.typist.add_point(1.0)
    assert room.typist.finished == []
    again = room.client()
    again.say(join)
    await again.until(lambda: again.heard)
    assert again.heard[-1]["charts"]["c1"]["n"] == 1
    assert len(room.typist.finished) == 1
