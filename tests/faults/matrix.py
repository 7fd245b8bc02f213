"""The matrix fault x wire x streamed or not, played through the real server: what the caller saw, and paid.

`python -m tests.faults.matrix` plays it and writes the table into docs/faults.md, where a test holds it.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from billing.audit import audit
from gateway.providers.base import Wire
from tests.faults.doors import CHAT, OTHER_DOORS, Door, Told, read
from tests.faults.faulty import (
    EMBEDDING_FAULTS,
    EMBEDDINGS,
    FAULTS,
    LEAVING,
    UPSTREAMS,
    Fault,
    Upstream,
    config,
    reply_to,
)
from tests.gateway.providers.upstream import serving_in_thread
from tests.server import API_KEY, ROOT, Server, nano_usd

PAGE = ROOT / "docs" / "faults.md"
COMMAND = "python -m tests.faults.matrix"
_SETTINGS = {
    "TILTYARD_EMBEDDED": "false",
    "TILTYARD_FIRST_TOKEN_S": "3",
    "TILTYARD_IDLE_S": "3",
    "TILTYARD_TOTAL_S": "30",
}
_AT_ONCE = 40


@dataclass(frozen=True, slots=True)
class Case:
    """`upstream` is None for vectors, which have a path of their own."""

    fault: Fault
    upstream: Upstream | None
    streamed: bool
    leaves: bool = False
    door: Door = CHAT

    @property
    def short(self) -> str:
        return EMBEDDINGS if self.upstream is None else self.upstream.name

    @property
    def wire(self) -> Wire | None:
        return None if self.upstream is None else self.upstream.wire


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
    """By one door from each provider; and vectors."""
    return [
        *(Case(fault, at, streamed) for fault in FAULTS for at in UPSTREAMS for streamed in (True, False)),
        *(Case(fault, at, streamed=True, leaves=True) for fault in LEAVING for at in UPSTREAMS),
        *(Case(fault, None, streamed=False) for fault in EMBEDDING_FAULTS),
    ]


def cases_by_door() -> list[Case]:
    """By each other door, from the provider whose wire most speak."""
    chat = UPSTREAMS[0]
    return [
        *(
            Case(fault, chat, streamed, door=door)
            for fault in FAULTS
            for door in OTHER_DOORS
            for streamed in (True, False)
        ),
        *(Case(fault, chat, True, leaves=True, door=door) for fault in LEAVING for door in OTHER_DOORS),
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


def play(folder: Path, asked: Sequence[Case]) -> Played:
    with faulty_server(folder) as (server, upstream):
        seen = asyncio.run(_play_all(server.url, asked))
        credits, came = server.credits(), len(upstream.requests)
    findings = audit(server.data_dir / "ledger.db").findings
    return Played(seen, credits["held"], len(findings), credits["total_used"], came)


async def _play_all(url: str, asked: Sequence[Case]) -> list[Seen]:
    turn = asyncio.Semaphore(_AT_ONCE)
    headers = {"Authorization": f"Bearer {API_KEY}"}
    async with httpx.AsyncClient(base_url=url, headers=headers, trust_env=False, timeout=60) as client:

        async def one(case: Case) -> Seen:
            async with turn:
                return await _play_one(client, case)

        # Those that wait for a deadline begin first, so that the others need no time of their own.
        waiting = sorted(asked, key=lambda case: not case.fault.name.startswith(("keep-alives", "silence")))
        seen = await asyncio.gather(*(one(case) for case in waiting))
    return sorted(seen, key=lambda one: asked.index(one.case))


def _asked(case: Case) -> tuple[str, Mapping[str, str], dict[str, Any]]:
    model = f"faulty/{case.short}-{case.fault.slug}"
    if case.upstream is None:
        return "/v1/embeddings", {}, {"model": model, "input": ["one", "two"]}
    door = case.door
    return door.path, door.headers(model, case.streamed), door.body(model, case.streamed)


async def _play_one(client: httpx.AsyncClient, case: Case) -> Seen:
    path, headers, body = _asked(case)
    said = b""
    status: int | None = None
    retry_after: str | None = None
    run_id: str | None = None
    with contextlib.suppress(httpx.ReadTimeout):
        wait_s = 1.0 if case.leaves and "first byte" in case.fault.name else 30.0
        async with client.stream("POST", path, json=body, headers=headers, timeout=wait_s) as answer:
            status, run_id = answer.status_code, answer.headers.get("x-run-id")
            retry_after = answer.headers.get("retry-after")
            async for piece in answer.aiter_raw():
                said += piece
                if case.leaves and _enough(case, said):
                    break
    told = read(said)
    run_id = run_id or told.run_id
    generation = await _generation(client, run_id) if run_id else None
    return _seen(case, status, retry_after, told, generation, said)


def _enough(case: Case, said: bytes) -> bool:
    """As much as a caller of this case waits for."""
    if "before usage" in case.fault.name:
        over = b"rld" if case.wire == "responses" else case.door.over
        return b"rld" in said and over in said
    return b"answer" in said


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
    told: Told,
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


def table(played: Played, *, by_door: bool = False) -> str:
    """One row for each fault and way of asking; wires, or doors, that do the same stand together."""
    what, all_of = ("door", len(OTHER_DOORS)) if by_door else ("wire", len(UPSTREAMS))
    rows = [f"| fault | asked | {what} | the caller saw | billed |", "|---|---|---|---|---|"]
    groups: dict[tuple[str, str, str, str], list[str]] = {}
    for seen in played.seen:
        how = "streamed" if seen.case.streamed else "whole"
        name = seen.case.fault.name if seen.case.wire else f"vectors: {seen.case.fault.name}"
        key = (name, how, _saw(seen), _billed(seen))
        groups.setdefault(key, []).append(seen.case.door.name if by_door else seen.case.short)
    for (fault, how, saw, billed), wires in groups.items():
        named = "all" if len(wires) == all_of else ", ".join(wires)
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


def written(page: str, made: str, name: str = "matrix") -> str:
    """The page with the table in its place."""
    begin, end = f"<!-- {name}: {COMMAND} -->\n", f"<!-- end of the {name} -->\n"
    before, found, rest = page.partition(begin)
    assert found, begin
    return before + begin + made + end + rest.partition(end)[2]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as another:
        made = table(play(Path(folder), cases()))
        by_door = table(play(Path(another), cases_by_door()), by_door=True)
    PAGE.write_text(written(written(PAGE.read_text(), made), by_door, "doors"))
    sys.stdout.write(made + by_door)
