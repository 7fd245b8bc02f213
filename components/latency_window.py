"""Which requests the latency page is about: window, grouping, filters. All of it stands in the address.

A link shows the same view, and a change of page keeps it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import streamlit as st

from components import figure, latency_words as say, session
from telemetry.slices import BYS, LONGEST_MS, SHORTEST_MS, By

_MINUTE_MS: Final = 60_000
_DAY_MS: Final = 24 * 60 * _MINUTE_MS
WINDOWS: Final = {
    "5 min": 5 * _MINUTE_MS,
    "15 min": 15 * _MINUTE_MS,
    "1 h": 60 * _MINUTE_MS,
    "6 h": 6 * 60 * _MINUTE_MS,
    "24 h": _DAY_MS,
    "7 d": 7 * _DAY_MS,
    "30 d": 30 * _DAY_MS,
    "90 d": 90 * _DAY_MS,
}
_FIRST: Final = "1 h"
_YES: Final = "yes"
_LONGEST_TAG: Final = 64
_LONGEST_NAME: Final = 200
_MOST_KEY: Final = 2**53 - 1  # what a number in a browser holds


@dataclass(frozen=True, slots=True)
class Shown:
    """What the page shows; a window that moves (`window_ms`), or one that stands."""

    window_ms: int | None
    from_ms: int
    to_ms: int
    by: By = "model"
    model: str | None = None
    provider: str | None = None
    key_id: int | None = None
    tag: str | None = None
    simulated: bool = False
    everyone: bool = False
    compare: bool = False

    def params(self) -> dict[str, Any]:
        """What the live charts are asked with."""
        if self.window_ms is None:
            window: dict[str, Any] = {"from_ms": self.from_ms, "to_ms": self.to_ms}
        else:
            window = {"window_ms": self.window_ms}
        narrowed = {"model": self.model, "provider": self.provider, "key_id": self.key_id, "tag": self.tag}
        return {
            **window,
            "by": self.by,
            "simulated": self.simulated,
            "everyone": self.everyone,
            **{name: value for name, value in narrowed.items() if value is not None},
        }


def readers() -> dict[str, Callable[[str], object]]:
    """How the controls are read from an address, by their keys."""
    return {
        session.LATENCY_WINDOW: _one_of((*WINDOWS, say.CUSTOM)),
        session.LATENCY_FROM: datetime.fromisoformat,
        session.LATENCY_TO: datetime.fromisoformat,
        session.LATENCY_BY: _one_of(BYS),
        session.LATENCY_MODEL: _short,
        session.LATENCY_PROVIDER: _short,
        session.LATENCY_KEY: _number,
        session.LATENCY_TAG: _short,
        session.LATENCY_SIMULATED: _one_of((_YES,)),
        session.LATENCY_EVERYONE: _one_of((_YES,)),
        session.LATENCY_COMPARE: _one_of((_YES,)),
    }


def address(shown: Shown) -> dict[str, str | None]:
    """What an address must say of it; what is as usual need not be said."""
    stands = shown.window_ms is None
    return {
        session.LATENCY_WINDOW: None if _picked() == _FIRST else _picked(),
        session.LATENCY_FROM: _wall(session.LATENCY_FROM) if stands else None,
        session.LATENCY_TO: _wall(session.LATENCY_TO) if stands else None,
        session.LATENCY_BY: None if shown.by == "model" else shown.by,
        session.LATENCY_MODEL: shown.model,
        session.LATENCY_PROVIDER: shown.provider,
        session.LATENCY_KEY: None if shown.key_id is None else str(shown.key_id),
        session.LATENCY_TAG: shown.tag,
        session.LATENCY_SIMULATED: _YES if shown.simulated else None,
        session.LATENCY_EVERYONE: _YES if shown.everyone else None,
        session.LATENCY_COMPARE: _YES if shown.compare else None,
    }


def _picked() -> str:
    picked: str | None = st.session_state.get(session.LATENCY_WINDOW)
    return picked or _FIRST


def _wall(key: str) -> str | None:
    at: datetime | None = st.session_state.get(key)
    return None if at is None else at.isoformat(timespec="minutes")


def _one_of(offered: Sequence[str]) -> Callable[[str], object]:
    def read(said: str) -> object:
        if said not in offered:
            raise ValueError(said)
        return True if said == _YES else said

    return read


def _short(said: str) -> str:
    return said[:_LONGEST_NAME]


def _number(said: str) -> int:
    if not 1 <= int(said) <= _MOST_KEY:
        raise ValueError(said)
    return int(said)


def show(
    now_ms: int,
    routes: Callable[[int, int], tuple[Sequence[str], Sequence[str]]],
    name_of: Callable[[str], str],
    zone_name: str | None,
    *,
    operator: bool,
) -> Shown:
    """The controls. `routes` tells the models and providers that were asked in a window."""
    st.session_state.setdefault(session.LATENCY_WINDOW, _FIRST)
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="latency-controls"):
        picked = st.segmented_control(
            say.WINDOW,
            [*WINDOWS, say.CUSTOM],
            required=True,
            wrap=True,
            key=session.LATENCY_WINDOW,
            label_visibility="collapsed",
            persist_state="session",
        )
        window_ms = WINDOWS.get(picked or _FIRST)
        from_ms, to_ms = _custom(now_ms, zone_name) if window_ms is None else (now_ms - window_ms, now_ms)
        by = st.selectbox(
            say.BY,
            BYS,
            format_func=say.BYS.__getitem__,
            key=session.LATENCY_BY,
            label_visibility="collapsed",
            persist_state="session",
            width=150,
        )
        model, provider, key_id, tag, simulated, everyone = _filters(
            *routes(from_ms, to_ms), name_of, operator=operator
        )
        compare = st.toggle(say.COMPARE, key=session.LATENCY_COMPARE, persist_state="session")
    return Shown(
        window_ms, from_ms, to_ms, by or "model", model, provider, key_id, tag, simulated, everyone,
        compare,
    )  # fmt: skip


def _custom(now_ms: int, zone_name: str | None) -> tuple[int, int]:
    """From when to when; the last hour, said why, where that is no window."""
    zone, short = figure.zone(zone_name)
    now = datetime.fromtimestamp(now_ms / 1_000, zone).replace(tzinfo=None, second=0, microsecond=0)
    st.session_state.setdefault(session.LATENCY_FROM, now - timedelta(days=1))
    st.session_state.setdefault(session.LATENCY_TO, now)
    with st.container(horizontal=True, gap="small", width="content"):
        first = st.datetime_input(
            f"{say.FROM} ({short})", step=300, key=session.LATENCY_FROM,
            persist_state="session", width=200,
        )  # fmt: skip
        last = st.datetime_input(
            f"{say.TO} ({short})", step=300, key=session.LATENCY_TO, persist_state="session", width=200
        )
    from_ms, to_ms = _ms(first, zone), _ms(last, zone)
    if not SHORTEST_MS <= to_ms - from_ms <= LONGEST_MS:
        st.caption(say.ODD_WINDOW)
        return now_ms - 60 * _MINUTE_MS, now_ms
    return from_ms, to_ms


def _ms(wall: datetime, zone: ZoneInfo) -> int:
    return int(wall.replace(tzinfo=zone).timestamp() * 1_000)


def _filters(
    models: Sequence[str], providers: Sequence[str], name_of: Callable[[str], str], *, operator: bool
) -> tuple[str | None, str | None, int | None, str | None, bool, bool]:
    set_already = sum(bool(st.session_state.get(key)) for key in session.LATENCY_FILTERS)
    with st.popover(say.filters(set_already), icon=":material/filter_alt:", key="latency-filters"):
        model = _choice(say.ANY_MODEL, models, name_of, session.LATENCY_MODEL)
        provider = _choice(say.ANY_PROVIDER, providers, str, session.LATENCY_PROVIDER)
        key_id = st.number_input(
            say.KEY_NUMBER, 1, _MOST_KEY, None, step=1, key=session.LATENCY_KEY, persist_state="session"
        )
        tag = st.text_input(say.TAG, max_chars=_LONGEST_TAG, key=session.LATENCY_TAG, persist_state="session")
        simulated = st.toggle(say.SIMULATED, key=session.LATENCY_SIMULATED, persist_state="session")
        everyone = operator and st.toggle(say.EVERYONE, key=session.LATENCY_EVERYONE, persist_state="session")
    return model, provider, None if key_id is None else int(key_id), tag or None, simulated, everyone


def _choice(any_of: str, offered: Sequence[str], name: Callable[[str], str], key: str) -> str | None:
    """What the address names stays on offer, also where nothing of it is in the window."""
    named = st.session_state.get(key)
    options = sorted({*offered, *([named] if isinstance(named, str) and named else [])})
    picked: str | None = st.selectbox(
        any_of, options, index=None, format_func=name, placeholder=any_of, key=key, persist_state="session"
    )
    return picked
