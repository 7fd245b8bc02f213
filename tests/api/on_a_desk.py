"""The API's services on a desk: real gateway, ledger, databases and log."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, cast

from api.asgi import ApiServices, Readiness
from battles.leaderboard import Leaderboard
from battles.prompt_figures import PromptFigures
from battles.prompts import Prompts
from billing.budgets import Budgets
from billing.codes import PURPOSE, TopUps
from billing.usage import Usage
from gateway.quote import Quotes
from gateway.retention import Retention
from identity.api_keys import ApiKeys
from identity.claims import Rules
from identity.keys import purpose_key
from identity.people import open_people
from telemetry.views import Views
from tests.gateway.desk import Desk, catalog_of

SIGNER = purpose_key(b"s" * 32, PURPOSE)


async def _ready() -> Readiness:
    return Readiness(True)


def services_of(at: Desk, folder: Path, **more: Any) -> tuple[ApiServices, Callable[[], Awaitable[None]]]:
    """The services, and how to close them; `more` are fields to set."""
    usage = Usage(folder / "ledger.db", at.statements)
    app_db = at.databases.app
    keys = ApiKeys(app_db)
    usual: dict[str, Any] = {
        "gateway": at.gateway,
        "catalog": catalog_of(),
        "statements": at.statements,
        "usage": usage,
        "budgets": Budgets(folder / "ledger.db"),
        "quotes": Quotes(at.gateway, usage),
        "top_ups": TopUps(SIGNER, app_db, at.ledger.grant),
        "api_keys": keys,
        "team_money": cast(Any, None),  # grants are tested on the real ledger
        "retention": Retention(app_db),
        "views": Views(at.databases.log.engine),
        "prompts": Prompts(app_db),
        "prompt_figures": PromptFigures(app_db),
        "battles": cast(Any, None),  # these two are tested with models that answer
        "votes": cast(Any, None),
        "leaderboard": Leaderboard(cast(Any, None)),
        "batches": cast(Any, None),
        "packs": cast(Any, None),
        "sharing": cast(Any, None),
        "people": open_people(app_db, keys, "http://testserver", Rules()),
        "provider_keys": cast(Any, None),
        "readiness": _ready,
        "add_credit": "python -m operate grant --usd 5",
    }
    return ApiServices(**usual | more), keys.close
