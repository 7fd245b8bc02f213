"""Runs a pack again through an installation's API, and holds the answers against what was asked of them.

Every request of the pack is sent as it was, each turn with the answers that its lane gave then, so that
turns stand for themselves. A run *holds* where it answered, passed every check that the pack carries, and
kept to the terms. Standard library alone on the wire: this runs in other people's CI.
"""

from __future__ import annotations

import asyncio
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from battles.checks import Check, Verdict
from battles.pack_format import Opened
from battles.sandbox import Sandbox
from billing.money import decimal_usd, parse_usd

TAG: Final = "pack"
_WITHIN_S: Final = 600.0
_TRIES: Final = 3
_LONGEST_WAIT_S: Final = 30.0


class CannotAsk(Exception):
    """The installation could not be asked, or does not take the key. `str()` says why."""


@dataclass(frozen=True, slots=True)
class Asked:
    base_url: str
    key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Terms:
    """What every run must keep to, beside its checks. None asks nothing."""

    most_nano_usd: int | None = None
    cost_factor: float | None = None
    same: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """`problems` is empty where the run holds."""

    turn: int
    lane: str
    model: str
    text: str
    cost_nano_usd: int
    total_ms: float
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Report:
    outcomes: tuple[Outcome, ...]
    skipped: int
    problems: tuple[str, ...] = ()

    @property
    def cost_nano_usd(self) -> int:
        return sum(outcome.cost_nano_usd for outcome in self.outcomes)

    @property
    def holds(self) -> bool:
        return bool(self.outcomes) and not self.problems and not any(each.problems for each in self.outcomes)

    @property
    def summary(self) -> str:
        held = sum(not each.problems for each in self.outcomes)
        told = f"{held} of {len(self.outcomes)} runs hold; cost ${decimal_usd(self.cost_nano_usd)}"
        if self.skipped:
            told += f"; {self.skipped} not asked, for their request was not kept"
        return "\n".join((told, *self.problems))


def run_again(
    pack: Opened,
    asked: Asked,
    terms: Terms,
    instead: Mapping[str, str],
    *,
    say: Callable[[str], None] = lambda line: None,
) -> Report:
    """`instead` says which models are asked in place of which. Raises `CannotAsk`."""
    labels = {lane["no"]: lane["label"] for lane in pack.parts["lanes"]}
    outcomes: list[Outcome] = []
    skipped, spent = 0, 0
    for recorded in pack.parts["runs"]:
        if recorded["request"] is None:
            skipped += 1
            continue
        if terms.most_nano_usd is not None and spent >= terms.most_nano_usd:
            problem = f"not all was asked: ${decimal_usd(spent)} is what may be spent, or more"
            return Report(tuple(outcomes), skipped, (problem,))
        request = dict(recorded["request"])
        request["model"] = instead.get(request["model"], request["model"])
        outcome = _one(recorded, labels[recorded["lane"]], request, asked, terms, pack.parts["checks"])
        spent += outcome.cost_nano_usd
        outcomes.append(outcome)
        say(_line(outcome))
    over = terms.most_nano_usd is not None and spent > terms.most_nano_usd
    problems = (f"it cost ${decimal_usd(spent)}, more than it may",) if over else ()
    if not outcomes:
        problems = ("no request of this pack was kept, so there was nothing to run",)
    return Report(tuple(outcomes), skipped, problems)


def _one(
    recorded: Mapping[str, Any],
    label: str,
    request: dict[str, Any],
    asked: Asked,
    terms: Terms,
    checks: list[Any],
) -> Outcome:
    began = time.monotonic()
    status, answer = _ask(asked, request)
    total_ms = (time.monotonic() - began) * 1000
    if status != 200 or not answer.get("choices"):
        error = answer.get("error") or {}
        said = str(error.get("message") or f"status {status}")
        return Outcome(
            recorded["turn"], label, request["model"], "", _cost(error), total_ms, (f"no answer: {said}",)
        )
    text = answer["choices"][0]["message"].get("content") or ""
    cost = _cost(answer)
    problems = [*_broken_terms(recorded, text, cost, terms), *_failed_checks(text, request, checks)]
    return Outcome(recorded["turn"], label, str(answer.get("model")), text, cost, total_ms, tuple(problems))


