"""Keeps runs in the app database, so that an answer outlives this process.

Runs change many times a second and are written at most once: `mark` notes that one changed, `flush`
(called each second, and at the end) writes all of them in one transaction. What crosses a crash is
therefore at most a second old. Text is written only for runs that keep it.

Where several processes share the database, each says with `process_id` which runs are its own: another
one may ask it to stop a run, and ends those whose process is dead. Without a `process_id` this process
has the database to itself.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Collection
from typing import Any, TypeVar

import msgspec
from sqlalchemy import Connection, Executable, Table, select, update
from sqlalchemy.orm import Session
from sqlmodel import col

from gateway import marks
from gateway.kept_requests import decoded, encoded
from gateway.messages import FilePart, ImagePart, Message, Part, Reasoning, Role, TextPart, ToolCall
from gateway.records import RunRecord
from gateway.runs import Failure, Figures, Run
from gateway.tables import NO_TEXT, RunRow
from store.databases import Database
from store.processes import living_ids
from store.tables import AppTable
from store.upserts import insert_of
from telemetry.rows import AttemptRow

_INTERRUPTED = Failure("Interrupted", "The server ended in mid-answer. What had arrived was billed.")
# Columns with words that are not ours.
_FOREIGN = (
    "model_name", "messages_json", "text", "reasoning", "tool_calls_json", "notes_json", "finish_reason",
    "failure_message", "asked_json", "marks_json",
)  # fmt: skip
_CHANGING = (
    "state", "updated_ms", "text", "reasoning", "tool_calls_json", "notes_json", "figures_json",
    "finish_reason", "failure_kind", "failure_message", "provider", "model_id", "model_name", "series",
    "out_cap", "attempts_json", "marks_json",
)  # fmt: skip

T = TypeVar("T")


class KeptRuns:
    def __init__(self, database: Database, process_id: str | None = None) -> None:
        self._database = database
        self._process_id = process_id
        self._changed: dict[str, Run] = {}

    def mark(self, run: Run) -> None:
        self._changed[run.id] = run

    async def flush(self) -> None:
        """Write what changed. A failed write is kept for the next time, and raised."""
        runs, self._changed = self._changed, {}
        if not runs:
            return
        rows = [_row_of(run, self._process_id) for run in runs.values()]
        try:
            await self._database.write(lambda session: _upsert(session.connection(), rows))
        except BaseException:
            self._changed = {**runs, **self._changed}
            raise

    async def get(self, team_id: int, run_id: str) -> RunRecord | None:
        if "\0" in run_id:  # which PostgreSQL refuses to look for
            return None

        def find(session: Session) -> RunRecord | None:
            row = session.get(RunRow, run_id)
            return _record_of(row) if row is not None and row.team_id == team_id else None

        return await self._database.read(find)

    async def several(self, team_id: int, run_ids: Collection[str]) -> dict[str, RunRecord]:
        """Those that the team has, by id."""
        wanted = [run_id for run_id in run_ids if "\0" not in run_id]
        if not wanted:
            return {}
        rows = select(RunRow).where(col(RunRow.id).in_(wanted), col(RunRow.team_id) == team_id)
        return await self._database.read(
            lambda session: {row.id: _record_of(row) for row in session.scalars(rows)}
        )

    async def end_interrupted(self) -> int:
        """Runs that a process left running when it died have failed. Returns how many.

        Alone, that is every run that runs: call it before the first one starts. Among several processes
        it is at any time those of dead ones; one that was only slow puts its runs right with their next
        checkpoint.
        """
        running = _TABLE.c.state == "running"
        if self._process_id is not None:
            owner = _TABLE.c.process_id
            running &= owner.is_(None) | ((owner != self._process_id) & owner.not_in(living_ids()))
        change = (
            update(_TABLE)
            .where(running)
            .values(
                state="failed",
                failure_kind=_INTERRUPTED.kind,
                failure_message=_INTERRUPTED.message,
                updated_ms=_now_ms(),
            )
        )
        return await self._database.write(lambda session: session.connection().execute(change).rowcount)

    async def ask_to_stop(self, team_id: int, run_id: str) -> None:
        """Leave word for the process that has the run; it looks each second. An ended run is let be."""
        change = (
            update(_TABLE)
            .where(_TABLE.c.id == run_id, _TABLE.c.team_id == team_id, _TABLE.c.state == "running")
            .values(stop_requested=True)
        )
        await self._database.write(lambda session: session.execute(change))

    async def forget_text(self, team_id: int, run_id: str) -> None:
        """What was asked and answered; the facts stay."""
        change = update(_TABLE).where(_TABLE.c.id == run_id, _TABLE.c.team_id == team_id).values(NO_TEXT)
        await self._database.write(lambda session: session.execute(change))

    async def asked_to_stop(self) -> tuple[str, ...]:
        """Which runs of ours another process was asked to stop. Each second, while anything runs."""
        if self._process_id is None:
            return ()
        asked = select(_TABLE.c.id).where(
            _TABLE.c.state == "running", _TABLE.c.process_id == self._process_id, _TABLE.c.stop_requested
        )
        return await self._database.read(lambda session: tuple(session.scalars(asked)))


_TABLE: Table = AppTable.metadata.tables["run"]


def _upsert(connection: Connection, rows: list[dict[str, Any]]) -> None:
    connection.execute(_upserting(connection.dialect.name), rows)


@functools.cache
def _upserting(dialect: str) -> Executable:
    insert = insert_of(dialect, _TABLE)
    change = {name: insert.excluded[name] for name in _CHANGING}
    return insert.on_conflict_do_update(index_elements=["id"], set_=change)


def _row_of(run: Run, process_id: str | None) -> dict[str, Any]:
    keeps = run.keeps_text
    row: dict[str, Any] = {
        "id": run.id,
        "team_id": run.team_id,
        "user_id": run.user_id,
        "parent_run_id": run.parent_run_id,
        "process_id": process_id,
        "stop_requested": False,
        "surface": run.surface,
        "state": run.state,
        "model_id": run.model_id,
        "model_name": run.model_name,
        "provider": run.provider,
        "series": run.series,
        "created_ms": run.created_ms,
        "updated_ms": _now_ms(),
        "out_cap": run.out_cap,
        "keeps_text": keeps,
        "messages_json": _encode([_plain(message) for message in run.messages]) if keeps else None,
        "text": run.text if keeps else None,
        "reasoning": run.reasoning if keeps else None,
        "tool_calls_json": _encode(run.tool_calls) if keeps and run.tool_calls else None,
        "notes_json": _encode(run.notes),
        "figures_json": _encode(run.figures),
        "finish_reason": run.finish_reason,
        "failure_kind": run.failure.kind if run.failure else None,
        "failure_message": run.failure.message if run.failure else None,
        "attempts_json": _encode(run.attempts) if run.attempts else None,
        "prompt_version_id": run.request.prompt_version_id,
        "asked_json": encoded(run.request) if keeps else None,
        "marks_json": marks.encoded(run.marks) if keeps and run.marks else None,
    }
    for name in _FOREIGN:
        value = row[name]
        if value is not None and (not value.isascii() or "\0" in value):
            row[name] = _storable(value)
    return row


def _record_of(row: RunRow) -> RunRecord:
    failure = Failure(row.failure_kind, row.failure_message or "") if row.failure_kind else None
    messages = tuple(_message(kept) for kept in _decode(row.messages_json or "[]", list[_Kept]))
    asked = decoded(row.asked_json, messages, row.prompt_version_id) if row.asked_json and messages else None
    return RunRecord(
        id=row.id,
        user_id=row.user_id,
        parent_run_id=row.parent_run_id,
        state=row.state,  # type: ignore[arg-type]  # only `Run.state` is ever written
        model_id=row.model_id,
        model_name=row.model_name,
        provider=row.provider,
        series=row.series,
        created_ms=row.created_ms,
        messages=messages,
        text=row.text or "",
        reasoning=row.reasoning or "",
        tool_calls=_decode(row.tool_calls_json or "[]", tuple[ToolCall, ...]),
        finish_reason=row.finish_reason,
        figures=_decode(row.figures_json, Figures),
        failure=failure,
        notes=_decode(row.notes_json, tuple[str, ...]),
        keeps_text=row.keeps_text,
        attempts=_decode(row.attempts_json or "[]", tuple[AttemptRow, ...]),
        asked=asked,
        prompt_version_id=row.prompt_version_id,
        marks=marks.decoded(row.marks_json) if row.marks_json else (),
    )


class _Kept(msgspec.Struct, omit_defaults=True):
    """A message as it is kept. A part has "text", or "url" with "detail" (an image) or "media_type"."""

    role: Role
    parts: list[dict[str, str]]
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None
    name: str | None = None
    reasoning: tuple[Reasoning, ...] = ()
    tool_failed: bool = False
    instructions: bool = False


def _plain(message: Message) -> _Kept:
    return _Kept(
        message.role,
        [_plain_part(part) for part in message.parts],
        message.tool_calls,
        message.tool_call_id,
        message.name,
        message.reasoning,
        message.tool_failed,
        message.instructions,
    )


def _plain_part(part: Part) -> dict[str, str]:
    match part:
        case TextPart(text):
            return {"text": text}
        case ImagePart(url, detail):
            return {"url": url, "detail": detail}
        case FilePart(url, media_type, name):
            return {"url": url, "media_type": media_type, **({"name": name} if name else {})}


def _message(kept: _Kept) -> Message:
    return Message(
        kept.role,
        tuple(_part(part) for part in kept.parts),
        kept.tool_calls,
        kept.tool_call_id,
        kept.name,
        kept.reasoning,
        kept.tool_failed,
        kept.instructions,
    )


def _part(part: dict[str, str]) -> Part:
    if "text" in part:
        return TextPart(part["text"])
    if "media_type" in part:
        return FilePart(part["url"], part["media_type"], part.get("name"))
    return ImagePart(part["url"], part["detail"])  # type: ignore[arg-type]  # as `_plain_part` wrote it


def _storable(text: str) -> str:
    """PostgreSQL takes no NUL in a text, and no engine half of a surrogate pair."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")


def _encode(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _decode(text: str, kind: type[T]) -> T:
    return msgspec.json.decode(text, type=kind)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
