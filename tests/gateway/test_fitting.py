from dataclasses import fields, replace

import pytest

from gateway.catalog import Catalog, Model
from gateway.catalog_values import SamplingField
from gateway.errors import BadRequest, Unsupported
from gateway.fitting import fit
from gateway.messages import (
    AnyTool,
    CompletionRequest,
    Effort,
    FilePart,
    HostedTool,
    ImagePart,
    Message,
    Sampling,
    Tool,
)
from gateway.providers.base import Wire

HELLO = (Message.of("user", "Hello"),)


def model(**changes: object) -> Model:
    known = Catalog.load().get("embedded/smollm2-135m")
    return replace(known, **changes)  # type: ignore[arg-type]


def test_what_the_model_takes_goes_through_untouched() -> None:
    request = CompletionRequest("x", HELLO, Sampling(temperature=0.5))
    assert fit(request, model(sampling=(SamplingField("temperature", 0, 2),))) == (request, ())


def test_a_field_the_model_lacks_is_left_out_and_named() -> None:
    request = CompletionRequest("x", HELLO, Sampling(temperature=0.5, stop=("END",)))
    fitted, notes = fit(request, model(sampling=()))
    assert fitted.sampling == Sampling()
    assert [note.split()[0] for note in notes] == ["temperature", "stop"]


def test_a_value_beyond_the_models_range_is_bounded_and_said() -> None:
    request = CompletionRequest("x", HELLO, Sampling(temperature=1.7))
    fitted, notes = fit(request, model(sampling=(SamplingField("temperature", 0, 1),)))
    assert fitted.sampling.temperature == 1
    assert notes == ("temperature was set to 1, the nearest that SmolLM2 135M takes.",)


@pytest.mark.parametrize(
    ("asked", "has", "sent"),
    [
        ("xhigh", ("low", "high"), "high"),
        ("minimal", ("low", "high"), "low"),
        ("none", ("low", "medium"), "low"),
        ("medium", ("low", "high"), "low"),  # as near to both: the cheaper
        ("max", ("none", "low", "medium", "high", "xhigh"), "xhigh"),
    ],
)
def test_an_effort_the_model_does_not_have_becomes_the_nearest(
    asked: Effort, has: tuple[str, ...], sent: str
) -> None:
    request = CompletionRequest("x", HELLO, Sampling(effort=asked))
    fitted, notes = fit(request, model(sampling=(SamplingField("effort", choices=has),)))
    assert fitted.sampling.effort == sent
    assert notes == (f"effort was set to {sent}, the nearest that SmolLM2 135M takes.",)


def test_the_cap_on_output_is_never_the_models_to_drop() -> None:
    request = CompletionRequest("x", HELLO, Sampling(max_output_tokens=7))
    assert fit(request, model(sampling=()))[0].sampling.max_output_tokens == 7


@pytest.mark.parametrize(
    ("request_", "param"),
    [
        (CompletionRequest("x", (Message("user", (ImagePart("data:image/png;base64,AA=="),)),)), "messages"),
        (CompletionRequest("x", HELLO, tools=(Tool("look_up"),)), "tools"),
        (CompletionRequest("x", HELLO, response_format={"type": "json_schema"}), "response_format"),
    ],
)
def test_what_would_change_the_meaning_is_refused_by_name(request_: CompletionRequest, param: str) -> None:
    with pytest.raises(Unsupported) as refused:
        fit(request_, model(features=frozenset({"streaming"})))
    assert refused.value.param == param


def test_a_request_without_a_message_is_refused() -> None:
    with pytest.raises(BadRequest, match="no message"):
        fit(CompletionRequest("x", ()), model())


# --- by the wire of the route -----------------------------------------------------------------------

CLAUDE = Catalog.load().get("anthropic/claude-opus-5")
ALWAYS = Catalog.load().get("anthropic/claude-opus-5.5")
LUNA = Catalog.load().get("openai/gpt-6-luna")
SEARCH, SHELL, LOOK_UP = HostedTool("web_search"), HostedTool("local_shell"), Tool("look_up")


def asking(**asked: object) -> CompletionRequest:
    return CompletionRequest("x", HELLO, **asked)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wire", "lost"),
    [
        ("chat_completions", {"reasoning_summary", "reasoning_tokens"}),
        ("responses", {"stop", "seed", "top_k", "presence_penalty", "reasoning_tokens"}),
        ("anthropic_messages", {"seed", "presence_penalty", "verbosity"}),
    ],
)
def test_what_a_wire_has_no_field_for_is_left_out_with_a_note(wire: Wire, lost: set[str]) -> None:
    everything = Sampling(
        stop=("END",), seed=1, top_k=3, presence_penalty=1.0, verbosity="low", reasoning_summary="auto",
        reasoning_tokens=2000,
    )  # fmt: skip
    takes_all = replace(LUNA, sampling=tuple(SamplingField(field.name) for field in fields(Sampling)))
    fitted, notes = fit(asking(sampling=everything), takes_all, wire)
    assert {note.split()[0] for note in notes} == lost
    assert all(getattr(fitted.sampling, name) == getattr(Sampling(), name) for name in lost)
    kept = {"stop", "seed", "top_k", "presence_penalty", "verbosity", "reasoning_summary", "reasoning_tokens"}
    assert all(getattr(fitted.sampling, name) == getattr(everything, name) for name in kept - lost)


