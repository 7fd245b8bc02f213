"""The theme keeps its contrast; nothing of the look is fetched or leans on Streamlit's inside."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from components import house_style

ROOT = Path(__file__).resolve().parents[2]
CONFIG: dict[str, Any] = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())
CAPTION = 0.6  # how much of the text's colour Streamlit's captions have


def luminance(colour: str) -> float:
    """Of WCAG 2.2."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def mixed(colour: str, ground: str, share: float) -> str:
    parts = [
        round(int(colour[at : at + 2], 16) * share + int(ground[at : at + 2], 16) * (1 - share))
        for at in (1, 3, 5)
    ]
    return "#" + "".join(f"{part:02x}" for part in parts)


def grounds(theme: dict[str, Any]) -> list[str]:
    side = theme["sidebar"]
    return [
        theme["backgroundColor"],
        theme["secondaryBackgroundColor"],
        side["backgroundColor"],
        side["secondaryBackgroundColor"],
    ]


@pytest.mark.parametrize("name", ["light", "dark"])
def test_text_has_the_contrast_that_aa_asks_for(name: str) -> None:
    theme = CONFIG["theme"][name]
    for ground in grounds(theme):
        assert contrast(theme["textColor"], ground) >= 7
        assert contrast(theme["grayTextColor"], ground) >= 4.5
        assert contrast(theme["linkColor"], ground) >= 4.5
    for ground in grounds(theme)[:1] + grounds(theme)[2:3]:
        assert contrast(mixed(theme["textColor"], ground, CAPTION), ground) >= 4.5
    assert contrast(theme["codeTextColor"], theme["codeBackgroundColor"]) >= 7
    assert contrast(theme["grayTextColor"], theme["grayBackgroundColor"]) >= 4.5


@pytest.mark.parametrize("name", ["light", "dark"])
def test_what_can_be_pressed_is_seen_and_can_be_read(name: str) -> None:
    theme = CONFIG["theme"][name]
    assert contrast("#ffffff", theme["primaryColor"]) >= 4.5
    assert all(contrast(theme["primaryColor"], ground) >= 3 for ground in grounds(theme))


def test_nothing_of_the_look_is_fetched_from_elsewhere() -> None:
    said = (ROOT / ".streamlit" / "config.toml").read_text()
    assert "http" not in said and "//" not in said
    assert "fontFaces" not in CONFIG["theme"]


def test_streamlit_tells_nobody_and_asks_nobody() -> None:
    assert CONFIG["browser"]["gatherUsageStats"] is False
    assert CONFIG["server"]["showEmailPrompt"] is False
    assert CONFIG["client"]["showErrorLinks"] is False
    assert CONFIG["server"]["enableXsrfProtection"] and CONFIG["server"]["enableCORS"]
    assert CONFIG["server"]["address"] == "127.0.0.1"


def test_every_setting_is_one_that_streamlit_has() -> None:
    from streamlit import config

    known = set(config._config_options_template)
    named = [
        f"{section}.{name}"
        for section, values in CONFIG.items()
        for name, value in values.items()
        if not isinstance(value, dict)
    ]
    assert [name for name in named if name not in known] == []


def test_styles_aim_at_our_own_names_alone() -> None:
    plain = re.sub(r"@media [^{]*\{(.*?\})\s*\}", r"\1", house_style.CSS, flags=re.DOTALL)
    css = re.sub(r"\{[^}]*\}", "{}", plain)
    for selector in (part.strip() for rule in css.split("{}") for part in rule.split(",")):
        first = selector.split(" ")[0]
        assert first == "" or first.startswith((".ty-", ".st-key-", '[class*="st-key-', "td)", "h")), selector
    assert "stApp" not in css and "data-testid" not in css and "url(" not in house_style.CSS


@pytest.mark.parametrize(("theme", "column"), [("light", 1), ("dark", 2)])
def test_the_words_of_code_can_be_read_on_its_background(theme: str, column: int) -> None:
    ground = CONFIG["theme"][theme]["codeBackgroundColor"]
    for row in house_style._TOKENS:
        assert contrast(str(row[column]), ground) >= 4.5, row
