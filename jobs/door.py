"""Asks the app, through its door: a connection a question, because none of them may wait for another.

The app may be ending or beginning: what fails is asked again, for as long as the app lives (this process
ends with it).
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final, TypeVar

import msgspec

from battles.batch_wire import Ask, Finish, Handed, Piece, Refused, Wanted

T = TypeVar("T", bound=msgspec.Struct)

_log = logging.getLogger("jobs")

_AGAIN_S: Final = 1.0


class Told(msgspec.Struct, frozen=True):
    """As `battles.batch_work.Told`, which lives beside the gateway and is not loaded here."""

    outcome: str
    wait_s: float = 0.0


class Door:
    def __init__(self, handed: Handed) -> None:
        self._handed = handed

    async def wanted(self) -> Wanted:
        return await self._asked(Ask(self._handed.token, "wanted"), Wanted)

    async def piece(self, batch: str, epoch: int, row: int, *, judging: bool) -> Piece:
        return await self._asked(Ask(self._handed.token, "piece", batch, epoch, row, judging=judging), Piece)

    async def do(self, batch: str, epoch: int, item: tuple[int, int, int], *, judging: bool) -> Told:
        row, one, other = item
        return await self._asked(Ask(self._handed.token, "do", batch, epoch, row, one, other, judging), Told)

    async def finish(self, batch: str, epoch: int) -> Finish:
        return await self._asked(Ask(self._handed.token, "finish", batch, epoch), Finish)

    async def _asked(self, ask: Ask, kind: type[T]) -> T:
        while True:
            try:
                said = await self._once(msgspec.json.encode(ask) + b"\n")
                return msgspec.json.decode(said, type=kind)
            except msgspec.ValidationError:
                refused = msgspec.json.decode(said, type=Refused)
                _log.warning("the app could not %s: %s", ask.ask, refused.error)
            except (OSError, msgspec.DecodeError, EOFError):
                pass
            await asyncio.sleep(_AGAIN_S)

    async def _once(self, line: bytes) -> bytes:
        reader, writer = await asyncio.open_unix_connection(self._handed.socket, limit=1 << 20)
        try:
            writer.write(line)
            await writer.drain()
            said = await reader.readline()
        finally:
            writer.close()
        if not said.endswith(b"\n"):
            raise EOFError
        return said
