"""A team's rules and a key's narrow what may be asked, through the one use case."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from msgspec import structs

from gateway.errors import Forbidden, PolicyRefused
from gateway.messages import CompletionRequest, Message
from gateway.preferences import RoutingPreferences
from gateway.secret_check import kinds_in, redacted
from gateway.team_policy import checked
from identity.policy import Policy
from identity.principal import Principal
from tests.gateway.desk import LOCAL, Desk, asking, desk, ended

AWS = "AKIA" + "ABCDEFGHIJKLMNOP"
GITHUB = "ghp_" + "a1B2" * 9


@pytest.fixture
async def at(tmp_path: Path) -> AsyncIterator[Desk]:
    async with desk(tmp_path) as opened:
        yield opened


def ruled(**rules: object) -> Principal:
    return replace(LOCAL, policy=Policy(**rules))  # type: ignore[arg-type]  # a test's shorthand


async def refusal(at: Desk, by: Principal, request: CompletionRequest) -> str:
    with pytest.raises(PolicyRefused) as refused:
        await at.gateway.admit(by, request, surface="api")
    return refused.value.rule


async def test_each_rule_refuses_by_its_name_and_holds_nothing(at: Desk) -> None:
    steady = asking("simulated/steady")
    assert await refusal(at, ruled(models=("openai/*",)), steady) == "models"
    assert await refusal(at, ruled(providers=("openai",)), steady) == "providers"
    assert await refusal(at, ruled(regions=("eu",)), steady) == "regions"
    assert await refusal(at, replace(LOCAL, models=("openai/gpt-5",)), steady) == "key_models"
    assert await refusal(at, ruled(secrets="block"), asking("simulated/steady", f"use {AWS}")) == "secrets"
    assert at.balance().held_nano_usd == 0
    assert [row.outcome for row in at.rows] == ["blocked"] * 5


async def test_what_the_rules_allow_is_answered(at: Desk) -> None:
    by = ruled(models=("simulated/*",), providers=("simulated",), secrets="block")
    run = await ended(await at.gateway.admit(by, asking("simulated/steady"), surface="api"))
    assert run.state == "done"


async def test_a_fallback_model_is_judged_like_the_one_asked_for(at: Desk) -> None:
    wants = RoutingPreferences(models=("simulated/steady",))
    by = ruled(models=("simulated/keep-alive",))
    ready = await at.gateway.prepare(by, asking("simulated/keep-alive", routing=wants), 1_790_000_000_000)
    assert [option.model.id for option in ready.options.options] == ["simulated/keep-alive"]
    assert any("do not allow the model simulated/steady" in str(one) for one in ready.options.dropped)


async def test_zero_retention_is_asked_of_every_provider_whatever_the_request_says(at: Desk) -> None:
    ready = await at.gateway.prepare(
        ruled(zero_retention=True), asking("simulated/steady"), 1_790_000_000_000
    )
    assert ready.asked.routing.zero_data_retention


async def test_a_keys_tags_mark_all_that_it_spends(at: Desk) -> None:
    by = replace(LOCAL, tags=("ci",))
    run = await ended(await at.gateway.admit(by, asking("simulated/steady"), surface="api"))
    assert run.request.tags == ("ci",)
    assert at.rows[-1].tags == ("ci",)


async def test_a_team_that_waits_for_approval_sends_nothing(at: Desk) -> None:
    with pytest.raises(Forbidden, match="operator's approval"):
        await at.gateway.admit(replace(LOCAL, ready=False), asking("simulated/steady"), surface="page")


async def test_secrets_are_taken_out_before_anything_leaves(at: Desk) -> None:
    by, asked = ruled(secrets="redact"), asking("simulated/steady", f"my key is {AWS}, ok?")
    run = await ended(await at.gateway.admit(by, asked, surface="page"))
    assert run.request.messages[0].text == "my key is [redacted: an AWS access key], ok?"


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        (f"{AWS} and {GITHUB}", ("an AWS access key", "a GitHub token")),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----", ("a private key",)),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\ncut off", ("a private key",)),
        ("sk-proj-" + "a" * 40, ("an OpenAI key",)),
        ("sk-ant-api03-" + "b" * 40, ("an Anthropic key",)),
        ("ty_" + "c" * 49, ("a Tiltyard key",)),
        ("The task-list is at sk-1; AKIA is a prefix; ghp_ too.", ()),
        ("", ()),
    ],
)
def test_keys_of_known_shapes_are_found_and_prose_is_left_alone(text: str, kinds: tuple[str, ...]) -> None:
    assert kinds_in(text) == kinds
    assert kinds_in(redacted(text)) == ()


def test_a_hook_of_the_installation_may_change_or_refuse() -> None:
    def shout(_: Principal, request: CompletionRequest) -> CompletionRequest:
        return structs.replace(request, messages=(Message.of("user", request.messages[0].text.upper()),))

    def refuse(_: Principal, request: CompletionRequest) -> CompletionRequest:
        raise PolicyRefused("house_rules", "not today")

    assert checked(LOCAL, asking("m", "hi"), (shout,)).messages[0].text == "HI"
    with pytest.raises(PolicyRefused, match="house_rules"):
        checked(LOCAL, asking("m"), (shout, refuse))


@pytest.mark.parametrize(
    ("rules", "surface", "kept"),
    [
        ({}, "page", True),
        ({}, "api", False),
        ({"keep_api_text": True}, "api", True),
        ({"text_days": 0}, "page", False),
        ({"text_days": 0, "keep_api_text": True}, "api", False),
        ({"zero_retention": True}, "page", False),
        ({"text_days": 30}, "page", True),
    ],
)
async def test_text_is_kept_by_the_teams_choice(
    at: Desk, rules: dict[str, object], surface: str, kept: bool
) -> None:
    by = ruled(**rules)
    if by.policy.zero_retention:
        assert not by.policy.keeps_text(surface)
        return
    run = await ended(await at.gateway.admit(by, asking("simulated/steady"), surface=surface))  # type: ignore[arg-type]
    assert run.keeps_text is kept


async def test_another_member_sees_the_facts_of_a_run_and_not_its_text(at: Desk) -> None:
    run = await ended(await at.gateway.admit(LOCAL, asking("simulated/steady"), surface="page"))
    colleague = replace(LOCAL, user_id=2, role="auditor")
    seen = await at.gateway.record(colleague, run.id)
    assert (seen.messages, seen.text, seen.keeps_text) == ((), "", False)
    assert seen.figures.cost_nano_usd == run.figures.cost_nano_usd
    allowed = replace(colleague, policy=Policy(text_readers=("auditor",)))
    assert (await at.gateway.record(allowed, run.id)).text == run.text
    assert (await at.gateway.record(LOCAL, run.id)).text == run.text
