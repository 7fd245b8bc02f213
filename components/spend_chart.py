"""What was spent, a bar a day, stacked by model, member or key; in a sentence and as a table too.

Demonstration spend is hatched and has bands of its own. The switch redraws what was read already.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date
from typing import Any, Final, cast

import streamlit as st

from billing import spending
from billing.spending import Band, By
from billing.usage import Spent
from components import figure, session, table, words
from components.colours import colour_of
from components.entry_names import Names
from components.still_chart import still_chart

DAYS: Final = 30
_HEIGHT: Final = 300  # pixels
_TICKS: Final = 5  # as many as a phone has room for
_NANO_PER_USD: Final = 1_000_000_000
_REST_COLOUR: Final = ("#565f6b", "#b5bdc8")


def first_ms(now_ms: int, zone: str | None) -> int:
    """From when on spending is shown."""
    return spending.first_ms(now_ms, DAYS, figure.zone(zone)[0])


@st.fragment
def show(spent: Sequence[Spent], now_ms: int, names: Names, zone_name: str | None) -> None:
    zone, _ = figure.zone(zone_name)
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.subheader(words.SPENDING)
        by = _by()
    st.caption(words.escaped(_sentence(spent)))
    if not any(each.charged_nano_usd for each in spent):
        return
    days = spending.days_of(spent, now_ms, DAYS, zone)
    bands = spending.bands(spent, by, days, zone)
    labels = [_label(band, by, names) for band in bands]
    still_chart(_figure(bands, labels, by, days), _sentence(spent), key="spending", height=_HEIGHT)
    with st.expander(words.AS_A_TABLE, key="spending-table"):
        _table(bands, labels, days)


def _by() -> By:
    picked = st.segmented_control(
        words.SPENDING_BY,
        list(words.SPENT_BY),
        default="model",
        required=True,
        format_func=words.SPENT_BY.__getitem__,
        key=session.SPENDING_BY,
        label_visibility="collapsed",
        persist_state="session",
    )
    return cast(By, picked or "model")


def _sentence(spent: Sequence[Spent]) -> str:
    sums = [(series, spending.total_nano_usd(spent, series)) for series in ("paid", "demonstration", "byok")]
    told = [words.spent_in(words.SPENT_SERIES[series], figure.money(sum_)) for series, sum_ in sums if sum_]
    return words.spent_lately(DAYS, told, sum(each.runs for each in spent))


def _label(band: Band, by: By, names: Names) -> str:
    name = words.OTHERS if band.rest else names.subject(by, band.subject)
    aside = words.SERIES_ASIDE.get(band.series, "")
    return f"{name} ({aside})" if aside else name


def _figure(bands: Sequence[Band], labels: Sequence[str], by: By, days: Sequence[date]) -> dict[str, Any]:
    """As plotly.js takes it. What is drawn is rounded to a float; what is said is exact."""
    dark = st.context.theme.type == "dark"
    ticked = days[:: -math.ceil(len(days) / _TICKS)]
    tallest = max(sum(band.charged_nano_usd[no] for band in bands) for no in range(len(days)))
    return {
        "data": [_bars(band, label, by, days, dark=dark) for band, label in zip(bands, labels, strict=True)],
        "layout": {
            "barmode": "stack",
            "bargap": 0.25,
            "height": _HEIGHT,
            "margin": {"l": 8, "r": 8, "t": 8, "b": 8},
            "hovermode": "closest",
            "showlegend": True,
            "legend": {"orientation": "h", "yanchor": "top", "y": -0.16, "x": 0, "traceorder": "normal"},
            "xaxis": {
                "type": "date",
                "tickvals": [_noon(day) for day in ticked],
                "ticktext": [figure.date(day) for day in ticked],
                "range": [f"{days[0].isoformat()}T00:00:00", f"{days[-1].isoformat()}T23:59:59"],
                "fixedrange": True,
            },
            "yaxis": {
                "tickprefix": "$",
                "tickformat": f",.{_decimals(tallest)}f",
                "nticks": 5,
                "automargin": True,
                "rangemode": "tozero",
                "fixedrange": True,
            },
        },
    }


def _bars(band: Band, label: str, by: By, days: Sequence[date], *, dark: bool) -> dict[str, Any]:
    """Each bar stands in the middle of its day."""
    colour = colour_of(str(band.subject) if by == "model" else f"{by}:{band.subject}")
    light_and_dark = _REST_COLOUR if band.rest else (colour.light, colour.dark)
    some = [(day, charged) for day, charged in zip(days, band.charged_nano_usd, strict=True) if charged]
    marker: dict[str, Any] = {"color": light_and_dark[dark], "line": {"width": 0}}
    if band.series != "paid":
        marker["pattern"] = {"shape": "/", "solidity": 0.35, "size": 6, "fillmode": "replace"}
    return {
        "type": "bar",
        "name": words.legend(label),
        "x": [_noon(day) for day, _ in some],
        "y": [charged / _NANO_PER_USD for _, charged in some],
        "width": 18 * 60 * 60 * 1_000,
        "customdata": [figure.money(charged) for _, charged in some],
        "hovertemplate": f"{words.legend(label)}<br>%{{x|%-d %b}}: %{{customdata}}<extra></extra>",
        "marker": marker,
    }


def _noon(day: date) -> str:
    return f"{day.isoformat()}T12:00:00"


def _decimals(tallest_nano_usd: int) -> int:
    """So many that five ticks up to the tallest bar differ: cents at least."""
    return max(2, min(9, 1 - math.floor(math.log10(tallest_nano_usd / _NANO_PER_USD))))


def _table(bands: Sequence[Band], labels: Sequence[str], days: Sequence[date]) -> None:
    rows: list[tuple[str, ...]] = [
        (figure.date(day), *(figure.exact_money(band.charged_nano_usd[no]) for band in bands))
        for no, day in enumerate(days)
        if any(band.charged_nano_usd[no] for band in bands)
    ]
    rows.append((words.SUM, *(figure.exact_money(band.total_nano_usd) for band in bands)))
    table.show(words.SPENDING, (words.DAY, *labels), rows[::-1][1:] + rows[-1:], total=True)
