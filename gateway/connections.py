"""Models and keys that people connect in the page, live at once and without a restart.

Two kinds: a server of one's own (its address, its models, perhaps a key), and a key for a provider that
the catalog knows. A server becomes tables as `tiltyard.toml` would have them, so that both are read and
checked by the same code; what the operator's file or environment says comes first and is not touched.
Every process that shares the database has a change within `FRESH_S`. Keys are sealed at rest. A team's
own keys are `provider_keys.py`'s.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from sqlalchemy.orm import Session

from gateway.catalog import Catalog, CatalogError, CatalogOverrides, ListedProvider
from gateway.catalog_reading import BUILT_IN, PROVIDER_ID
from gateway.connection_tables import (
    INSTALLATION,
    KeptKey,
    KeptServer,
    Server,
    context_of,
    key_row,
    model_table,
    plain_key,
    provider_table,
    put_key,
    put_server,
    read_kept,
    server_row,
    tables_of,
)
from gateway.errors import BadRequest
from gateway.messages import CompletionRequest, Finished, Message, Sampling, TextDelta
from gateway.providers.base import Call, Clocks, Deadlines, Provider
from gateway.providers.configured import provider_for
from gateway.providers.listing import OfferedModel, list_models
from gateway.tables import ProviderKeyRow
from identity.audit_log import note
from identity.principal import Principal
from identity.sealing import NotOpened, Sealer
from net.guard import UrlRefused
from store.databases import Database

_log = logging.getLogger(__name__)

FRESH_S: Final = 5.0
PROVIDER_KEY: Final = "provider-key"  # the purpose that keys are sealed for
_TEST_TOKENS: Final = 16
_TEST_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Connection:
    """What is connected in the page; `key_hint` is the end of its key, `problem` why it does not work."""

    provider_id: str
    name: str
    base_url: str | None
    models: tuple[str, ...]
    key_hint: str | None
    created_ms: int
    problem: str | None = None


@dataclass(slots=True)
class _Known:
    rows: tuple[KeptServer, ...] = ()
    keys: tuple[KeptKey, ...] = ()
    problems: dict[str, str] = field(default_factory=dict)


class Connections:
    """`providers` and `absent` are those that routing reads: both are changed in place, on the loop."""

    def __init__(
        self,
        database: Database,
        sealer: Sealer,
        catalog: Catalog,
        overrides: CatalogOverrides,
        providers: MutableMapping[str, Provider],
        absent: MutableMapping[str, str],
    ) -> None:
        self._database = database
        self._sealer = sealer
        self._catalog = catalog
        self._overrides = overrides
        self._providers = providers
        self._absent = absent
        self._fixed = frozenset(providers) | frozenset(overrides.providers)
        self._absent_at_start = dict(absent)
        self._known = _Known()
        self._let_go: list[Provider] = []
        self._turn = asyncio.Lock()

    async def open(self) -> None:
        await self.refresh()

    async def close(self) -> None:
        for provider_id in {*tables_of(self._known.rows), *(key.provider_id for key in self._known.keys)}:
            self._drop(provider_id)
        for provider in self._let_go:
            await provider.close()

    async def keep_fresh(self) -> None:
        """Other processes connect and disconnect too."""
        while True:
            await asyncio.sleep(FRESH_S)
            try:
                await self.refresh()
            except Exception:
                _log.exception("connections could not be read; the next look tries again")

    # --- what is there --------------------------------------------------------------------------

    def all(self) -> tuple[Connection, ...]:
        known = self._known
        hints = {key.provider_id: key for key in known.keys}
        servers = [
            Connection(
                row.provider_id,
                str(row.provider.get("name", row.provider_id)),
                str(row.provider.get("base_url", "")),
                tuple(str(model["id"]) for model in row.models),
                hints[row.provider_id].hint if row.provider_id in hints else None,
                row.created_ms,
                known.problems.get(row.provider_id),
            )
            for row in known.rows
        ]
        own = {row.provider_id for row in known.rows}
        return (*servers, *(self._of_key(key) for key in known.keys if key.provider_id not in own))

    def connectable(self) -> tuple[ListedProvider, ...]:
        """Providers of the catalog that only lack a key."""
        return tuple(
            provider
            for provider in self._catalog.providers()
            if provider.api_key_env and provider.id not in self._providers
        )

    def _of_key(self, key: KeptKey) -> Connection:
        listed = self._catalog.provider(key.provider_id)
        models = tuple(
            model.id
            for model in self._catalog.models()
            if any(route.provider == key.provider_id for route in model.providers)
        )
        return Connection(
            key.provider_id,
            listed.name if listed else key.provider_id,
            listed.base_url if listed else None,
            models,
            key.hint,
            key.created_ms,
            self._known.problems.get(key.provider_id),
        )

    # --- looking, before anything is kept -------------------------------------------------------

    async def offered(self, listed: ListedProvider, api_key: str | None) -> tuple[OfferedModel, ...]:
        """Raises `BadRequest` for an address that may not be called, and `ProviderError`."""
        try:
            return await list_models(listed, plain_key(api_key))
        except UrlRefused as error:
            raise BadRequest(f"{error}.", "base_url") from error

    async def try_out(self, listed: ListedProvider, api_key: str | None, model: str) -> str:
        """A few tokens of a model, straight from the server: does the key work, does it answer? It is
        the provider's own charge, if any; our ledger does not know of it.

        Raises `BadRequest` and `ProviderError`.
        """
        try:
            provider = provider_for(listed, plain_key(api_key))
        except UrlRefused as error:
            raise BadRequest(f"{error}.", "base_url") from error
        try:
            return await _first_words(provider, listed, model)
        finally:
            await provider.close()

    # --- connecting -----------------------------------------------------------------------------

    async def connect_server(self, server: Server, api_key: str | None, by: Principal) -> None:
        """Keep a server and its models. What was connected before under that id stays, but for models of
        the same name; without a key, so does the key, unless the address is another (a key goes only where
        whoever entered it meant it to). Raises `BadRequest`."""
        tables = provider_table(server), self._models_with(server)
        self._refuse_what_is_taken(server)
        self._checked({**tables_of(self._known.rows), server.id: tables})
        row = server_row(server, *tables, _now_ms(), by.user_id)
        moved = any(
            row.provider_id == server.id and row.provider["base_url"] != tables[0]["base_url"]
            for row in self._known.rows
        )
        key = self._row_of(server.id, plain_key(api_key), by.user_id)

        def keep(session: Session) -> None:
            put_server(session, server.id, row)
            if key is not None or moved:
                put_key(session, INSTALLATION, server.id, key)
            models = [model.model for model in server.models]
            told = {"host": urlsplit(server.base_url).hostname, "models": models, "key": key is not None}
            note(session, "catalog_changed", by=by, subject=server.id, detail=told)

        await self._database.write(keep)
        await self.refresh()

    async def connect_known(self, provider_id: str, api_key: str, by: Principal) -> None:
        """Keep a key for a provider that the catalog knows. Raises `BadRequest`."""
        listed = self._catalog.provider(provider_id)
        if listed is None or listed.base_url is None:
            raise BadRequest("There is no such provider in the catalog.", "provider")
        if provider_id in self._fixed:
            raise BadRequest(f"{listed.name} is connected by this server's own settings.", "provider")
        key = self._row_of(provider_id, plain_key(api_key), by.user_id)
        if key is None:
            raise BadRequest("Enter a key.", "api_key")

        def keep(session: Session) -> None:
            put_key(session, INSTALLATION, provider_id, key)
            note(session, "catalog_changed", by=by, subject=provider_id, detail={"hint": key.hint})

        await self._database.write(keep)
        await self.refresh()

    async def disconnect(self, provider_id: str, by: Principal) -> None:
        """Runs that are under way go on; new ones find nobody there."""

        def forget(session: Session) -> None:
            put_server(session, provider_id, None)
            put_key(session, INSTALLATION, provider_id, None)
            note(session, "catalog_changed", by=by, subject=provider_id, detail={"removed": True})

        await self._database.write(forget)
        await self.refresh()

    # --- making it so ---------------------------------------------------------------------------

    async def refresh(self) -> None:
        """Read what is connected, and change the catalog and the providers where that is news."""
        async with self._turn:
            rows, keys = await self._database.read(read_kept)
            if (rows, keys) != (self._known.rows, self._known.keys):
                self._apply(rows, keys)

    def _apply(self, rows: tuple[KeptServer, ...], keys: tuple[KeptKey, ...]) -> None:
        before, known = self._known, _Known(rows, keys)
        usable = tables_of(rows)
        while True:
            try:
                catalog = Catalog.load(self._with(usable))
                break
            except CatalogError as error:  # the operator's file has changed around it since
                culprit = next(iter(usable))
                known.problems[culprit] = error.problems[0]
                del usable[culprit]
        self._catalog.adopt(catalog)
        self._known = known
        gone = {row.provider_id for row in before.rows} | {key.provider_id for key in before.keys}
        for provider_id in gone:
            self._drop(provider_id)
        for provider_id in {*usable, *(key.provider_id for key in keys)} - self._fixed:
            self._add(provider_id, next((key for key in keys if key.provider_id == provider_id), None))

    def _drop(self, provider_id: str) -> None:
        if provider_id in self._fixed:
            return
        provider = self._providers.pop(provider_id, None)
        if provider is not None:
            self._let_go.append(provider)  # its streams go on; closed when the process ends
        if provider_id in self._absent_at_start:
            self._absent[provider_id] = self._absent_at_start[provider_id]
        else:
            self._absent.pop(provider_id, None)

    def _add(self, provider_id: str, key: KeptKey | None) -> None:
        listed = self._catalog.provider(provider_id)
        if listed is None or listed.base_url is None:
            return
        try:
            secret = (
                None if key is None else self._sealer.open(key.sealed, context_of(INSTALLATION, provider_id))
            )
            self._providers[provider_id] = provider_for(listed, secret)
        except (NotOpened, UrlRefused) as error:
            self._known.problems[provider_id] = str(error)
            self._absent[provider_id] = f"{listed.name} is connected, but its key is of no use. {error}"
        else:
            self._absent.pop(provider_id, None)

    # --- checking -------------------------------------------------------------------------------

    def _checked(self, tables: Mapping[str, tuple[Any, Any]]) -> None:
        try:
            Catalog.load(self._with(tables))
        except CatalogError as error:
            raise BadRequest(error.problems[0]) from error

    def _with(self, tables: Mapping[str, tuple[Any, Any]]) -> CatalogOverrides:
        """The operator's tables, and over the catalog's own those of the page beneath them."""
        operators = {str(model.get("id")) for model in self._overrides.models}
        models = [
            model for _, listed in tables.values() for model in listed if str(model["id"]) not in operators
        ]
        providers = {provider_id: table for provider_id, (table, _) in tables.items()}
        return CatalogOverrides(
            {**providers, **self._overrides.providers},
            [*models, *self._overrides.models],
            self._overrides.stand_ins,
        )

    def _models_with(self, server: Server) -> list[Mapping[str, Any]]:
        added = [model_table(server, model) for model in server.models]
        names = {model["id"] for model in added}
        before = [model for row in self._known.rows if row.provider_id == server.id for model in row.models]
        return [*(model for model in before if model["id"] not in names), *added]

    def _refuse_what_is_taken(self, server: Server) -> None:
        if not re.fullmatch(PROVIDER_ID, server.id) or server.id in BUILT_IN:
            raise BadRequest("An id has small letters, digits, `-` and `_`.", "id")
        ours = {row.provider_id for row in self._known.rows}
        if server.id not in ours and self._catalog.provider(server.id) is not None:
            raise BadRequest(f"There is a provider {server.id!r} already; choose another id.", "id")
        if not server.models:
            raise BadRequest("Choose at least one model.", "models")

    def _row_of(self, provider_id: str, api_key: str | None, by: int | None) -> ProviderKeyRow | None:
        if api_key is None:
            return None
        return key_row(self._sealer, api_key, INSTALLATION, provider_id, _now_ms(), by)


async def _first_words(provider: Provider, listed: ListedProvider, model: str) -> str:
    request = CompletionRequest(
        model, (Message.of("user", "Say hello."),), Sampling(max_output_tokens=_TEST_TOKENS)
    )
    clocks = Clocks(accepted_ns=time.monotonic_ns())
    call = Call("run_test", model, request, _TEST_TOKENS, clocks, Deadlines(total_s=_TEST_S), listed.wire)
    said: list[str] = []
    ended = False
    async with asyncio.timeout(_TEST_S):
        async for event in provider.stream(call):
            match event:
                case TextDelta(text):
                    said.append(text)
                case Finished():
                    ended = True
    if not ended:
        raise BadRequest("The server answered, but not to the end.", "base_url")
    return "".join(said)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
