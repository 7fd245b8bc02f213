"""Errors of the AI SDK's gateway protocol: `{"error": {"message", "type", "param", ...}, "generationId"}`.

The SDK makes an error class of `type`, and puts the answer's status beside it:

    authentication_error    GatewayAuthenticationError
    forbidden               GatewayForbiddenError          also where credit or a cap is reached (402)
    rate_limit_exceeded     GatewayRateLimitError
    model_not_found         GatewayModelNotFoundError      also for a retired one (410); `modelId` is set
    not_found               GatewayNotFoundError           from 4.0 on; else GatewayInternalServerError
    invalid_request_error   GatewayInvalidRequestError
    internal_server_error   GatewayInternalServerError     whatever is a provider's fault, or ours
"""

from __future__ import annotations

from collections.abc import Mapping

from api.errors import Verdict

_TYPES = {
    401: "authentication_error",
    402: "forbidden",
    403: "forbidden",
    404: "not_found",
    429: "rate_limit_exceeded",
}
_OF_A_MODEL = ("model_not_found", "model_retired")


def error_body(
    verdict: Verdict, message: str, param: str | None, request_id: str, extras: Mapping[str, object]
) -> dict[str, object]:
    said: dict[str, object] = {"message": message, "type": _type(verdict), "code": verdict.code}
    said["param"] = {"modelId": extras.get("model")} if verdict.code in _OF_A_MODEL else param
    return {
        "error": {**said, "request_id": request_id, **extras},
        "generationId": extras.get("run_id"),
    }


def _type(verdict: Verdict) -> str:
    if verdict.code in _OF_A_MODEL:
        return "model_not_found"
    other = "invalid_request_error" if verdict.status < 500 else "internal_server_error"
    return _TYPES.get(verdict.status, other)
