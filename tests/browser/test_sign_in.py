"""Signing in with a real provider and a real Chromium: one person, two tabs, a key, and every way out."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import httpx
import oidc_provider_mock
import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    Page,
    TimeoutError as PlaywrightTimeout,
    expect,
    sync_playwright,
)

from tests.browser.conftest import FLAGS
from tests.server import Server, free_port

# The provider is another's program in a thread of ours: what it warns of is not ours to mend.
pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore")]
OPERATOR, MEMBER = "ann@example.org", "bob@example.org"
WITHIN_MS = 20_000


class Provider:
    """oidc-provider-mock, on a port of its own."""

    def __init__(self, port: int) -> None:
        self.url = f"http://localhost:{port}"


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with oidc_provider_mock.run_server_in_thread() as server:
        made = Provider(server.server_port)
        for who in (OPERATOR, MEMBER):
            claims = {"email": who, "email_verified": True, "name": who.partition("@")[0].title()}
            httpx.put(f"{made.url}/users/{who}", json=claims, trust_env=False).raise_for_status()
        yield made


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory, provider: Provider) -> Iterator[Server]:
    server = serving(tmp_path_factory.mktemp("signed"), provider)
    yield server
    server.end()


def serving(folder: Path, provider: Provider) -> Server:
    port = free_port()
    server = Server(
        folder,
        {
            "TILTYARD_PORT": str(port),
            "TILTYARD_BASE_URL": f"http://localhost:{port}",
            "TILTYARD_SIGN_IN_MOCK_CLIENT_ID": "tiltyard",
            "TILTYARD_SIGN_IN_MOCK_CLIENT_SECRET": "not a secret",
            "TILTYARD_SIGN_IN_MOCK_DISCOVERY_URL": f"{provider.url}/.well-known/openid-configuration",
            "TILTYARD_SIGN_IN_MOCK_TRUST_EMAIL": "true",
            "TILTYARD_OPERATORS": OPERATOR,
            "TILTYARD_NEW_TEAMS": "anyone",
            "TILTYARD_EMBEDDED": "false",
        },
    )
    server.port, server.url = port, f"http://localhost:{port}"
    server.start()
    return server


@pytest.fixture(scope="module")
def browser(chromium_path: Path) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=str(chromium_path), args=FLAGS)
        yield launched
        launched.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    made = browser.new_context()
    made.set_default_timeout(WITHIN_MS)
    yield made
    made.close()


def sign_in(context: BrowserContext, server: Server, who: str, *, shown: bool = True) -> Page:
    page = context.new_page()
    page.goto(server.url)
    page.get_by_role("button", name="Sign in with Mock").click()
    page.locator("input[name=sub]").fill(who)
    page.get_by_role("button", name="Authorize").click()
    if shown:
        expect(page.get_by_text(f"Signed in as {who}")).to_be_visible(timeout=WITHIN_MS)
    return page


def pick_team(page: Page, name: str) -> None:
    """Open the switch again where the page was just being drawn anew, which closes it."""
    option = page.get_by_role("option", name=name)
    for _ in range(5):
        page.get_by_test_id("stSidebar").get_by_role("combobox").click()
        try:
            option.click(timeout=4_000)
        except PlaywrightTimeout:
            continue
        return
    raise AssertionError(f"{name} never stood in the switch")


def test_sign_in_switch_team_make_a_key_call_revoke_and_sign_out_in_two_tabs(
    context: BrowserContext, signed: Server
) -> None:
    page = sign_in(context, signed, OPERATOR)
    cookies = {cookie["name"]: cookie for cookie in context.cookies()}
    assert cookies["_streamlit_user"]["httpOnly"] and cookies["_streamlit_user"]["sameSite"] == "Lax"
    expect(page.get_by_text("Local", exact=True).first).to_be_visible()  # claimed by the first operator

    # A second team, by the operator's hand; the switch.
    page.get_by_role("link", name="Operator").click()
    page.get_by_label("Name of a new team").fill("Second")
    page.get_by_role("button", name="Make a team").click()
    expect(page.get_by_text("Second (1 member)")).to_be_visible(timeout=WITHIN_MS)
    pick_team(page, "Second")
    expect(page.get_by_test_id("stSidebar").get_by_text("Second", exact=True).first).to_be_visible()

    # A key, shown once; it works, and after it is revoked it does not.
    page.get_by_role("link", name="Team", exact=True).click()
    page.get_by_role("tab", name="API keys").click()
    page.get_by_label("Name", exact=True).fill("mine")
    page.get_by_role("button", name="Make a key").click()
    expect(page.get_by_text("Copy it now")).to_be_visible(timeout=WITHIN_MS)
    expect(page.locator("body")).to_contain_text(re.compile(r"ty_[0-9A-Za-z]{49}"), timeout=WITHIN_MS)
    found = re.search(r"ty_[0-9A-Za-z]{49}", page.content())
    assert found is not None
    with signed.client(key=found.group()) as client:
        told = client.get("/v1/me").json()
        assert (told["team"]["name"], told["scopes"]) == ("Second", ["run", "read"])
        page.get_by_role("tab", name="API keys").click()
        page.get_by_role("button", name="Revoke").first.click()
        expect(page.get_by_text("Ended keys").first).to_be_visible(timeout=WITHIN_MS)
        assert client.get("/v1/me").status_code == 401
    assert found.group() not in signed.log

    # A second tab is signed in by the same cookie; signing out in one is noticed in the other.
    second = context.new_page()
    second.goto(f"{signed.url}/credits")
    expect(second.get_by_text(f"Signed in as {OPERATOR}")).to_be_visible(timeout=WITHIN_MS)
    page.get_by_role("button", name="Sign out").click()
    expect(second.get_by_text("This sign-in is over")).to_be_visible(timeout=WITHIN_MS)
    expect(second.get_by_role("link", name="Credits")).to_have_count(0)


@pytest.mark.slow
def test_an_invitation_lets_somebody_in_who_sees_what_their_role_may(
    browser: Browser, context: BrowserContext, signed: Server
) -> None:
    owner = sign_in(context, signed, OPERATOR)
    owner.get_by_role("link", name="Team", exact=True).click()
    owner.get_by_role("button", name="Make an invitation link").click()
    expect(owner.get_by_text("Shown this once")).to_be_visible(timeout=WITHIN_MS)
    shown = owner.get_by_text(re.compile(r"http://localhost:\d+/\?invitation=[\w-]+"))
    expect(shown).to_be_visible(timeout=WITHIN_MS)
    link = shown.inner_text().strip()
    theirs = browser.new_context()
    theirs.set_default_timeout(WITHIN_MS)
    page = sign_in(theirs, signed, MEMBER)
    expect(page.get_by_role("link", name="Operator")).to_have_count(0)
    page.goto(link)
    page.get_by_role("button", name="Join the team").click()
    expect(page.get_by_test_id("stSidebar").get_by_role("combobox")).to_be_visible(timeout=WITHIN_MS)
    page.goto(f"{signed.url}/team")
    expect(page.get_by_text("Owners invite, change roles and remove.")).to_be_visible(timeout=WITHIN_MS)
    for closed, why in (("Operator", "those who run this installation"), ("Connect", "which owners have")):
        expect(page.get_by_role("link", name=closed, exact=True)).to_have_count(0)
        page.goto(f"{signed.url}/{closed.lower()}")
        expect(page.get_by_text(why)).to_be_visible(timeout=WITHIN_MS)
    theirs.close()


@pytest.mark.slow
def test_a_page_that_is_open_when_its_token_ends_is_closed(context: BrowserContext, tmp_path: Path) -> None:
    with oidc_provider_mock.run_server_in_thread(access_token_max_age=timedelta(seconds=15)) as short:
        server = serving(tmp_path, Provider(short.server_port))
        try:
            page = sign_in(context, server, MEMBER, shown=False)
            expect(page.get_by_role("link", name="Credits")).to_be_visible(timeout=WITHIN_MS)
            expect(page.get_by_text("This sign-in is over")).to_be_visible(timeout=30_000)
            expect(page.get_by_role("link", name="Credits")).to_have_count(0)
        finally:
            server.end()


@pytest.fixture(scope="module")
def sent_to(browser: Browser, signed: Server) -> str:
    """Where the button sends a browser, which then begins to sign in."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(signed.url)
    with page.expect_request("**/auth/login*", timeout=WITHIN_MS) as asked:
        page.get_by_role("button", name="Sign in with Mock").click()
    context.close()
    return asked.value.url


