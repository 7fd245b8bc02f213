"""OpenAI's SDK for Node, as npm has it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.clients.conftest import RunNode
from tests.clients.scripted import TEXT
from tests.clients.snippets import snippets
from tests.server import Server

SCENARIOS = """
import OpenAI from 'openai'
import { zodTextFormat } from 'openai/helpers/zod'
import { z } from 'zod'
const client = new OpenAI({ baseURL: 'http://localhost:8501/v1', maxRetries: 0 })
const model = 'lab/fast'
const messages = [{ role: 'user', content: 'Weather?' }]
const tools = [{ type: 'function', function: {
  name: 'weather', parameters: { type: 'object', properties: { city: { type: 'string' } } },
  function: async city => 'sunny', parse: JSON.parse,
} }]
const runner = client.chat.completions.runTools({ model, messages, tools })
const response = await client.responses.parse({
  model, input: 'Weather?',
  text: { format: zodTextFormat(z.object({ city: z.string(), degrees: z.number() }), 'weather') },
})
const pieces = []
for await (const event of client.responses.stream({ model, input: 'Why?' }))
  if (event.type === 'response.output_text.delta') pieces.push(event.delta)
let refused
try { await client.chat.completions.create({ model: 'lab/nothing', messages }) }
catch (error) { refused = [error.constructor.name, error.status, error.code] }
console.log(JSON.stringify({
  tool: await runner.finalContent(), parsed: response.output_parsed, streamed: pieces.join(''), refused,
}))
"""


@pytest.fixture(scope="module")
def told(server: Server, run_node: RunNode) -> Any:
    done = run_node(server, {"scenarios.mjs": SCENARIOS}, "scenarios.mjs")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_pages_snippet_runs(server: Server, run_node: RunNode) -> None:
    done = run_node(server, {"chat.mjs": snippets()["openai_chat.mjs"]}, "chat.mjs")
    assert done.stdout == TEXT, done.stderr


def test_tools_run_objects_are_parsed_and_responses_stream(told: Any) -> None:
    assert told["tool"] == "The tool said: sunny"
    assert told["parsed"] == {"city": "Oslo", "degrees": 21}
    assert told["streamed"] == TEXT


def test_an_unknown_model_is_the_sdks_own_error(told: Any) -> None:
    assert told["refused"] == ["NotFoundError", 404, "model_not_found"]
