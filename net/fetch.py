"""Small JSON documents from the outside, fetched with the guard: no redirects, no credentials, a limit on
bytes and time. A new connection each, so that no answer of one host is ever another's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from net.guard import UrlRefused, check_url

if TYPE_CHECKING:
    from aiohttp.abc import AbstractResolver

MOST_BYTES: Final = 512 * 1024
WITHIN_S: Final = 5.0


class FetchFailed(Exception):
    """`str()` says what happened, and holds nothing of what came."""


async def fetch_json(
    url: str, *, allow_private_address: bool = False, resolver: AbstractResolver | None = None
) -> Any:
    """Raises `FetchFailed` for whatever is not a JSON document that came at once from where it was asked."""
    try:
        check_url(url.partition("?")[0], allow_private_address=allow_private_address)
    except UrlRefused as error:
        raise FetchFailed(str(error)) from None
    # Imported where it is wanted: it is 10 MB of a process.
    import aiohttp

    from net.guarded_client import guarded_connector

    connector = guarded_connector(allow_private_address=allow_private_address, resolver=resolver)
    try:
        async with (
            aiohttp.ClientSession(
                connector=connector, timeout=aiohttp.ClientTimeout(total=WITHIN_S), trust_env=False
            ) as client,
            client.get(url, allow_redirects=False, headers={"Accept": "application/json"}) as answer,
        ):
            if answer.status != 200:
                raise FetchFailed(f"it answered {answer.status}")
            body = b""
            async for piece in answer.content.iter_chunked(64 * 1024):
                body += piece
                if len(body) > MOST_BYTES:
                    raise FetchFailed("the document is too large")
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise FetchFailed(f"it could not be reached ({type(error).__name__})") from None
    try:
        return msgspec.json.decode(body)
    except msgspec.DecodeError:
        raise FetchFailed("it is not JSON") from None
