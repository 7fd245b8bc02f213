"""Turns the settings of sign-in into what identity judges by, and into what Streamlit's sign-in reads.

Streamlit's cookie is signed with a key of its own, derived from the installation's secret, so that every
process of the installation can read it and nothing else is opened with it.
"""

from __future__ import annotations

from typing import Any

from identity.claims import ClaimRule, Provider, Rules
from identity.keys import purpose_key
from settings import Settings

COOKIE = "sign-in-cookie"


def rules_of(settings: Settings) -> Rules:
    return Rules(
        providers=tuple(
            Provider(name, said.title or name.capitalize(), said.client_id, said.trust_email)
            for name, said in settings.sign_in.items()
        ),
        operators=settings.operators,
        domains=tuple(domain.casefold().lstrip("@") for domain in settings.sign_in_domains),
        new_teams=settings.new_teams,
        team_claims=tuple(
            ClaimRule(rule.claim, rule.value, rule.team, rule.role, rule.provider)
            for rule in settings.team_claims
        ),
    )


def cookie_secret(secret: bytes) -> str:
    return purpose_key(secret, COOKIE).secret.hex()


def streamlit_secrets(settings: Settings, secret: bytes) -> dict[str, Any] | None:
    """What `st.App(secrets=...)` takes; None without sign-in."""
    if not settings.sign_in:
        return None
    auth: dict[str, Any] = {
        "redirect_uri": f"{settings.url}/oauth2callback",
        "cookie_secret": cookie_secret(secret),
    }
    for name, said in settings.sign_in.items():
        auth[name] = {
            "client_id": said.client_id,
            "client_secret": said.client_secret,
            "server_metadata_url": said.discovery_url,
            "client_kwargs": {"scope": said.scope, "prompt": said.prompt},
        }
    return {"auth": auth}
