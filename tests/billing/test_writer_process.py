"""The writer's own loop: who is answered when, with a disk that takes its time."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from billing import writer_process
from billing.commands import Command, Grant, Granted, Hold, Receipt, Result
from billing.group_commit import GroupCommit, Outcome
from billing.journal_sqlite import SqliteJournal
from billing.wire import Answered, Asked, Frames, Refusal, frame
from billing.writer_process import Server, listen
from tests.billing.bank import START_MS, Bank, usd
from tests.billing.test_writer import settling


class SlowDisk:
    """Says when a sync began, and ends it when told to."""

    def __init__(self) -> None:
        self.began = threading.Semaphore(0)
        self.may_end = threading.Semaphore(0)
        self.syncs = 0

    def sync(self) -> None:
        self.began.release()
        assert self.may_end.acquire(timeout=10)
        self.syncs += 1


class Paced(GroupCommit):
    """Decides when it may."""

    begun: threading.Event
    may_decide: threading.Event

    def run(self, commands: Sequence[Command]) -> list[Outcome]:
        self.begun.set()
        assert self.may_decide.wait(10)
        return super().run(commands)


class Client:
    """One connection to the server, used step by step."""

    def __init__(self, path: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(10)
        self.socket.connect(path)
        self._frames: Frames[Answered] = Frames(Answered)
        self._answers: list[Answered] = []
        self._asked = 0

    def ask(self, *commands: Command) -> None:
        asked = [Asked(self._asked + n, command) for n, command in enumerate(commands)]
        self._asked += len(commands)
        self.socket.sendall(frame(asked))

    def answer(self) -> tuple[int, Result | Refusal]:
        while not self._answers:
            data = self.socket.recv(1 << 16)
            assert data, "the server hung up"
            self._answers = self._frames.feed(data)
        answer = self._answers.pop(0)
        return answer.id, answer.outcome

    def hears_nothing(self) -> bool:
        if self._answers:
            return False
        self.socket.settimeout(0.1)
        try:
            return not self.socket.recv(1, socket.MSG_PEEK)
        except TimeoutError:
            return True
        finally:
            self.socket.settimeout(10)


class Running:
    """The server in a thread, with the journal that it alone uses."""

    def __init__(self, folder: Path) -> None:
        self.disk = SlowDisk()
        self.begun, self.may_decide = threading.Event(), threading.Event()
        self.may_decide.set()
        self.path = str(folder / "socket")
        self.bank = Bank(folder / "ledger.db")  # only to make commands, and to read
        self.bank.journal.close()
        self._folder = folder
        self._parent, self.hang_up = os.pipe()
        self._listening = threading.Event()
        self.thread = threading.Thread(target=self._serve)
        self.thread.start()
        assert self._listening.wait(10)

    def _serve(self) -> None:
        journal = SqliteJournal(self._folder / "ledger.db")
        commit = Paced(journal, free_money_limit_nano_usd=usd("1000"), now_ms=lambda: START_MS)
        commit.begun, commit.may_decide = self.begun, self.may_decide
        with listen(self.path) as listener:
            server = Server(listener, commit, self.disk.sync, parent=self._parent)
            self._listening.set()
            server.serve()
        journal.close()

    def end(self) -> None:
        os.close(self.hang_up)
        for _ in range(100):
            self.disk.may_end.release()
        self.thread.join(10)
        assert not self.thread.is_alive()


@pytest.fixture
def server(folder: Path) -> Iterator[Running]:
    running = Running(folder)
    yield running
    if running.thread.is_alive():
        running.end()
    assert running.bank.findings() == []


@pytest.fixture
def client(server: Running) -> Iterator[Client]:
    client = Client(server.path)
    yield client
    client.socket.close()


def held(client: Client, server: Running, amount: str = "0.20") -> Hold:
    client.ask(server.bank.asking(amount))
    _, hold = client.answer()
    assert isinstance(hold, Hold)
    return hold


def test_a_receipt_is_told_only_when_the_disk_has_it_and_a_hold_does_not_wait(
    server: Running, client: Client
) -> None:
    hold = held(client, server)
    client.ask(settling(hold, "0.10"))
    assert server.disk.began.acquire(timeout=10)
    assert held(client, server).no == 2
    assert client.hears_nothing()
    server.disk.may_end.release()
    assert isinstance(client.answer()[1], Receipt)


def test_also_a_receipt_that_is_told_again_waits_for_the_disk(server: Running, client: Client) -> None:
    hold = held(client, server)
    client.ask(settling(hold, "0.10"))
    assert server.disk.began.acquire(timeout=10)
    again = Client(server.path)
    again.ask(settling(hold, "0.10"))
    assert again.hears_nothing()
    server.disk.may_end.release()
    assert isinstance(client.answer()[1], Receipt)
    assert again.hears_nothing()
    server.disk.may_end.release()
    _, receipt = again.answer()
    assert isinstance(receipt, Receipt)
    assert receipt.replayed
    again.socket.close()


def test_one_sync_serves_all_that_came_while_the_one_before_ran(server: Running, client: Client) -> None:
    holds = [held(client, server) for _ in range(9)]
    client.ask(settling(holds[0], "0.10"))
    assert server.disk.began.acquire(timeout=10)
    for hold in holds[1:]:
        client.ask(settling(hold, "0.10"))
        assert held(client, server, "0.01").amount_nano_usd == usd("0.01")
    server.disk.may_end.release(2)
    receipts = [client.answer()[1] for _ in holds]
    assert all(isinstance(receipt, Receipt) for receipt in receipts)
    assert server.disk.syncs == 2


def test_what_was_asked_before_the_end_is_decided_synced_and_told(server: Running, client: Client) -> None:
    hold = held(client, server)
    client.ask(settling(hold, "0.10"))
    assert server.disk.began.acquire(timeout=10)
    server.end()
    assert isinstance(client.answer()[1], Receipt)
    assert client.socket.recv(1) == b""


def test_more_than_one_batch_may_wait_when_the_end_comes(
    server: Running, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_process, "_BATCH", 4)
    server.may_decide.clear()
    client.ask(server.bank.asking("0.01"))
    assert server.begun.wait(10)
    client.ask(*(server.bank.asking("0.01") for _ in range(20)))  # unread while the first is decided
    threading.Timer(0.1, server.may_decide.set).start()
    server.end()
    assert [type(client.answer()[1]) for _ in range(21)] == [Hold] * 21


def test_a_caller_that_hangs_up_has_asked_all_the_same(server: Running, client: Client) -> None:
    hold = held(client, server)
    client.ask(settling(hold, "0.10"))
    client.socket.close()
    assert server.disk.began.acquire(timeout=10)
    server.disk.may_end.release()
    assert server.bank.statements.entry_of_run(1, hold.run_id) is not None


def test_a_caller_that_talks_nonsense_is_let_go_and_nobody_else(server: Running, client: Client) -> None:
    other = Client(server.path)
    other.socket.sendall(b"\x00\x00\x00\x03abc")
    assert other.socket.recv(1) == b""
    other.socket.close()
    third = Client(server.path)
    third.socket.sendall(b"\xff\xff\xff\xff")
    assert third.socket.recv(1) == b""
    third.socket.close()
    assert held(client, server).no == 1


def test_a_caller_that_does_not_read_keeps_nobody_waiting(server: Running, client: Client) -> None:
    deaf = Client(server.path)
    asked = server.bank.asking("0.20")
    for _ in range(40):
        deaf.ask(*[asked] * 100)
    assert held(client, server, "0.10").amount_nano_usd == usd("0.10")
    outcomes = [deaf.answer() for _ in range(4_000)]
    assert [asked_id for asked_id, _ in outcomes] == list(range(4_000))
    assert all(isinstance(outcome, Hold) for _, outcome in outcomes)
    deaf.socket.close()


def test_frames_may_come_in_any_pieces(server: Running, client: Client) -> None:
    grant = Grant(1, "grant", usd("1"), "a ref", "")
    message = frame([Asked(1, grant), Asked(2, server.bank.asking("0.50"))])
    for at in range(len(message)):
        client.socket.sendall(message[at : at + 1])
    server.disk.may_end.release()
    answers = dict([client.answer(), client.answer()])
    assert isinstance(answers[1], Granted)
    assert isinstance(answers[2], Hold)