def _broken_terms(recorded: Mapping[str, Any], text: str, cost: int, terms: Terms) -> list[str]:
    problems = []
    if terms.same and text != (recorded["output"] or ""):
        problems.append("the output is another")
    if terms.cost_factor is not None and recorded["cost_usd"] is not None:
        most = parse_usd(recorded["cost_usd"]) * terms.cost_factor / max(1, recorded["tries"])
        if cost > most:
            problems.append(f"it cost ${decimal_usd(cost)}, then ${recorded['cost_usd']}")
    return problems


def _failed_checks(text: str, request: Mapping[str, Any], checks: list[Any]) -> list[str]:
    """Those of the pack; and where JSON was asked for, that it is some."""
    problems = []
    if (request.get("response_format") or {}).get("type") in ("json_object", "json_schema"):
        try:
            json.loads(text)
        except ValueError:
            problems.append("the output is no JSON")
    for verdict in asyncio.run(_verdicts(checks, text)) if checks else ():
        if not verdict.passed:
            problems.append(f"{verdict.kind}: {verdict.why or 'failed'}")
    return problems


async def _verdicts(checks: list[Any], text: str) -> tuple[Verdict, ...]:
    sandbox = Sandbox()
    try:
        return await sandbox.check(msgspec.convert(checks, list[Check]), text, {})
    finally:
        await sandbox.close()


def _cost(answer: Mapping[str, Any]) -> int:
    return parse_usd(str((answer.get("usage") or {}).get("cost") or "0"))


def _line(outcome: Outcome) -> str:
    told = "; ".join(outcome.problems) or "holds"
    return (
        f"turn {outcome.turn} {outcome.lane} {outcome.model}: {told} "
        f"(${decimal_usd(outcome.cost_nano_usd)}, {outcome.total_ms:.0f} ms)"
    )


def _ask(asked: Asked, request: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
    """Status and body; a limit on requests is waited out, twice. Raises `CannotAsk`."""
    if not asked.base_url.startswith(("http://", "https://")):
        raise CannotAsk(f"{asked.base_url[:80]!r} is no address of an installation.")
    sent = urllib.request.Request(  # noqa: S310  # the address was looked at above
        f"{asked.base_url.rstrip('/').removesuffix('/v1')}/v1/chat/completions",
        json.dumps(dict(request)).encode(),
        {"authorization": f"Bearer {asked.key}", "content-type": "application/json", "x-tags": TAG},
    )
    for left in reversed(range(_TRIES)):
        try:
            with _OPENER.open(sent, timeout=_WITHIN_S) as answer:
                return answer.status, _json(answer.read())
        except urllib.error.HTTPError as refused:
            body = _json(refused.read())
            if refused.code in (401, 403):
                raise CannotAsk(str((body.get("error") or {}).get("message") or refused.code)) from None
            if refused.code != 429 or not left:
                return refused.code, body
            time.sleep(min(_LONGEST_WAIT_S, _retry_after_s(refused.headers.get("retry-after"))))
        except (OSError, ValueError) as error:
            raise CannotAsk(f"{asked.base_url}: {getattr(error, 'reason', error)}") from None
    raise AssertionError("the last try returns")


def _retry_after_s(said: str | None) -> float:
    return float(said) if said is not None and said.isdigit() else 1.0


def _json(body: bytes) -> dict[str, Any]:
    read = json.loads(body)
    if not isinstance(read, dict):
        raise CannotAsk("What answers there is no installation of this kind.")
    return read


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A key goes to the address that was named, and to no other."""

    def redirect_request(self, *_: Any) -> None:
        return None


_OPENER: Final = urllib.request.build_opener(_NoRedirects)
