"""Every page as every role sees it, to be looked at: `python -m tests.role_screens FOLDER --roles viewer`.

A real server, a real sign-in (oidc-provider-mock) and a real Chromium. Team 1 has an owner, a member, a
viewer and an auditor, who came by invitation, and something of each kind: requests, a battle, a prompt, a
batch, a key. Beside them a stranger, who is signed in and in no team, and a visitor, who is not signed in.
Each page is drawn 1,440 and 390 pixels wide, down to its end. Told beside the pictures: what is wider than
its page, what failed, and of which pages a role is refused.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import oidc_provider_mock
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.screenshots import FLAGS, PAGES, settle, told, whole
from tests.server import Server, free_port
from tools import chromium

TEAM_ROLES: Final = ("owner", "member", "viewer", "auditor")
ROLES: Final = (*TEAM_ROLES, "stranger", "visitor")
OPERATOR: Final = "operator@example.org"
SIZES: Final = {1440: 900, 390: 844}
_HELLO: Final = [{"role": "user", "content": "Name three rivers of Europe, and say which is longest."}]


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.role_screens", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--roles", default=",".join(ROLES))
    parser.add_argument("--pages", default=",".join(PAGES))
    asked = parser.parse_args(arguments)
    found = chromium.find()
    if found is None:
        print("No Chromium on this machine.", file=sys.stderr)
        return 1
    asked.folder.mkdir(parents=True, exist_ok=True)
    logging.getLogger("werkzeug").setLevel(logging.WARNING)  # the sign-in provider's
    with _installation() as server, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(found), args=list(FLAGS))
        made = _examples(server)
        for role in asked.roles.split(","):
            with _person(browser, server, role) as page:
                for name in asked.pages.split(","):
                    _take(page, server.url + _address(name, made), asked.folder / f"{name}-{role}")
        browser.close()
    return 0


# --- an installation with people and things --------------------------------------------------


@contextmanager
def _installation() -> Iterator[Server]:
    with (
        oidc_provider_mock.run_server_in_thread() as provider,
        tempfile.TemporaryDirectory(prefix="tiltyard-roles-") as folder,
    ):
        issuer = f"http://localhost:{provider.server_port}"
        for who in (OPERATOR, *map(_address_of, ROLES)):
            claims = {"email": who, "email_verified": True, "name": who.partition("@")[0].title()}
            httpx.put(f"{issuer}/users/{who}", json=claims, trust_env=False).raise_for_status()
        port = free_port()
        server = Server(
            Path(folder),
            {
                "TILTYARD_PORT": str(port),
                "TILTYARD_BASE_URL": f"http://localhost:{port}",
                "TILTYARD_SIGN_IN_MOCK_CLIENT_ID": "tiltyard",
                "TILTYARD_SIGN_IN_MOCK_CLIENT_SECRET": "not a secret",
                "TILTYARD_SIGN_IN_MOCK_DISCOVERY_URL": f"{issuer}/.well-known/openid-configuration",
                "TILTYARD_SIGN_IN_MOCK_TRUST_EMAIL": "true",
                "TILTYARD_OPERATORS": OPERATOR,
            },
        )
        server.port, server.url = port, f"http://localhost:{port}"
        server.start()
        try:
            server.wait_model()
            yield server
        finally:
            server.end()


def _examples(server: Server) -> dict[str, str]:
    """Something of each kind in team 1; their ids."""
    model = "embedded/smollm2-135m"
    with server.client() as client:

        def made(path: str, body: dict[str, Any], method: str = "POST") -> dict[str, Any]:
            response = client.request(method, path, json=body)
            response.raise_for_status()
            answered: dict[str, Any] = response.json()
            return answered

        for name in (model, "simulated/steady", model):
            made("/v1/chat/completions", {"model": name, "messages": _HELLO, "max_tokens": 24, "store": True})
        battle = made(
            "/v1/battles",
            {"models": [model, model], "prompt": "Name three rivers.", "request": {"max_tokens": 40}},
        )
        made("/v1/prompts", {"name": "rivers", "request": {"messages": _HELLO}, "description": "An example"})
        made("/v1/prompts/rivers/labels/production", {"version": 1}, "PUT")
        row = [{"role": "user", "content": "The capital of {{country}} is"}]
        made(
            "/v1/batches",
            {
                "name": "Capitals",
                "rows": [{"country": "Norway"}, {"country": "Chile"}],
                "request": {"messages": row},
                "lanes": [{"model": model}],
            },
        )
        made("/v1/admin/teams/1/keys", {"name": "nightly run"})
        _until(lambda: client.get(f"/v1/battles/{battle['id']}").json()["state"] == "ended")
        _until(lambda: client.get("/v1/batches").json()["data"][0]["state"] == "done")
    return {"battle": str(battle["id"])}


def _until(true: Any, within_s: float = 240.0) -> None:
    limit_s = time.monotonic() + within_s
    while not true():
        if time.monotonic() > limit_s:
            raise TimeoutError
        time.sleep(0.2)


def _address_of(role: str) -> str:
    return f"{role}@example.org"


def _address(name: str, made: dict[str, str]) -> str:
    return f"/battle?battle={made['battle']}" if name == "battle" else PAGES[name]


# --- people ----------------------------------------------------------------------------------


@contextmanager
def _person(browser: Browser, server: Server, role: str) -> Iterator[Page]:
    """Somebody with the role, who has the first page open."""
    context = browser.new_context(bypass_csp=True)  # to wait for a state a script is evaluated
    context.set_default_timeout(30_000)
    page = context.new_page() if role == "visitor" else _signed_in(context, server, _address_of(role))
    if role in TEAM_ROLES:
        with server.client() as client:
            invited = client.post("/v1/admin/teams/1/invitations", json={"role": role})
            invited.raise_for_status()
        page.goto(f"{server.url}/?invitation={invited.json()['secret']}")
        page.get_by_role("button", name="Join the team").first.click()
        page.get_by_role("link", name="Credits").wait_for()
    yield page
    context.close()


def _signed_in(context: BrowserContext, server: Server, who: str) -> Page:
    page = context.new_page()
    page.goto(server.url)
    page.get_by_role("button", name="Sign in with Mock").click()
    page.locator("input[name=sub]").fill(who)
    page.get_by_role("button", name="Authorize").click()
    page.get_by_text(f"Signed in as {who}").first.wait_for()
    return page


def _take(page: Page, url: str, path: Path) -> None:
    page.goto(url)
    settle(page)
    _draw(page, path)
    tabs = page.get_by_role("tab").all_inner_texts()
    for no, tab in enumerate(tabs[1:], 1):
        page.get_by_role("tab").nth(no).click()
        _draw(page, path.with_name(f"{path.name}-{tab.lower().replace(' ', '-')}"))


def _draw(page: Page, path: Path) -> None:
    for width, height in SIZES.items():
        page.set_viewport_size({"width": width, "height": height})
        settle(page)
        for complaint in told(page):
            print(f"{path.name} {width}: {complaint}", flush=True)
        whole(page, width, Path(f"{path}-{width}.png"))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
