"""The English sentences for a request that is opened again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

OPEN: Final = "Open in playground"
AGAIN: Final = "Replay"
AGAIN_HELP: Final = "Asks the same again, as it was, and is charged like any request."
RUNNING: Final = "Asking again"
SEE: Final = "See the answer"
NO_RUN: Final = "No run is kept of this request, so it cannot be opened again."


def why_not(own: bool, keeps_text: bool) -> str:
    if not own:
        return "It cannot be opened again: what another member wrote is not yours to read here."
    if keeps_text:
        return "It cannot be opened again: it was kept before settings were kept with the text."
    return "It cannot be opened again: the team did not keep its text (Team, Rules)."


def of(run_id: str) -> str:
    return f"Opened from the request {run_id}"


def again_with(count: int) -> str:
    results = "one tool result that was" if count == 1 else f"{count} tool results that were"
    return f"Asks the same again from before its tools, with the {results} recorded. No tool is run."


def missing(names: Sequence[str]) -> str:
    return f"Nothing was recorded for what it called now: {', '.join(names)}. The replay ended there."
