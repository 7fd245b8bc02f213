"""The three prompts of the empty page, put to the embedded model itself."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from components import asking
from components.starters import STARTERS
from gateway.messages import CompletionRequest, Sampling, TextDelta
from gateway.providers.base import Call, Clocks, Deadlines
from gateway.providers.embedded import Embedded

pytestmark = pytest.mark.embedded

# Slow machines are common; a wrong answer is not. Greedy, so that it is the same one each time.
PATIENT = Deadlines(connect_s=5, first_token_s=60, idle_s=30, total_s=90)
GREEDY = asking.Settings("embedded/smollm2-135m", "", Sampling(temperature=0.0))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def model() -> AsyncIterator[Embedded]:
    made = Embedded()
    await made.start()
    yield made
    await made.close()


def request(starter_id: str) -> CompletionRequest:
    (starter,) = (each for each in STARTERS if each.id == starter_id)
    return asking.ask_after(GREEDY, starter.before, starter.prompt)


async def answer(model: Embedded, starter_id: str, most_tokens: int) -> str:
    call = Call("run_1", "smollm2-135m", request(starter_id), most_tokens, Clocks(0), PATIENT)
    return "".join([event.text async for event in model.stream(call) if isinstance(event, TextDelta)])


@pytest.mark.slow
@pytest.mark.asyncio(loop_scope="module")
async def test_the_function_that_it_writes_finds_palindromes(model: Embedded) -> None:
    said = await answer(model, "palindrome", 120)
    code = said.split("```python\n")[1].split("```")[0]
    assert code.strip().splitlines()[-1].strip() == "return s == s[::-1]"


@pytest.mark.slow
@pytest.mark.asyncio(loop_scope="module")
async def test_it_knows_why_the_sky_is_blue(model: Embedded) -> None:
    said = await answer(model, "sky", 60)
    assert "Rayleigh scattering" in said


@pytest.mark.asyncio(loop_scope="module")
async def test_with_two_examples_it_turns_a_sentence_into_json(model: Embedded) -> None:
    said = await answer(model, "extract", 40)
    assert json.loads(said) == {"name": "Lena Fischer", "city": "Oslo", "year": 2019}
