"""Who can answer for a model here: its routes whose provider is configured, in the catalog's order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.catalog import Catalog, Model, Route
from gateway.errors import ModelUnavailable
from gateway.providers.base import Provider


@dataclass(frozen=True, slots=True)
class Candidate:
    provider: Provider
    route: Route


class Routing:
    """`providers` by id; `absent` says for an id why it is not there, in words a person can act on."""

    def __init__(
        self, catalog: Catalog, providers: Mapping[str, Provider], absent: Mapping[str, str]
    ) -> None:
        self._catalog = catalog
        self._providers = providers
        self._absent = absent

    def candidates(self, model: Model, snapshot: str | None = None) -> tuple[Candidate, ...]:
        """Never empty. Raises `ModelUnavailable`."""
        found = tuple(
            Candidate(self._providers[route.provider], route)
            for route in self._catalog.routes(model, snapshot)
            if route.provider in self._providers
        )
        if not found:
            raise ModelUnavailable(model.id, self._why(model))
        return found

    def why_not(self, model: Model) -> str | None:
        """Why nobody answers for this model here; None where somebody does."""
        if any(route.provider in self._providers for route in model.providers):
            return None
        return self._why(model)

    def _why(self, model: Model) -> str:
        for route in model.providers:
            if route.provider in self._absent:
                return self._absent[route.provider]
        return "no provider is known to serve it."
