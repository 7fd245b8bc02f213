"""What the API says when it says no: one table from an error to its status and code.

    HttpRefusal             the request itself, whoever answers it
    |- PathNotFound         ask for a path that exists
    |- MethodNotAllowed     use one of `allowed`
    |- EncodingRefused      send the body as it is, not compressed
    |- BodyTooSlow          send the body faster
    |- Starting             try again in a moment
    |- Ending               ask again: the run was cut because this server ends
    |- StillRunning         wait for the run that this idempotency key began
    `- Stopped              somebody stopped the run; ask again if the answer is still wanted

The wire's shape is made in `api/wire/errors.py`. A test holds that every error of `gateway`,
`billing`, `identity` and `battles` has a line here; one that has none is our fault, and answered 500.
"""

from __future__ import annotations

from dataclasses import dataclass

from battles import errors as battles
from billing import errors as billing
from gateway import errors as gateway
from identity import errors as identity


class HttpRefusal(Exception):
    """`str()` is safe to show."""


class PathNotFound(HttpRefusal):
    def __init__(self, method: str, path: str) -> None:
        super().__init__(f"There is nothing at {method} {path[:200]}.")


class MethodNotAllowed(HttpRefusal):
    def __init__(self, method: str, allowed: tuple[str, ...]) -> None:
        super().__init__(f"This path does not take {method[:20]}; it takes {', '.join(allowed)}.")
        self.allowed = allowed


class EncodingRefused(HttpRefusal):
    def __init__(self) -> None:
        super().__init__("Compressed request bodies are not taken; send it without Content-Encoding.")


class BodyTooSlow(HttpRefusal):
    def __init__(self) -> None:
        super().__init__("The request body did not arrive in time.")


class Starting(HttpRefusal):
    retry_after_s = 1.0

    def __init__(self) -> None:
        super().__init__("This server is starting or ending, and takes no requests now.")


class Ending(HttpRefusal):
    retry_after_s = 5.0

    def __init__(self) -> None:
        super().__init__("This server is shutting down and cut the answer. What had arrived was billed.")


class StillRunning(HttpRefusal):
    retry_after_s = 2.0

    def __init__(self, run_id: str) -> None:
        super().__init__(
            "This request was admitted before under the same idempotency key and is still running."
        )
        self.run_id = run_id


class Stopped(HttpRefusal):
    def __init__(self) -> None:
        super().__init__("The run was stopped before its answer was complete. What had arrived was billed.")


@dataclass(frozen=True, slots=True)
class Verdict:
    """`retry` tells clients that read `x-should-retry` (OpenAI's do) what the status alone would not."""

    status: int
    code: str
    retry: bool | None = None


