from msgspec.structs import replace
from prometheus_client.parser import text_string_to_metric_families

from telemetry.exposition import Exposition, Gauge, merged
from telemetry.rows import AttemptRow, RequestRow

ATTEMPT = AttemptRow(
    1, "lab", "fast-1", "ok", sent_ms=2.0, first_byte_ms=40.0, first_answer_ms=42.0, last_ms=142.0
)
ROW = RequestRow(
    request_id="req_1",
    run_id="run_1",
    accepted_at_ms=1_700_000_000_000,
    team_id=1,
    user_id=1,
    key_id=7,
    surface="api",
    model_asked="fast",
    model="lab/fast",
    provider="lab",
    series="paid",
    outcome="ok",
    status=200,
    streamed=True,
    input_tokens=12,
    output_tokens=11,
    cost_nano_usd=2_500,
    total_ms=150.0,
    gateway_ms=2.0,
    attempts=(ATTEMPT,),
)


def samples(page: bytes) -> dict[tuple[str, ...], float]:
    """By name and the labels that tell them apart, the process's left out."""
    found = {}
    for family in text_string_to_metric_families(page.decode()):
        for sample in family.samples:
            labels = sorted(f"{k}={v}" for k, v in sample.labels.items() if k not in ("process", "role"))
            found[sample.name, *labels] = sample.value
    return found


def test_requests_tokens_cost_and_times_are_counted_by_model_and_provider() -> None:
    exposition = Exposition("proc_1", "api")
    for _ in range(3):
        exposition.record(ROW)
    failed = replace(ATTEMPT, outcome="provider_fault")
    exposition.record(replace(ROW, outcome="provider_fault", status=502, attempts=(failed, failed)))
    told = samples(exposition.text())
    model, provider, api = "model=lab/fast", "provider=lab", "surface=api"
    assert told["tiltyard_requests_total", model, "outcome=ok", provider, "status=200", api] == 3
    assert told["tiltyard_requests_total", model, "outcome=provider_fault", provider, "status=502", api] == 1
    assert told["tiltyard_attempts_total", model, "outcome=provider_fault", provider] == 2
    assert told["tiltyard_tokens_total", "kind=output", model, provider] == 44
    assert round(told["tiltyard_cost_usd_total", model, provider, "series=paid"] * 1e9) == 10_000
    assert told["tiltyard_total_seconds_count", model, provider] == 4
    assert told["tiltyard_total_seconds_bucket", "le=0.1", model, provider] == 0
    assert told["tiltyard_total_seconds_bucket", "le=0.25", model, provider] == 4
    assert round(told["tiltyard_ttft_seconds_sum", model, provider], 6) == 5 * 0.040
    assert round(told["tiltyard_tpot_seconds_sum", model, provider], 6) == 5 * 0.010


def test_a_refusal_of_nobody_known_has_empty_labels_and_no_times_of_attempts() -> None:
    exposition = Exposition("proc_1", "app", [Gauge("tiltyard_runs_running", "Runs.", lambda: 2)])
    nobody = replace(ROW, run_id=None, team_id=None, model=None, provider=None, attempts=())
    exposition.record(replace(nobody, outcome="client_fault", status=401))
    told = samples(exposition.text())
    labels = ("model=", "outcome=client_fault", "provider=", "status=401", "surface=api")
    assert told["tiltyard_requests_total", *labels] == 1
    assert [name for name in told if name[0].startswith("tiltyard_ttft")] == []
    assert told["tiltyard_runs_running",] == 2


def test_pages_of_several_processes_are_one_page_that_prometheus_reads() -> None:
    pages = []
    for number in range(3):
        gauge = Gauge("tiltyard_runs_running", "Runs.", lambda: 1)
        exposition = Exposition(f"proc_{number}", "api", [gauge])
        exposition.record(ROW)
        pages.append(exposition.text())
    page = merged(pages)
    families = {family.name: family for family in text_string_to_metric_families(page.decode())}
    assert page.count(b"# TYPE tiltyard_requests_total counter") == 1
    processes = {sample.labels["process"] for sample in families["tiltyard_requests"].samples}
    assert processes == {"proc_0", "proc_1", "proc_2"}
    assert len(families["tiltyard_runs_running"].samples) == 3
