"""Draws two answers to one prompt against each other: what differs in their words, their JSON or their code;
their reasoning beside each other; the tools they called, with the results that were recorded."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import streamlit as st

from battles.replay import Recorded
from components import diff_view, diff_words as say, plain
from gateway.messages import ToolCall

_NOTHING: Recorded = Recorded({})


@dataclass(frozen=True, slots=True)
class Side:
    """One answer, under the name that its reader may know."""

    name: str
    text: str
    reasoning: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    recorded: Recorded = field(default=_NOTHING)


def show(sides: Sequence[Side], key: str) -> None:
    """Of more than two the reader picks which."""
    if len(sides) < 2:
        return
    by_name: Mapping[str, Side] = {side.name: side for side in sides}
    with st.expander(say.COMPARE, key=f"{key}-compare"):
        names = list(by_name)
        left, right = names[0], names[1]
        if len(names) > 2:
            first, second = st.columns(2)
            left = first.selectbox(say.LEFT, names, 0, key=f"{key}-left")
            right = second.selectbox(say.RIGHT, names, 1, key=f"{key}-right")
        one, other = by_name[left], by_name[right]
        if one.text or other.text:
            diff_view.show(one.text, other.text, left_name=left, right_name=right, key=f"{key}-way")
        else:
            st.caption(say.NO_ANSWER)
        if one.reasoning or other.reasoning:
            _beside(say.REASONING, one, other, lambda side: side.reasoning or say.NO_REASONING)
        if one.tool_calls or other.tool_calls:
            _beside(say.TOOL_CALLS, one, other, _calls)


def _beside(title: str, one: Side, other: Side, told: Callable[[Side], str]) -> None:
    st.markdown(f"**{title}**")
    for column, side in zip(st.columns(2), (one, other), strict=True):
        with column:
            plain.example(side.name, told(side))


def _calls(side: Side) -> str:
    lines = []
    for call in side.tool_calls:
        result = side.recorded.result_of(call)
        lines.append(f"{call.name}({_tidy(call.arguments)})")
        lines.append(f"  {say.RECORDED}: {result}" if result is not None else f"  {say.NOT_RECORDED}")
    return "\n".join(lines) or say.NO_CALLS


def _tidy(arguments: str) -> str:
    try:
        return json.dumps(json.loads(arguments), ensure_ascii=False)
    except ValueError:
        return arguments
