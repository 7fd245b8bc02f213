"""Which models there are, what they cost and can do, and who serves them.

The data lies beside this module in `catalog/*.toml`, every fact with its source and day; an operator's
tables lie over it (docs/catalog.md). A catalog is read whole or not at all, and nothing is fetched. It
changes while the process runs only by `adopt`, when somebody connects a server in the page. Whether a
provider can be used here (its key is set, its child runs) is decided elsewhere.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from gateway.catalog_reading import (
    BUILT_IN,
    PROVIDER_ID,
    Tables,
    model_of,
    overlaid,
    overlaid_model,
    provider_of,
)
from gateway.catalog_values import ListedProvider, Model, Price, Route
from gateway.errors import RetiredModel, UnknownModel

__all__ = [
    "Catalog",
    "CatalogError",
    "CatalogOverrides",
    "ListedProvider",
    "Model",
    "Price",
    "Resolution",
    "Route",
]

_DATA = Path(__file__).with_name("catalog")
_LONGEST_NAME = 200  # of a model that someone asks for: what is longer is cut before it is compared


class CatalogError(Exception):
    """`problems` names everything that is wrong with the catalog and the operator's tables."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True)
class CatalogOverrides:
    """The tables `providers`, `models` and `stand_ins` of `tiltyard.toml`, as TOML gives them."""

    providers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    models: Sequence[Mapping[str, Any]] = ()
    stand_ins: Mapping[str, str] = field(default_factory=dict)


class Resolution(msgspec.Struct, frozen=True):
    """The model that answers for the name that was asked for.

    `stand_in_for` is the id of the retired model it answers for; `snapshot` the pinned version that
    was asked for, which only some routes have.
    """

    model: Model
    asked: str
    stand_in_for: str | None = None
    snapshot: str | None = None


@dataclass(frozen=True, slots=True)
class _Content:
    """All of a catalog, in one value: whoever reads it while another is adopted sees the one or the other."""

    models: Mapping[str, Model]
    providers: Mapping[str, ListedProvider]
    stand_ins: Mapping[str, str]
    digest: str
    names: Mapping[str, str]
    snapshots: frozenset[str]


class Catalog:
    """Models and providers by id. Make one with `load`."""

    def __init__(
        self,
        models: Mapping[str, Model],
        providers: Mapping[str, ListedProvider],
        stand_ins: Mapping[str, str],
        digest: str,
    ) -> None:
        names, snapshots = _names_of(models.values())
        self._content = _Content(dict(models), dict(providers), dict(stand_ins), digest, names, snapshots)

    @property
    def hash(self) -> str:
        return self._content.digest

    def adopt(self, other: Catalog) -> None:
        """Be what `other` is, for everybody who holds this catalog."""
        self._content = other._content

    @classmethod
    def load(cls, overrides: CatalogOverrides | None = None, folder: Path = _DATA) -> Catalog:
        """The catalog with an operator's tables over it. Raises `CatalogError` with every problem found."""
        overrides = overrides or CatalogOverrides()
        problems: list[str] = []
        provider_tables, model_tables = _own(folder, problems)
        _lay_over(provider_tables, model_tables, overrides, problems)
        providers = {
            provider_id: provider_of(provider_id, table, problems)
            for provider_id, table in provider_tables.items()
        }
        models = {model_id: model_of(table, providers, problems) for model_id, table in model_tables.items()}
        problems += _relation_problems(models, overrides.stand_ins)
        if problems:
            raise CatalogError(problems)
        content = {
            "providers": provider_tables,
            "models": model_tables,
            "stand_ins": dict(overrides.stand_ins),
        }
        return cls(models, providers, overrides.stand_ins, _digest(content))

    def models(self) -> tuple[Model, ...]:
        """Every model, retired ones too, in the order of the files."""
        return tuple(self._content.models.values())

    def providers(self) -> tuple[ListedProvider, ...]:
        return tuple(self._content.providers.values())

    def provider(self, provider_id: str) -> ListedProvider | None:
        return self._content.providers.get(provider_id)

    def get(self, model_id: str) -> Model:
        """The model with that id, retired or not. Raises `UnknownModel`."""
        model = self._content.models.get(model_id)
        if model is None:
            raise self._unknown(model_id)
        return model

    def named(self, name: str) -> Model:
        """The model that any of its names leads to, retired or not. Raises `UnknownModel`."""
        content = self._content
        model_id = content.names.get(name)
        if model_id is None:
            raise self._unknown(name)
        return content.models[model_id]

    def resolve(self, name: str, now_ms: int | None = None) -> Resolution:
        """The model for an id, an alias, a snapshot or an id without its creator.

        Raises `UnknownModel` with the nearest three, `RetiredModel` with the successor.
        """
        content = self._content
        model_id = content.names.get(name)
        if model_id is None:
            raise self._unknown(name)
        model = content.models[model_id]
        snapshot = name if name in content.snapshots else None
        if model.lifecycle.state_on(_day(now_ms)) != "retired":
            return Resolution(model, name, snapshot=snapshot)
        stand_in = content.stand_ins.get(model_id)
        if stand_in is not None and content.models[stand_in].lifecycle.state_on(_day(now_ms)) != "retired":
            return Resolution(content.models[stand_in], name, stand_in_for=model_id)
        raise RetiredModel(name, model.lifecycle.successor, model.lifecycle.retired_on)

    def routes(self, model: Model, snapshot: str | None = None) -> tuple[Route, ...]:
        """Who serves a model, in the order to try; for a snapshot, those that have it, under its name."""
        if snapshot is None:
            return model.providers
        return tuple(
            replace(route, model=snapshot) for route in model.providers if snapshot in route.snapshots
        )

    def more_by(self, creator: str) -> tuple[Model, ...]:
        return tuple(model for model in self._content.models.values() if model.creator == creator)

    def _unknown(self, name: str) -> UnknownModel:
        asked = name[:_LONGEST_NAME]
        return UnknownModel(asked, _nearest(asked, self._content.names, 3))


