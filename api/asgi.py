"""The API as one plain ASGI callable, and how it stands in front of the pages.

`ApiMiddleware` is the first middleware of the whole application: it is Edge, then the API, which
answers its own paths alone, then everything else. Nothing of the pages' machinery touches a token
on its way. `Api` refuses with 503 until `open` has given it its services.

As a program (`python -m api.asgi`) this module is the API without the pages: see `api_process.py`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence

from starlette.types import ASGIApp, Receive, Scope, Send

from api.edge import Edge
from api.errors import HttpRefusal, MethodNotAllowed, PathNotFound, Starting
from api.exchange import REQUEST_ID, Answer, CallerLeft, Exchange, send_answer
from api.routes import ASSETS, LIVE, OURS, ROUTES, RUN_MODELS, Route
from api.services import ApiServices, Readiness
from api.wire.errors import error_answer
from battles.errors import BattleError
from billing.errors import BillingError
from gateway.errors import GatewayError
from identity.errors import IdentityError

__all__ = ["Api", "ApiMiddleware", "ApiServices", "Readiness"]

_log = logging.getLogger(__name__)

_Methods = dict[str, Route]


class Api:
    """Give it its services once everything is open, and take them back before anything closes."""

    def __init__(self, services: ApiServices | None = None) -> None:
        self._services = services
        self._exact: dict[str, _Methods] = {}
        self._below: dict[str, _Methods] = {}
        self._named: dict[tuple[str, ...], _Methods] = {}  # paths with names in braces, by their parts
        for route in ROUTES:
            if "{" in route.path:
                parts = tuple(route.path.split("/"))
                self._named.setdefault(parts, {})[route.method] = route
                continue
            table = self._below if route.path.endswith("/*") else self._exact
            table.setdefault(route.path.removesuffix("*"), {})[route.method] = route

    def open(self, services: ApiServices) -> None:
        self._services = services

    def close(self) -> None:
        self._services = None

    def owns(self, path: str) -> bool:
        return path.startswith(OURS) or f"{path}/" in OURS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        services = self._services
        path = scope["path"]
        if scope["type"] == "websocket":
            if services is not None and services.live is not None and path == LIVE:
                await services.live(scope, receive, send)
            else:
                await receive()
                await send({"type": "websocket.close", "code": 1013 if path == LIVE else 1008})
        elif services is None:
            await _answer_starting(scope, receive, send)
        elif path.startswith(ASSETS) and services.assets is not None:
            await services.assets(scope, receive, send)
        else:
            await self._handle(scope, receive, send, services)

    async def _handle(self, scope: Scope, receive: Receive, send: Send, services: ApiServices) -> None:
        methods, tail, params = self._methods_at(scope["path"])
        wire = next(iter(methods.values())).wire if methods else "openai"
        exchange = Exchange(scope, receive, send, services, tail, wire)
        exchange.params = params
        try:
            answer = await self._answer(exchange, methods)
        except CallerLeft:
            return
        except (GatewayError, BillingError, IdentityError, BattleError, HttpRefusal) as error:
            self._log_refusal(exchange, methods, error)
            answer = error_answer(error, exchange.request_id, add_credit=services.add_credit, wire=wire)
        except Exception as error:
            _log.exception("%s %.200r failed", exchange.request_id, scope["path"])
            if exchange.started:
                raise
            answer = error_answer(error, exchange.request_id, wire=wire)
        if answer is not None:
            await exchange.answer(answer)

    def _log_refusal(self, exchange: Exchange, methods: _Methods, error: Exception) -> None:
        route = methods.get(exchange.method)
        if exchange.services.refusals is not None and route is not None and route.handler in RUN_MODELS:
            exchange.services.refusals.record(exchange, error)

    def _methods_at(self, path: str) -> tuple[_Methods, str, dict[str, str]]:
        if path in self._exact:
            return self._exact[path], "", {}
        asked = path.split("/")
        for parts, methods in self._named.items():
            if len(parts) == len(asked) and (params := _params(parts, asked)) is not None:
                return methods, "", params
        for start, methods in self._below.items():
            if path.startswith(start) and len(path) > len(start):
                return methods, path[len(start) :], {}
        return {}, "", {}

    async def _answer(self, exchange: Exchange, methods: _Methods) -> Answer | None:
        method = exchange.method
        if not methods:
            raise PathNotFound(method, exchange.scope["path"])
        route = methods.get("GET" if method == "HEAD" else method)
        if route is not None:
            return await route.handler(exchange)
        allowed = (*methods, *(("HEAD",) if "GET" in methods else ()), "OPTIONS")
        if method == "OPTIONS":
            return Answer(204, None, ((b"allow", ", ".join(allowed).encode()),))
        raise MethodNotAllowed(method, allowed)


def _params(parts: Sequence[str], asked: Sequence[str]) -> dict[str, str] | None:
    """What a path says in the places that are named; None where it is another path."""
    params: dict[str, str] = {}
    for part, said in zip(parts, asked, strict=True):
        if part.startswith("{") and said:
            params[part[1:-1]] = said
        elif part != said:
            return None
    return params


async def _answer_starting(scope: Scope, receive: Receive, send: Send) -> None:
    answer = error_answer(Starting(), scope[REQUEST_ID])
    await send_answer(send, answer, with_body=scope["method"] != "HEAD")


class ApiMiddleware:
    """Edge around everything; the API's paths to `api`, all others to `app`."""

    def __init__(self, app: ASGIApp, *, api: Api, hosts: Iterable[str], secure: bool = False) -> None:
        self._app = app
        self._api = api
        self._edge = Edge(self._fork, hosts=hosts, secure=secure)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._edge(scope, receive, send)

    async def _fork(self, scope: Scope, receive: Receive, send: Send) -> None:
        ours = scope["type"] in ("http", "websocket") and self._api.owns(scope["path"])
        await (self._api if ours else self._app)(scope, receive, send)


if __name__ == "__main__":
    import sys

    from api_process import main

    main(sys.argv[1:])
