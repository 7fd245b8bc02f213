"""The English sentences of the page of requests: `words.py`'s, for one page."""

from __future__ import annotations

from typing import Final

REQUESTS: Final = "Requests"
NONE: Final = "No requests yet."
NONE_ADVICE: Final = "Send a prompt in the playground, or call the API: each request has a row here."
NONE_SUCH: Final = "No request fits."
NONE_SUCH_ADVICE: Final = "Take a filter away, or look further back."
WINDOW: Final = "How far back"
LINKED: Final = "As linked"
OUTCOME: Final = "Any outcome"
MODEL: Final = "Any model"
PROVIDER: Final = "Any provider"
SURFACE: Final = "Pages and API"
MEMBER: Final = "Any member"
KEY: Final = "Any key"
TAG: Final = "Tag"
SLOWER: Final = "Longer than, ms"
DEARER: Final = "Dearer than, $"
NEWEST_FIRST: Final = "Newest first"
PICK: Final = "Press a time to open its request."
CLOSE: Final = "Close"
FILTERS: Final = "Filters"
BATTLE: Final = "Open its battle"
TOOK: Final = "Took"
FIRST: Final = "First token"
IN: Final = "In"
OUT: Final = "Out"
COST: Final = "Cost"
STATUS: Final = "Status"
WHAT: Final = "Model"
WHO: Final = "Provider"
FROM: Final = "From"
OURS: Final = "Gateway's own time"
TOKENS_IN: Final = "Tokens in"
CACHED: Final = "of them cached"
TOKENS_OUT: Final = "Tokens out"
THOUGHT: Final = "of them reasoning"
BY_KEY: Final = "Key"
TAGS: Final = "Tags"
FIGURES: Final = "In figures"
ATTEMPTS: Final = "Attempts"
DROPPED: Final = "Not asked"
REPLAY: Final = "See the conversation"
ENTRY: Final = "Open its ledger entry"
CSV: Final = "CSV"
JSON: Final = "JSON lines"
PARQUET: Final = "Parquet"
EXPORT_HELP: Final = "What the filters leave, newest first, up to 100,000 rows."
NO_ATTEMPT: Final = "It was refused before anybody was asked."
WAITING: Final = "waiting"
THINKING: Final = "thinking"
ANSWERING: Final = "answering"
GATEWAY: Final = "before sending"
NEWER: Final = "Newer"
SHOW_NEWER: Final = "Show newer ones"
OLDER: Final = "Older"
FURTHER: Final = "Look further back"
NOTHING_OLDER: Final = "None is older."

OUTCOMES: Final = {
    "ok": "Answered",
    "provider_fault": "Provider's fault",
    "gateway_fault": "Our fault",
    "client_fault": "Request refused",
    "cancelled": "Stopped",
    "blocked": "Not admitted",
}
SURFACES: Final = {"page": "Pages", "api": "API"}


def filters(count: int) -> str:
    return f"{FILTERS} ({count})" if count else FILTERS


def attempt(no: int, provider: str, outcome: str) -> str:
    return f"{no}. {provider}: {OUTCOMES.get(outcome, outcome).lower()}"


def about_model(name: str) -> str:
    return f"About {name}"


def newest(when: str) -> str:
    return f"Newest: {when}"


def looked_back(rows: str, back_to: str) -> str:
    return f"Looked through {rows} requests, back to {back_to}."


HIDDEN = "This request is a lane of a blind battle that you may still vote on. It is shown after your vote."
