"""The matrix fault x wire x streamed or not, played through the real server: what the caller saw, and paid.

`python -m tests.faults.matrix` plays it and writes the table into docs/faults.md, where a test holds it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from billing.audit import audit
from gateway.providers.base import Wire
from tests.faults.faulty import (
    EMBEDDING_FAULTS,
    EMBEDDINGS,
    FAULTS,
    LEAVING,
    SHORT,
    Fault,
    config,
    reply_to,
)
from tests.gateway.providers.scripts import WIRES
from tests.gateway.providers.upstream import serving_in_thread
from tests.server import API_KEY, ROOT, Server, nano_usd

PAGE = ROOT / "docs" / "faults.md"
BEGIN, END = "<!-- matrix: python -m tests.faults.matrix -->\n", "<!-- end of the matrix -->\n"
PROMPT = "Say hello to the world."
MOST_TOKENS = 64
_SETTINGS = {
    "TILTYARD_EMBEDDED": "false",
    "TILTYARD_FIRST_TOKEN_S": "3",
    "TILTYARD_IDLE_S": "3",
    "TILTYARD_TOTAL_S": "30",
}
_AT_ONCE = 40


@dataclass(frozen=True, slots=True)
class Case:
    """`wire` is the upstream's; None for vectors, which have a path of their own."""

    fault: Fault
    wire: Wire | None
    streamed: bool
    leaves: bool = False

    @property
    def short(self) -> str:
        return EMBEDDINGS if self.wire is None else SHORT[self.wire]


@dataclass(frozen=True, slots=True)
class Seen:
    """One case as its caller saw it, and as it was billed. `lines` are tokens by bucket."""

    case: Case
    status: int | None
    text: str
    finish: str | None
    error: str | None
    retry_after: str | None
    state: str
    lines: dict[str, int]
    billed_nano_usd: int
    told_nano_usd: int | None
    estimated: bool
    raw: str


def cases() -> list[Case]:
    return [
        *(Case(fault, wire, streamed) for fault in FAULTS for wire in WIRES for streamed in (True, False)),
        *(Case(fault, wire, streamed=True, leaves=True) for fault in LEAVING for wire in WIRES),
        *(Case(fault, None, streamed=False) for fault in EMBEDDING_FAULTS),
    ]


@dataclass(frozen=True, slots=True)
class Played:
    seen: Sequence[Seen]
    held_nano_usd: int
    findings: int
    spent_nano_usd: int
    asked: int  # requests that the upstream got


@contextlib.contextmanager
def faulty_server(folder: Path) -> Iterator[tuple[Server, Any]]:
    """The real server, and the upstream behind it."""
    with serving_in_thread(choose=reply_to) as upstream:
        port = int(upstream.base_url.split(":")[2].partition("/")[0])
        server = Server(folder, _SETTINGS, config(port))
        server.start()
        try:
            yield server, upstream
        finally:
            server.end()


def play(folder: Path) -> Played:
    with faulty_server(folder) as (server, upstream):
        seen = asyncio.run(_play_all(server.url))
        credits, asked = server.credits(), len(upstream.requests)
    findings = audit(server.data_dir / "ledger.db").findings
    return Played(seen, credits["held"], len(findings), credits["total_used"], asked)


async def _play_all(url: str) -> list[Seen]:
    turn = asyncio.Semaphore(_AT_ONCE)
    headers = {"Authorization": f"Bearer {API_KEY}"}
    async with httpx.AsyncClient(base_url=url, headers=headers, trust_env=False, timeout=60) as client:

        async def one(case: Case) -> Seen:
            async with turn:
                return await _play_one(client, case)

        # Those that wait for a deadline begin first, so that the others need no time of their own.
        waiting = sorted(cases(), key=lambda case: not case.fault.name.startswith(("keep-alives", "silence")))
        seen = await asyncio.gather(*(one(case) for case in waiting))
    return sorted(seen, key=lambda one: cases().index(one.case))


def _asked(case: Case) -> tuple[str, dict[str, Any]]:
    model = f"faulty/{case.short}-{case.fault.slug}"
    if case.wire is None:
        return "/v1/embeddings", {"model": model, "input": ["one", "two"]}
    body: dict[str, Any] = {"model": model, "messages": [{"role": "user", "content": PROMPT}]}
    body |= {"max_tokens": MOST_TOKENS, "stream": case.streamed}
    if case.streamed:
        body["stream_options"] = {"include_usage": True}
    return "/v1/chat/completions", body


async def _play_one(client: httpx.AsyncClient, case: Case) -> Seen:
    path, body = _asked(case)
    said = b""
    status: int | None = None
    retry_after: str | None = None
    run_id: str | None = None
    with contextlib.suppress(httpx.ReadTimeout):
        wait_s = 1.0 if case.leaves and "first byte" in case.fault.name else 30.0
        async with client.stream("POST", path, json=body, timeout=wait_s) as answer:
            status, run_id = answer.status_code, answer.headers.get("x-run-id")
            retry_after = answer.headers.get("retry-after")
            async for piece in answer.aiter_raw():
                said += piece
                if case.leaves and _enough(case, said):
                    break
    told = _read(case, said)
    run_id = run_id or told.run_id
    generation = await _generation(client, run_id) if run_id else None
    return _seen(case, status, retry_after, told, generation, said)


