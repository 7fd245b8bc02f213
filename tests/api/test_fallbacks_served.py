"""Two providers on loopback behind the real server: the second answers where the first fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.model_server import ModelServer
from tests.server import Server, nano_usd

_CONFIG = """\
[providers.first]
name = "First"
base_url = "{first}"
allow_private_address = true

[providers.second]
name = "Second"
base_url = "{second}"
allow_private_address = true

[[models]]
id = "lab/pair"
context_tokens = 32768
max_output_tokens = 4096
providers = [
  {{ id = "first", model = "tiny-1", input_usd_per_million = "1.00", output_usd_per_million = "2.00" }},
  {{ id = "second", model = "tiny-2", input_usd_per_million = "3.00", output_usd_per_million = "6.00" }},
]
"""
BODY: dict[str, Any] = {"model": "lab/pair", "messages": [{"role": "user", "content": "Hello"}]}


@pytest.fixture
def pair() -> Iterator[tuple[ModelServer, ModelServer]]:
    with ModelServer() as first, ModelServer() as second:
        yield first, second


def test_the_second_provider_answers_where_the_first_fails_and_everything_says_so(
    pair: tuple[ModelServer, ModelServer], start_tiltyard: Callable[..., Server]
) -> None:
    first, second = pair
    server = start_tiltyard(config=_CONFIG.format(first=first.base_url, second=second.base_url))
    with server.client() as client:
        usual = client.post("/v1/chat/completions", json=BODY)
        assert (usual.headers["x-provider"], usual.headers["x-attempts"]) == ("first", "1")
        asked = client.post("/v1/quote", json=BODY).json()["routing"]
        assert asked["words"] == "First then Second at $1.00 in, $2.00 out"

        first.answers = False
        for streamed in (False, True):
            saved = client.post("/v1/chat/completions", json={**BODY, "stream": streamed})
            assert saved.status_code == 200
            assert "hello from tiny-2" in saved.text
            assert "tiny-1" not in saved.text
            assert (saved.headers["x-provider"], saved.headers["x-attempts"]) == ("second", "2")
            assert (
                "first did not answer (ProviderRefused), so second was asked." in saved.headers["x-run-notes"]
            )
        run_id = saved.headers["x-run-id"]
        generation = client.get("/v1/generation", params={"id": run_id}).json()["data"]
        assert [(one["provider_name"], one["outcome"], one["status"]) for one in generation["attempts"]] == [
            ("first", "provider_fault", 500),
            ("second", "ok", None),
        ]
        # 10 tokens in at $3 a million and 4 out at $6: the price of the one that answered.
        assert -nano_usd(generation["entry"]["amount"]) == 10 * 3_000 + 4 * 6_000

        alone = client.post("/v1/chat/completions", json={**BODY, "provider": {"only": ["first"]}})
        assert alone.status_code == 502
        nobody = client.post("/v1/chat/completions", json={**BODY, "provider": {"zdr": True}})
        assert (nobody.status_code, nobody.json()["error"]["code"]) == (400, "no_provider_left")
        assert nobody.json()["error"]["dropped"] == [
            "lab/pair at first: it does not say that it keeps nothing.",
            "lab/pair at second: it does not say that it keeps nothing.",
        ]
        resting = client.post("/v1/quote", json=BODY).json()["routing"]  # it failed three times in a row
        assert resting["words"] == "Second then First at $3.00 in, $6.00 out"
        assert resting["candidates"][1]["standing"] == "resting"
        assert client.post("/v1/chat/completions", json=BODY).headers["x-attempts"] == "1"
        stormy = {**BODY, "model": "simulated/rate-limited", "models": ["simulated/steady"], "max_tokens": 2}
        calm = client.post("/v1/chat/completions", json=stormy)
        assert (calm.headers["x-model"], calm.headers["x-attempts"]) == ("simulated/steady", "2")
    assert server.credits()["held"] == 0
