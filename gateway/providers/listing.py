"""What a server offers: its list of models, and which servers run on this machine. Nothing is kept.

A list is read leniently: OpenAI's `GET /models` in the forms that OpenAI, Anthropic, vLLM, LM Studio,
llama.cpp and Ollama give it. What a server says in prose is never repeated.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec

from gateway.catalog_values import ListedProvider
from gateway.errors import ProviderBroke, ProviderError, ProviderUnreachable
from gateway.providers.wire import read_error, refusal
from net.guard import check_url

if TYPE_CHECKING:
    import aiohttp

_LIST_S = 10.0
_LOCAL_S = 1.5
_MOST_BYTES = 4 * 1024 * 1024
MOST_MODELS: Final = 1_000

# Where each listens unless told otherwise.
LOCAL_SERVERS: Final[Mapping[str, str]] = {
    "Ollama": "http://127.0.0.1:11434/v1",
    "LM Studio": "http://127.0.0.1:1234/v1",
    "vLLM": "http://127.0.0.1:8000/v1",
    "llama.cpp": "http://127.0.0.1:8080/v1",
}


@dataclass(frozen=True, slots=True)
class OfferedModel:
    """`context_tokens` where the server says it."""

    id: str
    context_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class FoundServer:
    name: str
    base_url: str
    models: tuple[OfferedModel, ...]


class _Meta(msgspec.Struct):
    n_ctx_train: int | None = None


class _Entry(msgspec.Struct):
    id: str
    max_model_len: int | None = None  # vLLM
    max_context_length: int | None = None  # LM Studio
    context_length: int | None = None  # OpenRouter
    context_window: int | None = None  # Groq
    meta: _Meta | None = None  # llama.cpp

    @property
    def context_tokens(self) -> int | None:
        trained = self.meta.n_ctx_train if self.meta else None
        said = (self.max_model_len, self.max_context_length, self.context_length, self.context_window)
        return next((tokens for tokens in (*said, trained) if tokens is not None and tokens > 0), None)


class _List(msgspec.Struct):
    data: list[_Entry] | None = None


_LIST = msgspec.json.Decoder(_List)


async def list_models(listed: ListedProvider, api_key: str | None) -> tuple[OfferedModel, ...]:
    """What the server says it has, by id. Raises `ProviderError`, and `UrlRefused` for its address."""
    assert listed.base_url is not None
    check_url(listed.base_url, allow_private_address=listed.allow_private_address)
    # Imported where it is wanted: it is 10 MB of a process.
    import aiohttp

    from net.guarded_client import guarded_connector

    connector = guarded_connector(allow_private_address=listed.allow_private_address)
    timeout = aiohttp.ClientTimeout(total=_LIST_S)
    try:
        async with aiohttp.ClientSession(
            connector=connector, timeout=timeout, trust_env=False, cookie_jar=aiohttp.DummyCookieJar()
        ) as session:
            return await _listed(session, listed, _headers(listed, api_key))
    except TimeoutError as error:
        raise ProviderUnreachable(listed.id, f"The server did not answer within {_LIST_S:g} s.") from error
    except (aiohttp.ClientError, OSError) as error:
        raise ProviderUnreachable(listed.id, "No server takes a connection at this address.") from error


async def find_local(servers: Mapping[str, str] = LOCAL_SERVERS) -> tuple[FoundServer, ...]:
    """Servers that answer on this machine now, all asked at once. Only when somebody asks for it."""
    return tuple(
        found
        for found in await asyncio.gather(*(_found(name, url) for name, url in servers.items()))
        if found is not None
    )


async def _found(name: str, base_url: str) -> FoundServer | None:
    listed = ListedProvider("local", name, base_url, None, allow_private_address=True)
    try:
        async with asyncio.timeout(_LOCAL_S):
            models = await list_models(listed, None)
    except (TimeoutError, ProviderError):
        return None
    return FoundServer(name, base_url, models)


def _headers(listed: ListedProvider, api_key: str | None) -> dict[str, str]:
    headers = {"Accept": "application/json", "User-Agent": "Tiltyard"}
    if api_key is None:
        return headers
    if str(listed.wire) == "anthropic_messages":
        return {**headers, "x-api-key": api_key, "anthropic-version": "2023-06-01"}
    return {**headers, "Authorization": f"Bearer {api_key}"}


async def _listed(
    session: aiohttp.ClientSession, listed: ListedProvider, headers: Mapping[str, str]
) -> tuple[OfferedModel, ...]:
    address = f"{listed.base_url}/models"
    async with session.get(address, headers=headers, allow_redirects=False) as response:
        body = await response.content.read(_MOST_BYTES)
        if response.status != 200:
            raise refusal(listed.id, response.status, read_error(body))
    try:
        entries = _LIST.decode(body).data
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        entries = None
    if entries is None:
        raise ProviderBroke(listed.id, "The server answered, but not with a list of models.", status=200)
    offered = {entry.id: OfferedModel(entry.id, entry.context_tokens) for entry in entries[:MOST_MODELS]}
    return tuple(offered[name] for name in sorted(offered, key=str.lower))
