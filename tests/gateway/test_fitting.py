from dataclasses import replace

import pytest

from gateway.catalog import Catalog, Model
from gateway.catalog_values import SamplingField
from gateway.errors import BadRequest, Unsupported
from gateway.fitting import fit
from gateway.messages import CompletionRequest, Effort, ImagePart, Message, Sampling, Tool

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
