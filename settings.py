"""What an operator may set: read once at the start from environment and file, then frozen.

Environment variables start with `TILTYARD_`; `tiltyard.toml` (in the working directory, or where
`TILTYARD_CONFIG` says) has the same names in lower case without the prefix, and the tables
`providers`, `models`, `stand_ins` and `tiers`. The environment comes first. `load` lists everything that is
wrong at once. Only the modules beside this one read settings; values are handed down.
What is inside the tables is the gateway's to judge (`gateway/catalog.py`, `gateway/tiers.py`).
"""

from __future__ import annotations

import ipaddress
import os
import re
import secrets
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from settings_sign_in import NAME, Names, SignInProvider, TeamClaim, is_provider_variable, with_environment

_PREFIX = "TILTYARD_"
_TABLES = ("providers", "models", "stand_ins", "tiers", "sign_in", "team_claims")
# Read by tools around the app, not by the app itself: no typo, so no complaint.
_NOT_OURS = {"TILTYARD_CONFIG", "TILTYARD_CHROMIUM", "TILTYARD_TEST_POSTGRESQL", "TILTYARD_API_KEY"}
# What every OpenTelemetry program reads; ours goes first.
_STANDARD = {"otlp_endpoint": "OTEL_EXPORTER_OTLP_ENDPOINT", "otlp_headers": "OTEL_EXPORTER_OTLP_HEADERS"}
_POSTGRESQL = ("postgresql://", "postgres://")
_LOCAL_KEY = re.compile(r"ty_[A-Za-z0-9]{32,}")


class SettingsError(Exception):
    """`problems` names every setting that is wrong, each with what to do."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def _apart(value: object) -> object:
    """Addresses in an environment variable stand apart by spaces: commas may be inside."""
    return value.split() if isinstance(value, str) else value


class Settings(BaseModel):
    """Money in nano-dollars, times in seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)] = 8501
    data_dir: Annotated[Path, Field(validate_default=True)] = Path(".tiltyard")
    database_url: Annotated[str | None, Field(repr=False)] = None
    secret_key: Annotated[str | None, Field(min_length=32, repr=False)] = None
    local_api_key: Annotated[str | None, Field(repr=False)] = None
    base_url: str | None = None
    api_processes: Annotated[int, Field(ge=0, le=64)] = 0
    api_port: Annotated[int, Field(ge=1, le=65535)] = 8502
    api_base_url: str | None = None
    log_level: str = "info"
    embedded: bool = True
    simulated: bool = True
    drain_s: Annotated[float, Field(ge=0, le=600)] = 5.0
    max_body_bytes: Annotated[int, Field(ge=1024, le=64 * 1024 * 1024)] = 4 * 1024 * 1024
    max_running: Annotated[int, Field(ge=1)] = 500
    max_running_team: Annotated[int, Field(ge=1)] = 100
    max_lag_ms: Annotated[float, Field(gt=0)] = 250.0
    least_tier: Annotated[int | None, Field(ge=1)] = None
    metrics_token: Annotated[str | None, Field(min_length=16, repr=False)] = None
    otlp_endpoint: Annotated[str | None, Field(pattern=r"^https?://\S+$")] = None
    otlp_headers: Annotated[str | None, Field(repr=False)] = None  # name=value,name=value
    log_days: Annotated[int | None, Field(ge=1, le=36_500)] = None
    alert_urls: Annotated[tuple[str, ...], BeforeValidator(_apart), Field(repr=False)] = ()
    alert_private_address: bool = False
    redis_url: Annotated[str | None, Field(repr=False)] = None
    free_money_limit_usd: Annotated[str, Field(pattern=r"^\d{1,9}(\.\d{1,9})?$")] = "1000"
    connect_s: Annotated[float, Field(gt=0)] = 10.0
    first_token_s: Annotated[float, Field(gt=0)] = 120.0
    idle_s: Annotated[float, Field(gt=0)] = 60.0
    total_s: Annotated[float, Field(gt=0)] = 900.0

    providers: dict[str, dict[str, Any]] = Field(default_factory=dict)
    models: list[dict[str, Any]] = Field(default_factory=list)
    stand_ins: dict[str, str] = Field(default_factory=dict)
    tiers: list[dict[str, Any]] = Field(default_factory=list)

    sign_in: dict[Annotated[str, Field(pattern=NAME)], SignInProvider] = Field(default_factory=dict)
    operators: Names = ()
    sign_in_domains: Names = ()
    new_teams: Literal["operator", "approval", "anyone"] = "operator"
    team_claims: tuple[TeamClaim, ...] = ()
    private_issuers: bool = False
    trusted_proxies: Names = ()
    python_tests: Literal["sandboxed", "unsandboxed", "off"] = "sandboxed"
    pre_send: Annotated[str | None, Field(pattern=r"^[\w.]+:\w+$")] = None

    @model_validator(mode="after")
    def sign_in_is_whole(self) -> Settings:
        local = self.host == "localhost" or _is_loopback(self.host)
        if self.sign_in and not self.operators:
            raise ValueError("operators: name at least one (an address, or issuer#subject) who runs this")
        if self.sign_in and not local and not self.base_url:
            raise ValueError("base_url: must be set with sign-in; providers send people back to it")
        named = urlsplit(self.url).hostname or ""
        if self.sign_in and not self.secure and not (named == "localhost" or _is_loopback(named)):
            raise ValueError("base_url: must begin with https:// with sign-in, or cookies could be read")
        return self

    @field_validator("data_dir")
    @classmethod
    def from_here(cls, folder: Path) -> Path:
        return folder.expanduser().absolute()

    @field_validator("database_url")
    @classmethod
    def postgresql_only(cls, url: str | None) -> str | None:
        if not url:
            return None
        # A driver of one's own choosing is refused: each part of the app derives the form that it needs.
        if not url.startswith(_POSTGRESQL):
            raise ValueError(
                "must begin with postgresql:// or postgres://; not set, it is SQLite under TILTYARD_DATA_DIR"
            )
        return "postgresql://" + url.split("://", 1)[1]

    @field_validator("redis_url")
    @classmethod
    def redis_only(cls, url: str | None) -> str | None:
        if url and not url.startswith(("redis://", "rediss://", "redis+unix://")):
            raise ValueError("must begin with redis://, rediss:// or redis+unix://")
        return url or None

    @field_validator("alert_urls")
    @classmethod
    def webhooks_and_mail_only(cls, urls: tuple[str, ...]) -> tuple[str, ...]:
        """The address itself is not said: it may hold a password."""
        for number, url in enumerate(urls, 1):
            if not url.startswith(("https://", "http://", "mailto://", "mailtos://")):
                raise ValueError(f"number {number} must begin with https://, mailto:// or mailtos://")
        return urls

    @field_validator("local_api_key")
    @classmethod
    def key_is_ours(cls, key: str | None) -> str | None:
        if key is not None and not _LOCAL_KEY.fullmatch(key):
            raise ValueError("must be 'ty_' and 32 or more letters and digits")
        return key

    @field_validator("log_level")
    @classmethod
    def known_level(cls, level: str) -> str:
        if level.lower() not in ("debug", "info", "warning", "error"):
            raise ValueError("must be one of debug, info, warning, error")
        return level.lower()

    @property
    def secure(self) -> bool:
        """Whether browsers reach us over TLS, which something in front of us ends."""
        return self.url.startswith("https://")

    @property
    def url(self) -> str:
        """Where people reach us, without a slash at its end."""
        if self.base_url:
            return self.base_url.rstrip("/")
        return f"http://{self._named_host}:{self.port}"

    @property
    def tier_of_all(self) -> int:
        """The tier that every team has at least: whoever asks is the operator, where there is no sign-in."""
        return self.least_tier or (1 if self.sign_in else 5)

    @property
    def api_url(self) -> str:
        """Where scripts reach the API, without a slash at its end."""
        if self.api_base_url:
            return self.api_base_url.rstrip("/")
        return f"http://{self._named_host}:{self.api_port}" if self.api_processes else self.url

    @property
    def _named_host(self) -> str:
        if self.host in ("127.0.0.1", "localhost"):
            return "localhost"
        return f"[{self.host}]" if ":" in self.host else self.host


