"""One figure of one group, opened: what it is, its values with their intervals, over how many and when."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import streamlit as st

from components import figure, latency_words as say, table, words
from components.latency_table import shown
from components.table import Cell
from telemetry import spreads
from telemetry.metrics import METRICS, PHASES
from telemetry.rows import RequestRow
from telemetry.slices import Slice
from telemetry.spreads import Share, Spread
from telemetry.views import Found, Group, value_of

PHASES_HELP: Final = "  \n".join(f"**{phase.name}.** {phase.meaning}" for phase in PHASES.values())


def show(
    figure_id: str, name: str, group: Group | None, before: Group | None, found: Found, zone: str | None
) -> None:
    """`group` is None where nothing was measured; `before` is the same of the window before."""
    metric = METRICS[figure_id]
    told = [("", metric.definition), (say.RECKONED, metric.formula), (say.MIND, metric.is_not)]
    for label, text in told:
        st.markdown(words.escaped(f"{label}: {text}" if label else text))
    span = say.window(figure.day_and_time(found.from_ms, zone), figure.day_and_time(found.to_ms, zone))
    now = None if group is None else spreads.figure_of(figure_id, group.total)
    st.caption(words.escaped(f"{say.SINCE_TO}: {span}. {figure.samples(now.n if now else 0)} {metric.of}."))
    if group is None or now is None or not now.n:
        st.caption(words.NOTHING_MEASURED)
        return
    earlier = None if before is None else spreads.figure_of(figure_id, before.total)
    heads = [say.PERCENTILE, say.VALUE, say.INTERVAL, *([say.BEFORE] if earlier is not None else [])]
    rows = _rows(figure_id, group, now, earlier)
    table.show(f"{metric.name}: {name}", heads, rows)


def link_to_rows(asked: Slice, group_id: tuple[str, str] | None) -> None:
    """To the requests that the figure is of, as far as the log's filters can say which."""
    narrowed: dict[str, str] = {"since": str(asked.from_ms), "until": str(asked.to_ms)}
    narrowed |= {"model": asked.model or "", "provider": asked.provider or "", "tag": asked.tag or ""}
    narrowed["key"] = "" if asked.key_id is None else str(asked.key_id)
    if group_id is not None and asked.by in narrowed:
        narrowed[asked.by] = group_id[0]
    st.page_link(
        "requests.py",
        label=say.ITS_REQUESTS,
        icon=":material/receipt_long:",
        query_params={name: value for name, value in narrowed.items() if value},
    )


def since(found: Found, zone: str | None) -> str:
    """That there is nothing older to be read."""
    return words.escaped(say.cut(figure.day_and_time(found.from_ms, zone)))


def _rows(
    figure_id: str, group: Group, now: Spread | Share, earlier: Spread | Share | None
) -> list[list[str | Cell]]:
    if isinstance(now, Share):
        interval = spreads.interval_of_share(now)
        row: list[str | Cell] = [
            METRICS[figure_id].name,
            Cell(figure.share(now.value), figure.samples(now.n), faint=not now.enough),
            _interval(figure_id, interval),
        ]
        return [row + ([_earlier(figure_id, earlier, earlier.value)] if isinstance(earlier, Share) else [])]
    rows: list[list[str | Cell]] = []
    for percent in spreads.PERCENTS:
        rows.append(
            [
                f"p{percent}",
                Cell(shown(figure_id, now.at(percent)), figure.samples(now.n), faint=not now.enough),
                _interval(figure_id, spreads.interval_of(figure_id, group.total, percent)),
            ]
        )
        if isinstance(earlier, Spread):
            rows[-1].append(_earlier(figure_id, earlier, earlier.at(percent)))
    return rows


def _earlier(figure_id: str, earlier: Spread | Share, value: float | None) -> Cell:
    return Cell(shown(figure_id, value), figure.samples(earlier.n), faint=not earlier.enough)


def _interval(figure_id: str, interval: spreads.Interval | None) -> Cell:
    if interval is None:
        return Cell(figure.UNKNOWN, say.TOO_FEW, faint=True)
    return Cell(f"{shown(figure_id, interval[0])} to {shown(figure_id, interval[1])}")


def show_slowest(
    figure_id: str,
    rows: Sequence[RequestRow],
    name_of: Callable[[str], str],
    zone: str | None,
    *,
    linked: bool,
) -> None:
    """Each leads to its row in the log, for whoever may see that."""
    st.subheader(say.SLOWEST, help=say.SLOWEST_HELP)
    if not rows:
        st.caption(say.NO_SLOWEST)
    for row in rows:
        value = shown(figure_id, value_of(figure_id, row))
        when = figure.day_and_time(row.accepted_at_ms, zone)
        label = words.escaped(say.row_link(value, name_of(row.model or row.model_asked), when))
        if not linked:
            st.markdown(label)
            continue
        st.page_link(
            "requests.py",
            label=label,
            icon=":material/receipt_long:",
            query_params={"request": row.request_id},
        )
