"""Which parameters of a request a route cannot carry: its model does not take them, its wire has no field
for them, or its provider is known to refuse them (`without` in the catalog).

A route that lacks one is asked without it, and a note says so; where the caller requires its parameters
the route is dropped instead. What would change the meaning of a request (images, tools, a schema) is
never left out: `fitting.py` refuses it for a model, here it counts as lacking.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from msgspec import structs

from gateway.catalog_values import Model, Route
from gateway.fitting import NEEDED_FOR_FORMAT, taken, takes_format
from gateway.messages import CompletionRequest, Sampling

_DEFAULTS = Sampling()
_NAMES = tuple(field.name for field in fields(Sampling) if field.name != "max_output_tokens")


def lacking(request: CompletionRequest, model: Model, route: Route) -> tuple[str, ...]:
    """The names of the parameters that were asked for and that this route does not take."""
    missing = [
        name for name in _asked(request) if name in route.without or taken(name, model, route.wire) is None
    ]
    if request.tools and ("tools" not in model.features or "tools" in route.without):
        missing.append("tools")
    if request.response_format is not None and not _takes_format(request.response_format, model, route):
        missing.append("response_format")
    return tuple(missing)


def leave_out(request: CompletionRequest, route: Route) -> tuple[CompletionRequest, tuple[str, ...]]:
    """The request without what this route's provider refuses, and a note for each; what its wire has no
    field for `fit` has left out before."""
    lost = [name for name in _asked(request) if name in route.without] if route.without else []
    if not lost:
        return request, ()
    defaults: dict[str, Any] = {name: getattr(_DEFAULTS, name) for name in lost}
    notes = tuple(f"{name} was left out: {route.provider} does not take it." for name in lost)
    return structs.replace(request, sampling=replace(request.sampling, **defaults)), notes


def _asked(request: CompletionRequest) -> list[str]:
    sampling = request.sampling
    if sampling is _DEFAULTS or sampling == _DEFAULTS:
        return []
    return [name for name in _NAMES if getattr(sampling, name) != getattr(_DEFAULTS, name)]


def _takes_format(format: Mapping[str, object], model: Model, route: Route) -> bool:
    needed = NEEDED_FOR_FORMAT.get(str(format.get("type")))
    return takes_format(format, model, route.wire) and (needed is None or needed not in route.without)
