"""Names in the text of a blind battle, and how its prompt's language is told."""

from __future__ import annotations

import random

import pytest

from battles.language import language_of
from battles.masking import Growing, Mask
from gateway.catalog import Catalog
from tests.battles.ring import catalog_tables


@pytest.fixture(scope="module")
def mask() -> Mask:
    return Mask(Catalog.load(catalog_tables()).models())


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("I am ChatGPT, a model by OpenAI.", "I am [model], a model by [maker]."),
        ("I'm **Claude** 3.5 Sonnet, made by Anthropic.", "I'm **[model], made by [maker]."),
        ("As Gemini-3.8-Flash, trained by Google, I", "As [model], trained by [maker], I"),
        ("GPT-4.1 mini, gpt\u20115.1 codex mini, GPT 4o-mini", "[model], [model], [model]"),
        ("deepseek-ai/DeepSeek-V4-Pro", "[maker]/[model]"),
        ("o4-mini and o3", "[model] and [model]"),
        ("SmolLM2-135M-Instruct from Hugging Face", "[model] from [maker]"),
        ("Mistral AI's Mistral Medium 3.5", "[maker]'s [model]"),
        ("llama-3.1-70b, qwen2.5:7b, GLM-5.3", "[model], [model], [model]"),
        ("My name is Alpha One, of North.", "My name is [model], of [maker]."),
    ],
)
def test_a_model_that_names_itself_is_not_heard(mask: Mask, said: str, shown: str) -> None:
    assert mask.whole(said) == shown


@pytest.mark.parametrize(
    "text",
    [
        "The Amazon rainforest, a haiku and a sonnet: meta, apple pie, the O3 layer, the Sol system.",
        "Google it; grids, egpt, gptx, smolagents, clauded, 4.1 mini.",
        "A mini opus for a large codec in terra incognita, luna, pro bono.",
    ],
)
def test_words_that_name_nobody_stand(mask: Mask, text: str) -> None:
    assert mask.whole(text) == text


def test_a_text_that_grows_is_masked_as_a_whole_one_and_never_taken_back(mask: Mask) -> None:
    words = ["the", "of", "Claude", "GPT-4.1", "mini", "answer", "by Google", "42", "Alpha", "One", "smollm2"]
    dice = random.Random(7)
    for _ in range(20):
        whole = " ".join(dice.choice(words) for _ in range(150))
        growing, shown, at = Growing(mask), "", 0
        while at < len(whole):
            at = min(len(whole), at + dice.randint(1, 30))
            growing.advance(whole[:at], ended=False)
            assert growing.text.startswith(shown)
            shown = growing.text
        growing.advance(whole, ended=True)
        assert growing.text == mask.whole(whole)
        assert growing.length == len(growing.text)
        assert growing.text.startswith(shown)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("What is the capital of France?", "en"),
        ("Was ist die Hauptstadt von Frankreich?", "de"),
        ("Quelle est la capitale de la France ?", "fr"),
        ("¿Cuál es la capital de Francia?", "es"),
        ("Qual è la capitale della Francia?", "it"),
        ("フランスの首都はどこですか", "ja"),
        ("法国的首都是哪里", "zh"),
        ("Какая столица это и почему?", "ru"),
        ("SELECT a, b FROM t WHERE c = 1", None),
        ("ok", None),
        ("", None),
    ],
)
def test_the_language_of_a_prompt_is_told_where_it_can_be(text: str, language: str | None) -> None:
    assert language_of(text) == language
