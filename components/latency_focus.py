"""Which figure of which group is open on the latency page, and how its chart is drawn; in the address too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import streamlit as st

from components import latency_words as say, session
from components.latency_table import SHOWN, group_id
from telemetry.metrics import METRICS
from telemetry.rows import RequestRow
from telemetry.slices import Slice
from telemetry.spreads import SHARES
from telemetry.views import Found, Group, Views

FIGURES: Final = (*SHOWN[:2], "caller_first_answer_ms", *SHOWN[2:], "burst_share")
_SLOWEST: Final = 10
_LONGEST_NAME: Final = 240


@dataclass(frozen=True, slots=True)
class Focus:
    """`percent` is None where each request is drawn; `group_id` where all groups are meant."""

    figure: str
    percent: int | None
    name: str
    group: Group | None
    group_id: tuple[str, str] | None


def take(picked: tuple[str, str] | None) -> None:
    """Open what was pressed. Before the widgets of this page are drawn."""
    if picked is not None:
        st.session_state[session.LATENCY_FIGURE], st.session_state[session.LATENCY_GROUP] = picked


def readers() -> dict[str, Callable[[str], object]]:
    """How the open figure is read from an address, by its keys."""
    offered = {session.LATENCY_FIGURE: FIGURES, session.LATENCY_SHOWN: tuple(say.SHOWN_AS)}

    def one_of(key: str) -> Callable[[str], object]:
        def read(said: str) -> str:
            if said not in offered[key]:
                raise ValueError(said)
            return said

        return read

    return {**{key: one_of(key) for key in offered}, session.LATENCY_GROUP: lambda said: said[:_LONGEST_NAME]}


def address(focus: Focus) -> dict[str, str | None]:
    shown = st.session_state.get(session.LATENCY_SHOWN)
    group = None if focus.group_id is None else "\N{VERTICAL LINE}".join(focus.group_id)
    return {
        session.LATENCY_FIGURE: None if focus.figure == FIGURES[0] else focus.figure,
        session.LATENCY_GROUP: group,
        session.LATENCY_SHOWN: None if shown == "requests" else shown,
    }


def share() -> None:
    """The address of what is on show."""
    with st.popover(say.SHARE, icon=":material/link:", key="latency-share"):
        st.caption(say.SHARE_HELP)
        st.code(session.address(), language=None, wrap_lines=True)


def show(found: Found, label_of: Callable[[Group], str]) -> Focus:
    st.session_state.setdefault(session.LATENCY_SHOWN, "requests")
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="latency-focus"):
        figure_id = st.selectbox(
            say.FIGURE, FIGURES, format_func=lambda each: METRICS[each].name, key=session.LATENCY_FIGURE,
            label_visibility="collapsed", persist_state="session", width=260,
        )  # fmt: skip
        groups = {group_id(each): each for each in found.groups}
        named = st.session_state.get(session.LATENCY_GROUP)
        offered = [*groups, *([named] if named and named not in groups else [])]
        picked = st.selectbox(
            say.GROUP, offered, index=None, format_func=lambda each: _label(each, groups, label_of),
            placeholder=say.ALL, key=session.LATENCY_GROUP, label_visibility="collapsed",
            persist_state="session", width=220,
        )  # fmt: skip
        shown = st.segmented_control(
            say.SHOWN, list(say.SHOWN_AS), format_func=say.SHOWN_AS.__getitem__, 
            required=True, key=session.LATENCY_SHOWN, label_visibility="collapsed", persist_state="session",
        )  # fmt: skip
    figure_id = figure_id or FIGURES[0]
    every = shown in (None, "requests") and figure_id != "attempt_success_rate"
    percent = None if every else (95 if shown in (None, "requests") else int(str(shown)))
    group = found.whole() if picked is None else groups.get(picked)
    name = say.ALL if picked is None else _label(picked, groups, label_of)
    return Focus(figure_id, percent, name, group, None if picked is None else _parts(picked))


def slowest(views: Views, asked: Slice, focus: Focus) -> tuple[RequestRow, ...]:
    """By the figure that is open; by the whole time where that is a share."""
    timed = "total_ms" if focus.figure in SHARES else focus.figure
    return views.slowest(asked, timed, _SLOWEST, focus.group_id)


def _label(picked: str, groups: dict[str, Group], label_of: Callable[[Group], str]) -> str:
    group = groups.get(picked)
    return _parts(picked)[0] if group is None else label_of(group)


def _parts(picked: str) -> tuple[str, str]:
    group, _, series = picked.rpartition("\N{VERTICAL LINE}")
    return group, series
