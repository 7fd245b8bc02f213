"""The registry of figures: what each one is, how it is computed, what it is not.

One text for the drawer beside a figure on a page, for `docs/figures.md` and for the tests. The
arithmetic is in `clocks.py`; a figure that is not here is not shown.
`python -m telemetry.metrics > docs/figures.md` writes the page again.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Literal

MIN_SAMPLES = 20


@dataclass(frozen=True, slots=True)
class Metric:
    """One figure. `of` says what its n counts; below `min_samples` it is shown grey, with its n."""

    id: str
    name: str
    unit: Literal["ms", "tokens/s", "%"]
    of: Literal["attempts", "requests"]
    definition: str
    formula: str
    is_not: str
    min_samples: int = MIN_SAMPLES


@dataclass(frozen=True, slots=True)
class Term:
    name: str
    meaning: str


CLOCKS = (
    Term("accepted", "The gateway has the whole request. All other clocks count from here."),
    Term(
        "sent",
        "The last byte of the request to the provider is written: after authorisation, hold and routing.",
    ),
    Term("first_byte", "The first byte of the provider's body arrives."),
    Term("first_reasoning", "The first reasoning text, or summary of reasoning, arrives."),
    Term(
        "first_answer",
        "The first character of the visible answer, or the first tool-call argument, arrives. An empty frame "
        "that only names a role does not count.",
    ),
    Term("last", "The provider's last event arrives."),
)

OUTCOMES = (
    Term("ok", "The answer is whole."),
    Term(
        "provider_fault",
        "The provider refused, went silent, or cut its answer, also after a status of 200.",
    ),
    Term("gateway_fault", "Our own mistake, such as a wrong key for the provider."),
    Term("client_fault", "The request itself could not be served."),
    Term("cancelled", "Whoever asked stopped it or left."),
    Term("blocked", "A rule of the team or of this installation refused it."),
)

RULES = (
    Term(
        "Attempt and request",
        "A request is what arrived; an attempt is one call to one provider for it. A request that fell "
        "back has several attempts, each a row of its own.",
    ),
    Term(
        "Percentile",
        "Nearest rank over the window: the p95 of n values is the ceil(0.95 n)-th smallest. Values are kept "
        "in logarithmic bins 4 % wide, so that a percentile is within 2 % of the exact one, from 0.01 ms to "
        "1,012 s. It is never an average of percentiles.",
    ),
    Term(
        "Window",
        "A request counts at the instant at which it ended, with all of its attempts. Windows are in UTC and "
        "begin at a whole minute up to 12 hours, at whole five minutes up to 3 days, at a whole hour beyond. "
        "Minutes are kept for 2 days and five minutes for 7: what lies further back is read from hours, "
        "which are kept for good.",
    ),
    Term(
        "By key, tag or length",
        "The same figures over the same windows, a request under several tags in each. They are added up out "
        "of the log after the fact, within two minutes, and what came since is read from the requests "
        "themselves, so that a request counts at once. By hours they are kept for good; with two of key, tag "
        "and length at once, and in hours that a window begins within, as far back as the log goes. The page "
        "says since when where less is there.",
    ),
    Term(
        "Interval",
        "The 95 % interval of a percentile is that of its order statistics, whatever the distribution; that "
        "of a share is Wilson's. None is shown where the samples do not reach that far.",
    ),
    Term(
        "Few samples",
        f"With fewer than {MIN_SAMPLES} samples a figure is grey and shows its n; with none it says so.",
    ),
    Term(
        "Series",
        "Requests on a team's own provider key are a series of their own and never mixed with others. "
        "Simulated models are left out unless asked for.",
    ),
)

# Where the time of a whole streamed answer goes; together its total time.
PHASES: dict[str, Term] = {
    "gateway": Term(
        "Gateway",
        "What came before the first attempt was sent, and after the provider's last event: ours.",
    ),
    "waiting": Term(
        "Network and queue",
        "From then until the first token of any kind: the way there and back, the provider's queue, and "
        "every attempt before the one that answered.",
    ),
    "thinking": Term("Thinking", "From the first reasoning to the first character of the visible answer."),
    "answering": Term("Answer", "From that to the provider's last event."),
}

_METRICS = (
    Metric(
        id="ttft_ms",
        name="Time to first token",
        unit="ms",
        of="attempts",
        definition="How long the provider took until the first token of any kind came: reasoning or answer.",
        formula="min(first_reasoning, first_answer) - sent",
        is_not="Not known for an answer that was not streamed: never its total time. An empty role frame or "
        "a keep-alive comment does not stop the clock.",
    ),
    Metric(
        id="first_answer_ms",
        name="Time to first answer",
        unit="ms",
        of="attempts",
        definition="How long the provider took until the first character of the visible answer, or the first "
        "tool-call argument, came.",
        formula="first_answer - sent",
        is_not="Equal to the time to first token only for models that do not reason.",
    ),
    Metric(
        id="caller_first_answer_ms",
        name="First answer as the caller saw it",
        unit="ms",
        of="requests",
        definition="How long whoever asked waited for the first visible character, failed attempts included.",
        formula="first_answer of the attempt that answered - accepted",
        is_not="Not a provider's figure: it holds the gateway's own time and every attempt before the last.",
    ),
    Metric(
        id="gateway_ms",
        name="Gateway's own time",
        unit="ms",
        of="requests",
        definition="What Tiltyard itself added before anybody was asked: authorisation, hold and routing.",
        formula="sent of the first attempt - accepted",
        is_not="Not part of the time to first token, which starts at sent. Its work on each event is too "
        "short to be timed event by event; bench/README.md says what it adds.",
    ),
    Metric(
        id="tpot_ms",
        name="Time per output token",
        unit="ms",
        of="attempts",
        definition="The pace of the answer once it began, for answers of two or more tokens.",
        formula="(last - first token) / (output tokens - 1)",
        is_not="Not known where everything came in one read. Reasoning tokens that the provider did not show "
        "were over before the first token came and are not divided by.",
    ),
    Metric(
        id="tokens_per_s",
        name="Throughput",
        unit="tokens/s",
        of="attempts",
        definition="How many tokens a second the model wrote once it began (decode).",
        formula="1,000 / time per output token; percentiles are taken of the time and then inverted",
        is_not="Not a mean of ratios. Its p95 is the slow end: 95 % of the answers were at least as fast.",
    ),
    Metric(
        id="end_to_end_tokens_per_s",
        name="Throughput, end to end",
        unit="tokens/s",
        of="attempts",
        definition="Tokens a second over the whole call, the wait for the first one included.",
        formula="output tokens / (last - sent); percentiles are taken of the time a token and then inverted",
        is_not="Not decode throughput, which a provider that holds its answer back and then sends it at once "
        "makes look high.",
    ),
    Metric(
        id="total_ms",
        name="Total time",
        unit="ms",
        of="requests",
        definition="From the request's arrival to its end, all attempts included.",
        formula="end - accepted",
        is_not="Not comparable between answers of different length.",
    ),
    Metric(
        id="burst_share",
        name="Burst index",
        unit="%",
        of="attempts",
        definition="The share of the answer that came in the largest single read.",
        formula="largest read / answer",
        is_not="Not a fault in a short answer: it flags providers that hold a long one back.",
    ),
    Metric(
        id="success_rate",
        name="Success rate",
        unit="%",
        of="requests",
        definition="How often this gateway answered whole, of the requests that were its to answer.",
        formula="ok / (ok + provider_fault + gateway_fault), of requests",
        is_not="client_fault, cancelled and blocked count neither for nor against. A request saved by a "
        "second attempt is a success here.",
    ),
    Metric(
        id="attempt_success_rate",
        name="Success rate, direct",
        unit="%",
        of="attempts",
        definition="How often the provider itself answered whole.",
        formula="ok / (ok + provider_fault + gateway_fault), of attempts",
        is_not="Not what callers saw: a failed attempt counts against its provider also where the next one "
        "answered.",
    ),
)

METRICS: dict[str, Metric] = {metric.id: metric for metric in _METRICS}


def as_markdown() -> str:
    """`docs/figures.md`, whole."""
    parts = [
        "# Figures\n",
        "What each figure of the pages, the API and the exports is. This page is written by\n"
        "`python -m telemetry.metrics > docs/figures.md` from the registry that the pages show; a test\n"
        "fails where they differ.\n",
        "## Six clocks\n",
        "All of one monotonic clock, a set for each attempt.\n",
        *(f"- **{clock.name}**: {clock.meaning}" for clock in CLOCKS),
        "\n## Outcomes\n",
        *(f"- **{outcome.name}**: {outcome.meaning}" for outcome in OUTCOMES),
        "\n## Rules for all figures\n",
        *(f"- **{rule.name}.** {rule.meaning}" for rule in RULES),
        "\n## Phases\n",
        "Where the time of a whole streamed answer went; a chart shows their means, which add up.\n",
        *(f"- **{phase.name}**: {phase.meaning}" for phase in PHASES.values()),
        "\n## The figures",
        *(_section(metric) for metric in METRICS.values()),
    ]
    return "\n".join(parts) + "\n"


def _section(metric: Metric) -> str:
    return (
        f"\n### {metric.name}\n\n"
        f"`{metric.id}` in {metric.unit}. n counts {metric.of}; grey below n = {metric.min_samples}.\n\n"
        f"{metric.definition}\n\n- **Formula:** {metric.formula}\n- **Mind:** {metric.is_not}"
    )


if __name__ == "__main__":
    sys.stdout.write(as_markdown())
