"""The pictures of the leaderboard, as plotly.js takes them. Pure: figures in, data and layout out."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from battles.leaderboard import Row
from battles.ratings import AVERAGE, ENOUGH_VOTES
from battles.ratings_tally import Against
from battles.ratings_votes import Setup
from components import figure, leaderboard_words as say, words
from components.leaderboard_names import look_of

MOST_DRAWN: Final = 24
MOST_IN_THE_MATRIX: Final = 10
_ROW: Final = 50  # pixels
_GREY: Final = ("#5f6773", "#a7afba")
_BARE: Final[dict[str, Any]] = {"showlegend": False, "hovermode": "closest"}
_NANO_PER_USD: Final = 1_000_000_000
# Blue to orange through the page's own grey: told apart whatever the eye.
_SHARES: Final = ([0.0, "#b5541c"], [0.5, "#646b76"], [1.0, "#1f6fb2"])

NameOf = Callable[[Setup], str]


def ratings_height(rows: Sequence[Row]) -> int:
    return 56 + _ROW * min(len(rows), MOST_DRAWN)


def ratings(rows: Sequence[Row], name_of: NameOf, *, dark: bool) -> dict[str, Any]:
    """A line a row, best on top: thin the any-look interval, thick the one for one look."""
    shown = rows[:MOST_DRAWN]
    low, high = _reach(shown)
    data: list[dict[str, Any]] = []
    for place, row in enumerate(shown):
        data += _line(row, -place, name_of(row.rating.setup), (low, high), dark=dark)
    return {
        "data": data,
        "layout": {
            **_BARE,
            "height": ratings_height(rows),
            "margin": {"l": 8, "r": 12, "t": 8, "b": 36},
            "xaxis": {"range": [low, high], "fixedrange": True, "nticks": 6, "ticksuffix": ""},
            "yaxis": {
                "range": [-len(shown) + 0.45, 0.75],
                "visible": False,
                "fixedrange": True,
            },
            "shapes": [
                {
                    "type": "line", "x0": AVERAGE, "x1": AVERAGE, "y0": 0, "y1": 1, "yref": "paper",
                    "line": {"color": _GREY[dark], "width": 1, "dash": "dot"},
                }
            ],
            "annotations": [
                {
                    "x": 0, "xref": "paper", "xanchor": "left", "y": -place, "yshift": 16, "showarrow": False,
                    "text": _label(place, row, name_of), "font": {"size": 13},
                }
                for place, row in enumerate(shown)
            ],
        },
    }  # fmt: skip


def pareto(
    rows: Sequence[Row], figure_of: Callable[[Row], float], name_of: NameOf, *, money: bool, dark: bool
) -> dict[str, Any]:
    """Ratings over cost (nano-dollars) or time (milliseconds), on a logarithmic axis; the front as steps."""
    scale = _NANO_PER_USD if money else 1_000
    front = sorted(
        (row for row in rows if (row.cheapest_as_good if money else row.fastest_as_good)), key=figure_of
    )
    data: list[dict[str, Any]] = [
        {
            "type": "scatter", "mode": "lines", "hoverinfo": "skip",
            "x": [figure_of(row) / scale for row in front],
            "y": [row.rating.interval.value for row in front],
            "line": {"shape": "hv", "dash": "dash", "width": 1.5, "color": _GREY[dark]},
        }
    ]  # fmt: skip
    middle = math.sqrt(max(map(figure_of, rows)) * min(map(figure_of, rows)))
    for row in rows:
        inwards = "top right" if figure_of(row) < middle else "top left"
        label = inwards if row in front else None
        data.append(_point(row, figure_of(row) / scale, name_of(row.rating.setup), label, dark))
    return {
        "data": data,
        "layout": {
            **_BARE,
            "height": 360,
            "margin": {"l": 8, "r": 24, "t": 24, "b": 8},
            "xaxis": {
                "type": "log", "tickprefix": "$" if money else "", "ticksuffix": "" if money else " s",
                "nticks": 5, "dtick": "D2" if _spans(rows, figure_of) < 10 else 1, "automargin": True,
                "fixedrange": True, "tickformat": "~r" if money else "~g",
            },
            "yaxis": {"automargin": True, "fixedrange": True, "nticks": 6},
        },
    }  # fmt: skip


def matrix(
    setups: Sequence[Setup], told: Mapping[tuple[Setup, Setup], Against], name_of: NameOf, *, dark: bool
) -> dict[str, Any]:
    """The share that the row won against the column, with the number of votes; columns by their number."""
    ink = "#f4f6f8" if dark else "#ffffff"
    shares, texts, hovers = [], [], []
    for one in setups:
        met = [told.get((one, other)) for other in setups]
        shares.append([_shade(each) for each in met])
        texts.append([f"{each.share:.0%}<br>{each.votes}" if each else "" for each in met])
        hovers.append(
            [f"{words.legend(name_of(one))} {say.AGAINST} {words.legend(name_of(other))}" for other in setups]
        )
    numbers = [str(number) for number in range(1, len(setups) + 1)]
    return {
        "data": [
            {
                "type": "heatmap", "z": shares, "x": numbers, "y": numbers, "zmin": 0, "zmax": 1,
                "colorscale": list(_SHARES), "showscale": False, "xgap": 2, "ygap": 2,
                "text": texts, "texttemplate": "%{text}", "textfont": {"color": ink, "size": 11},
                "customdata": hovers,
                "hovertemplate": "%{customdata}<br>%{text}<extra></extra>",
            }
        ],
        "layout": {
            **_BARE,
            "height": 72 + 44 * len(setups),
            "margin": {"l": 28, "r": 8, "t": 28, "b": 8},
            "xaxis": {"side": "top", "type": "category", "fixedrange": True, "showgrid": False},
            "yaxis": {"autorange": "reversed", "type": "category", "fixedrange": True, "showgrid": False},
        },
    }  # fmt: skip


def points(value: float) -> str:
    return f"{value:,.0f}"


def _label(place: int, row: Row, name_of: NameOf) -> str:
    number = "" if row.rating.provisional else f"{place + 1}  "
    told = f"{number}{words.legend(_short(name_of(row.rating.setup)))}"
    aside = say.PROVISIONAL if row.rating.provisional else points(row.rating.interval.value)
    return f"{told}  <span style='font-size:11px'>{aside}</span>"


def _short(name: str) -> str:
    return name if len(name) <= 44 else f"{name[:43]}\N{HORIZONTAL ELLIPSIS}"


def _line(row: Row, y: float, name: str, reach: tuple[float, float], *, dark: bool) -> list[dict[str, Any]]:
    told, look = row.rating.interval, look_of(row.rating.setup)
    early = row.rating.provisional
    colour = _GREY[dark] if early else (look.dark if dark else look.light)
    traces: list[dict[str, Any]] = []
    if not early and math.isfinite(told.any_low):
        traces.append(_bar(told.any_low, told.any_high, y, colour, 1.5))
    low, high = max(told.low, reach[0]), min(told.high, reach[1])
    traces.append(_bar(low, high, y, colour, 2 if early else 6))
    any_look = (
        say.interval(points(told.any_low), points(told.any_high))
        if math.isfinite(told.any_low)
        else figure.UNKNOWN
    )
    hover = say.hover(
        words.legend(name),
        points(told.value),
        say.interval(points(told.low), points(told.high)),
        any_look,
        say.counted(row.rating.votes, "vote"),
    )
    marker = {
        "size": 12,
        "color": colour,
        "symbol": f"{look.marker}-open" if early else look.marker,
        "line": {"width": 2, "color": colour},
    }
    point = {"type": "scatter", "mode": "markers", "x": [told.value], "y": [y], "marker": marker}
    traces.append({**point, "hovertemplate": f"{hover}<extra></extra>"})
    return traces


def _shade(met: Against | None) -> float | None:
    """Grey, as an even share is, where too few votes say anything."""
    if met is None:
        return None
    return met.share if met.votes >= ENOUGH_VOTES else 0.5


def _bar(low: float, high: float, y: float, colour: str, width: float) -> dict[str, Any]:
    return {
        "type": "scatter", "mode": "lines", "x": [low, high], "y": [y, y], "hoverinfo": "skip",
        "line": {"width": width, "color": colour}, "opacity": 0.75,
    }  # fmt: skip


def _reach(rows: Sequence[Row]) -> tuple[float, float]:
    """What the axis covers: all settled intervals whole, provisional ones as far as they fit."""
    ends = [AVERAGE - 50, AVERAGE + 50]
    for row in rows:
        told = row.rating.interval
        ends.append(told.value)
        if not row.rating.provisional:
            ends += [end for end in (told.low, told.high, told.any_low, told.any_high) if math.isfinite(end)]
    room = (max(ends) - min(ends)) * 0.04
    return min(ends) - room, max(ends) + room


def _point(row: Row, x: float, name: str, label: str | None, dark: bool) -> dict[str, Any]:
    told, look = row.rating.interval, look_of(row.rating.setup)
    colour = look.dark if dark else look.light
    return {
        "type": "scatter", "mode": "markers+text" if label else "markers", "x": [x], "y": [told.value],
        "text": [words.legend(_short(name))], "textposition": label or "top right", "textfont": {"size": 11},
        "cliponaxis": False,
        "error_y": {
            "type": "data", "symmetric": False, "array": [told.high - told.value],
            "arrayminus": [told.value - told.low], "color": colour, "thickness": 1, "width": 3,
        },
        "marker": {"size": 11, "color": colour, "symbol": look.marker},
        "hovertemplate": f"{words.legend(name)}<br>%{{x}}, {points(told.value)} {say.POINTS}<extra></extra>",
    }  # fmt: skip


def _spans(rows: Sequence[Row], figure_of: Callable[[Row], float]) -> float:
    figures = [figure_of(row) for row in rows]
    return max(figures) / min(figures)
