"""Why a completion was refused or failed, named by what the caller does next.

    GatewayError
    |- BadRequest              mend the request (`param` says where)
    |  |- Unsupported          leave out what this model cannot do
    |  `- NoProviderLeft       ask less of providers: `dropped` says why each fell out
    |- TooLarge                send less
    |- UnknownModel            pick one of `nearest`
    |- RetiredModel            use `successor`
    |- ModelUnavailable        no provider serves it here now; configure one or pick another
    |- Forbidden               ask an owner for the permission
    |  `- PolicyRefused        obey the team's rule named in `rule`, or ask an owner to change it
    |- TooManyRequests         wait `retry_after_s`
    |  `- RateLimited          the same: a minute's worth of requests or tokens is used (`scope` whose)
    |- Overloaded              ask again in `retry_after_s`, or another process
    |- Draining                try again in `retry_after_s`, this process is ending
    |- RunNotFound             no run of this team has that id
    `- ProviderError           the provider's fault; another provider may do better
       |- ProviderUnreachable  no connection
       |- ProviderRefused      it answered with an error status
       |- ProviderTimeout      it went silent (`deadline` says which limit passed)
       `- ProviderBroke        it cut or garbled its answer

Credit and cap errors are billing's (`billing/errors.py`). `api/errors.py` maps both to HTTP,
`components/notices.py` to sentences.
"""

from __future__ import annotations

from typing import Literal

Deadline = Literal["connect", "first_token", "idle", "total"]


class GatewayError(Exception):
    """Anything that this package raises for its caller; `str()` is safe to show. `logged` once it stands in
    the request log."""

    logged = False


class BadRequest(GatewayError):
    def __init__(self, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.param = param


class Unsupported(BadRequest):
    pass


class NoProviderLeft(BadRequest):
    def __init__(self, model: str, dropped: tuple[str, ...]) -> None:
        super().__init__(f"Nobody is left to answer for {model!r}: {' '.join(dropped)}", "provider")
        self.model = model
        self.dropped = dropped


class TooLarge(GatewayError):
    pass


class UnknownModel(GatewayError):
    def __init__(self, model: str, nearest: tuple[str, ...]) -> None:
        hint = f" Nearest: {', '.join(nearest)}." if nearest else ""
        super().__init__(f"There is no model {model!r} here.{hint}")
        self.model = model
        self.nearest = nearest


class RetiredModel(GatewayError):
    def __init__(self, model: str, successor: str | None, retired_on: str | None) -> None:
        since = f" on {retired_on}" if retired_on else ""
        instead = f" Use {successor!r} instead." if successor else ""
        super().__init__(f"{model!r} was retired{since}.{instead}")
        self.model = model
        self.successor = successor
        self.retired_on = retired_on


class ModelUnavailable(GatewayError):
    def __init__(self, model: str, reason: str) -> None:
        super().__init__(f"{model!r} cannot answer here: {reason}")
        self.model = model
        self.reason = reason


class Forbidden(GatewayError):
    pass


class PolicyRefused(Forbidden):
    """`rule` is the field of the team's policy that says no; "key_models" is the key's own."""

    def __init__(self, rule: str, reason: str) -> None:
        super().__init__(f"Refused by the rule {rule!r}: {reason}.")
        self.rule = rule
        self.reason = reason


class TooManyRequests(GatewayError):
    def __init__(self, message: str, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class RateLimited(TooManyRequests):
    """`limit` is the window's, `needed` what the request would take of it."""

    def __init__(
        self, scope: Literal["team", "key"], what: Literal["requests", "tokens"], limit: int, needed: int,
        retry_after_s: float,
    ) -> None:  # fmt: skip
        message = f"This {scope} may use {limit:,} {what} a minute, and has used them."
        if needed > limit:
            message = f"This request may come to {needed:,} {what}; this {scope} may use {limit:,} a minute."
        super().__init__(message, retry_after_s)
        self.scope = scope
        self.what = what
        self.limit = limit
        self.needed = needed


class Overloaded(GatewayError):
    def __init__(self, message: str, retry_after_s: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Draining(GatewayError):
    def __init__(self, retry_after_s: float = 5.0) -> None:
        super().__init__("This server is shutting down and takes no new requests.")
        self.retry_after_s = retry_after_s


class RunNotFound(GatewayError):
    pass


class ProviderError(GatewayError):
    """`status` is the provider's own HTTP status where it gave one."""

    def __init__(
        self, provider: str, message: str, *, status: int | None = None, retry_after_s: float | None = None
    ) -> None:
        super().__init__(message)
        self.provider = provider
        self.status = status
        self.retry_after_s = retry_after_s


class ProviderUnreachable(ProviderError):
    pass


class ProviderRefused(ProviderError):
    pass


class ProviderTimeout(ProviderError):
    def __init__(self, provider: str, deadline: Deadline, limit_s: float) -> None:
        what = {
            "connect": "did not take the connection",
            "first_token": "sent no token",
            "idle": "went silent",
            "total": "did not finish",
        }[deadline]
        super().__init__(provider, f"The provider {what} within {limit_s:g} s.")
        self.deadline = deadline
        self.limit_s = limit_s


class ProviderBroke(ProviderError):
    pass
