from __future__ import annotations

import base64

import pytest

from identity.errors import NotAuthenticated, NotPermitted
from identity.keys import hkdf_sha256, purpose_key
from identity.permissions import may, require
from identity.principal import Principal
from identity.tickets import CHARTS, LIFE_MS, Tickets
from tests.identity.conftest import Clock

SECRET = b"s" * 32
ADA = Principal(team_id=7, team_name="Ada's \u2603", user_id=3, role="member")


def test_a_ticket_says_who_it_was_made_for(clock: Clock) -> None:
    ticket = Tickets(SECRET, now_ms=clock).issue(ADA, "run_1")
    assert Tickets(SECRET, now_ms=clock).read(ticket, "run_1") == ADA


@pytest.mark.parametrize("other", ["run_2", "run_11", "run_", "", "trn_1", CHARTS])
def test_a_ticket_is_about_one_thing(clock: Clock, other: str) -> None:
    tickets = Tickets(SECRET, now_ms=clock)
    with pytest.raises(NotAuthenticated):
        tickets.read(tickets.issue(ADA, "run_1"), other)


def test_a_ticket_lives_half_an_hour_to_an_hour_and_is_the_same_for_half_of_one(clock: Clock) -> None:
    tickets = Tickets(SECRET, now_ms=clock)
    clock.ms = 1_000 * LIFE_MS
    ticket = tickets.issue(ADA, "run_1")
    clock.ms += 1_800_000 - 1
    assert (LIFE_MS, tickets.issue(ADA, "run_1")) == (3_600_000, ticket)
    clock.ms += 1
    assert tickets.issue(ADA, "run_1") != ticket
    clock.ms += 1_800_000 - 1
    assert tickets.read(ticket, "run_1") == ADA
    clock.ms += 1
    with pytest.raises(NotAuthenticated):
        tickets.read(ticket, "run_1")


def test_a_changed_foreign_or_garbled_ticket_is_refused(clock: Clock) -> None:
    tickets = Tickets(SECRET, now_ms=clock)
    ticket = tickets.issue(ADA, "run_1")
    key_id, claims, signature = ticket.split(".")
    raw = base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4))
    raised = base64.urlsafe_b64encode(raw.replace(b'"member"', b'"owner"')).rstrip(b"=").decode()
    bad = [
        "",
        ".",
        "..",
        "a.b.c",
        ticket[:-1],
        ticket + "A",
        f"{key_id}.{raised}.{signature}",
        f"deadbeef.{claims}.{signature}",
        Tickets(b"t" * 32, now_ms=clock).issue(ADA, "run_1"),
        "x" * 100_000,
        "\u00e9." + ticket,
    ]
    for one in bad:
        with pytest.raises(NotAuthenticated):
            tickets.read(one, "run_1")


def test_a_key_of_another_purpose_does_not_sign_tickets(clock: Clock) -> None:
    ticket = Tickets(SECRET, now_ms=clock).issue(ADA, "run_1")
    body, _, _ = ticket.rpartition(".")
    other = purpose_key(SECRET, "provider-key")
    forged = base64.urlsafe_b64encode(other.sign(body.encode())).rstrip(b"=").decode()
    with pytest.raises(NotAuthenticated):
        Tickets(SECRET, now_ms=clock).read(f"{body}.{forged}", "run_1")
    assert other.id != purpose_key(SECRET, "live-ticket").id
    assert other.secret.hex() not in repr(other)


def test_the_derivation_is_rfc_5869s() -> None:
    # Test case 1 and test case 3 of its appendix A.
    okm = hkdf_sha256(
        bytes.fromhex("0b" * 22),
        salt=bytes.fromhex("000102030405060708090a0b0c"),
        info=bytes.fromhex("f0f1f2f3f4f5f6f7f8f9"),
        length=42,
    )
    assert okm.hex() == (
        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"
    )
    okm = hkdf_sha256(bytes.fromhex("0b" * 22), salt=b"", info=b"", length=42)
    assert okm.hex() == (
        "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"
    )


def test_a_short_secret_is_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Tickets(b"short")


def test_a_viewer_reads_and_does_not_run() -> None:
    viewer = Principal(team_id=1, team_name="t", user_id=1, role="viewer")
    assert may(viewer, "read_credits")
    with pytest.raises(NotPermitted, match="'viewer'"):
        require(viewer, "run_models")
    require(ADA, "run_models")