def test_a_stop_of_white_space_is_left_out_where_it_is_refused() -> None:
    fitted, notes = fit(asking(sampling=Sampling(stop=("\n", "END"))), CLAUDE, "anthropic_messages")
    assert fitted.sampling.stop == ("END",)
    assert notes[0].startswith("stop lost")


def test_a_tool_that_nobody_runs_is_left_out_while_others_remain() -> None:
    fitted, notes = fit(asking(tools=(SEARCH, LOOK_UP, SHELL), max_tool_calls=3), LUNA, "chat_completions")
    assert fitted.tools == (LOOK_UP, SHELL)
    assert fitted.max_tool_calls is None
    assert notes[0] == (
        "The tool web_search was left out: GPT-6 Luna is asked over chat completions, where nobody runs it."
    )
    for wire, chosen in (("responses", LUNA), ("anthropic_messages", CLAUDE)):
        assert fit(asking(tools=(SEARCH, LOOK_UP)), chosen, wire)[0].tools == (SEARCH, LOOK_UP)  # type: ignore[arg-type]


def test_a_tool_of_the_providers_that_has_no_price_is_left_out_while_others_remain() -> None:
    free = replace(LUNA, prices=tuple(replace(price, tool_fees=None) for price in LUNA.prices))
    fitted, notes = fit(asking(tools=(SEARCH, LOOK_UP)), free, "responses")
    assert fitted.tools == (LOOK_UP,)
    assert notes == (
        "The tool web_search was left out: GPT-6 Luna has no price for calls of web_search here.",
    )
    with pytest.raises(Unsupported, match="has no price for calls of web_search"):
        fit(asking(tools=(SEARCH,)), free, "responses")


@pytest.mark.parametrize(
    ("tools", "choice"), [((SEARCH,), None), ((SEARCH, LOOK_UP), {"type": "web_search"})]
)
def test_a_tool_that_nobody_runs_and_that_is_needed_is_refused_by_name(
    tools: tuple[AnyTool, ...], choice: object
) -> None:
    with pytest.raises(Unsupported, match="'web_search' cannot be used") as refused:
        fit(asking(tools=tools, tool_choice=choice), LUNA, "chat_completions")
    assert refused.value.param == "tools"


def test_a_claude_that_decides_itself_cannot_be_made_to_call_a_tool() -> None:
    asked = asking(tools=(LOOK_UP,), tool_choice="required")
    assert fit(asked, CLAUDE, "anthropic_messages") == (asked, ())
    with pytest.raises(Unsupported) as refused:
        fit(asked, ALWAYS, "anthropic_messages")
    assert refused.value.param == "tool_choice"


def test_a_response_format_is_native_or_a_tool_or_refused() -> None:
    schema, plain = {"type": "json_schema"}, {"type": "json_object"}
    fit(asking(response_format=schema), ALWAYS, "anthropic_messages")
    fit(asking(response_format=plain), CLAUDE, "anthropic_messages")
    for model_, tools in ((ALWAYS, ()), (CLAUDE, (LOOK_UP,))):
        with pytest.raises(Unsupported) as refused:
            fit(asking(response_format=plain, tools=tools), model_, "anthropic_messages")
        assert refused.value.param == "response_format"


def test_files_are_taken_by_what_and_where_they_are() -> None:
    def sent(url: str, media_type: str, wire: Wire) -> None:
        message = Message("user", (FilePart(url, media_type),))
        fit(CompletionRequest("x", (message,)), CLAUDE, wire)

    sent("https://example.com/a.pdf", "application/pdf", "anthropic_messages")
    sent("data:text/plain,x", "text/plain", "anthropic_messages")
    for wire in ("chat_completions", "responses"):
        with pytest.raises(Unsupported):
            sent("data:text/plain,x", "text/plain", wire)
    with pytest.raises(Unsupported, match="not by link"):
        sent("https://example.com/a.pdf", "application/pdf", "chat_completions")


def test_a_model_that_embeds_answers_no_prompt() -> None:
    with pytest.raises(Unsupported) as refused:
        fit(asking(), Catalog.load().get("openai/text-embedding-3-small"))
    assert refused.value.param == "model"
