"""The request on the page as a program would send it: curl, Python, AI SDK. The texts are pure.

They name this installation's address and read the key from `$TILTYARD_API_KEY`; no key is ever shown.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping
from typing import Any, Final

import streamlit as st

from components import words
from gateway.messages import CompletionRequest, Message, Sampling

KEY: Final = "TILTYARD_API_KEY"

# Our words to the wire's: OpenAI's chat completions, and the AI SDK's call options.
_WIRE: Final = {
    "max_output_tokens": "max_completion_tokens",
    "temperature": "temperature",
    "top_p": "top_p",
    "frequency_penalty": "frequency_penalty",
    "presence_penalty": "presence_penalty",
    "seed": "seed",
    "stop": "stop",
    "effort": "reasoning_effort",
}
_AI_SDK: Final = {
    "max_output_tokens": "maxOutputTokens",
    "temperature": "temperature",
    "top_p": "topP",
    "frequency_penalty": "frequencyPenalty",
    "presence_penalty": "presencePenalty",
    "seed": "seed",
    "stop": "stopSequences",
}


def show(request: CompletionRequest, base_url: str) -> None:
    with (
        st.popover(words.CODE, icon=":material/code:", key="code", wrap=False),
        st.container(key="snippets"),
    ):
        st.caption(words.SNIPPET_NOTE)
        tabs = st.tabs(list(LANGUAGES))
        for tab, (make, language) in zip(tabs, LANGUAGES.values(), strict=True):
            tab.code(make(request, base_url), language=language, wrap_lines=True)


def curl(request: CompletionRequest, base_url: str) -> str:
    body = json.dumps({**_body(request), "stream": True}, ensure_ascii=False, indent=2)
    return (
        f"curl -N {shlex.quote(base_url + '/v1/chat/completions')} \\\n"
        f'  -H "Authorization: Bearer ${KEY}" \\\n'
        '  -H "Content-Type: application/json" \\\n'
        f"  -d {shlex.quote(body)}"
    )


def python(request: CompletionRequest, base_url: str) -> str:
    arguments = "".join(f"    {name}={value!r},\n" for name, value in _settings(request, _WIRE).items())
    messages = "".join(f"        {message!r},\n" for message in _messages(request.messages))
    return (
        "import os\n\n"
        "from openai import OpenAI\n\n"
        f'client = OpenAI(base_url={_double(base_url + "/v1")}, api_key=os.environ["{KEY}"])\n'
        "stream = client.chat.completions.create(\n"
        f"    model={_double(request.model)},\n"
        f"    messages=[\n{messages}    ],\n"
        f"{arguments}"
        "    stream=True,\n"
        ")\n"
        "for chunk in stream:\n"
        "    if chunk.choices:\n"
        '        print(chunk.choices[0].delta.content or "", end="", flush=True)\n'
    )


def prompt(base_url: str, name: str, label: str | None, no: int) -> str:
    """How a program asks for a version of a saved prompt: by its label, else by its number."""
    asked = f"label={label}" if label is not None else f"version={no}"
    return (
        f'curl {shlex.quote(f"{base_url}/v1/prompts/{name}?{asked}")} \\\n  -H "Authorization: Bearer ${KEY}"'
    )


def ai_sdk(request: CompletionRequest, base_url: str) -> str:
    settings = "".join(
        f"  {name}: {_double(value)},\n" for name, value in _settings(request, _AI_SDK).items()
    )
    if request.sampling.effort is not None:
        effort = _double(request.sampling.effort)
        settings += f"  providerOptions: {{ tiltyard: {{ reasoningEffort: {effort} }} }},\n"
    messages = "".join(
        f"    {{ role: {_double(message['role'])}, content: {_double(message['content'])} }},\n"
        for message in _messages(request.messages)
    )
    return (
        "import { createOpenAICompatible } from '@ai-sdk/openai-compatible';\n"
        "import { streamText } from 'ai';\n\n"
        "const tiltyard = createOpenAICompatible({\n"
        "  name: 'tiltyard',\n"
        f"  baseURL: {_double(base_url + '/v1')},\n"
        f"  apiKey: process.env.{KEY},\n"
        "});\n\n"
        "const { textStream } = streamText({\n"
        f"  model: tiltyard({_double(request.model)}),\n"
        f"  messages: [\n{messages}  ],\n"
        f"{settings}"
        "});\n\n"
        "for await (const text of textStream) process.stdout.write(text);\n"
    )


LANGUAGES: Final[Mapping[str, tuple[Callable[[CompletionRequest, str], str], str]]] = {
    "curl": (curl, "bash"),
    "Python": (python, "python"),
    "AI SDK": (ai_sdk, "typescript"),
}


def _body(request: CompletionRequest) -> dict[str, Any]:
    return {
        "model": request.model,
        "messages": _messages(request.messages),
        **_settings(request, _WIRE),
    }


def _messages(messages: tuple[Message, ...]) -> list[dict[str, str]]:
    return [{"role": message.role, "content": message.text} for message in messages]


def _settings(request: CompletionRequest, names: Mapping[str, str]) -> dict[str, Any]:
    """What differs from leaving it to the model, under the names of that wire."""
    left_alone = Sampling()
    found: dict[str, Any] = {}
    for ours, theirs in names.items():
        value = getattr(request.sampling, ours)
        if value != getattr(left_alone, ours):
            found[theirs] = list(value) if isinstance(value, tuple) else value
    return found


def _double(value: Any) -> str:
    """A JSON literal, which Python and JavaScript read alike for texts, numbers and lists of them."""
    return json.dumps(value, ensure_ascii=False)
