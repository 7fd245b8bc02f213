"""What the pages say of who is asked for an answer, and of who was."""

from __future__ import annotations

from typing import Final

OUTCOMES: Final = {
    "ok": "answered",
    "provider_fault": "did not answer",
    "gateway_fault": "could not be asked",
    "client_fault": "refused the request",
    "cancelled": "was stopped",
    "blocked": "was not asked",
}


def route(words: str) -> str:
    return f"Asked in this order: {words} a million tokens"


def asked(count: int) -> str:
    return f"{count} providers were asked"


def attempt(provider: str, model: str | None, outcome: str) -> str:
    who = provider if model is None else f"{provider} for {model}"
    return f"{who} {OUTCOMES.get(outcome, outcome)}"


def because(error: str, status: int | None) -> str:
    return f" ({error}, status {status})" if status is not None else f" ({error})"


def after(duration: str) -> str:
    return f", after {duration}"


def first_token(duration: str) -> str:
    return f", first token after {duration}"
