"""The process: settings -> stores -> ledger and providers -> gateway -> API and pages, on one port.

Composes, and holds no logic. `streamlit run app.py` finds `app` here; `python app.py` runs it with
our own host and port. Everything is opened in the lifespan and closed in the opposite order.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

import streamlit as st
from starlette.middleware import Middleware

import runtime
import startup
from api import saved_views
from api.asgi import Api, ApiMiddleware, Readiness
from api.assets import Assets
from api.edge import local_hosts
from api.live import Live, live_app
from api.shell import Shell
from api_process import ApiProcesses
from battles.live import LiveLanes
from children.supervisor import ChildFailed
from components.bundle import BUNDLE
from gateway.catalog import CatalogError
from gateway.completion import Gateway
from gateway.team_money import TeamMoney
from identity.local import LocalIdentity
from identity.tickets import Tickets
from live_charts import Draw, live_charts, price_marks
from runtime_battles import BattleDesk
from services import Open, Prepared, open_services
from settings import Settings, SettingsError, load, secret_key
from signing_in import cookie_secret, streamlit_secrets
from telemetry.anomalies import Anomalies
from telemetry.latency import Latency
from telemetry.marks import Marks
from telemetry.requests import Requests
from telemetry.views import Views


class Process:
    """What was decided before anything was opened, and the way in for requests."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.prepared = Prepared(settings)
        self.secret = secret_key(settings)
        self.api = Api()

    @asynccontextmanager
    async def serve(self, _: st.App) -> AsyncIterator[None]:
        """Open everything, serve, close everything."""
        settings = self.settings
        async with AsyncExitStack() as opened:
            own = await open_services(self.prepared, opened)
            app_db = own.stores.databases.app
            identity = await asyncio.to_thread(
                LocalIdentity.open, app_db, settings.local_api_key, make_key=not settings.sign_in
            )
            own.people.changes.listen(identity.forget)
            latency = Latency(own.stores.databases.log.engine, own.stores.log)
            tickets = Tickets(own.secret)
            live = self._live(own, tickets)
            apart = await _api_processes(own)
            opened.push_async_callback(apart.stop)
            runtime.install(self._for_pages(own, identity, latency, tickets))
            opened.callback(runtime.install, None)
            self.api.open(
                own.for_the_api(
                    readiness=lambda: _readiness(own, apart),
                    metrics=own.watched.page(apart.metrics),
                    live=live,
                    assets=Assets(BUNDLE),
                )
            )
            opened.callback(self.api.close)
            startup.bound_callers()
            startup.install_drain(lambda: _drain(own.gateway, live, apart, settings.drain_s))
            self._greet(identity)
            startup.rest_after_opening()
            yield
            await _drain(own.gateway, live, apart, 0)

    def _live(self, own: Open, tickets: Tickets) -> Live:
        """The pages' own channel, which hears of changed rights at once."""
        live = live_app(
            own.gateway.runs,
            tickets,
            own.gateway.record,
            own.gateway.stop,
            self._charts(own),
            subscribe=own.stores.subscribe,
            still=own.people.still if self.settings.sign_in else None,
            lanes=LiveLanes(own.battles, own.gateway.runs),
        )
        loop = asyncio.get_running_loop()
        own.people.changes.listen(lambda: loop.call_soon_threadsafe(live.rights_changed))
        return live

    def _for_pages(
        self, own: Open, identity: LocalIdentity, latency: Latency, tickets: Tickets
    ) -> runtime.Services:
        return runtime.Services(
            loop=asyncio.get_running_loop(),
            catalog=self.prepared.catalog,
            gateway=own.gateway,
            statements=own.stores.statements,
            usage=own.stores.usage,
            budgets=own.stores.budgets,
            ledger=own.stores.ledger,
            quotes=own.quotes,
            latency=latency,
            views=Views(own.stores.databases.log.engine, own.stores.log),
            anomalies=Anomalies(own.stores.databases.log.engine),
            alerting=own.alerting,
            requests=Requests(own.stores.databases.log.engine, own.stores.log),
            paces=own.paces,
            tiers=self.prepared.tiers,
            rates=own.rates,
            identity=identity,
            people=own.people,
            team_money=TeamMoney(own.stores.ledger, own.people),
            retention=own.retention,
            prompts=own.prompts,
            packs=own.packs,
            sharing=own.sharing,
            battles=BattleDesk(asyncio.get_running_loop(), own.battles, own.votes),
            leaderboard=own.leaderboard,
            prompt_figures=own.prompt_figures,
            batches=own.batching.batches,
            vote_queue=own.batching.votes,
            site_url=self.settings.url,
            connections=own.connections,
            provider_keys=own.provider_keys,
            tickets=tickets,
            base_url=self.settings.api_url,
            demonstration_note=self.prepared.connected.absent.get("embedded"),
        )

    def _charts(self, own: Open) -> dict[str, Draw]:
        engine, catalog = own.stores.databases.log.engine, self.prepared.catalog
        return live_charts(Views(engine, own.stores.log), Marks(engine, price_marks(catalog)), catalog)

    def _greet(self, identity: LocalIdentity) -> None:
        startup.say(f"Tiltyard is at {self.settings.url}")
        if self.settings.api_processes:
            startup.say(f"Its API is at {self.settings.api_url}")
        if isinstance(self.prepared.embedded, str):
            startup.say(f"The embedded model is not here: {self.prepared.embedded}")
        if identity.new_key is not None:
            startup.say(f"Your API key, shown this once:  {identity.new_key}")


async def _api_processes(own: Open) -> ApiProcesses:
    try:
        return await ApiProcesses.start(own)
    except ChildFailed as error:
        startup.fail(f"{error}. What it wrote before says why.")


async def _readiness(own: Open, apart: ApiProcesses) -> Readiness:
    readiness = await own.readiness()
    return replace(readiness, details={**readiness.details, "api_processes": apart.state})


async def _drain(gateway: Gateway, live: Live, apart: ApiProcesses, grace_s: float) -> None:
    await asyncio.gather(gateway.drain(grace_s), apart.stop())
    await live.close_all()


def _prepared() -> Process:
    """The process as set up, or its end with every mistake in the settings."""
    try:
        process = Process(load())
    except (SettingsError, CatalogError) as error:
        startup.fail(*error.problems)
    except OSError as error:
        startup.fail(f"cannot write to the data folder: {error.strerror}. See TILTYARD_DATA_DIR.")
    if process.prepared.connected.problems:
        startup.fail(*process.prepared.connected.problems)
    startup.set_up_logging(process.settings.log_level)
    # Streamlit looks for its own settings (.streamlit/config.toml) where the process was started.
    os.chdir(Path(__file__).parent)
    return process


process = _prepared()
app = st.App(
    "pages/navigation.py",
    secrets=streamlit_secrets(process.settings, process.secret),
    lifespan=process.serve,
    routes=saved_views.ROUTES,
    middleware=[
        Middleware(
            ApiMiddleware,
            api=process.api,
            hosts=local_hosts(process.settings.host, process.settings.url),
            secure=process.settings.secure,
        ),
        Middleware(Shell),
    ],
)

# The same in every process of the installation: whichever one a sign-in comes back to can read its state.
os.environ["STREAMLIT_SERVER_COOKIE_SECRET"] = cookie_secret(process.secret)
# Nothing that a proxy says of a caller is believed, unless the proxy is named.
os.environ["FORWARDED_ALLOW_IPS"] = ",".join(process.settings.trusted_proxies)

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
