"""Draws the request log: filters, one page of rows, and the row that was picked with its attempts in time."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeVar, cast

import streamlit as st

from billing.money import parse_usd
from components import figure, request_link, request_words as say, session, table, words
from components.entry_names import Names
from components.latency_window import WINDOWS
from components.table import Cell
from telemetry.clocks import ended_at_ms, first_token_ms
from telemetry.requests import MOST_LOOKED_AT, Found, Place, Wanted
from telemetry.rows import AttemptRow, Outcome, RequestRow

T = TypeVar("T")

PAGE: Final = 50  # rows
TABLE: Final = "requests-table"
_FIRST: Final = "24 h"
ANYTHING: Final = Wanted()


def window(now_ms: int) -> tuple[int, int | None]:
    """The instants from which and before which rows are shown; None is up to now."""
    linked = request_link.stretch()
    st.session_state.setdefault(session.REQUESTS_WINDOW, _FIRST)
    picked = st.segmented_control(
        say.WINDOW, [*([say.LINKED] if linked else []), *WINDOWS], required=True, wrap=True,
        key=session.REQUESTS_WINDOW, label_visibility="collapsed", on_change=session.first_requests,
    )  # fmt: skip
    if linked and picked == say.LINKED:
        return linked
    return now_ms - WINDOWS.get(picked or _FIRST, WINDOWS[_FIRST]), None


@dataclass(frozen=True, slots=True)
class Offered:
    """What the filters let a reader choose between: models, providers, members and keys by their ids."""

    models: Sequence[str]
    providers: Sequence[str]
    user_ids: Sequence[int]
    key_ids: Sequence[int]


def filters(from_ms: int, to_ms: int | None, offered: Offered, names: Names) -> Wanted:
    """The two that most people want stand there; the others are behind a button that counts them."""
    with st.container(horizontal=True, gap="small", key="requests-filters"):
        outcome = _choice(say.OUTCOME, list(say.OUTCOMES), say.OUTCOMES.__getitem__)
        model = _choice(say.MODEL, offered.models, names.model)
        with st.popover(say.filters(_folded()), icon=":material/filter_list:", key="requests-more"):
            provider = _choice(say.PROVIDER, offered.providers, str)
            surface = _choice(say.SURFACE, list(say.SURFACES), say.SURFACES.__getitem__)
            several = len(offered.user_ids) > 1
            user_id = _choice(say.MEMBER, offered.user_ids, names.member) if several else None
            key_id = _choice(say.KEY, offered.key_ids, names.key) if offered.key_ids else None
            tag = _typed(say.TAG)
            slower = _typed(say.SLOWER)
            dearer = _typed(say.DEARER)
    wanted = Wanted(
        from_ms=from_ms,
        to_ms=to_ms,
        model=model,
        provider=provider,
        outcome=cast("Outcome | None", outcome),
        surface=surface,
        user_id=user_id,
        key_id=key_id,
        tag=tag or None,
    )
    return replace(wanted, least_total_ms=_number(slower), least_cost_nano_usd=_dollars(dearer))


def _folded() -> int:
    """How many filters behind the button are set."""
    labels = (say.PROVIDER, say.SURFACE, say.MEMBER, say.KEY, say.TAG, say.SLOWER, say.DEARER)
    return sum(st.session_state.get(f"requests-{label}") not in (None, "") for label in labels)


def show(
    rows: Sequence[RequestRow], name_of: Callable[[str], str], zone: str | None, open_id: str | None
) -> None:
    """A page of rows, of which `open_id` stands open: then what its panel says is left out."""
    short = figure.zone(zone)[1]
    narrow = open_id is not None
    heads = [words.when(short), say.WHAT, say.STATUS, say.FIRST, say.TOOK, say.COST]
    current = next((no for no, row in enumerate(rows) if open_id in (row.request_id, row.run_id)), None)
    with st.container(key=TABLE):
        table.show(
            say.NEWEST_FIRST,
            [*map(_head, heads), *([] if narrow else map(_aside, (say.IN, say.OUT, say.WHO, say.FROM)))],
            [_row(row, name_of, zone, narrow=narrow) for row in rows],
            texts=3,
            about=say.PICK,
            current=current,
        )


def show_newest(rows: Sequence[RequestRow], zone: str | None) -> None:
    """When the newest request of the list ended."""
    when = figure.time_of_day(ended_at_ms(rows[0]), zone) if rows else figure.UNKNOWN
    st.html(f'<div class="ty-dim ty-newest">{html.escape(say.newest(when))}</div>')


def follow(is_open: bool) -> None:
    """Show what is newer: at once, or when the reader of an open row asks for it."""
    if not is_open or st.button(say.SHOW_NEWER, icon=":material/refresh:", key="requests-follow"):
        st.rerun()


def turn(found: Found, zone: str | None) -> None:
    """To newer and older rows; `found` is a page and one more row where there are older ones."""
    before, rows = session.requests_before(), found.rows
    below = Place.of(rows[PAGE - 1]) if len(rows) > PAGE else found.looked_to
    if before is None and below is None:
        return
    if found.looked_to is not None:
        back_to = figure.day_and_time(found.looked_to.ended_at_ms, zone)
        st.caption(words.escaped(say.looked_back(figure.tokens(MOST_LOOKED_AT), back_to)))
    elif not rows:
        st.caption(say.NOTHING_OLDER)
    with st.container(horizontal=True):
        st.button(
            say.NEWER, icon=":material/chevron_left:", disabled=before is None,
            on_click=session.newer_requests,
        )  # fmt: skip
        st.button(
            say.OLDER if found.looked_to is None else say.FURTHER,
            icon=":material/chevron_right:",
            disabled=below is None,
            on_click=session.older_requests,
            args=() if below is None else (below,),
        )


def export(
    as_csv: Callable[[], bytes], as_json: Callable[[], bytes], as_parquet: Callable[[], bytes]
) -> None:
    with st.container(horizontal=True, gap="small"):
        for label, made, name, mime in (
            (say.CSV, as_csv, "tiltyard-requests.csv", "text/csv"),
            (say.JSON, as_json, "tiltyard-requests.jsonl", "application/jsonl"),
            (say.PARQUET, as_parquet, "tiltyard-requests.parquet", "application/vnd.apache.parquet"),
        ):
            st.download_button(
                label, made, name, mime, help=say.EXPORT_HELP, icon=":material/download:", on_click="ignore"
            )


def show_one(row: RequestRow, names: Names, zone: str | None) -> None:
    """One request: what became of it, its attempts beside each other in time, and its figures."""
    with st.container(border=True, key="request"):
        title = names.model(row.model) if row.model else row.model_asked
        st.markdown(f"**{words.escaped(title)}** {figure.DOT} {say.OUTCOMES[row.outcome]}")
        st.caption(words.escaped(figure.day_and_time(ended_at_ms(row), zone)))
        st.code(row.run_id or row.request_id, language=None)
        if row.error:
            st.caption(words.escaped(f"{row.error}, {row.status}"))
        if row.attempts:
            st.html(waterfall(row))
        else:
            st.caption(say.NO_ATTEMPT)
        for reason in row.dropped:
            st.caption(words.escaped(f"{say.DROPPED}: {reason}"))
        table.show(say.FIGURES, ["", ""], _figures(row, names))


def _figures(row: RequestRow, names: Names) -> list[list[str | Cell]]:
    """What is known of it, a line each."""
    known: list[tuple[str, str | Cell | None]] = [
        (say.TOOK, figure.duration(row.total_ms)),
        (say.FIRST, figure.duration(_first_ms(row))),
        (say.OURS, None if row.gateway_ms is None else figure.duration(row.gateway_ms)),
        (say.TOKENS_IN, figure.tokens(row.input_tokens)),
        (say.CACHED, figure.tokens(row.cached_input_tokens) if row.cached_input_tokens else None),
        (say.TOKENS_OUT, figure.tokens(row.output_tokens)),
        (say.THOUGHT, figure.tokens(row.reasoning_tokens) if row.reasoning_tokens else None),
        (say.COST, Cell(figure.money(row.cost_nano_usd), about=_exact(row.cost_nano_usd))),
        (say.WHO, row.provider),
        (say.FROM, say.SURFACES.get(row.surface, row.surface)),
        (say.BY_KEY, None if row.key_id is None else names.key(row.key_id)),
        (say.TAGS, ", ".join(row.tags) or None),
    ]
    return [[name, value] for name, value in known if value is not None]


def _first_ms(row: RequestRow) -> float | None:
    return first_token_ms(row.attempts[-1], streamed=row.streamed) if row.attempts else None


def waterfall(row: RequestRow) -> str:
    """Attempts as bars over the time from acceptance to the end: waiting, thinking, answering."""
    span_ms = max([row.total_ms or 0.0, *(attempt.last_ms or 0.0 for attempt in row.attempts), 1.0])
    bars = "".join(_bar(attempt, span_ms) for attempt in row.attempts)
    return (
        f'<div class="ty-waterfall" role="img" aria-label="{html.escape(_told(row))}">{bars}'
        f'<div class="ty-dim">0 to {html.escape(figure.duration(span_ms))}: '
        f"{say.WAITING}, {say.THINKING}, {say.ANSWERING}</div></div>"
    )


def _bar(attempt: AttemptRow, span_ms: float) -> str:
    label = html.escape(say.attempt(attempt.no, attempt.provider, attempt.outcome))
    thought_ms = attempt.first_reasoning_ms
    marks = [attempt.first_answer_ms if thought_ms is None else thought_ms]
    marks += [attempt.first_answer_ms, attempt.last_ms]
    pieces, at = [], attempt.sent_ms or 0.0
    for name, end in zip(("waiting", "thinking", "answering"), marks, strict=True):
        until = end if end is not None else at
        pieces.append((name, at, max(until, at)))
        at = max(until, at)
    if attempt.first_answer_ms is None and attempt.last_ms is None:
        pieces = [("failed", attempt.sent_ms or 0.0, span_ms)]
    drawn = "".join(
        f'<span class="ty-{name}" style="left:{start / span_ms:.2%};'
        f'width:{(end - start) / span_ms:.2%}"></span>'
        for name, start, end in pieces
        if end > start
    )
    return f'<div class="ty-attempt">{label}</div><div class="ty-track">{drawn}</div>'


def _told(row: RequestRow) -> str:
    return "; ".join(
        f"{say.attempt(each.no, each.provider, each.outcome)}, {figure.duration(each.last_ms)}"
        for each in row.attempts
    )


def _row(
    row: RequestRow, name_of: Callable[[str], str], zone: str | None, *, narrow: bool
) -> list[str | Cell]:
    shown: list[str | Cell] = [
        Cell(figure.day_and_second(ended_at_ms(row), zone), pick=row.request_id),
        name_of(row.model) if row.model else row.model_asked,
        say.OUTCOMES[row.outcome],
        Cell(figure.duration(_first_ms(row)), wide_only=True),
        figure.duration(row.total_ms),
        Cell(figure.money(row.cost_nano_usd), about=_exact(row.cost_nano_usd)),
    ]
    if narrow:
        return shown
    tokens = (figure.tokens(row.input_tokens), figure.tokens(row.output_tokens))
    return [
        *shown,
        *map(_aside, tokens),
        _aside(row.provider or figure.UNKNOWN),
        _aside(say.SURFACES.get(row.surface, row.surface)),
    ]


def _head(text: str) -> str | Cell:
    return text


def _aside(text: str) -> str | Cell:
    return Cell(text, wide_only=True)


def _exact(nano_usd: int | None) -> str:
    return "" if nano_usd is None else figure.exact_money(nano_usd)


def _choice(any_of_them: str, values: Sequence[T], name: Callable[[T], str]) -> T | None:
    # What a link names stays on offer, also where nothing of it is in the window.
    named: T | None = st.session_state.get(f"requests-{any_of_them}")
    values = [*values, named] if named is not None and named not in values else values
    picked: T | None = st.selectbox(
        any_of_them, values, index=None, format_func=name, placeholder=any_of_them, width=150,
        label_visibility="collapsed", key=f"requests-{any_of_them}", on_change=session.first_requests,
    )  # fmt: skip
    return picked


def _typed(label: str) -> str:
    return st.text_input(
        label, placeholder=label, width=130, label_visibility="collapsed", key=f"requests-{label}",
        on_change=session.first_requests,
    ).strip()  # fmt: skip


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _dollars(text: str) -> int | None:
    try:
        return parse_usd(text.removeprefix("$"))
    except ValueError:
        return None