@pytest.mark.parametrize("spoiled", ["nothing", "state", "nonce", "code"])
def test_only_the_providers_answer_to_our_question_signs_somebody_in(
    sent_to: str, provider: Provider, spoiled: str
) -> None:
    """As a browser goes, from the button's address on; each visitor has cookies of their own."""
    with httpx.Client(trust_env=False) as visitor:
        question = visitor.get(sent_to).headers["location"]
        assert question.startswith(f"{provider.url}/oauth2/authorize")
        if spoiled == "nonce":  # the provider answers, for another question than was asked
            question = re.sub(r"nonce=[^&]+", "nonce=somebody-elses", question)
        answer = visitor.post(question, data={"sub": MEMBER}).headers["location"]
        if spoiled in ("state", "code"):
            answer = re.sub(rf"\b{spoiled}=[^&]+", f"{spoiled}=guessed", answer)
        visitor.get(answer)
        signed_in = any(name.startswith("_streamlit_user") for name in visitor.cookies)
    assert signed_in is (spoiled == "nothing")


# --- another site ----------------------------------------------------------------------------


@pytest.fixture
def hostile(signed: Server) -> Iterator[str]:
    page = (Path(__file__).parent / "hostile.html").read_text()
    body = page.replace("VICTIM", signed.url).encode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://localhost:{server.server_port}"  # the same site as its victim: cookies do go along
    server.shutdown()
    server.server_close()
    thread.join(5)


def test_a_hostile_page_opens_no_channel_reads_no_run_and_sends_no_prompt(
    context: BrowserContext, signed: Server, hostile: str
) -> None:
    sign_in(context, signed, OPERATOR)
    with signed.client() as client:
        before = client.get("/v1/credits").json()
    page = context.new_page()
    page.goto(hostile)
    page.wait_for_function("window.results.done", timeout=WITHIN_MS)
    results = page.evaluate("window.results")
    assert results["live"] == results["pages"] == "refused"
    assert results["run"] == results["credits"] == results["prompt"] == "refused"
    assert results["blind"] in ("read ", "refused")  # sent perhaps, and answered 401: nothing moves
    time.sleep(0.5)
    with signed.client() as client:
        assert client.get("/v1/credits").json() == before
    frames = [frame for frame in page.frames if frame.parent_frame is not None]
    assert all(signed.url not in frame.url for frame in frames)
