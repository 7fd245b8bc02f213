"""Whatever a stranger sends as JSON is an answer, nothing, or an error of the provider's: never ours."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from gateway.errors import ProviderError
from gateway.messages import Finished, ReasoningDelta, TextDelta, ToolCallDelta, Usage
from gateway.providers.wire import Answer, read_error, refusal
from gateway.providers.wire_anthropic import AnthropicAnswer
from gateway.providers.wire_chat import ChatAnswer
from gateway.providers.wire_responses import ResponsesAnswer

# The wires' own words, so that the nonsense gets past the first look.
FIELDS = """choices delta content text type thinking reasoning_content refusal tool_calls index id function
name arguments finish_reason usage prompt_tokens completion_tokens total_tokens prompt_tokens_details
cached_tokens completion_tokens_details reasoning_tokens error message code param response item output
output_index
summary_index incomplete_details reason input_tokens output_tokens status
content_block partial_json signature citation stop_reason data summary encrypted_content action input custom
annotation annotations url_citation url cache_read_input_tokens"""
VALUES = """stop text thinking function_call error message 429 max_output_tokens response.completed
response.output_text.delta response.output_item.added response.output_item.done response.failed
response.function_call_arguments.delta response.incomplete response.reasoning_summary_text.delta
message_start message_delta message_stop content_block_start content_block_delta content_block_stop error
tool_use server_tool_use redacted_thinking text_delta input_json_delta end_turn custom_tool_call
local_shell_call web_search_call reasoning response.output_text.annotation.added url_citation"""
NAMES = st.sampled_from(FIELDS.split())
WORDS = st.sampled_from(VALUES.split())
ATOMS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | WORDS
)
JSON = st.recursive(
    ATOMS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES | st.just("type"), inner, max_size=5),
)
CHUNK = st.fixed_dictionaries(
    {},
    optional={
        "choices": st.lists(
            st.fixed_dictionaries({}, optional={"delta": JSON, "finish_reason": ATOMS, "index": ATOMS}),
            max_size=2,
        ),
        "usage": JSON,
        "error": JSON,
    },
)
EVENT = st.fixed_dictionaries(
    {"type": WORDS},
    optional={
        "delta": ATOMS | JSON,
        "index": ATOMS,
        "content_block": JSON,
        "annotation": JSON,
        "item": JSON,
        "response": JSON,
        "output_index": ATOMS,
        "error": JSON,
    },
)


@pytest.mark.parametrize("kind", [ChatAnswer, ResponsesAnswer, AnthropicAnswer])
@settings(max_examples=150, deadline=None)
@given(frames=st.lists(CHUNK | EVENT | JSON, max_size=4))
def test_any_json_is_an_event_or_a_providers_error(
    kind: type[ChatAnswer | ResponsesAnswer | AnthropicAnswer], frames: list[Any]
) -> None:
    answer: Answer = kind("lab")
    try:
        events = [
            event for frame in frames for event in answer.take(json.dumps(frame).encode())
        ] + answer.end()
    except ProviderError:
        return
    for event in events:
        match event:
            case TextDelta(text) | ReasoningDelta(text):
                assert isinstance(text, str)
                text.encode()  # no halves of characters
            case ToolCallDelta():
                assert isinstance(event.arguments, str)
            case Usage():
                assert all(
                    isinstance(count, int) for count in (event.input, event.output, event.cached_input)
                )
            case Finished(reason):
                assert reason in ("stop", "length", "tool_calls", "content_filter", "error")


@settings(max_examples=150, deadline=None)
@given(body=st.binary(max_size=60) | JSON.map(lambda value: json.dumps({"error": value}).encode()))
def test_any_error_body_becomes_one_short_sentence_of_ours(body: bytes) -> None:
    error = refusal("lab", 400, read_error(body))
    assert str(error).startswith("The p")
    assert len(str(error)) < 220
    assert str(error).isascii()