TABLE: dict[type[Exception], Verdict] = {
    # the request
    PathNotFound: Verdict(404, "not_found"),
    MethodNotAllowed: Verdict(405, "method_not_allowed"),
    EncodingRefused: Verdict(415, "encoding_not_supported"),
    BodyTooSlow: Verdict(408, "body_too_slow"),
    Starting: Verdict(503, "starting"),
    Ending: Verdict(503, "server_draining"),
    StillRunning: Verdict(409, "still_running", retry=True),
    Stopped: Verdict(409, "run_stopped", retry=False),
    HttpRefusal: Verdict(400, "invalid_request"),
    # who asks
    identity.NotAuthenticated: Verdict(401, "invalid_api_key"),
    identity.NotPermitted: Verdict(403, "not_permitted"),
    identity.NotAdmitted: Verdict(403, "not_admitted"),
    identity.KeyNotFound: Verdict(404, "key_not_found"),
    identity.TeamNotFound: Verdict(404, "team_not_found"),
    identity.MemberNotFound: Verdict(404, "member_not_found"),
    identity.InvitationNotFound: Verdict(404, "invitation_not_found"),
    identity.IssuerNotFound: Verdict(404, "issuer_not_found"),
    identity.NotFound: Verdict(404, "not_found"),
    identity.BadPolicy: Verdict(400, "invalid_policy"),
    identity.Invalid: Verdict(400, "invalid_request"),
    identity.KeyTaken: Verdict(409, "key_taken", retry=False),
    identity.LastOwner: Verdict(409, "last_owner", retry=False),
    identity.Conflict: Verdict(409, "conflict", retry=False),
    identity.IdentityError: Verdict(403, "refused"),
    # what is asked
    gateway.BadRequest: Verdict(400, "invalid_request"),
    gateway.Unsupported: Verdict(400, "unsupported_parameter"),
    gateway.NoProviderLeft: Verdict(400, "no_provider_left"),
    gateway.TooLarge: Verdict(413, "request_too_large"),
    gateway.UnknownModel: Verdict(404, "model_not_found"),
    gateway.RetiredModel: Verdict(410, "model_retired"),
    gateway.ModelUnavailable: Verdict(503, "model_unavailable", retry=False),
    gateway.PolicyRefused: Verdict(403, "policy_refused", retry=False),
    gateway.Forbidden: Verdict(403, "not_permitted"),
    gateway.TooManyRequests: Verdict(429, "too_many_requests"),
    gateway.RateLimited: Verdict(429, "rate_limit_exceeded"),
    gateway.Overloaded: Verdict(503, "server_busy"),
    gateway.Draining: Verdict(503, "server_draining"),
    gateway.RunNotFound: Verdict(404, "run_not_found"),
    gateway.GatewayError: Verdict(500, "internal_error"),
    # the money
    billing.InsufficientCredits: Verdict(402, "insufficient_credits"),
    billing.CapReached: Verdict(402, "cap_reached"),
    billing.FreeCreditExhausted: Verdict(402, "free_credit_exhausted"),
    billing.TooManyOpen: Verdict(429, "too_many_requests"),
    billing.IdempotencyConflict: Verdict(409, "idempotency_key_reused", retry=False),
    billing.Replayed: Verdict(409, "request_replayed", retry=False),
    billing.HoldGone: Verdict(409, "hold_gone", retry=False),
    billing.CodeUnknown: Verdict(404, "code_unknown"),
    billing.CodeSpent: Verdict(409, "code_spent", retry=False),
    billing.RefConflict: Verdict(409, "reference_reused", retry=False),
    billing.LedgerBusy: Verdict(503, "ledger_busy"),
    billing.LedgerUnavailable: Verdict(503, "ledger_unavailable"),
    billing.LedgerBug: Verdict(500, "internal_error", retry=False),
    billing.BillingError: Verdict(500, "internal_error"),
    # battles
    battles.BattleNotFound: Verdict(404, "battle_not_found"),
    battles.BadBattle: Verdict(400, "invalid_request"),
    battles.NotYours: Verdict(403, "not_permitted"),
    battles.LanesRunning: Verdict(409, "lanes_running"),
    battles.NothingToRetry: Verdict(409, "nothing_to_retry", retry=False),
    battles.TextGone: Verdict(409, "text_gone", retry=False),
    battles.StillBlind: Verdict(409, "still_blind", retry=False),
    battles.RequestKeyReused: Verdict(409, "idempotency_key_reused", retry=False),
    battles.PromptNotFound: Verdict(404, "prompt_not_found"),
    battles.BadPrompt: Verdict(400, "invalid_request"),
    battles.PromptTaken: Verdict(409, "prompt_taken", retry=False),
    battles.PromptChanged: Verdict(409, "prompt_changed", retry=False),
    battles.ShareNotFound: Verdict(404, "share_not_found"),
    battles.BadShare: Verdict(400, "invalid_request"),
    battles.PackRefused: Verdict(400, "pack_refused"),
    battles.AlreadyVoted: Verdict(409, "already_voted", retry=False),
    battles.AlreadyRevealed: Verdict(409, "already_revealed", retry=False),
    battles.NotVotable: Verdict(409, "not_votable", retry=False),
    battles.NotAVoter: Verdict(403, "not_permitted"),
    battles.VoteRefused: Verdict(409, "vote_refused", retry=False),
    battles.BadRows: Verdict(400, "invalid_rows"),
    battles.BatchNotFound: Verdict(404, "batch_not_found"),
    battles.BatchNotNow: Verdict(409, "batch_not_now", retry=False),
    battles.NoSandbox: Verdict(503, "no_sandbox", retry=False),
    battles.BattleError: Verdict(500, "internal_error"),
    # the provider
    gateway.ProviderUnreachable: Verdict(502, "provider_unreachable"),
    gateway.ProviderRefused: Verdict(502, "provider_refused"),
    gateway.ProviderTimeout: Verdict(504, "provider_timeout"),
    gateway.ProviderBroke: Verdict(502, "provider_broke"),
    gateway.ProviderError: Verdict(502, "provider_error"),
}

_BAD_FOR_PROVIDER = Verdict(400, "provider_refused_request")
_REFUSED = {
    400: _BAD_FOR_PROVIDER,
    413: _BAD_FOR_PROVIDER,
    422: _BAD_FOR_PROVIDER,
    429: Verdict(429, "provider_rate_limited"),
}
OUR_FAULT = Verdict(500, "internal_error")
_BY_NAME = {error.__name__: verdict for error, verdict in TABLE.items()}


def verdict_of(error: Exception) -> Verdict:
    """The line of its class, else of the nearest class above it, else our fault."""
    for kind in type(error).__mro__:
        if kind in TABLE:
            return TABLE[kind]
    return OUR_FAULT


def verdict_of_failure(kind: str, provider_status: int | None) -> Verdict:
    """For a run that failed: `kind` is the name of its error's class.

    A provider's refusal is the caller's to mend where the provider says so, and to wait out where it
    is a rate limit; any other is the provider's fault.
    """
    if kind == gateway.ProviderRefused.__name__ and provider_status in _REFUSED:
        return _REFUSED[provider_status]
    return _BY_NAME.get(kind, OUR_FAULT)


def status_of(error: Exception) -> int:
    """The status that a caller gets for this error; the request log keeps it too."""
    if isinstance(error, gateway.ProviderRefused):
        return verdict_of_failure(type(error).__name__, error.status).status
    return verdict_of(error).status
