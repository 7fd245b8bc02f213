"""What the next prompt will cost, about."""

from __future__ import annotations

import time

import pytest

from components.estimate import Estimate, estimate
from gateway.catalog import Catalog
from gateway.messages import Message
from gateway.records import RunRecord
from gateway.runs import Figures

NOW_MS = time.time_ns() // 1_000_000
EMBEDDED = Catalog.load().get("embedded/smollm2-135m")


def turn(input_tokens: int | None, output_tokens: int | None) -> RunRecord:
    return RunRecord(
        id="run_1",
        parent_run_id=None,
        state="done",
        model_id=EMBEDDED.id,
        model_name=EMBEDDED.name,
        provider="embedded",
        series="demonstration",
        created_ms=NOW_MS,
        messages=(Message.of("user", "Hello"),),
        text="Hello.",
        reasoning="",
        tool_calls=(),
        finish_reason="stop",
        figures=Figures(input_tokens=input_tokens, output_tokens=output_tokens),
        failure=None,
        notes=(),
        keeps_text=True,
    )


def test_an_empty_page_reckons_a_short_prompt_and_three_hundred_tokens() -> None:
    # 40 x $0.10 / 1M + 300 x $0.40 / 1M; held: 40 in, and 1,024 out, the longest that the model writes.
    assert estimate(EMBEDDED, NOW_MS, (), "", None) == Estimate(124_000, 413_600, 300)


def test_a_conversation_is_read_again_with_each_prompt() -> None:
    # 40 + 36 + 214 tokens in.
    assert estimate(EMBEDDED, NOW_MS, (turn(36, 214),), "", None) == Estimate(149_000, 438_600, 300)


def test_a_short_limit_makes_a_short_answer() -> None:
    assert estimate(EMBEDDED, NOW_MS, (), "", 50) == Estimate(24_000, 24_000, 50)


@pytest.mark.parametrize("figures", [(None, None), (2_040, 10)])
def test_what_cannot_be_known_is_not_guessed(figures: tuple[int | None, int | None]) -> None:
    """Unknown figures count for nothing; a window that is full has no estimate."""
    made = estimate(EMBEDDED, NOW_MS, (turn(*figures),), "", None)
    assert made == (None if figures[0] else Estimate(124_000, 413_600, 300))
