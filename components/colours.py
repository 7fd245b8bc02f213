"""One colour and one marker for each model, everywhere and for ever.

A key's hash picks its place, so that no list needs keeping and a new model changes nobody's colour. The
colours stay apart for colour-blind readers and have 3:1 and more on the pages of both themes; two models
may meet in a colour, which is why the marker differs and names always stand beside.
`live_chart.js` does the same sum from the same lists.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

# (on the light page, on the dark one)
PALETTE: Final = (
    ("#0072b2", "#56b4e9"),
    ("#c4501b", "#f0935a"),
    ("#00795a", "#35c293"),
    ("#a83e91", "#e08fce"),
    ("#86680a", "#e6b93f"),
    ("#4f46a8", "#aaa2f5"),
    ("#0f7486", "#6fd3e3"),
    ("#8c2a55", "#f0a0bf"),
    ("#5f6f12", "#c3d05a"),
    ("#565f6b", "#b5bdc8"),
)
MARKERS: Final = ("circle", "square", "diamond", "triangle-up", "x")


@dataclass(frozen=True, slots=True)
class Colour:
    light: str
    dark: str
    marker: str


def colour_of(key: str) -> Colour:
    """The look of the model whose id (or chart key) this is."""
    place = _fnv1a(key)
    light, dark = PALETTE[place % len(PALETTE)]
    return Colour(light, dark, MARKERS[place // len(PALETTE) % len(MARKERS)])


def colour_pair(key: str) -> tuple[str, str]:
    """The same on the light page and on the dark one, as views take it."""
    colour = colour_of(key)
    return colour.light, colour.dark


def _fnv1a(text: str) -> int:
    """32-bit FNV-1a over UTF-8: short enough to write twice."""
    value = 2166136261
    for byte in text.encode():
        value = ((value ^ byte) * 16777619) & 0xFFFFFFFF
    return value
