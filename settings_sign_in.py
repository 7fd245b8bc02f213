"""The part of the settings that says who may sign in, and through whom; read by `settings.py` alone.

A provider is a table `[sign_in.NAME]` of the file, or variables `TILTYARD_SIGN_IN_NAME_CLIENT_ID` and so
on; the environment comes first, field by field. A name is letters and digits alone: Streamlit's sign-in
puts it into a cookie and takes it apart at underscores.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

ENVIRONMENT = "TILTYARD_SIGN_IN_"
_FIELDS = ("client_id", "client_secret", "discovery_url", "title", "trust_email", "scope", "prompt")
NAME = r"^[a-z][a-z0-9]{0,30}$"


def _split(value: object) -> object:
    """A list from the environment is written with commas."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


Names = Annotated[tuple[str, ...], BeforeValidator(_split)]


class SignInProvider(BaseModel):
    """An OpenID Connect provider. `trust_email`: it verifies addresses, though its tokens do not say so."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    client_id: Annotated[str, Field(min_length=1)]
    client_secret: Annotated[str, Field(min_length=1, repr=False)]
    discovery_url: Annotated[str, Field(pattern=r"^https?://[^\s?#]+$")]
    title: Annotated[str, Field(max_length=60)] = ""
    trust_email: bool = False
    scope: str = "openid email profile"
    prompt: str = "select_account"


class TeamClaim(BaseModel):
    """Whoever's claim has this value is in this team: an id, or the name of one that is made for it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    claim: Annotated[str, Field(min_length=1, max_length=120)]
    value: Annotated[str, Field(min_length=1, max_length=300)]
    team: int | Annotated[str, Field(min_length=1, max_length=80)]
    role: Literal["owner", "member", "viewer", "auditor"] = "member"
    provider: str | None = None


def is_provider_variable(variable: str) -> bool:
    return variable.startswith(ENVIRONMENT) and _parts(variable) is not None


def with_environment(table: Mapping[str, Any], environment: Mapping[str, str]) -> dict[str, Any]:
    """The file's table `sign_in` with what the environment says of its providers, or of others."""
    merged = {name: dict(said) if isinstance(said, Mapping) else said for name, said in table.items()}
    for variable, value in environment.items():
        if value != "" and (parts := _parts(variable)) is not None:
            name, field = parts
            provider = merged.setdefault(name, {})
            if isinstance(provider, dict):
                provider[field] = value
    return merged


def _parts(variable: str) -> tuple[str, str] | None:
    """Name and field of a provider's variable."""
    if not variable.startswith(ENVIRONMENT):
        return None
    rest = variable.removeprefix(ENVIRONMENT).lower()
    for field in _FIELDS:
        name = rest.removesuffix(f"_{field}")
        if name != rest and name:
            return name, field
    return None