def _own(folder: Path, problems: list[str]) -> tuple[Tables, Tables]:
    """The tables of the catalog's own files: providers by id, models by id."""
    providers: Tables = {}
    models: Tables = {}
    for path in sorted(folder.glob("*.toml")):
        try:
            tables = tomllib.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
            problems.append(f"{path.name}: {error}")
            continue
        for key in tables.keys() - {"providers", "models"}:
            problems.append(f"{path.name}: there is no table {key}")
        for provider_id, table in tables.get("providers", {}).items():
            _add(providers, provider_id, table, path.name, problems)
        for table in tables.get("models", []):
            _add(models, str(table.get("id")), table, path.name, problems)
    return providers, models


def _add(into: Tables, name: str, table: dict[str, Any], where: str, problems: list[str]) -> None:
    if name in into:
        problems.append(f"{where}: {name} is there twice")
    into[name] = table


def _lay_over(providers: Tables, models: Tables, overrides: CatalogOverrides, problems: list[str]) -> None:
    for provider_id, table in overrides.providers.items():
        if provider_id in BUILT_IN or not re.fullmatch(PROVIDER_ID, provider_id):
            problems.append(f"providers.{provider_id[:80]}: choose another id, of the form {PROVIDER_ID}")
        elif not isinstance(table, Mapping):
            problems.append(f"providers.{provider_id}: must be a table")
        else:
            providers[provider_id] = overlaid(providers.get(provider_id, {}), table)
    seen: set[str] = set()
    for at, table in enumerate(overrides.models):
        model_id = table.get("id") if isinstance(table, Mapping) else None
        if not isinstance(model_id, str):
            problems.append(f"models[{at}]: needs an id, as creator/model")
        elif model_id in seen:
            problems.append(f"models.{model_id[:80]}: is there twice")
        else:
            seen.add(model_id)
            models[model_id] = overlaid_model(models.get(model_id, {}), table)


def _relation_problems(models: Mapping[str, Model], stand_ins: Mapping[str, str]) -> list[str]:
    """What is wrong between models: names taken twice, successors and stand-ins that lead nowhere."""
    problems: list[str] = []
    owners: dict[str, str] = {model_id: model_id for model_id in models}
    for model in models.values():
        for name in (*model.aliases, *model.snapshots):
            if owners.get(name, model.id) != model.id or name in models:
                problems.append(f"models.{model.id}: the name {name!r} belongs to {owners[name]}")
            owners[name] = model.id
        successor = model.lifecycle.successor
        if successor == model.id:
            problems.append(f"models.{model.id}.lifecycle.successor: a model cannot succeed itself")
        elif successor and (successor in models) == model.lifecycle.successor_is_external:
            problems.append(
                f"models.{model.id}.lifecycle.successor: {successor!r} is "
                + ("in the catalog: drop successor_is_external" if successor in models
                   else "not in the catalog: add it, or say successor_is_external = true")
            )  # fmt: skip
    for retired, stand_in in stand_ins.items():
        for model_id in (retired, stand_in):
            if model_id not in models:
                problems.append(f"stand_ins: there is no model {str(model_id)[:80]!r}")
        if stand_in in stand_ins:
            problems.append(f"stand_ins: {stand_in!r} stands in for {retired!r} and has a stand-in itself")
    return problems


def _names_of(models: Any) -> tuple[dict[str, str], frozenset[str]]:
    """Every name that leads to a model, and which of them are snapshots.

    An id without its creator is a name too, where only one model has it and no alias takes it.
    """
    names: dict[str, str] = {}
    bare: dict[str, list[str]] = {}
    for model in models:
        names |= dict.fromkeys((model.id, *model.aliases, *model.snapshots), model.id)
        bare.setdefault(model.id.partition("/")[2], []).append(model.id)
    alone = {name: ids[0] for name, ids in bare.items() if len(ids) == 1}
    return alone | names, frozenset(name for model in models for name in model.snapshots)


def _nearest(asked: str, names: Mapping[str, str], count: int) -> tuple[str, ...]:
    """The ids whose names look most like `asked`, the likest first."""
    matcher = difflib.SequenceMatcher(autojunk=False)
    matcher.set_seq2(asked.lower())
    likeness: dict[str, float] = {}
    for name, model_id in names.items():
        matcher.set_seq1(name.lower())
        likeness[model_id] = max(likeness.get(model_id, 0.0), matcher.ratio())
    return tuple(sorted(likeness, key=lambda model_id: (-likeness[model_id], model_id))[:count])


def _digest(content: Mapping[str, Any]) -> str:
    """sha256 of what the catalog says, however its files are ordered or spaced."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()


def _day(now_ms: int | None) -> date:
    if now_ms is None:
        return datetime.now(UTC).date()
    return datetime.fromtimestamp(now_ms / 1000, UTC).date()
