"""What pages show that people know other products by: each fact of docs/seeds.md is on its page."""

from __future__ import annotations

import pytest

from components import model_facts as facts, model_words as say
from gateway.catalog_values import ENDPOINTS
from tests.pages import reading
from tests.pages.conftest import OpenPage
from tests.pages.fakes import World
from tests.server import ROOT

CODEX_MINI = (
    "Codex Mini", "by OpenAI, released 2025-05-16", "openai/codex-mini", "streamText",
    "wire_api = \"responses\"",
    "Performance: Higher", "Speed: Medium", "$1.50", "$0.375", "$6.00", "200,000", "100,000", "2024-06-01",
    "Retired on 2026-02-12. Its successor is openai/gpt-5-codex-mini.", "Local shell tool",
    "codex-mini-latest", "$0.024", "Autonomous bug fixes", "Deep architectural reasoning",
    '"order": ["openai"]', '"only": ["openai"]', "policies/services-agreement", say.TIERS, say.EU_AI_ACT,
    "Keys of providers stay on the server", "a series of its own", "against checks at once",
    "$TILTYARD_API_KEY", "1. Make a key", "3. Check what comes back", "What is it best at?",
    "Does it run what it writes?", "differ?", "a gateway does not offer it for this model", say.MAKER_ALONE,
    "8,000 tokens in and 2,000 out cost $0.024", "It has ended: begin with openai/gpt-5-codex-mini.",
    say.TRANSFERS, say.TRAINING_DATA, say.PARAMETERS, say.OWN_MACHINES, "150,000,000", "Audio",
    *(facts.named(name) for name in ENDPOINTS), "Distillation", "Predicted outputs", "Fine-tuning",
    "5.1 Codex Mini", say.MAKE_A_KEY,
)  # fmt: skip
GPT_5_1_CODEX_MINI = (
    "GPT-5.1 Codex Mini", "400,000", "$0.25", "$2.00", "Code review on every pull request",
    "Complex refactoring", "a review gives $0.00 for input and output",
    "a review calls the window undisclosed and likely below 32,000", say.RETENTION, say.WATCH,
    "a gateway offers it for direct requests, not with own keys", "Bug fixes with clear steps", "Boilerplate",
    "Unit and integration tests", "Critical audits", "Work that is not coding", say.TRANSFERS,
    "Retired on 2026-07-23", say.STEPS.splitlines()[2],
)  # fmt: skip


@pytest.mark.parametrize(
    ("model", "shown"),
    [("openai/codex-mini", CODEX_MINI), ("openai/gpt-5.1-codex-mini", GPT_5_1_CODEX_MINI)],
)
def test_a_models_page_shows_what_the_seeds_show(
    world: World, open_page: OpenPage, model: str, shown: tuple[str, ...]
) -> None:
    at = open_page("models.py", model=model)
    drawn = [reading.texts(at), *(each.proto.label for each in at.get("page_link"))]
    said = "\n".join([*drawn, *(each.label for each in at.expander)]).replace("\\$", "$")
    assert [fact for fact in shown if fact not in said] == []


def test_each_section_that_the_table_names_is_one_of_the_pages() -> None:
    table = (ROOT / "docs" / "seeds.md").read_text(encoding="utf-8")
    for section in (
        say.ABOUT, say.USE, say.TRY, say.PROVIDERS, say.BEST_FOR, say.CONSIDER, say.PRICE, say.VERSIONS,
        say.CAPABILITIES, say.FEATURE, say.LIMITS, say.NAMES, say.DATA, say.QUESTIONS, say.REVIEW, say.WATCH,
        say.SOURCES, say.OTHERS_SAY, say.MORE_BY, say.FEES,
    ):  # fmt: skip
        assert section in table, section
