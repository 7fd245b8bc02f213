"""A small JSON document handed to an address that an operator named: guarded, no redirects, limits on time
and on what is read back. What came back is not told to anybody: the address may be inside a network.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import msgspec

from net.guard import UrlRefused, check_url

if TYPE_CHECKING:
    from aiohttp.abc import AbstractResolver

WITHIN_S: Final = 10.0


class PostFailed(Exception):
    """`str()` says what happened, and holds neither the address nor what came back."""


async def post_json(
    url: str,
    document: Mapping[str, object],
    *,
    allow_private_address: bool = False,
    resolver: AbstractResolver | None = None,
) -> None:
    """Raises `PostFailed` unless the answer is of the 200s."""
    try:
        check_url(url.partition("?")[0], allow_private_address=allow_private_address)
    except UrlRefused:
        raise PostFailed("the address may not be called: https alone, and no private address") from None
    # Imported where it is wanted: it is 10 MB of a process.
    import aiohttp

    from net.guarded_client import guarded_connector

    connector = guarded_connector(allow_private_address=allow_private_address, resolver=resolver)
    try:
        async with (
            aiohttp.ClientSession(
                connector=connector, timeout=aiohttp.ClientTimeout(total=WITHIN_S), trust_env=False
            ) as client,
            client.post(
                url,
                data=msgspec.json.encode(dict(document)),
                headers={"Content-Type": "application/json"},
                allow_redirects=False,
            ) as answer,
        ):
            if not 200 <= answer.status < 300:
                raise PostFailed(f"it answered {answer.status}")
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise PostFailed(f"it could not be reached ({type(error).__name__})") from None
