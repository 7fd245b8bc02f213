"""Draws a prompt's versions: what each cost, took and won; its labels; and what differs between two."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import streamlit as st

from battles import diff
from battles.prompt_figures import NOTHING, VersionFigures
from battles.prompt_values import PRODUCTION, PromptVersion
from components import diff_view, figure, prompt_words as say, table, words
from components.asks import ask
from components.table import Cell

_ENOUGH = 20  # samples
Move = Callable[[str, int], object]


def show(
    versions: Sequence[PromptVersion],
    figures: Mapping[str, VersionFigures],
    names: Mapping[int, str],
    zone: str | None,
) -> None:
    """Newest first. `names` are people's by id, as far as the reader knows them."""
    heads: list[str | Cell] = [
        say.VERSION, say.SINCE, say.RUNS, say.SUCCESS, say.COST, Cell(say.FIRST, say.PERCENTILES), say.WON,
    ]  # fmt: skip
    table.show(
        say.VERSIONS,
        heads,
        [_row(version, figures.get(version.id, NOTHING), names, zone) for version in versions],
    )
    st.caption(say.FIGURES_ABOUT)


def show_labels(
    versions: Sequence[PromptVersion],
    labels: Mapping[str, int],
    move: Move,
    remove: Callable[[str], object],
    restore: Callable[[int], object],
) -> None:
    """What can be done with a version. Each of these raises what `asks.ask` explains."""
    nos = [version.no for version in versions]
    with st.form("prompt-labels", border=True):
        left, right = st.columns(2)
        no = left.selectbox(say.VERSION, nos, format_func=say.version)
        label = right.text_input(say.LABEL, PRODUCTION, help=say.LABEL_HELP)
        with st.container(horizontal=True):
            moved = st.form_submit_button(say.MOVE_LABEL, type="primary")
            removed = st.form_submit_button(say.REMOVE_LABEL, disabled=not labels)
            restored = st.form_submit_button(say.RESTORE, help=say.RESTORE_HELP, disabled=len(nos) < 2)
    done = None
    if moved:
        done = ask(lambda: (move(label.strip(), no),))
    elif removed:
        done = ask(lambda: (remove(label.strip()),))
    elif restored:
        done = ask(lambda: (restore(no),))
    if done is not None:
        st.rerun()


def show_difference(versions: Sequence[PromptVersion]) -> None:
    """Two versions, by their texts and by their settings."""
    if len(versions) < 2:
        return
    st.subheader(say.COMPARE)
    by_no = {version.no: version for version in versions}
    left, right = st.columns(2)
    older = left.selectbox(
        say.COMPARE, list(by_no), 1, format_func=say.version, label_visibility="collapsed", key="prompt-older"
    )
    newer = right.selectbox(
        say.WITH, list(by_no), 0, format_func=say.version, label_visibility="collapsed", key="prompt-newer"
    )
    one, other = by_no[older], by_no[newer]
    names = say.version(older), say.version(newer)
    for title, before, after in _texts(one, other):
        if before != after:
            st.markdown(f"**{title}**")
            st.html(diff_view.as_words(diff.words(before, after)))
    if all(before == after for _, before, after in _texts(one, other)):
        st.caption(say.TEXTS_SAME)
    changes = diff.structure(settings_of(one), settings_of(other))
    if not changes:
        st.caption(say.SETTINGS_SAME)
        return
    table.show(
        say.SETTINGS_DIFFER,
        (say.SETTING, *names),
        [
            (change.path.removeprefix("$."), change.left or figure.UNKNOWN, change.right or figure.UNKNOWN)
            for change in changes
        ],
    )


def settings_of(version: PromptVersion) -> dict[str, Any]:
    """All of a version but its texts, as JSON values."""
    settings = version.settings
    sampling = {
        name: value
        for name, value in msgspec.to_builtins(settings.sampling).items()
        if value not in (None, [], ())
    }
    told = {
        "model": version.model,
        "provider": version.provider,
        **sampling,
        "response_format": settings.response_format,
        "tools": msgspec.to_builtins(settings.tools) or None,
    }
    return {name: value for name, value in told.items() if value is not None}


def _texts(one: PromptVersion, other: PromptVersion) -> tuple[tuple[str, str, str], ...]:
    return (
        (say.SYSTEM, one.settings.system or "", other.settings.system or ""),
        (say.EXAMPLES, _told_examples(one), _told_examples(other)),
        (say.TEMPLATE, one.settings.template or "", other.settings.template or ""),
    )


def _told_examples(version: PromptVersion) -> str:
    return "\n\n".join(
        f"{say.ASKED}: {each.asked}\n{say.ANSWERED}: {each.answered}" for each in version.settings.examples
    )


def _row(
    version: PromptVersion, figures: VersionFigures, names: Mapping[int, str], zone: str | None
) -> list[str | Cell]:
    aside = ", ".join(version.labels)
    if version.restored_no is not None:
        aside = f"{aside} ({say.restored(version.restored_no)})".strip()
    who = say.BY_NOBODY if version.created_by is None else names.get(version.created_by, "")
    spread = (
        f"{figure.duration(figures.first_answer_p50_ms)} / {figure.duration(figures.first_answer_p95_ms)}"
    )
    return [
        Cell(str(version.no), aside, about=words.sentence(version.note) if version.note else ""),
        Cell(figure.day_and_time(version.created_ms, zone), who),
        figure.tokens(figures.runs),
        _sampled(figure.share(figures.success), figures.ended),
        _sampled(figure.money(figures.cost_nano_usd), figures.costed),
        _sampled(spread, figures.timed),
        _sampled(figure.share(figures.win_rate), figures.votes),
    ]


def _sampled(text: str, n: int) -> Cell:
    if not n:
        return Cell(figure.UNKNOWN, words.NOTHING_MEASURED, faint=True)
    return Cell(text, figure.samples(n), faint=n < _ENOUGH, about=say.FEW if n < _ENOUGH else "")
