import random

import pytest

from gateway.providers import server_sent_events
from gateway.providers.server_sent_events import FrameCutter, FrameTooLarge

STREAM = (
    ": a comment\n\n"
    'data: {"text": "Grüße 😀"}\n\n'
    "event: named\nid: 7\nretry: 10\ndata:no space\n\n"
    "data: first line\ndata: second line\ndata\n\n"
    "unknown: field\n\n"
    "data:  two spaces\n\n"
    "data: [DONE]\n\n"
)
FRAMES = ['{"text": "Grüße 😀"}', "no space", "first line\nsecond line\n", " two spaces", "[DONE]"]


def cut(reads: list[bytes]) -> list[str]:
    cutter = FrameCutter()
    frames = [frame for read in reads for frame in cutter.feed(read)]
    return [frame.decode() for frame in frames + cutter.close()]


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_the_same_frames_come_out_however_the_reads_are_split(line_end: str, mark: str) -> None:
    whole = (mark + STREAM.replace("\n", line_end)).encode()
    assert cut([whole]) == FRAMES
    assert cut([whole[at : at + 1] for at in range(len(whole))]) == FRAMES
    chance = random.Random(7)
    for _ in range(300):
        cuts = sorted(chance.choices(range(len(whole) + 1), k=12))
        assert (
            cut([whole[start:end] for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True)])
            == FRAMES
        )


def test_line_ends_may_be_mixed() -> None:
    assert cut([b"data: a\r\n\ndata: b\r\rdata: c\n\r\n"]) == ["a", "b", "c"]


def test_a_bare_carriage_return_ends_an_event_without_waiting_for_more() -> None:
    cutter = FrameCutter()
    assert cutter.feed(b"data: a\r\r") == [b"a"]
    assert cutter.feed(b"\ndata: b\r\r") == [b"b"]


def test_a_last_event_that_lacks_only_its_blank_line_is_given_at_the_end() -> None:
    cutter = FrameCutter()
    assert cutter.feed(b"data: a\n\ndata: b") == [b"a"]
    assert cutter.close() == [b"b"]
    assert FrameCutter().close() == []


def test_comments_alone_are_no_frames() -> None:
    assert cut([b": keep-alive\n\n"] * 5) == []


@pytest.mark.parametrize("line", [b"x", b"data: x\n"])
def test_an_event_that_never_ends_is_not_kept(line: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_sent_events, "MAX_FRAME_BYTES", 1000)
    cutter = FrameCutter()
    with pytest.raises(FrameTooLarge):
        any(cutter.feed(line) for _ in range(2000))
