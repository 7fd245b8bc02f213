"""Who may answer, in which order, and why the others may not."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from gateway.catalog import Catalog, CatalogOverrides
from gateway.errors import ModelUnavailable, NoProviderLeft, RetiredModel, TooLarge, UnknownModel
from gateway.messages import CompletionRequest, Message, Sampling
from gateway.preferences import MaxPrice
from gateway.routing import Plan, Routing
from telemetry import rollups, stored
from telemetry.paces import Pace, Paces
from telemetry.rows import AttemptRow, RequestRow
from tests.gateway.desk import LOCAL
from tests.gateway.scripted import CATALOG, Scripted, asks, refuses, with_providers

NOW_MS = time.time_ns() // 1_000_000
ABSENT = {"slow": "Slow is not connected. Set SLOW_KEY and restart."}


class Known:
    """Paces as a test says them: provider -> (slow first token in ms, slow tokens/s)."""

    def __init__(self, **paces: tuple[float | None, float | None]) -> None:
        self._paces = paces

    def of(self, model_id: str, provider_id: str) -> Pace | None:
        if provider_id not in self._paces:
            return None
        ttft_ms, tokens_per_s = self._paces[provider_id]
        return Pace(1, 100, ttft_ms, ttft_ms, tokens_per_s, tokens_per_s, 1.0, 100)

    async def refresh(self) -> None:
        """Always fresh."""


def routing(*ids: str, paces: Known | None = None, overrides: CatalogOverrides = CATALOG) -> Routing:
    providers = {id: Scripted(id) for id in ids or ("lab", "backup")}
    return Routing(Catalog.load(overrides), providers, ABSENT, paces)


def providers_of(plan: Plan) -> list[str]:
    return [candidate.provider.id for candidate in plan.candidates]


def reasons(plan: Plan) -> dict[str, str]:
    return {dropped.provider or dropped.model: dropped.reason for dropped in plan.dropped}


def test_without_preferences_the_catalogs_order_holds_and_who_is_not_connected_is_named() -> None:
    plan = routing().plan(asks(), NOW_MS)
    assert providers_of(plan) == ["lab", "backup"]
    assert plan.dropped == ()
    alone = routing("backup").plan(asks(), NOW_MS)
    assert (providers_of(alone), reasons(alone)) == (["backup"], {"lab": "it is not configured here."})


@pytest.mark.parametrize(
    ("preferences", "left"),
    [
        ({"order": ("backup",)}, ["backup", "lab"]),
        ({"order": ("nobody", "backup", "lab")}, ["backup", "lab"]),
        ({"only": ("backup",)}, ["backup"]),
        ({"ignore": ("lab",)}, ["backup"]),
        ({"sort": "price"}, ["lab", "backup"]),
        ({"sort": "price", "order": ("backup",)}, ["backup", "lab"]),
        ({"max_price": MaxPrice(1_000_000, 2_000_000)}, ["lab"]),
        ({"max_price": MaxPrice(output_pico_usd=6_000_000)}, ["lab", "backup"]),
        ({"zero_data_retention": True}, ["backup"]),
        ({"no_training": True}, ["backup"]),
        ({"allow_fallbacks": False}, ["lab"]),
        ({"allow_fallbacks": False, "order": ("backup",)}, ["backup"]),
    ],
)
def test_each_preference_orders_or_drops(preferences: dict[str, Any], left: list[str]) -> None:
    assert providers_of(routing().plan(asks(**preferences), NOW_MS)) == left


@pytest.mark.parametrize(
    ("preferences", "provider", "reason"),
    [
        ({"only": ("backup",)}, "lab", "it is not among `only`."),
        ({"ignore": ("lab",)}, "lab", "it is among `ignore`."),
        ({"zero_data_retention": True}, "lab", "it keeps what it is sent."),
        ({"no_training": True}, "lab", "it trains on what it is sent."),
        ({"max_price": MaxPrice(2_000_000)}, "backup", "its input costs $3 a million tokens, more than $2."),
        (
            {"max_price": MaxPrice(output_pico_usd=2_500_000)},
            "backup",
            "its output costs $6 a million tokens, more than $2.5.",
        ),
        ({"allow_fallbacks": False}, "backup", "fallbacks are off."),
    ],
)
def test_each_dropped_provider_has_its_reason(
    preferences: dict[str, Any], provider: str, reason: str
) -> None:
    assert reasons(routing().plan(asks(**preferences), NOW_MS)) == {provider: reason}


def test_what_a_provider_does_not_say_of_data_counts_as_no() -> None:
    wants = asks("one/slow", zero_data_retention=True)
    with pytest.raises(NoProviderLeft, match="it does not say that it keeps nothing"):
        routing("slow").plan(wants, NOW_MS)
    with pytest.raises(NoProviderLeft, match="it does not say that it never trains"):
        routing("slow").plan(asks("one/slow", no_training=True), NOW_MS)


def test_a_required_parameter_drops_who_would_leave_it_out() -> None:
    seeded = Sampling(seed=7)
    plan = routing().plan(asks(sampling=seeded, require_parameters=True), NOW_MS)
    assert (providers_of(plan), reasons(plan)) == (["backup"], {"lab": "it does not take seed."})
    assert providers_of(routing().plan(asks(sampling=seeded), NOW_MS)) == ["lab", "backup"]
    schema = {"type": "json_schema", "json_schema": {"name": "x", "schema": {}}}
    request = CompletionRequest(
        "simulated/steady",
        (Message.of("user", "Hello"),),
        response_format=schema,
        routing=asks(require_parameters=True).routing,
    )
    with pytest.raises(NoProviderLeft, match="it does not take response_format"):
        routing("simulated").plan(request, NOW_MS)


def test_sorted_by_pace_the_slow_end_counts_and_what_is_not_known_comes_last() -> None:
    slow_lab = Known(lab=(900.0, 20.0), backup=(200.0, 80.0))
    assert providers_of(routing(paces=slow_lab).plan(asks(sort="first_token"), NOW_MS)) == ["backup", "lab"]
    assert providers_of(routing(paces=slow_lab).plan(asks(sort="throughput"), NOW_MS)) == ["backup", "lab"]
    one_known = Known(backup=(5_000.0, 1.0))
    assert providers_of(routing(paces=one_known).plan(asks(sort="first_token"), NOW_MS)) == ["backup", "lab"]
    too_few = Known(lab=(None, None), backup=(300.0, None))
    assert providers_of(routing(paces=too_few).plan(asks(sort="throughput"), NOW_MS)) == ["lab", "backup"]


def test_fallback_models_come_after_every_provider_of_the_model_that_was_asked() -> None:
    plan = routing("lab", "backup", "slow").plan(asks(models=("one/slow", "two/fast")), NOW_MS)
    assert [(one.model.id, one.provider.id) for one in plan.candidates] == [
        ("two/fast", "lab"),
        ("two/fast", "backup"),
        ("one/slow", "slow"),
    ]
    unknown = routing().plan(asks(models=("nobody/knows",)), NOW_MS)
    assert providers_of(unknown) == ["lab", "backup"]
    assert reasons(unknown)["nobody/knows"].startswith("There is no model 'nobody/knows' here.")
    with pytest.raises(UnknownModel):
        routing().plan(asks("nobody/knows", models=("nobody/else",)), NOW_MS)
    saved = routing("slow").plan(asks("nobody/knows", models=("one/slow",)), NOW_MS)
    assert [one.model.id for one in saved.candidates] == ["one/slow"]


def test_a_model_that_nobody_serves_here_says_which_key_to_set() -> None:
    with pytest.raises(ModelUnavailable, match="Set SLOW_KEY"):
        routing("lab").plan(asks("one/slow"), NOW_MS)
    with pytest.raises(ModelUnavailable, match="Set SLOW_KEY"):
        routing("lab").plan(asks("one/slow", order=("slow",)), NOW_MS)


def test_a_retired_model_is_answered_for_by_whom_operator_or_caller_allow() -> None:
    slow = routing("slow")
    with pytest.raises(RetiredModel) as retired:
        slow.plan(asks("one/gone"), NOW_MS)
    assert retired.value.successor == "one/slow"
    [heir] = slow.plan(asks("one/gone", stand_in="successor"), NOW_MS).candidates
    assert (heir.model.id, heir.stand_in_for) == ("one/slow", "one/gone")
    [other] = slow.plan(asks("one/gone", models=("one/free",)), NOW_MS).candidates
    assert (other.model.id, other.stand_in_for) == ("one/free", None)
    stands = CatalogOverrides(CATALOG.providers, CATALOG.models, {"one/gone": "one/free"})
    operators = routing("slow", overrides=stands)
    assert operators.plan(asks("one/gone"), NOW_MS).candidates[0].stand_in_for == "one/gone"
    with pytest.raises(RetiredModel):
        operators.plan(asks("one/gone", stand_in="never"), NOW_MS)
    # Its successor is known by name alone: nobody can answer for it.
    with pytest.raises(RetiredModel, match="gpt-5-codex-mini"):
        routing("openai").plan(asks("codex-mini", stand_in="successor"), NOW_MS)


# --- through the door -------------------------------------------------------------------------------


async def test_a_preview_says_who_then_who_at_what_price_and_who_rests(tmp_path: Path) -> None:
    lab, backup = Scripted("lab", refuses(500)), Scripted("backup")
    async with with_providers(tmp_path, lab, backup) as here:
        preview = await here.gateway.preview(LOCAL, asks(models=("one/slow",)))
        assert preview.words == "Lab then Backup at $1.00 in, $2.00 out"
        assert [str(dropped) for dropped in preview.dropped] == [
            "one/slow at slow: it is not configured here."
        ]
        assert [one.hold_nano_usd for one in preview.candidates] == [2_021_000, 6_063_000]
        assert preview.candidates[0].pace is None
        for _ in range(3):
            here.gateway.health.failed(("lab", "two/fast"), "it broke")
        resting = await here.gateway.preview(LOCAL, asks())
        assert resting.words == "Backup then Lab at $3.00 in, $6.00 out"
        assert resting.candidates[1].health.standing == "resting"
        assert (here.rows, here.balance().open_holds, lab.calls) == ([], (), [])


async def test_a_parameter_that_a_provider_lacks_is_left_out_for_it_alone_and_said(tmp_path: Path) -> None:
    lab, backup = Scripted("lab", refuses(500)), Scripted("backup")
    async with with_providers(tmp_path, lab, backup) as here:
        run = await here.gateway.admit(LOCAL, asks(sampling=Sampling(seed=7)), surface="api")
        assert run.notes == ("seed was left out: lab does not take it.",)
        await run.ended.wait()
        assert (lab.calls[0].request.sampling.seed, backup.calls[0].request.sampling.seed) == (None, 7)
        assert run.notes == ("lab did not answer (ProviderRefused), so backup was asked.",)


async def test_a_prompt_too_long_for_one_model_goes_to_the_next(tmp_path: Path) -> None:
    long = CompletionRequest(
        "two/fast",
        (Message.of("user", "x" * 40_000),),
        routing=asks(models=("google/gemini-3.8-flash",)).routing,
    )
    async with with_providers(tmp_path, Scripted("lab"), Scripted("google")) as here:
        [only] = (await here.gateway.preview(LOCAL, long)).candidates
        assert only.model_id == "google/gemini-3.8-flash"
        with pytest.raises(TooLarge):
            await here.gateway.preview(LOCAL, CompletionRequest("two/fast", long.messages))


async def test_paces_are_what_telemetry_counted_with_enough_answers_and_read_again_within_5_s(
    tmp_path: Path,
) -> None:
    async with with_providers(tmp_path, Scripted("lab"), Scripted("backup")) as here:
        engine = here.databases.log.engine
        rows = [_answered(at, "lab", 800.0) for at in range(20)] + [
            _answered(at, "backup", 100.0) for at in range(20, 39)
        ]
        with engine.begin() as connection:
            rollups.add(connection, stored.write(connection, rows))
        paces = Paces(engine)
        assert paces.of("two/fast", "lab") is None  # nothing is read before somebody asks
        await paces.refresh()
        lab, backup = paces.of("two/fast", "lab"), paces.of("two/fast", "backup")
        assert lab is not None and backup is not None
        assert (lab.n, lab.hours) == (20, 1)
        assert lab.slow_first_token_ms == pytest.approx(800, rel=0.02)
        assert (backup.n, backup.slow_first_token_ms) == (19, None)  # too few to say
        with engine.begin() as connection:
            rollups.add(connection, stored.write(connection, [_answered(39, "backup", 100.0)]))
        await paces.refresh()
        assert paces.of("two/fast", "backup") == backup  # known for 5 s


def _answered(at: int, provider: str, first_ms: float) -> RequestRow:
    attempt = AttemptRow(
        1,
        provider,
        "x",
        "ok",
        sent_ms=0.0,
        first_answer_ms=first_ms,
        last_ms=first_ms + 1_000,
        model="two/fast",
    )
    return RequestRow(
        request_id=f"req_{at}",
        run_id=f"run_{at}",
        accepted_at_ms=NOW_MS - 120_000 + at,
        team_id=1,
        user_id=1,
        key_id=None,
        surface="api",
        model_asked="two/fast",
        model="two/fast",
        provider=provider,
        series="paid",
        outcome="ok",
        status=200,
        streamed=True,
        output_tokens=100,
        total_ms=first_ms + 1_000,
        attempts=(attempt,),
    )
