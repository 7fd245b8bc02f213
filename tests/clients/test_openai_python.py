"""OpenAI's Python SDK, as it is, on both of its wires."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import openai
import pytest
from openai.types.chat import ChatCompletionToolParam
from openai.types.responses import ToolParam
from pydantic import BaseModel

from tests.clients.scripted import CITY, TEXT, THOUGHT, Scripted
from tests.server import API_KEY, Server

COST_NANO_USD = 32_000  # 12 tokens at $1.00 and 5 at $4.00 a million
CITY_SCHEMA: dict[str, object] = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
CHAT_TOOL: ChatCompletionToolParam = {
    "type": "function",
    "function": {"name": "weather", "description": "The weather in a city", "parameters": CITY_SCHEMA},
}
TOOL: ToolParam = {
    "type": "function",
    "name": "weather",
    "description": "The weather in a city",
    "parameters": CITY_SCHEMA,
    "strict": True,
}
ON_EITHER_WIRE = pytest.mark.parametrize("model", ["lab/fast", "lab/native"])


class Weather(BaseModel):
    city: str
    degrees: int


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key=API_KEY, max_retries=0) as client:
        yield client


@pytest.mark.parametrize("name", ["openai_chat.py", "openai_responses.py"])
def test_the_pages_snippet_runs(
    run_snippet: Callable[[str], str], name: str, spent: Callable[[], int]
) -> None:
    assert run_snippet(name).splitlines() == [TEXT, "cost 0.000032000"]
    assert spent() == COST_NANO_USD


# --- chat completions --------------------------------------------------------------------------


@ON_EITHER_WIRE
def test_a_chat_is_answered_whole_and_streamed(
    client: openai.OpenAI, model: str, spent: Callable[[], int]
) -> None:
    whole = client.chat.completions.create(model=model, messages=[{"role": "user", "content": "Why?"}])
    assert whole.choices[0].message.content == TEXT
    assert whole.usage is not None
    assert (whole.usage.prompt_tokens, whole.usage.completion_tokens) == (12, 5)
    stream = client.chat.completions.create(
        model=model,
        messages=[{"role": "user", "content": "Why?"}],
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = list(stream)
    said = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    assert "".join(said) == TEXT
    assert len([piece for piece in said if piece]) == 3
    usage = chunks[-1].usage
    assert usage is not None
    assert usage.total_tokens == 17
    assert spent() == 2 * COST_NANO_USD


async def test_the_asynchronous_client_streams_too(server: Server) -> None:
    async with openai.AsyncOpenAI(base_url=f"{server.url}/v1", api_key=API_KEY) as client:
        async with client.chat.completions.stream(
            model="lab/fast", messages=[{"role": "user", "content": "Why?"}]
        ) as stream:
            said = [event.delta async for event in stream if event.type == "content.delta"]
        answer = await client.responses.create(model="lab/fast", input="Why?")
    assert "".join(said) == TEXT
    assert answer.output_text == TEXT


@ON_EITHER_WIRE
def test_a_chat_is_parsed_into_a_model_of_pydantic(client: openai.OpenAI, model: str) -> None:
    answer = client.chat.completions.parse(
        model=model, messages=[{"role": "user", "content": "Weather?"}], response_format=Weather
    )
    assert answer.choices[0].message.parsed == Weather(city="Oslo", degrees=21)


@ON_EITHER_WIRE
def test_a_chats_tool_is_called_and_answered(client: openai.OpenAI, model: str) -> None:
    first = client.chat.completions.create(
        model=model, messages=[{"role": "user", "content": "Weather?"}], tools=[CHAT_TOOL]
    )
    said = first.choices[0].message
    assert first.choices[0].finish_reason == "tool_calls"
    assert said.tool_calls is not None
    call = said.tool_calls[0]
    assert call.type == "function"
    assert (call.function.name, call.function.arguments) == ("weather", CITY)
    second = client.chat.completions.create(
        model=model,
        tools=[CHAT_TOOL],
        messages=[
            {"role": "user", "content": "Weather?"},
            said.model_dump(exclude_none=True),  # type: ignore[list-item]  # sent back as it came
            {"role": "tool", "tool_call_id": call.id, "content": "sunny"},
        ],
    )
    assert second.choices[0].message.content == "The tool said: sunny"


# --- responses ---------------------------------------------------------------------------------


@ON_EITHER_WIRE
def test_a_response_is_answered_whole_and_streamed(
    client: openai.OpenAI, model: str, spent: Callable[[], int]
) -> None:
    whole = client.responses.create(model=model, input="Why?")
    assert (whole.status, whole.output_text) == ("completed", TEXT)
    assert whole.usage is not None
    assert (whole.usage.input_tokens, whole.usage.output_tokens) == (12, 5)
    with client.responses.stream(model=model, input="Why?") as stream:
        events = list(stream)
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == TEXT
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert events[-1].type == "response.completed"
    assert spent() == 2 * COST_NANO_USD


@pytest.mark.parametrize("model", ["lab/thinker", "lab/native-thinker"])
def test_a_response_has_its_thoughts_apart(client: openai.OpenAI, model: str) -> None:
    answer = client.responses.create(
        model=model, input="Why?", reasoning={"effort": "low", "summary": "auto"}
    )
    thoughts = [item for item in answer.output if item.type == "reasoning"]
    assert "".join(part.text for part in thoughts[0].summary) == THOUGHT
    assert answer.output_text == TEXT


@ON_EITHER_WIRE
def test_a_response_is_parsed_into_a_model_of_pydantic(client: openai.OpenAI, model: str) -> None:
    answer = client.responses.parse(model=model, input="Weather?", text_format=Weather)
    assert answer.output_parsed == Weather(city="Oslo", degrees=21)


@ON_EITHER_WIRE
def test_a_responses_tool_is_called_and_answered(client: openai.OpenAI, model: str) -> None:
    first = client.responses.create(model=model, input="Weather?", tools=[TOOL])
    calls = [item for item in first.output if item.type == "function_call"]
    assert [(call.name, call.arguments) for call in calls] == [("weather", CITY)]
    second = client.responses.create(
        model=model,
        tools=[TOOL],
        input=[
            {"role": "user", "content": "Weather?"},
            {"type": "function_call", "call_id": calls[0].call_id, "name": "weather", "arguments": CITY},
            {"type": "function_call_output", "call_id": calls[0].call_id, "output": "sunny"},
        ],
    )
    assert second.output_text == "The tool said: sunny"


@ON_EITHER_WIRE
def test_a_response_is_gone_on_from_by_its_id_read_again_and_forgotten(
    client: openai.OpenAI, scripted: Scripted, model: str
) -> None:
    first = client.responses.create(model=model, input="Weather?", tools=[TOOL], store=True)
    (call,) = [item for item in first.output if item.type == "function_call"]
    scripted.asked.clear()
    second = client.responses.create(
        model=model,
        tools=[TOOL],
        previous_response_id=first.id,
        input=[{"type": "function_call_output", "call_id": call.call_id, "output": "sunny"}],
    )
    assert second.output_text == "The tool said: sunny"
    assert "Weather?" in str(scripted.asked[0].body)
    again = client.responses.retrieve(first.id)
    assert (again.output, again.tools) == (first.output, first.tools)
    asked = client.responses.input_items.list(second.id, order="asc")
    assert [item.type for item in asked] == ["message", "function_call", "function_call_output"]
    client.responses.delete(first.id)
    assert client.responses.retrieve(first.id).output == []
    with pytest.raises(openai.NotFoundError):
        client.responses.create(model=model, input="Go on.", previous_response_id=first.id)


def test_a_sealed_thought_goes_back_to_its_maker_by_id_or_by_hand(
    client: openai.OpenAI, scripted: Scripted
) -> None:
    model = "lab/native-thinker"
    first = client.responses.create(model=model, input="Why?", include=["reasoning.encrypted_content"])
    (thought,) = [item for item in first.output if item.type == "reasoning"]
    assert thought.encrypted_content
    again = client.responses.retrieve(first.id, include=["reasoning.encrypted_content"])
    assert again.output == first.output
    by_hand: Any = [
        {"role": "user", "content": "Why?"},
        *(item.model_dump() for item in first.output),
        {"role": "user", "content": "And then?"},
    ]
    scripted.asked.clear()
    client.responses.create(model=model, input="And then?", previous_response_id=first.id)
    client.responses.create(model=model, input=by_hand)
    for request in scripted.asked:
        (sent,) = [item for item in request.body["input"] if item.get("type") == "reasoning"]
        assert sent["encrypted_content"] == thought.encrypted_content


# --- refusals ----------------------------------------------------------------------------------


def test_refusals_arrive_as_the_sdks_own_errors(client: openai.OpenAI) -> None:
    def ask(model: str, client: openai.OpenAI = client, text: str = "Why?") -> None:
        client.chat.completions.create(model=model, messages=[{"role": "user", "content": text}])

    with pytest.raises(openai.NotFoundError):
        ask("lab/nothing")
    with pytest.raises(openai.RateLimitError):
        ask("lab/busy")
    with pytest.raises(openai.AuthenticationError):
        ask("lab/fast", client.with_options(api_key="ty_" + "x" * 40))
    with pytest.raises(openai.APIStatusError) as retired:
        ask("openai/codex-mini")
    assert retired.value.status_code == 410
    with pytest.raises(openai.APIStatusError) as broke:
        ask("lab/gold", text="Why? " * 1_000)
    assert broke.value.status_code == 402


def test_models_are_listed(client: openai.OpenAI) -> None:
    models = {model.id: model for model in client.models.list()}
    assert models["lab/fast"].owned_by == "lab"
    assert client.models.retrieve("lab/fast").id == "lab/fast"


def test_what_an_answer_cost_is_what_the_ledger_says(client: openai.OpenAI, server: Server) -> None:
    answer = client.chat.completions.create(model="lab/fast", messages=[{"role": "user", "content": "Why?"}])
    assert answer.usage is not None
    cost = Decimal(answer.usage.cost)  # type: ignore[attr-defined]  # ours beside OpenAI's counts
    entry = server.get("/v1/generation", params={"id": answer.id}).json()["data"]["entry"]
    assert Decimal(entry["amount"]) == -cost == -Decimal("0.000032")
