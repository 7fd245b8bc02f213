"""The process: settings -> stores -> ledger and providers -> gateway -> API and pages, on one port.

Composes, and holds no logic. `streamlit run app.py` finds `app` here; `python app.py` runs it with
our own host and port. Everything is opened in the lifespan and closed in the opposite order.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import streamlit as st
from starlette.middleware import Middleware

import runtime
import startup
from api.asgi import Api, ApiMiddleware, ApiServices, Readiness
from api.assets import Assets
from api.edge import local_hosts
from api.errors import status_of
from api.live import Live, live_app
from billing.codes import PURPOSE as TOP_UP_CODE, TopUps
from billing.errors import LedgerUnavailable
from billing.recurring import RecurringGrants
from children.supervisor import ChildFailed
from components.bundle import BUNDLE
from gateway.catalog import Catalog, CatalogError, CatalogOverrides
from gateway.completion import Gateway, Limits
from gateway.providers.base import Deadlines
from gateway.providers.configured import Configured, configured
from gateway.providers.embedded import Embedded, embedded_available
from gateway.providers.simulated import Simulated
from gateway.quote import Quotes
from gateway.routing import Routing
from gateway.vocabularies import load_soon
from identity.api_keys import ApiKeys
from identity.keys import purpose_key
from identity.local import LocalIdentity
from identity.tickets import Tickets
from live_charts import live_charts
from settings import Settings, SettingsError, load, secret_key
from store.errors import DatabaseUnavailable
from stores import Stores, open_stores
from telemetry.latency import Latency

_log = logging.getLogger("tiltyard")
_ADD_CREDIT = "python -m operate grant --usd 5"
_SWEEP_S = 10.0


class Process:
    """What was decided before anything was opened: settings, catalog and providers."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.catalog = Catalog.load(CatalogOverrides(settings.providers, settings.models, settings.stand_ins))
        self.embedded = self._embedded()
        self.connected: Configured = configured(
            self.catalog.providers(),
            os.environ,
            {
                "embedded": self.embedded,
                "simulated": Simulated() if settings.simulated else "TILTYARD_SIMULATED is off.",
            },
        )
        self.api = Api()

    def _embedded(self) -> Embedded | str:
        if not self.settings.embedded:
            return "TILTYARD_EMBEDDED is off."
        return embedded_available() or Embedded()

    @asynccontextmanager
    async def serve(self, _: st.App) -> AsyncIterator[None]:
        """Open everything, serve, close everything."""
        settings = self.settings
        async with AsyncExitStack() as opened:
            if isinstance(self.embedded, Embedded):
                opened.push_async_callback(self.embedded.close)
                self._keep(opened, _start(self.embedded))
            try:
                stores = await open_stores(settings, opened)
            except (DatabaseUnavailable, LedgerUnavailable) as error:
                startup.fail(f"{error} See TILTYARD_DATABASE_URL.")
            except ChildFailed as error:
                startup.fail(f"{error}. What it wrote before says why.")
            secret = secret_key(settings)
            app_db = stores.databases.app
            identity = await asyncio.to_thread(LocalIdentity.open, app_db, settings.local_api_key)
            api_keys = ApiKeys(app_db)
            opened.push_async_callback(api_keys.close)
            for provider in self.connected.providers.values():
                if provider is not self.embedded:
                    opened.push_async_callback(provider.close)

            gateway = Gateway(
                catalog=self.catalog,
                routing=Routing(self.catalog, self.connected.providers, self.connected.absent),
                ledger=stores.ledger,
                kept_runs=stores.kept_runs,
                log=stores.log.record,
                status_of=status_of,
                deadlines=Deadlines(
                    settings.connect_s, settings.first_token_s, settings.idle_s, settings.total_s
                ),
                limits=Limits(settings.max_running, settings.max_running_team),
            )
            await gateway.open()
            opened.push_async_callback(gateway.close)

            if settings.database_url is not None:  # alone, a process ends what died at its own start
                self._keep(opened, stores.leases.keep("sweeper", _SWEEP_S, gateway.end_interrupted))
            self._keep(opened, RecurringGrants(app_db, stores.ledger.grant).keep_giving())

            quotes = Quotes(gateway, stores.usage)
            latency = Latency(stores.databases.log.engine, stores.log)
            tickets = Tickets(secret)
            live = live_app(
                gateway.runs,
                tickets,
                gateway.record,
                gateway.stop,
                live_charts(latency, self.catalog),
                subscribe=stores.subscribe,
            )
            services = runtime.Services(
                loop=asyncio.get_running_loop(),
                catalog=self.catalog,
                gateway=gateway,
                statements=stores.statements,
                usage=stores.usage,
                quotes=quotes,
                latency=latency,
                identity=identity,
                tickets=tickets,
                base_url=settings.url,
                demonstration_note=self.connected.absent.get("embedded"),
            )
            runtime.install(services)
            opened.callback(runtime.install, None)
            self.api.open(
                ApiServices(
                    gateway=gateway,
                    catalog=self.catalog,
                    statements=stores.statements,
                    usage=stores.usage,
                    quotes=quotes,
                    top_ups=TopUps(purpose_key(secret, TOP_UP_CODE), app_db, stores.ledger.grant),
                    api_keys=api_keys,
                    readiness=lambda: self._readiness(gateway, stores),
                    live=live,
                    assets=Assets(BUNDLE),
                    add_credit=_ADD_CREDIT,
                    max_body_bytes=settings.max_body_bytes,
                )
            )
            opened.callback(self.api.close)
            startup.install_drain(lambda: _drain(gateway, live, settings.drain_s))
            self._greet(identity)
            yield
            await _drain(gateway, live, 0)

    def _keep(self, opened: AsyncExitStack, work: Coroutine[Any, Any, None]) -> None:
        """Something that goes on until everything closes."""
        task = asyncio.create_task(work)
        opened.push_async_callback(_end, task)

    async def _readiness(self, gateway: Gateway, stores: Stores) -> Readiness:
        try:
            await asyncio.to_thread(stores.databases.ping)
            databases = "ok"
        except Exception as error:
            databases = type(error).__name__
        ledger, log = stores.ledger, stores.log
        return Readiness(
            ledger.ready and databases == "ok" and not gateway.draining,
            {
                "draining": gateway.draining,
                "ledger": "ok" if ledger.ready else "restarting",
                "databases": databases,
                "embedded_model": _state_of(self.embedded),
                "catalog": self.catalog.hash,
                "request_log": {"waiting": log.health.waiting, "lost": log.health.lost},
            },
        )

    def _greet(self, identity: LocalIdentity) -> None:
        startup.say(f"Tiltyard is at {self.settings.url}")
        if isinstance(self.embedded, str):
            startup.say(f"The embedded model is not here: {self.embedded}")
        if identity.new_key is not None:
            startup.say(f"Your API key, shown this once:  {identity.new_key}")


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def _start(embedded: Embedded) -> None:
    """Beside everything else: pages need not wait for a model."""
    try:
        await embedded.start()
    except ChildFailed as error:
        _log.error("%s", error)
    else:
        load_soon("smollm2")  # or the first prompt would wait for its vocabulary


