"""The live channel's messages, both ways. Pure: text in, values out, and back.

The page says any of
    {"sub": {run: {"ticket", "blocks", "epoch"}}}    show me this run or lane; I hold so many blocks of it
    {"unsub": [run]}  {"stop": [run]}  {"copy": {run: ticket}}  {"renew": {run or name: ticket}}
    {"chart": {name: {"id", "ticket", "params"}}}  {"unchart": [name]}  {"ping": n}
and hears any of
    {"runs": {run: frame}}  {"charts": {name: payload}}  {"refused": {run or name: {"kind", "message"}}}
    {"text": {run: text}}  {"tickets": {run or name: ticket}}  {"pong": n}

A ticket is about one run, about one turn of a battle with all of its lanes, or about charts.

A run's frame holds only what is new: `epoch` and `base` (how many of the held blocks stand) in the
first one; `blocks` to append; `mend`, blocks to replace by index; the tail as how many UTF-16 units of
the last one to `keep` and what follows; `reasoning` as [position, text]; `state`, `figures`, `end`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from gateway.runs import RunState

LONGEST_MESSAGE: Final = 64 * 1024
MOST_NAMED: Final = 64

Name = Annotated[str, Meta(min_length=1, max_length=80)]
Ticket = Annotated[str, Meta(max_length=2048)]
Param = str | int | float | bool | None
Names = Annotated[list[Name], Meta(max_length=MOST_NAMED)]


class Malformed(ValueError):
    """What the page said is no message of this channel."""


class Join(msgspec.Struct, frozen=True):
    ticket: Ticket
    blocks: Annotated[int, Meta(ge=0)] = 0
    epoch: Annotated[str, Meta(max_length=40)] = ""


class ChartJoin(msgspec.Struct, frozen=True):
    id: Name
    ticket: Ticket
    params: Annotated[
        dict[Name, Param | Annotated[list[Param], Meta(max_length=50)]], Meta(max_length=20)
    ] = {}


class Said(msgspec.Struct, frozen=True):
    """One message of a page: any of its parts may be empty."""

    sub: Annotated[dict[Name, Join], Meta(max_length=MOST_NAMED)] = {}
    unsub: Names = []
    stop: Names = []
    copy: Annotated[dict[Name, Ticket], Meta(max_length=MOST_NAMED)] = {}
    renew: Annotated[dict[Name, Ticket], Meta(max_length=MOST_NAMED)] = {}
    chart: Annotated[dict[Name, ChartJoin], Meta(max_length=MOST_NAMED)] = {}
    unchart: Names = []
    ping: int | None = None


_said = msgspec.json.Decoder(Said)


def decode(message: str) -> Said:
    """Raises `Malformed`."""
    if len(message) > LONGEST_MESSAGE:
        raise Malformed("too long")
    try:
        return _said.decode(message)
    except (msgspec.DecodeError, UnicodeEncodeError) as error:
        raise Malformed(str(error)) from None


def encode(message: Mapping[str, object]) -> str:
    return msgspec.json.encode(message).decode()


@dataclass(frozen=True, slots=True)
class View:
    """A run as a reader sees it at one moment. `epoch` names the cutting into blocks: two views with
    one epoch agree on every block that both have. `settled`: nothing will change any more."""

    epoch: str
    blocks: Sequence[str] = ()
    tail: str = ""
    mended: Mapping[int, str] = field(default_factory=dict)
    reasoning: str = ""
    state: RunState = "running"
    figures: Mapping[str, object] = field(default_factory=dict)
    end: Mapping[str, object] | None = None
    settled: bool = False


@dataclass(slots=True)
class Seen:
    """What one page holds of one run."""

    epoch: str = ""
    blocks: int = 0
    tail: str = ""
    mended: set[int] = field(default_factory=set)
    reasoning: int = -1
    state: str | None = None
    figures: Mapping[str, object] | None = None
    end: Mapping[str, object] | None = None
    greeted: bool = False


def frame(seen: Seen, view: View, *, with_figures: bool) -> dict[str, Any]:
    """What the page needs to get from `seen` to `view`, which `seen` becomes. Empty if nothing."""
    news: dict[str, Any] = {}
    if not seen.greeted or seen.epoch != view.epoch:
        seen.blocks = min(seen.blocks, len(view.blocks)) if seen.epoch == view.epoch else 0
        news |= {"epoch": view.epoch, "base": seen.blocks}
        seen.greeted, seen.epoch, seen.mended = True, view.epoch, set()
    if mend := {index: html for index, html in view.mended.items() if index not in seen.mended}:
        news["mend"] = {str(index): html for index, html in mend.items() if index < seen.blocks}
        seen.mended |= set(mend)
    if seen.blocks < len(view.blocks):
        news["blocks"] = [
            view.mended.get(index, view.blocks[index]) for index in range(seen.blocks, len(view.blocks))
        ]
        seen.blocks = len(view.blocks)
    if seen.tail != view.tail:
        kept = shared_start(seen.tail, view.tail)
        news |= {"keep": utf16_units(view.tail[:kept]), "tail": view.tail[kept:]}
        seen.tail = view.tail
    if seen.reasoning < len(view.reasoning) and view.reasoning:
        at = max(seen.reasoning, 0)
        news["reasoning"] = [at, view.reasoning[at:]]
        seen.reasoning = len(view.reasoning)
    if seen.state != view.state:
        news["state"] = seen.state = view.state
    if with_figures and seen.figures != view.figures:
        news["figures"] = seen.figures = view.figures
    if seen.end != view.end:
        news["end"] = seen.end = view.end
    return news


def shared_start(one: str, other: str) -> int:
    """How many characters two texts begin alike with, by halving: comparing is done in C."""
    same, differ = 0, min(len(one), len(other)) + 1
    while differ - same > 1:
        middle = (same + differ) // 2
        if one[same:middle] == other[same:middle]:
            same = middle
        else:
            differ = middle
    return same


def utf16_units(text: str) -> int:
    """The length of `text` as JavaScript counts it."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le")) // 2
