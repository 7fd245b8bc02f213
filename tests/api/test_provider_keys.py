"""A team's own provider keys, over HTTP."""

from __future__ import annotations

from tests.api.conftest import World

KEY = "sk-openai-key-of-this-team-0001"


async def test_a_key_is_put_listed_by_its_end_and_removed(world: World) -> None:
    async with world.client() as client:
        put = await client.put("/v1/provider-keys/openai", json={"api_key": KEY, "falls_back": True})
        assert put.status_code == 200
        listed = (await client.get("/v1/provider-keys")).json()["data"]
        assert listed == [put.json()]
        assert listed[0] | {"created_at": ""} == {
            "provider": "openai",
            "key_ends_with": "0001",
            "falls_back": True,
            "created_at": "",
            "problem": None,
        }
        assert KEY not in put.text
        assert (await client.delete("/v1/provider-keys/openai")).status_code == 204
        assert (await client.get("/v1/provider-keys")).json()["data"] == []


async def test_what_cannot_be_a_key_is_refused_by_name(world: World) -> None:
    async with world.client() as client:
        for path, body, param in (
            ("openai", {"api_key": ""}, "api_key"),
            ("openai", {"api_key": "a\nb"}, "api_key"),
            ("openai", {"key": KEY}, "api_key"),
            ("openai", b"{", "api_key"),
            ("nobody", {"api_key": KEY}, "provider"),
            ("embedded", {"api_key": KEY}, "provider"),
        ):
            sent = {"content": body} if isinstance(body, bytes) else {"json": body}
            refused = await client.put(f"/v1/provider-keys/{path}", **sent)
            assert (refused.status_code, refused.json()["error"]["param"]) == (400, param)
        assert (await client.delete("/v1/provider-keys/openai")).status_code == 400


async def test_nobody_without_a_credential_sees_or_puts_keys(world: World) -> None:
    for method, path in (("GET", "/v1/provider-keys"), ("PUT", "/v1/provider-keys/openai")):
        assert (await world.caller().ask(method, path, b"{}", key="")).status == 401