def load(environment: Mapping[str, str] = os.environ, folder: Path | None = None) -> Settings:
    """Settings from the environment and the file. Raises `SettingsError`."""
    problems: list[str] = []
    file = _file(environment, folder or Path.cwd(), problems)
    values: dict[str, Any] = dict(file)
    names: dict[str, str] = {name: f"{name} (in the file)" for name in file}
    for variable, value in environment.items():
        name = variable.removeprefix(_PREFIX).lower()
        if not variable.startswith(_PREFIX) or variable in _NOT_OURS or is_provider_variable(variable):
            continue
        if name not in Settings.model_fields or name in _TABLES:
            problems.append(f"{variable}: there is no such setting")
        elif value != "":
            values[name], names[name] = value, variable
    host = str(values.get("host", "127.0.0.1"))
    if isinstance(table := values.get("sign_in", {}), dict) and (
        merged := with_environment(table, environment)
    ):
        values["sign_in"] = merged
    if not values.get("sign_in") and host != "localhost" and not _is_loopback(host):
        problems.append(
            f"{names.get('host')}: {host!r} can be reached by others, and no sign-in is configured; use "
            "127.0.0.1 (the default) and a tunnel to reach it from elsewhere, or configure sign-in"
        )
    for name, variable in _STANDARD.items():
        if values.get(name) is None and environment.get(variable):
            values[name], names[name] = environment[variable], variable
    if values.get("database_url") and not values.get("secret_key"):
        problems.append(
            f"{_PREFIX}SECRET_KEY: must be set with PostgreSQL, and be the same for every process of the "
            "installation; 32 characters or more"
        )
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        for problem in error.errors():
            top = str(problem["loc"][0]) if problem["loc"] else "settings"
            where = ".".join([names.get(top, top), *(str(part) for part in problem["loc"][1:])])
            message = problem["msg"].removeprefix("Value error, ")
            if not problem["loc"]:  # of several settings together: its sentence begins with the one to change
                top, _, message = message.partition(": ")
                where = names.get(top, f"{_PREFIX}{top.upper()}")
            if problem["type"] == "extra_forbidden":
                message = "there is no such setting"
            problems.append(f"{where}: {message}")
    if problems:
        raise SettingsError(sorted(problems))
    return settings


def secret_key(settings: Settings) -> bytes:
    """The installation's secret: as set, or made once and kept in the data folder, readable
    by us alone. Of two processes that make it at once, one's is kept, and both read that."""
    if settings.secret_key is not None:
        return settings.secret_key.encode()
    path = settings.data_dir / "secret.key"
    if not path.exists():
        # Written whole beside it and then linked: a crash in between leaves no empty secret behind.
        settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = path.with_suffix(f".{os.getpid()}.draft")
        draft.unlink(missing_ok=True)
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_hex(32))
        with suppress(FileExistsError):
            os.link(draft, path)
        draft.unlink()
    return path.read_bytes().strip()


def _file(environment: Mapping[str, str], folder: Path, problems: list[str]) -> dict[str, Any]:
    named = environment.get("TILTYARD_CONFIG")
    path = Path(named) if named else folder / "tiltyard.toml"
    if not path.is_file():
        if named:
            problems.append(f"TILTYARD_CONFIG: there is no file {named}")
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        problems.append(f"{path}: {error}")
        return {}


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
