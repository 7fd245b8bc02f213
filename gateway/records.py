"""A run as pages and the API read it: the same value whether it still runs here or was kept."""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from gateway.marks import Mark
from gateway.messages import CompletionRequest, Message, ToolCall
from gateway.runs import Failure, Figures, Run, RunState
from telemetry.rows import AttemptRow


class RunRecord(msgspec.Struct, frozen=True):
    """`prompt` is the newest user message; `messages` all that was sent. Text is "" where none is kept.
    `attempts` are the calls to providers that have ended: the last one answered, or failed for good.
    `asked` is the whole request, where its text is there; None too for runs kept before it was."""

    id: str
    parent_run_id: str | None
    state: RunState
    model_id: str
    model_name: str
    provider: str
    series: str
    created_ms: int
    messages: tuple[Message, ...]
    text: str
    reasoning: str
    tool_calls: tuple[ToolCall, ...]
    finish_reason: str | None
    figures: Figures
    failure: Failure | None
    notes: tuple[str, ...]
    keeps_text: bool
    user_id: int | None = None
    attempts: tuple[AttemptRow, ...] = ()
    asked: CompletionRequest | None = None
    prompt_version_id: str | None = None
    marks: tuple[Mark, ...] = ()

    @property
    def prompt(self) -> str:
        asked = [message for message in self.messages if message.role == "user"]
        return asked[-1].text if asked else ""


def record_of(run: Run) -> RunRecord:
    return RunRecord(
        id=run.id,
        parent_run_id=run.parent_run_id,
        state=run.state,
        model_id=run.model_id,
        model_name=run.model_name,
        provider=run.provider,
        series=run.series,
        created_ms=run.created_ms,
        messages=run.messages,
        text=run.text,
        reasoning=run.reasoning,
        tool_calls=run.tool_calls,
        finish_reason=run.finish_reason,
        figures=run.figures,
        failure=run.failure,
        notes=run.notes,
        keeps_text=run.keeps_text,
        user_id=run.user_id,
        attempts=run.attempts,
        asked=run.request if run.request.messages else None,
        prompt_version_id=run.request.prompt_version_id,
        marks=run.marks,
    )


def without_text(record: RunRecord) -> RunRecord:
    """The facts alone: for whoever may not read what its author wrote and got."""
    return replace(
        record, messages=(), text="", reasoning="", tool_calls=(), marks=(), keeps_text=False, asked=None
    )
