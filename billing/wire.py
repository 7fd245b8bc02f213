"""How commands and answers travel between a process and the ledger's writer.

A frame is its length in 4 bytes (big-endian) and a MessagePack array: of `Asked` towards the writer,
of `Answered` back. One frame carries everything that was waiting. Both ends are of one version.
"""

from __future__ import annotations

from typing import Final, Generic, TypeVar

import msgspec

from billing import errors
from billing.commands import Command, Result
from billing.errors import BillingError

_LENGTH_BYTES: Final = 4
_MOST_BYTES: Final = 64 * 1024 * 1024

T = TypeVar("T")


class Asked(msgspec.Struct, frozen=True, array_like=True, gc=False):
    id: int
    command: Command


class Refusal(msgspec.Struct, frozen=True, tag=True):
    """A `BillingError` on its way: the name of its class, its words, and what it was made from."""

    name: str
    message: str
    fields: dict[str, str | int | float | None]


class Answered(msgspec.Struct, frozen=True, array_like=True, gc=False):
    id: int
    outcome: Result | Refusal


class Frames(Generic[T]):
    """Cuts a stream of bytes into frames and decodes them. Raises `msgspec.MsgspecError`."""

    def __init__(self, kind: type[T]) -> None:
        self._decoder: msgspec.msgpack.Decoder[list[T]] = msgspec.msgpack.Decoder(list[kind])  # type: ignore[valid-type]
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[T]:
        """What is complete now."""
        self._buffer += data
        whole: list[T] = []
        start = 0
        while len(self._buffer) - start >= _LENGTH_BYTES:
            body = start + _LENGTH_BYTES
            length = int.from_bytes(self._buffer[start:body], "big")
            if length > _MOST_BYTES:
                raise msgspec.DecodeError("a frame is longer than any of ours")
            if len(self._buffer) < body + length:
                break
            whole += self._decoder.decode(bytes(self._buffer[body : body + length]))
            start = body + length
        del self._buffer[:start]
        return whole


_encoder = msgspec.msgpack.Encoder()


def frame(messages: list[Asked] | list[Answered]) -> bytes:
    body = _encoder.encode(messages)
    return len(body).to_bytes(_LENGTH_BYTES, "big") + body


def refusal(error: BillingError) -> Refusal:
    return Refusal(type(error).__name__, str(error), dict(vars(error)))


def error_of(refused: Refusal) -> BillingError:
    """The error as it was raised in the writer."""
    kind = getattr(errors, refused.name)
    error = kind(**refused.fields) if refused.fields else kind(refused.message)
    assert isinstance(error, BillingError)
    return error
