"""Every colour of ours can be seen on the page that it is for."""

from __future__ import annotations

import re
import tomllib

import pytest

from components.bundle import BUNDLE
from components.colours import MARKERS, PALETTE, colour_of
from tests.server import ROOT

THEME = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())["theme"]


def luminance(colour: str) -> float:
    """Relative luminance, WCAG 2.2."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("pair", PALETTE)
def test_a_models_colour_has_three_to_one_on_both_pages(pair: tuple[str, str]) -> None:
    for colour, theme in zip(pair, ("light", "dark"), strict=True):
        assert contrast(colour, THEME[theme]["backgroundColor"]) >= 3


def test_colours_of_code_have_four_and_a_half_to_one() -> None:
    css = BUNDLE.files["run_view.css"].decode()
    pairs = re.findall(r"light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\)", css)
    assert len(pairs) == 8
    for pair in pairs:
        for colour, theme in zip(pair, ("light", "dark"), strict=True):
            assert contrast(colour, THEME[theme]["codeBackgroundColor"]) >= 4.5, (colour, theme)


def test_a_models_look_never_changes() -> None:
    assert colour_of("openai/gpt-4.1") == colour_of("openai/gpt-4.1")
    looks = {colour_of(f"lab/model-{n}") for n in range(400)}
    assert len(looks) == len(PALETTE) * len(MARKERS)
