"""/v1/admin: numbers that no database keeps are refused, whichever field they stand in."""

from __future__ import annotations

import httpx
import pytest

from tests.server import API_KEY, Server

TOO_LARGE = 2**63


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/admin/teams", {"name": "New", "owner_id": TOO_LARGE}),
        ("/v1/admin/teams/1/invitations", {"life_hours": TOO_LARGE}),
        ("/v1/admin/teams/1/keys", {"name": "ci", "expires_ms": TOO_LARGE}),
        ("/v1/admin/teams/1/keys/1/rotate", {"overlap_hours": TOO_LARGE}),
        ("/v1/admin/teams/1/grants", {"amount_usd": "1", "reason": "for tests", "expires_ms": TOO_LARGE}),
    ],
)
def test_a_number_too_large_to_keep_is_refused_as_malformed(
    tiltyard: Server, path: str, body: dict[str, object]
) -> None:
    answered = httpx.post(tiltyard.url + path, json=body, headers={"authorization": f"Bearer {API_KEY}"})
    assert answered.status_code == 400, answered.text
    assert next(reversed(body)) in answered.json()["error"]["message"]


def test_a_page_before_the_largest_number_is_the_first_page(tiltyard: Server) -> None:
    headers = {"authorization": f"Bearer {API_KEY}"}
    first, before = (
        httpx.get(tiltyard.url + f"/v1/admin/audit{query}", headers=headers)
        for query in ("", f"?before={TOO_LARGE}")
    )
    assert (first.status_code, before.status_code) == (200, 200), before.text
    assert before.json() == first.json()
