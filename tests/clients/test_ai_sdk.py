"""The AI SDK, its releases 7, 6 and 5 as npm has them, against the protocol of their gateway provider."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from tests.clients.conftest import HERE, RunNode
from tests.clients.scripted import PIECES, TEXT, THOUGHT, Scripted
from tests.clients.snippets import snippets
from tests.server import Server

COST_USD = "0.000032000"  # 12 tokens at $1.00 and 5 at $4.00 a million
# As the model's page has it.
LITERAL = """\
import { streamText } from 'ai'
const result = streamText({ model: 'openai/codex-mini', prompt: 'Why is the sky blue?'})
"""
RELEASES = {"ai": "/v3/ai", "ai-7": "/v4/ai", "ai-5": "/v1/ai"}


class Told:
    """What became of each scenario of ai_sdk.mjs, in one release."""

    def __init__(self, said: dict[str, Any]) -> None:
        self._said = said

    def result(self, scenario: str) -> Any:
        told = self._said[scenario]
        assert "result" in told, told
        return told["result"]

    def error(self, scenario: str) -> Any:
        told = self._said[scenario]
        assert "error" in told, told
        return told


@pytest.fixture(scope="module", params=RELEASES)
def told(request: pytest.FixtureRequest, server: Server, run_node: RunNode) -> Told:
    script = (HERE / "ai_sdk.mjs").read_text()
    done = run_node(server, {"ai_sdk.mjs": script}, "ai_sdk.mjs", request.param, RELEASES[request.param])
    assert done.returncode == 0, done.stderr
    return Told(json.loads(done.stdout.splitlines()[-1]))


def test_an_answer_streams_piece_by_piece_and_says_what_it_cost(told: Told) -> None:
    streamed = told.result("streamed")
    assert tuple(streamed["pieces"]) == PIECES
    assert (streamed["usage"]["inputTokens"], streamed["usage"]["outputTokens"]) == (12, 5)
    assert (streamed["finish"], streamed["model"]) == ("stop", "lab/fast")
    assert streamed["metadata"]["gateway"]["cost"] == COST_USD


def test_an_answer_comes_whole(told: Told) -> None:
    whole = told.result("whole")
    assert (whole["text"], whole["usage"]["totalTokens"]) == (TEXT, 17)
    assert whole["metadata"]["gateway"]["cost"] == COST_USD


def test_a_thought_is_told_apart_and_comes_back_to_its_maker_with_its_seal(
    told: Told, scripted: Scripted
) -> None:
    assert told.result("thinking") == {"text": TEXT, "reasoning": THOUGHT}
    assert told.result("sealed") == {"text": TEXT, "reasoning": THOUGHT}
    second = [asked.body for asked in scripted.asked if "dusk" in json.dumps(asked.body)][-1]
    thoughts = [item for item in second["input"] if item.get("type") == "reasoning"]
    assert [thought["encrypted_content"] for thought in thoughts] == ["sealed-thought"]


def test_a_tool_is_called_and_its_result_answered(told: Told) -> None:
    assert told.result("tools") == {
        "text": "The tool said: sunny in Oslo",
        "steps": 2,
        "calls": [{"city": "Oslo"}],
    }
    streamed = told.result("streamedTools")
    assert streamed["text"] == "The tool said: sunny in Oslo"
    assert {"tool-input-start", "tool-call", "tool-result", "finish"} <= set(streamed["kinds"])


def test_an_object_fits_its_schema_and_an_image_is_sent(told: Told, scripted: Scripted) -> None:
    assert told.result("object") == {"city": "Oslo", "degrees": 21}
    assert told.result("image") == {"text": TEXT}
    assert any("data:image/png;base64,iVBOR" in json.dumps(asked.body) for asked in scripted.asked)


def test_texts_become_vectors(told: Told) -> None:
    embedded = told.result("embedded")
    assert len(embedded["lengths"]) == 2
    assert embedded["lengths"][0] == embedded["lengths"][1] > 0
    assert embedded["usage"]["tokens"] > 0


def test_where_a_provider_is_busy_the_fallback_that_was_asked_for_answers(told: Told) -> None:
    routed = told.result("routed")
    assert routed["text"] == TEXT
    assert routed["routing"] == {
        "originalModelId": "lab/busy",
        "resolvedModelId": "lab/native",
        "finalProvider": "labr",
    }


def test_models_credits_a_generation_and_a_report_are_read_by_the_sdk_itself(told: Told) -> None:
    model = told.result("models")
    assert model["pricing"] == {"input": "0.000001", "output": "0.000004"}
    credits = told.result("credits")
    assert Decimal(credits["balance"]) + Decimal(credits["totalUsed"]) == Decimal(5)
    generation = told.result("generation")
    assert generation["info"]["id"] == generation["id"]
    assert generation["info"]["totalCost"] == float(generation["cost"]) == float(COST_USD)
    assert (generation["info"]["promptTokens"], generation["info"]["providerName"]) == (12, "lab")
    rows = {row["model"]: row for row in told.result("report")["results"]}
    assert rows["lab/fast"]["requestCount"] >= 5
    assert rows["lab/fast"]["totalCost"] == pytest.approx(rows["lab/fast"]["requestCount"] * float(COST_USD))


@pytest.mark.parametrize(
    ("scenario", "name", "status"),
    [
        ("retired", "GatewayModelNotFoundError", 410),
        ("unknown", "GatewayModelNotFoundError", 404),
        ("unknownStreamed", "GatewayModelNotFoundError", 404),
        ("limited", "GatewayRateLimitError", 429),
        ("broke", "GatewayForbiddenError", 402),
        ("tooMuch", "GatewayInvalidRequestError", 400),
        ("stranger", "GatewayAuthenticationError", None),  # the SDK words it anew, without a status
    ],
)
def test_a_refusal_arrives_as_the_sdks_own_error(
    told: Told, scenario: str, name: str, status: int | None
) -> None:
    error = told.error(scenario)
    assert error["error"] == name
    assert error.get("retryable", False) == (scenario == "limited")
    assert error.get("status") == status
    if scenario == "retired":
        assert error["modelId"] == "openai/codex-mini"
        assert "gpt-5-codex-mini" in error["message"]


# --- the literal snippet, three ways ---------------------------------------------------------------


def literally(server: Server, run_node: RunNode) -> tuple[str, str]:
    """What the page's two lines print, and what they complain of, when only the base URL is another."""
    page = snippets()
    app = page["app.mjs"]
    assert app.startswith(LITERAL)
    files = {"tiltyard.mjs": page["tiltyard.mjs"], "app.mjs": app}
    done = run_node(server, files, "--import", "./tiltyard.mjs", "app.mjs")
    return done.stdout, done.stderr


def test_the_literal_snippet_is_refused_while_its_model_is_retired(server: Server, run_node: RunNode) -> None:
    said, complained = literally(server, run_node)
    assert said == ""
    assert "GatewayModelNotFoundError" in complained
    assert "was retired on 2026-02-12. Use 'openai/gpt-5-codex-mini' instead." in complained


def test_the_literal_snippet_is_answered_where_the_operator_says_who_serves_it(
    serving_codex_mini: Server, run_node: RunNode, scripted: Scripted
) -> None:
    assert literally(serving_codex_mini, run_node)[0] == TEXT
    assert scripted.asked[-1].body["model"] == "codex-mini-latest"


def test_the_literal_snippet_is_answered_by_the_stand_in(
    standing_in: Server, run_node: RunNode, scripted: Scripted
) -> None:
    said, complained = literally(standing_in, run_node)
    assert said.startswith(TEXT)
    assert "lab/fast answers for openai/codex-mini, which was retired." in complained
    assert scripted.asked[-1].body["model"] == "fast"
