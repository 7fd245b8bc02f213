"""How the caller's limits stand, as headers in OpenAI's words: on every answer to a known caller.

`x-ratelimit-limit-*`, `-remaining-*` and `-reset-*` for requests and for tokens; `reset` is in how long the
whole limit may be used again, written as OpenAI writes it (`6m0s`, `1.5s`, `12ms`).
"""

from __future__ import annotations

from gateway.rate_limits import RateLimits
from gateway.rate_windows import Standing
from identity.principal import Principal

Headers = tuple[tuple[bytes, bytes], ...]


def rate_headers(rates: RateLimits, principal: Principal) -> Headers:
    requests, tokens = rates.standing(principal.team_id, principal.key_id)
    return _headers(b"requests", requests) + _headers(b"tokens", tokens)


def _headers(what: bytes, standing: Standing | None) -> Headers:
    if standing is None:
        return ()
    return (
        (b"x-ratelimit-limit-" + what, b"%d" % standing.limit),
        (b"x-ratelimit-remaining-" + what, b"%d" % standing.remaining),
        (b"x-ratelimit-reset-" + what, duration(standing.reset_s).encode()),
    )


def duration(seconds: float) -> str:
    ms = round(seconds * 1000)
    if ms < 1000:
        return f"{ms}ms"
    minutes, rest_ms = divmod(ms, 60_000)
    rest = f"{rest_ms / 1000:g}s"
    return f"{minutes}m{rest}" if minutes else rest
