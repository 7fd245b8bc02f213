"""Places in a text, and what fills them."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from battles.prompt_template import MissingVariables, filled, is_name, variables_of


def test_places_are_found_in_order_and_once() -> None:
    assert variables_of("Hi {{name}}, {{ city }} and {{name}}.", None, "{{ _x1 }}") == ("name", "city", "_x1")


@pytest.mark.parametrize(
    "text", ["{{ }}", "{{1x}}", "{x}", "{{a b}}", "{{a.b}}", "{{" + "a" * 65 + "}}", "{{é}}"]
)
def test_other_braces_are_text(text: str) -> None:
    assert variables_of(text) == ()
    assert filled(text, {}) == text


def test_a_value_with_a_place_in_it_is_not_looked_into() -> None:
    assert filled("{{a}} {{b}}", {"a": "{{b}}", "b": r"\1 \g<0>"}) == r"{{b}} \1 \g<0>"


def test_what_has_no_value_is_named() -> None:
    with pytest.raises(MissingVariables, match="No value for {{b}}, {{c}}") as told:
        filled("{{a}}{{b}}{{c}}{{b}}", {"a": "1"})
    assert told.value.names == ("b", "c")


@given(st.text(), st.dictionaries(st.from_regex(r"[a-z]{1,5}", fullmatch=True), st.text(), min_size=1))
def test_filling_puts_every_value_in_its_place(between: str, values: dict[str, str]) -> None:
    between = between.replace("{", "(").replace("}", ")")
    template = between.join(f"{{{{{name}}}}}" for name in values)
    assert filled(template, values) == between.join(values.values())
    assert set(variables_of(template)) == set(values)
    assert all(is_name(name) for name in values)
