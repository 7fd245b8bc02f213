"""The code on the page asks exactly what the page asks: our own API reads it back."""

from __future__ import annotations

import ast
import json
import shlex
from typing import Any, ClassVar

import pytest

from api.wire import openai_chat
from components import code_snippets
from gateway.messages import CompletionRequest, Message, Sampling

BASE = "https://tilt.example"
TRICKY = 'It\'s "quoted", $HOME, `ls`, \\n and\na line; \N{LINE SEPARATOR} </script> ${x} \N{SNOWMAN}'
PLAIN = CompletionRequest("embedded/smollm2-135m", (Message.of("user", "Why is the sky blue?"),))
FULL = CompletionRequest(
    "openai/gpt-5.4-mini",
    (
        Message.of("system", "Be short."),
        Message.of("user", TRICKY),
        Message.of("assistant", "Yes."),
        Message.of("user", "Why?"),
    ),
    Sampling(
        max_output_tokens=300,
        temperature=0.7,
        top_p=0.9,
        frequency_penalty=-0.5,
        presence_penalty=0.25,
        seed=7,
        stop=("END", "\n\n"),
        effort="low",
    ),
)
REQUESTS = pytest.mark.parametrize("request_", [PLAIN, FULL], ids=["plain", "full"])


@REQUESTS
def test_the_shell_sends_what_is_on_the_page(request_: CompletionRequest) -> None:
    words = shlex.split(code_snippets.curl(request_, BASE))
    assert words[:3] == ["curl", "-N", f"{BASE}/v1/chat/completions"]
    assert "Authorization: Bearer $TILTYARD_API_KEY" in words
    asked = openai_chat.read(words[words.index("-d") + 1].encode())
    assert asked.request == request_
    assert asked.streamed


def test_the_shell_puts_the_key_in_itself() -> None:
    """In double quotes, so that the shell fills it in; the body is in single quotes, so that it does not."""
    snippet = code_snippets.curl(FULL, BASE)
    assert '"Authorization: Bearer $TILTYARD_API_KEY"' in snippet
    assert "'{" in snippet


class _Completions:
    def __init__(self) -> None:
        self.asked: dict[str, Any] = {}

    def create(self, **arguments: Any) -> list[Any]:
        self.asked = arguments
        return []


class _Client:
    """What the snippet takes for the SDK's client."""

    made: ClassVar[list[_Client]] = []

    def __init__(self, *, base_url: str, api_key: str) -> None:
        self.base_url, self.api_key = base_url, api_key
        self.completions = _Completions()
        self.chat = self
        _Client.made.append(self)


@REQUESTS
def test_python_sends_what_is_on_the_page(
    request_: CompletionRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(code_snippets.KEY, "ty_test")
    code = code_snippets.python(request_, BASE)
    code = code.replace("from openai import OpenAI\n", "")
    exec(compile(code, "snippet", "exec"), {"OpenAI": _Client})
    client = _Client.made.pop()
    assert (client.base_url, client.api_key) == (f"{BASE}/v1", "ty_test")
    asked = openai_chat.read(json.dumps(client.completions.asked).encode())
    assert asked.request == request_
    assert asked.streamed


def test_python_is_of_one_style() -> None:
    tree = ast.parse(code_snippets.python(FULL, BASE))
    assert [type(node).__name__ for node in tree.body] == ["Import", "ImportFrom", "Assign", "Assign", "For"]


@REQUESTS
def test_the_ai_sdk_is_told_the_same(request_: CompletionRequest) -> None:
    code = code_snippets.ai_sdk(request_, BASE)
    assert f'baseURL: "{BASE}/v1"' in code
    assert f'model: tiltyard("{request_.model}")' in code
    for message in request_.messages:
        role, content = json.dumps(message.role), json.dumps(message.text, ensure_ascii=False)
        assert f"{{ role: {role}, content: {content} }}" in code


def test_the_ai_sdk_has_names_of_its_own_for_settings() -> None:
    code = code_snippets.ai_sdk(FULL, BASE)
    for line in (
        "maxOutputTokens: 300",
        "temperature: 0.7",
        "topP: 0.9",
        "frequencyPenalty: -0.5",
        "presencePenalty: 0.25",
        "seed: 7",
        'stopSequences: ["END", "\\n\\n"]',
        'providerOptions: { tiltyard: { reasoningEffort: "low" } }',
    ):
        assert line in code


@pytest.mark.parametrize("make", [code_snippets.curl, code_snippets.python, code_snippets.ai_sdk])
def test_a_setting_left_to_the_model_is_not_named(make: Any) -> None:
    snippet = make(PLAIN, BASE)
    for name in ("temperature", "top_p", "topP", "seed", "stop", "max"):
        assert name not in snippet
