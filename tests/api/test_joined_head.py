import asyncio
from typing import cast

from api.joined_head import JoinedHead

HEAD = b"HTTP/1.1 200 OK\r\n\r\n"


class Wire:
    def __init__(self) -> None:
        self.packets: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> None:
        self.packets.append(data)

    def close(self) -> None:
        self.closed = True


def joined() -> tuple[JoinedHead, Wire]:
    wire = Wire()
    return JoinedHead(cast(asyncio.Transport, wire)), wire


async def test_a_head_goes_out_with_the_beginning_of_its_body() -> None:
    transport, wire = joined()
    transport.write(HEAD)
    transport.write(b"one")
    transport.write(b"two")
    assert wire.packets == [HEAD + b"one", b"two"]
    await asyncio.sleep(0)
    assert wire.packets == [HEAD + b"one", b"two"]


async def test_a_head_without_a_body_goes_out_when_the_turn_of_the_loop_ends() -> None:
    transport, wire = joined()
    transport.write(HEAD)
    assert wire.packets == []
    await asyncio.sleep(0)
    assert wire.packets == [HEAD]


async def test_a_connection_that_is_closed_after_a_head_still_sends_it() -> None:
    transport, wire = joined()
    transport.write(HEAD)
    transport.close()
    assert wire.packets == [HEAD]
    assert wire.closed
