"""What travels on the live channel: only what is new, and never what was not asked for rightly."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, strategies as st

from api.live.wire import LONGEST_MESSAGE, Malformed, Seen, View, decode, frame, shared_start, utf16_units


class Page:
    """What `live.js` does with frames."""

    def __init__(self) -> None:
        self.blocks: list[str] = []
        self.tail = ""
        self.reasoning = ""
        self.epoch = ""

    def take(self, news: dict[str, Any]) -> None:
        if "base" in news:
            self.epoch = news["epoch"]
            self.tail = ""
            del self.blocks[news["base"] :]
        for index, html in news.get("mend", {}).items():
            self.blocks[int(index)] = html
        self.blocks += news.get("blocks", [])
        if "tail" in news:
            units = self.tail.encode("utf-16-le")[: 2 * news["keep"]]
            self.tail = units.decode("utf-16-le") + news["tail"]
        if "reasoning" in news:
            at, text = news["reasoning"]
            self.reasoning = self.reasoning + text if at else text


TEXTS = st.text(st.sampled_from("ab<>\N{GRINNING FACE}é"), max_size=8)


@given(st.lists(st.tuples(st.integers(0, 2), TEXTS, TEXTS), max_size=12), st.integers(0, 12))
def test_a_page_that_takes_every_frame_shows_the_view_even_after_a_broken_connection(
    steps: list[tuple[int, str, str]], broken_at: int
) -> None:
    page, seen = Page(), Seen()
    blocks: list[str] = []
    reasoning = ""
    for index, (more, text, thought) in enumerate(steps):
        blocks += [f"{text}{n}" for n in range(more)]
        reasoning += thought
        view = View("e1", tuple(blocks), text, reasoning=reasoning)
        if index == broken_at:
            seen = Seen(epoch=page.epoch, blocks=len(page.blocks))
        page.take(frame(seen, view, with_figures=True))
        assert (page.blocks, page.tail, page.reasoning) == (blocks, text, reasoning)


def test_nothing_new_makes_no_frame() -> None:
    seen, view = Seen(), View("e1", ("a",), "b", figures={"n": 1})
    assert frame(seen, view, with_figures=True)
    assert frame(seen, view, with_figures=True) == {}


def test_blocks_that_the_page_holds_are_not_sent_again() -> None:
    news = frame(Seen(epoch="e1", blocks=2), View("e1", ("a", "b", "c")), with_figures=False)
    assert (news["base"], news["blocks"]) == (2, ["c"])


def test_blocks_of_another_cutting_are_all_sent() -> None:
    news = frame(Seen(epoch="old", blocks=2), View("new", ("a", "b", "c")), with_figures=False)
    assert (news["base"], news["blocks"]) == (0, ["a", "b", "c"])


def test_a_page_that_claims_more_blocks_than_there_are_loses_them() -> None:
    assert frame(Seen(epoch="e1", blocks=9), View("e1", ("a",)), with_figures=False)["base"] == 1


def test_mended_blocks_reach_pages_that_hold_the_old_ones_and_those_that_do_not() -> None:
    view = View("e1", ("a", "b"), mended={0: "A"})
    assert frame(Seen(epoch="e1", blocks=1), view, with_figures=False)["mend"] == {"0": "A"}
    assert frame(Seen(), view, with_figures=False)["blocks"] == ["A", "b"]


def test_figures_wait_until_they_are_due() -> None:
    seen, view = Seen(), View("e1", figures={"n": 1})
    assert "figures" not in frame(seen, view, with_figures=False)
    assert frame(seen, view, with_figures=True)["figures"] == {"n": 1}


@given(TEXTS, TEXTS)
def test_shared_start_is_the_longest(one: str, other: str) -> None:
    length = shared_start(one, other)
    assert one[:length] == other[:length]
    assert one[length : length + 1] != other[length : length + 1] or length in (len(one), len(other))


def test_lengths_are_counted_as_javascript_does() -> None:
    assert utf16_units("a\N{GRINNING FACE}é") == 4


@pytest.mark.parametrize(
    "message",
    [
        "", "x", "[]", "1", '{"sub": []}', '{"sub": {"r": {}}}', '{"sub": {"r": {"ticket": 1}}}',
        '{"sub": {"r": {"ticket": "t", "blocks": -1}}}', '{"sub": {"": {"ticket": "t"}}}',
        '{"chart": {"c": {"id": "x", "ticket": "t", "params": {"a": {"deep": 1}}}}}', '{"stop": "run"}',
        '{"ping": "x"}', '{"sub": {"r": {"ticket": "' + "t" * 3000 + '"}}}',
        '"' + "x" * LONGEST_MESSAGE + '"',
        '{"unsub": [' + ",".join(['"a"'] * 65) + "]}",
    ],
)  # fmt: skip
def test_what_is_no_message_of_this_channel_is_refused(message: str) -> None:
    with pytest.raises(Malformed):
        decode(message)


def test_every_part_of_a_message_is_optional() -> None:
    assert decode("{}").ping is None
    said = decode('{"sub": {"r": {"ticket": "t", "blocks": 3, "epoch": "e"}}, "ping": 5, "stop": ["r"]}')
    assert (said.sub["r"].blocks, said.ping, said.stop) == (3, 5, ["r"])