def _state_of(embedded: Embedded | str) -> str:
    if isinstance(embedded, str):
        return embedded
    return "ready" if embedded.ready else "starting"


async def _drain(gateway: Gateway, live: Live, grace_s: float) -> None:
    await gateway.drain(grace_s)
    await live.close_all()


def _prepared() -> Process:
    """The process as set up, or its end with every mistake in the settings."""
    try:
        process = Process(load())
    except (SettingsError, CatalogError) as error:
        startup.fail(*error.problems)
    if process.connected.problems:
        startup.fail(*process.connected.problems)
    startup.set_up_logging(process.settings.log_level)
    # Streamlit looks for its own settings (.streamlit/config.toml) where the process was started.
    os.chdir(Path(__file__).parent)
    return process


process = _prepared()
app = st.App(
    "pages/navigation.py",
    lifespan=process.serve,
    middleware=[
        Middleware(
            ApiMiddleware, api=process.api, hosts=local_hosts(process.settings.host, process.settings.url)
        )
    ],
)

if __name__ == "__main__":
    startup.refuse_taken_port(process.settings.host, process.settings.port)
    with suppress(KeyboardInterrupt):  # Ctrl-C was answered by the drain; uvicorn raises it again
        app.run(
            config={
                # Streamlit's own variables are not read here and would open every interface.
                "server.address": process.settings.host,
                "server.port": process.settings.port,
                "server.headless": True,
            }
        )
