"""E-mail through apprise, in a process of its own for each letter: `send_letter`.

apprise knows nearly two hundred services and loads them all, half a second and 40 MB, and speaks to the
network without our guard. So it is given nothing but mail, lives only as long as one letter takes, gets the
address with its password on standard input, and nothing of our environment. Where a machine's credentials
lie is refused here too; private addresses are not, since a relay is usually one.

    python -m net.letters < {"url": "mailtos://...", "title": "...", "body": "..."}
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import sys
from pathlib import Path
from typing import Final

import msgspec

from net.guard import may_call

WITHIN_S: Final = 20.0
SCHEMES: Final = ("mailto://", "mailtos://")
_ROOT: Final = Path(__file__).resolve().parent.parent
_ENVIRONMENT: Final = ("PATH", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH", "SYSTEMROOT", "VIRTUAL_ENV")
_REASONS: Final = {
    1: "the mail server did not take it",
    2: "this is no address of a mail server",
    3: "the mail server's address may not be called",
}


class LetterFailed(Exception):
    """`str()` says what happened, and holds nothing of the address."""


class _Letter(msgspec.Struct):
    url: str
    title: str
    body: str


async def send_letter(url: str, title: str, body: str, *, within_s: float = WITHIN_S) -> None:
    """Raises `LetterFailed`."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "net.letters", cwd=_ROOT,
        env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        async with asyncio.timeout(within_s):
            await process.communicate(msgspec.json.encode(_Letter(url, title, body)))
    except TimeoutError:
        raise LetterFailed("the mail server did not answer in time") from None
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    if process.returncode:
        raise LetterFailed(_REASONS.get(process.returncode, "the letter could not be sent"))


def _send(letter: _Letter) -> int:
    import apprise

    logging.getLogger("apprise").setLevel(logging.CRITICAL)
    server = apprise.Apprise.instantiate(letter.url) if letter.url.startswith(SCHEMES) else None
    if server is None:
        return 2
    host, port = getattr(server, "smtp_host", None), getattr(server, "port", None)
    try:
        addresses = {str(found[4][0]) for found in socket.getaddrinfo(host, port or 25)} if host else set()
    except OSError:
        return 1
    if not addresses or not all(may_call(each, allow_private_address=True) for each in addresses):
        return 3
    return 0 if server.notify(body=letter.body, title=letter.title) else 1


if __name__ == "__main__":
    sys.exit(_send(msgspec.json.decode(sys.stdin.buffer.read(), type=_Letter)))
