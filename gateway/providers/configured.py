"""Which of the catalog's providers can be used here, and why the others cannot."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass

from gateway.catalog_values import ListedProvider
from gateway.providers.base import Provider
from gateway.providers.openai_compatible import OpenAICompatible
from gateway.providers.wire_chat_request import ChatDialect
from net.guard import UrlRefused


@dataclass(frozen=True, slots=True)
class Configured:
    """`absent` says in words a person can act on; `problems` are settings that can never work.

    `providers` and `absent` change while the process runs: `gateway/connections.py` adds and takes away.
    """

    providers: MutableMapping[str, Provider]
    absent: MutableMapping[str, str]
    problems: tuple[str, ...]


def configured(
    listed: tuple[ListedProvider, ...],
    environment: Mapping[str, str],
    built_in: Mapping[str, Provider | str],
) -> Configured:
    """`environment` holds the keys under the names that the catalog gives; `built_in` holds the providers
    of this installation by id, or why one is absent."""
    providers: dict[str, Provider] = {}
    absent: dict[str, str] = {}
    problems: list[str] = []
    for provider in listed:
        if provider.id in built_in:
            found = built_in[provider.id]
            if isinstance(found, str):
                absent[provider.id] = found
            else:
                providers[provider.id] = found
        elif provider.base_url is None:
            problems.append(f"providers.{provider.id}.base_url: is missing")
        elif provider.api_key_env and not environment.get(provider.api_key_env):
            absent[provider.id] = f"{provider.name} is not connected. Set {provider.api_key_env} and restart."
        else:
            key = environment.get(provider.api_key_env) if provider.api_key_env else None
            try:
                providers[provider.id] = provider_for(provider, key)
            except UrlRefused as error:
                problems.append(f"providers.{provider.id}.base_url: {error}")
    return Configured(providers, absent, tuple(problems))


def provider_for(listed: ListedProvider, api_key: str | None) -> Provider:
    """A way to call a listed provider that has a base URL. Raises `UrlRefused`."""
    assert listed.base_url is not None
    return OpenAICompatible(
        listed.id,
        listed.base_url,
        api_key,
        listed.wire,
        listed.allow_private_address,
        chat=ChatDialect(
            listed.output_limit_field, listed.asks_for_usage, frozenset(listed.chat_completions_take)
        ),
        key_header=listed.key_header,
        deployments=listed.deployments,
        api_version=listed.api_version,
    )
