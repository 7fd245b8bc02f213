"""Connections as they are kept: rows of the app database, and the tables that the catalog reads.

A server is written down as `tiltyard.toml` would have it. Keys stay sealed here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

import msgspec
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from gateway.catalog_values import ListedProvider, Wire
from gateway.errors import BadRequest
from gateway.tables import ConnectionRow, ProviderKeyRow
from identity.sealing import Sealed, Sealer

INSTALLATION: Final = 0  # in `ProviderKeyRow.team_id`
LONGEST_KEY: Final = 4_096


@dataclass(frozen=True, slots=True)
class ConnectedModel:
    """`model` is the server's own name for it. Prices are dollars a million tokens, as text; "0" is free."""

    model: str
    context_tokens: int
    max_output_tokens: int
    input_usd_per_million: str = "0"
    output_usd_per_million: str = "0"


@dataclass(frozen=True, slots=True)
class Server:
    """A server to connect. `allow_private_address` is for one on this machine or its network."""

    id: str
    name: str
    base_url: str
    models: tuple[ConnectedModel, ...] = ()
    wire: str = "chat_completions"
    allow_private_address: bool = False

    def listed(self) -> ListedProvider:
        """As the catalog would list it, for a look before it is kept."""
        return ListedProvider(
            self.id,
            self.name,
            self.base_url.rstrip("/"),
            None,
            wire=cast(Wire, self.wire),  # judged when the catalog reads it
            allow_private_address=self.allow_private_address,
        )


@dataclass(frozen=True, slots=True)
class KeptServer:
    provider_id: str
    provider: Mapping[str, Any]
    models: Sequence[Mapping[str, Any]]
    created_ms: int


@dataclass(frozen=True, slots=True)
class KeptKey:
    provider_id: str
    sealed: Sealed
    hint: str
    created_ms: int


_CONNECTION = ConnectionRow.metadata.tables["connection"]
_PROVIDER_KEY = ProviderKeyRow.metadata.tables["provider_key"]


def provider_table(server: Server) -> dict[str, Any]:
    return {
        "name": server.name,
        "base_url": server.base_url.rstrip("/"),
        "wire": server.wire,
        "allow_private_address": server.allow_private_address,
    }


def model_table(server: Server, model: ConnectedModel) -> dict[str, Any]:
    return {
        "id": model_id(server.id, model.model),
        "name": model.model.rpartition("/")[2],
        "context_tokens": model.context_tokens,
        "max_output_tokens": min(model.max_output_tokens, model.context_tokens),
        "input_usd_per_million": model.input_usd_per_million,
        "output_usd_per_million": model.output_usd_per_million,
        "providers": [{"id": server.id, "model": model.model}],
    }


def model_id(provider_id: str, model: str) -> str:
    """The name here of a server's model: "meta-llama/Llama-3:8b" of "vllm" is "vllm/Llama-3:8b"."""
    name = re.sub(r"[^A-Za-z0-9._:-]+", "-", model.rpartition("/")[2]).lstrip("._:-")
    return f"{provider_id}/{name[:127] or 'model'}"


def tables_of(rows: Sequence[KeptServer]) -> dict[str, tuple[Any, Any]]:
    return {row.provider_id: (row.provider, row.models) for row in rows}


def read_kept(session: Session) -> tuple[tuple[KeptServer, ...], tuple[KeptKey, ...]]:
    rows = session.execute(select(_CONNECTION).order_by(_CONNECTION.c.created_ms)).all()
    keys = session.execute(
        select(_PROVIDER_KEY)
        .where(_PROVIDER_KEY.c.team_id == INSTALLATION)
        .order_by(_PROVIDER_KEY.c.created_ms)
    ).all()
    return (
        tuple(
            KeptServer(
                row.provider_id,
                msgspec.json.decode(row.provider_json),
                msgspec.json.decode(row.models_json),
                row.created_ms,
            )
            for row in rows
        ),
        tuple(
            KeptKey(key.provider_id, Sealed(key.sealed_with, bytes(key.sealed)), key.hint, key.created_ms)
            for key in keys
        ),
    )


def server_row(
    server: Server,
    provider: Mapping[str, Any],
    models: Sequence[Mapping[str, Any]],
    now_ms: int,
    by: int | None,
) -> ConnectionRow:
    return ConnectionRow(
        provider_id=server.id,
        provider_json=msgspec.json.encode(provider).decode(),
        models_json=msgspec.json.encode(models).decode(),
        created_ms=now_ms,
        created_by=by,
    )


def put_server(session: Session, provider_id: str, row: ConnectionRow | None) -> None:
    """Put a server in place of the one that was there; None takes it away."""
    session.execute(delete(ConnectionRow).where(_CONNECTION.c.provider_id == provider_id))
    if row is not None:
        session.add(row)


def key_row(
    sealer: Sealer, api_key: str, team_id: int, provider_id: str, now_ms: int, by: int | None
) -> ProviderKeyRow:
    sealed = sealer.seal(api_key, context_of(team_id, provider_id))
    return ProviderKeyRow(
        team_id=team_id,
        provider_id=provider_id,
        sealed=sealed.secret,
        sealed_with=sealed.sealed_with,
        hint=hint_of(api_key),
        created_ms=now_ms,
        created_by=by,
    )


def put_key(session: Session, team_id: int, provider_id: str, row: ProviderKeyRow | None) -> None:
    """Put a key in place of the one that was there; None takes it away."""
    own = (_PROVIDER_KEY.c.team_id == team_id) & (_PROVIDER_KEY.c.provider_id == provider_id)
    session.execute(delete(ProviderKeyRow).where(own))
    if row is not None:
        session.add(row)


def hint_of(api_key: str) -> str:
    """Enough to tell two keys apart, and nothing of a short one."""
    return f"...{api_key[-4:]}" if len(api_key) >= 20 else "..."


def plain_key(api_key: str | None) -> str | None:
    """A key as people paste it; None for nothing. Raises `BadRequest` for what no header could carry."""
    key = (api_key or "").strip()
    if len(key) > LONGEST_KEY or not key.isascii() or not key.isprintable():
        raise BadRequest("This is not a key: it has characters that none has.", "api_key")
    return key or None


def context_of(team_id: int, provider_id: str) -> str:
    """What a sealed key is bound to."""
    return f"team {team_id}, {provider_id}"
