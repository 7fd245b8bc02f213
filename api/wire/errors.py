"""Errors in the shape of the route's wire.

OpenAI's is `{"error": {"message", "type", "code", "param", "request_id", ...}}`, Anthropic's
`{"type": "error", "error": {"type", "message", "code", ...}, "request_id"}`.

What helps the caller next stands beside these: `nearest`, `successor`, `needed`, `available`,
`next_allowance_at`, `run_id`. Money is a decimal string in dollars, an instant ISO 8601 in UTC.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from api.errors import MethodNotAllowed, StillRunning, Verdict, verdict_of, verdict_of_failure
from api.exchange import Answer, header_value
from api.wire import ai_gateway_errors
from api.wire.shapes import WireName
from api.wire.values import maybe_instant
from battles.errors import BadBattle, BadPrompt
from billing.errors import (
    BillingError,
    CapReached,
    FreeCreditExhausted,
    IdempotencyConflict,
    InsufficientCredits,
)
from billing.money import decimal_usd
from gateway.errors import (
    BadRequest,
    GatewayError,
    ModelUnavailable,
    NoProviderLeft,
    PolicyRefused,
    ProviderError,
    RateLimited,
    RetiredModel,
    UnknownModel,
)
from gateway.runs import Failure
from identity.errors import NotAuthenticated

_TYPES = {
    401: "authentication_error",
    402: "insufficient_quota",
    403: "permission_error",
    429: "rate_limit_error",
}
_ANTHROPIC_TYPES = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
}
_OUR_FAULT = "Something here failed. The request id helps whoever looks for the reason."


def error_answer(
    error: Exception,
    request_id: str,
    *,
    add_credit: str | None = None,
    extras: Mapping[str, object] | None = None,
    retry_after_s: float | None = None,
    wire: WireName = "openai",
) -> Answer:
    verdict = verdict_of(error)
    beside = {**_extras(error), **(extras or {})}
    if verdict.status == 402 and add_credit is not None:
        beside["add_credit"] = add_credit
    message = _OUR_FAULT if verdict.status == 500 else str(error)
    param = error.param if isinstance(error, BadRequest | BadBattle | BadPrompt) else None
    headers = _headers(verdict, retry_after_s or getattr(error, "retry_after_s", None))
    if isinstance(error, NotAuthenticated):
        headers.append((b"www-authenticate", b"Bearer"))
    if isinstance(error, MethodNotAllowed):
        headers.append((b"allow", header_value(", ".join(error.allowed))))
    body = _BODIES[wire](verdict, message, param, request_id, beside)
    return Answer(verdict.status, body, tuple(headers))


def failure_answer(
    failure: Failure, request_id: str, extras: Mapping[str, object], *, wire: WireName = "openai"
) -> Answer:
    """For a run that failed; in mid-stream only the body is of use."""
    verdict = verdict_of_failure(failure.kind, failure.provider_status)
    body = _BODIES[wire](verdict, failure.message, None, request_id, extras)
    return Answer(verdict.status, body, tuple(_headers(verdict, failure.retry_after_s)))


def _openai(
    verdict: Verdict, message: str, param: str | None, request_id: str, extras: Mapping[str, object]
) -> dict[str, object]:
    kind = _TYPES.get(verdict.status, "invalid_request_error" if verdict.status < 500 else "server_error")
    fixed = {"message": message, "type": kind, "code": verdict.code, "param": param, "request_id": request_id}
    return {"error": {**fixed, **extras}}


def _anthropic(
    verdict: Verdict, message: str, param: str | None, request_id: str, extras: Mapping[str, object]
) -> dict[str, object]:
    kind = _ANTHROPIC_TYPES.get(
        verdict.status, "invalid_request_error" if verdict.status < 500 else "api_error"
    )
    said = {"type": kind, "message": message, "code": verdict.code, "param": param, **extras}
    return {"type": "error", "error": said, "request_id": request_id}


_Body = Callable[[Verdict, str, str | None, str, Mapping[str, object]], dict[str, object]]
_BODIES: dict[WireName, _Body] = {
    "openai": _openai,
    "anthropic": _anthropic,
    "ai_sdk": ai_gateway_errors.error_body,
}


def _headers(verdict: Verdict, retry_after_s: float | None) -> list[tuple[bytes, bytes]]:
    headers = []
    if retry_after_s is None and verdict.status == 503 and verdict.retry is None:
        retry_after_s = 1.0
    if retry_after_s is not None:
        headers.append((b"retry-after", str(max(1, math.ceil(retry_after_s))).encode()))
    if verdict.retry is not None:
        headers.append((b"x-should-retry", b"true" if verdict.retry else b"false"))
    return headers


def _extras(error: Exception) -> dict[str, object]:
    match error:
        case GatewayError():
            return _extras_of_gateway(error)
        case BillingError():
            return _extras_of_billing(error)
        case StillRunning():
            return {"run_id": error.run_id, "state": "running"}
        case _:
            return {}


def _extras_of_gateway(error: GatewayError) -> dict[str, object]:
    match error:
        case UnknownModel():
            return {"model": error.model, "nearest": error.nearest}
        case RetiredModel():
            return {"model": error.model, "successor": error.successor, "retired_on": error.retired_on}
        case PolicyRefused():
            return {"rule": error.rule}
        case RateLimited():
            return {"limit_scope": error.scope, "limit": error.limit, "limit_of": f"{error.what} a minute"}
        case ModelUnavailable():
            return {"model": error.model, "reason": error.reason}
        case NoProviderLeft():
            return {"model": error.model, "dropped": error.dropped}
        case ProviderError():
            return {"provider": error.provider, "provider_status": error.status}
        case _:
            return {}


def _extras_of_billing(error: BillingError) -> dict[str, object]:
    match error:
        case InsufficientCredits():
            return {
                "limit_scope": "team",
                "needed": decimal_usd(error.needed_nano_usd),
                "available": decimal_usd(error.available_nano_usd),
                "next_allowance_at": maybe_instant(error.next_allowance_at_ms),
            }
        case CapReached():
            return {
                "limit_scope": error.scope,
                "limit_subject": error.subject,
                "needed": decimal_usd(error.needed_nano_usd),
                "available": decimal_usd(error.available_nano_usd),
                "next_allowance_at": None,
                "limit_window": error.window,
                "limit_days": error.days or None,
                "resets_at": maybe_instant(error.resets_at_ms),
            }
        case FreeCreditExhausted():
            return {
                "limit_scope": "installation",
                "needed": None,
                "available": None,
                "next_allowance_at": None,
            }
        case IdempotencyConflict():
            return {"run_id": error.run_id}
        case _:
            return {}