def _enough(case: Case, said: bytes) -> bool:
    """As much as a caller of this case waits for."""
    if "before usage" in case.fault.name:
        return b"rld" in said and (case.wire == "responses" or b'"finish_reason":"stop"' in said)
    return b"answer" in said


@dataclass(slots=True)
class _Told:
    text: str = ""
    finish: str | None = None
    error: str | None = None
    run_id: str | None = None
    cost_nano_usd: int | None = None


def _read(case: Case, said: bytes) -> _Told:
    told = _Told()
    lines = said.split(b"\n") if said.startswith(b"data:") else [b"data: " + said]
    for line in lines:
        payload = line.removeprefix(b"data: ").strip()
        if not line.startswith(b"data: ") or not payload or payload == b"[DONE]":
            continue
        with contextlib.suppress(json.JSONDecodeError):  # a caller who left has half a line
            _read_one(json.loads(payload), told)
    return told


def _read_one(value: dict[str, Any], told: _Told) -> None:
    if (error := value.get("error")) is not None:
        told.error = str(error.get("code"))
        told.run_id = error.get("run_id") or value.get("run_id")
        usage = error.get("usage") or value.get("usage")
        told.cost_nano_usd = nano_usd(str(usage["cost_usd"])) if usage and "cost_usd" in usage else None
        return
    told.run_id = value.get("id")
    if vectors := value.get("data"):
        told.text = f"{len(vectors)} vectors"
    for choice in value.get("choices", ()):
        told.text += (choice.get("delta") or choice.get("message") or {}).get("content") or ""
        told.finish = choice.get("finish_reason") or told.finish
    usage = value.get("usage")
    if usage and "cost_usd" in usage:
        told.cost_nano_usd = nano_usd(str(usage["cost_usd"]))


async def _generation(client: httpx.AsyncClient, run_id: str) -> dict[str, Any]:
    """The run when it has ended."""
    for _ in range(200):
        answer = await client.get("/v1/generation", params={"id": run_id})
        data: dict[str, Any] = answer.json()["data"]
        if data["state"] != "running":
            return data
        await asyncio.sleep(0.05)
    raise TimeoutError(run_id)


def _seen(
    case: Case,
    status: int | None,
    retry_after: str | None,
    told: _Told,
    generation: dict[str, Any] | None,
    said: bytes,
) -> Seen:
    entry = (generation or {}).get("entry")
    lines = {line["bucket"]: line["quantity"] for line in entry["lines"]} if entry else {}
    return Seen(
        case=case,
        status=status,
        text=told.text,
        finish=told.finish,
        error=told.error,
        retry_after=retry_after,
        state=generation["state"] if generation else "left",
        lines=lines,
        billed_nano_usd=-nano_usd(entry["amount"]) if entry else 0,
        told_nano_usd=told.cost_nano_usd,
        estimated=bool(entry and entry["estimated"]),
        raw=said.decode("utf-8", "replace"),
    )


# --- the table --------------------------------------------------------------------------------------


def table(played: Played) -> str:
    """One row for each fault and way of asking; wires that do the same stand together."""
    rows = ["| fault | asked | wire | the caller saw | billed |", "|---|---|---|---|---|"]
    groups: dict[tuple[str, str, str, str], list[str]] = {}
    for seen in played.seen:
        how = "streamed" if seen.case.streamed else "whole"
        what = seen.case.fault.name if seen.case.wire else f"vectors: {seen.case.fault.name}"
        key = (what, how, _saw(seen), _billed(seen))
        groups.setdefault(key, []).append(seen.case.short)
    for (fault, how, saw, billed), wires in groups.items():
        named = "all" if len(wires) == len(WIRES) else ", ".join(wires)
        rows.append(f"| {fault} | {how} | {named} | {saw} | {billed} |")
    end = f"\n{len(played.seen)} requests; afterwards {played.held_nano_usd} nano-dollars were held, "
    return "\n".join(rows) + end + f"and the audit of the ledger found {played.findings} mistakes.\n"


def _saw(seen: Seen) -> str:
    if seen.status is None:
        return "nothing yet"
    said = [str(seen.status)]
    if seen.text:
        whole = "the whole text" if seen.case.wire else "the vectors"
        said.append(whole if seen.case.fault.answered else "the text so far")
    if seen.finish:
        said.append(f"`{seen.finish}`")
    if seen.error:
        said.append(f"error `{seen.error}`")
    if seen.retry_after:
        said.append(f"Retry-After {seen.retry_after}")
    return ", ".join(said)


def _billed(seen: Seen) -> str:
    if not seen.lines:
        return "nothing"
    tokens = " + ".join(f"{count} {bucket}" for bucket, count in seen.lines.items())
    return (
        f"{tokens}, {'estimated' if seen.estimated else 'as reported'}: {seen.billed_nano_usd:,} nano-dollars"
    )


def written(page: str, made: str) -> str:
    """The page with the table in its place."""
    before, _, rest = page.partition(BEGIN)
    return before + BEGIN + made + END + rest.partition(END)[2]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        made = table(play(Path(folder)))
    PAGE.write_text(written(PAGE.read_text(), made))
    sys.stdout.write(made)
