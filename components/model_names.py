"""A model's name for its id, also where the catalog no longer has it."""

from __future__ import annotations

from collections.abc import Callable

from gateway.catalog import Catalog


def of(catalog: Catalog) -> Callable[[str], str]:
    names = {model.id: model.name for model in catalog.models()}
    return lambda model_id: names.get(model_id, model_id)
