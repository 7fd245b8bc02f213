"""Draws a batch: how far it is, what it comes to, its rows with their answers, what failed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import streamlit as st

from battles.batch_models import Answer, Batch, Progress
from battles.batch_report import Report
from battles.batch_rows import Row
from battles.decision import LaneSum, Share
from components import batch_session as session, batch_words as say, figure, table, words
from components.table import Cell

PAGE = 25  # rows
_ROW_HEIGHT = 36  # pixels
_MOST_HEIGHT = 640
_YES, _NO, _UNTOLD = "yes", "no", "not told"

Act = Callable[[], None]


def lane_names(batch: Batch, name_of: Callable[[str], str], version: Callable[[str], str]) -> tuple[str, ...]:
    return tuple(
        say.place(
            name_of(lane.model), no, version(lane.prompt_version_id) if lane.prompt_version_id else None
        )
        for no, lane in enumerate(batch.spec.lanes, 1)
    )


def show_list(
    batches: Sequence[tuple[Batch, Progress]], zone: str | None, open_one: Callable[[str], None]
) -> None:
    for batch, progress in batches:
        with st.container(horizontal=True, vertical_alignment="center", gap="small", key=f"row-{batch.id}"):
            st.button(
                words.escaped(batch.name), key=f"open-{batch.id}", type="tertiary", on_click=open_one,
                args=(batch.id,),
            )  # fmt: skip
            told = f" {figure.DOT} ".join(
                (
                    say.STATES[batch.state],
                    say.progress(progress.over, progress.items),
                    figure.money(progress.paid_nano_usd),
                    figure.day_and_time(batch.created_ms, zone),
                )
            )
            st.caption(words.escaped(told), width="content")


def show_progress(batch: Batch, progress: Progress) -> None:
    share = progress.over / progress.items if progress.items else 1.0
    st.progress(share, text=f"{say.STATES[batch.state]}: {say.progress(progress.over, progress.items)}")
    cap = batch.spec.cost_cap_nano_usd
    paid = figure.money(progress.paid_nano_usd)
    told = [say.facts(progress.failed, progress.cut, paid, figure.money(cap) if cap is not None else None)]
    if progress.to_judge and (progress.judged or not progress.left):
        told.append(say.judging(progress.judged, progress.to_judge))
    if batch.why:
        told.append(words.sentence(batch.why))
    st.caption(words.escaped(f" {figure.DOT} ".join(told)))


def show_card(report: Report, names: Sequence[str], address: str) -> None:
    with st.container(border=True, key="decision-card"):
        if report.card.winner is None:
            st.markdown(f"#### {say.NOT_YET}")
            st.caption(words.escaped(report.card.why))
        else:
            st.markdown(f"#### {say.WINNER}: {words.escaped(names[report.card.winner])}")
            st.caption(say.decided_by(" and ".join(say.BY[voice] for voice in report.card.by)))
        heads: list[str | Cell] = [
            say.LANE, say.PASS_RATE, Cell(say.WIN_RATE, about=say.WIN_ABOUT), say.COST_1000,
            Cell(say.P95, about=say.P95_ABOUT), say.ANSWERED, say.FAILED,
        ]  # fmt: skip
        table.show(say.BY_LANE, heads, [_lane(lane, names) for lane in report.lanes])
        if report.votes:
            agreed = report.agreement
            kappa = figure.UNKNOWN if agreed.kappa is None else f"{agreed.kappa:.2f}"
            st.caption(
                say.agreed(
                    say.AGREEMENT[agreed.method],
                    kappa,
                    figure.share(agreed.share),
                    agreed.items,
                    agreed.voters,
                )
            )
        for each in report.judged:
            told = say.preferred(
                names[each.low], each.for_low, names[each.high], each.for_high, each.ties, each.disagreed
            )
            st.caption(words.escaped(f"{say.JUDGED}: {told}"))
        st.caption(say.LINK)
        st.code(address, language=None)


def _lane(lane: LaneSum, names: Sequence[str]) -> list[str | Cell]:
    cost = lane.cost_per_1000_nano_usd
    faint = lane.answered < 20
    return [
        names[lane.no],
        _share(lane.passed),
        _share(lane.wins),
        Cell(figure.money(cost), figure.samples(lane.answered), faint),
        Cell(figure.duration(lane.p95_ms), figure.samples(lane.answered), faint),
        f"{lane.answered:,}",
        f"{lane.failed:,}",
    ]


def _share(share: Share) -> Cell:
    if share.value is None:
        return Cell(figure.UNKNOWN)
    low, high = share.interval
    aside = f"{figure.share(low)} to {figure.share(high)}, {figure.samples(share.n)}"
    return Cell(figure.share(share.value), aside, share.faint)


def show_rows(
    batch: Batch, rows: Sequence[tuple[int, Row, Mapping[int, Answer]]], names: Sequence[str]
) -> None:
    st.dataframe(
        [_row(batch, no, row, answers, names) for no, row, answers in rows],
        key=f"batch-rows-{batch.id}",
        hide_index=True,
        placeholder=figure.UNKNOWN,
        row_height=_ROW_HEIGHT,
        height=min(_MOST_HEIGHT, _ROW_HEIGHT * (len(rows) + 1) + 2),
    )
    first = session.first_row()
    with st.container(horizontal=True):
        st.button(
            say.NEWER, icon=":material/chevron_left:", disabled=first == 0, on_click=session.go_to_row,
            args=(max(0, first - PAGE),),
        )  # fmt: skip
        st.button(
            say.OLDER, icon=":material/chevron_right:", disabled=first + PAGE >= batch.rows,
            on_click=session.go_to_row, args=(first + PAGE,),
        )  # fmt: skip


def _row(
    batch: Batch, no: int, row: Row, answers: Mapping[int, Answer], names: Sequence[str]
) -> dict[str, Any]:
    told: dict[str, Any] = {say.ROW: no + 1, **{name: row.values[name] for name in batch.columns}}
    for lane, name in enumerate(names):
        answer = answers.get(lane)
        told[name] = figure.UNKNOWN if answer is None else (answer.text or answer.failure_message or "")
        if batch.spec.checks:
            told[f"{lane + 1}. passed"] = _passed(answer)
    return told


def _passed(answer: Answer | None) -> str:
    if answer is None or answer.state != "done":
        return figure.UNKNOWN
    if answer.passed is None:
        return _UNTOLD
    if answer.passed:
        return _YES
    why = next((verdict.why for verdict in answer.verdicts if verdict.passed is False), "")
    return f"{_NO}: {why}" if why else _NO


def show_failures(found: Sequence[tuple[Answer, int]], names: Sequence[str]) -> None:
    if not found:
        st.info(say.NO_FAILURES)
        return
    rows: list[list[str | Cell]] = [
        [
            f"{line_no:,}",
            names[answer.lane],
            f"{answer.failure_kind or ''}: {answer.failure_message or ''}",
            figure.money(answer.cost_nano_usd + answer.earlier_nano_usd),
        ]
        for answer, line_no in found
    ]
    table.show(say.FAILURES, [say.LINE, say.LANE, say.WHY, words.COST], rows)
