"""Packs: whole or refused, signed, read by people, and run again against an installation."""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from battles import packs
from battles.ballots import Ballot
from battles.errors import BattleNotFound, PackRefused, StillBlind
from battles.models import BattleWish, Example, LaneWish, Prompt, Settings
from battles.pack_desk import Packs
from battles.pack_format import PARTS, Signer, opened, packed
from battles.pack_reading import as_html, as_markdown
from gateway.catalog import Catalog
from gateway.messages import Sampling
from tests.battles.ring import MEMBER, STRANGER, Ring, catalog_tables, says
from tests.gateway.desk import LOCAL

SIGNER = Signer("0badc0de", bytes(range(32)))
NASTY = "</script><script>alert(1)</script> ``` [x](javascript:alert(1)) \u2028 é \0"


def parts(**more: Any) -> dict[str, Any]:
    about = {
        "battle": "btl_1",
        "kind": "battle",
        "blind": True,
        "category": "coding",
        "tags": ["a|b"],
        "created_at": "2026-11-21T10:00:00.000Z",
        "packed_at": "2026-11-21T11:00:00.000Z",
        "cost_usd": "0.01",
    }
    prompt = {"text": NASTY, "images": [], "variables": {}}
    vote = {
        "turn": 1,
        "voter": "person 1",
        "stage": "first",
        "reasons": ["clear"],
        "pairs": [{"left": 0, "right": 1, "outcome": "left"}],
        "created_at": "2026-11-21T10:01:00.000Z",
    }
    price = {
        "model": "lab/fast",
        "provider": "lab",
        "version": "2026",
        "input_usd_per_million": "1.00",
        "output_usd_per_million": "4.00",
    }
    return {
        "about": about,
        "lanes": [_lane(0, "A", "fast"), _lane(1, "B", "slow")],
        "turns": [
            {"no": 1, "after": None, "prompt": prompt, "language": "en", "created_at": about["created_at"]}
        ],
        "runs": [_recorded(0, "fast"), _recorded(1, "slow")],
        "votes": [vote],
        "prices": [price],
        "checks": [],
    } | more


def _lane(no: int, label: str, name: str) -> dict[str, Any]:
    return {
        "no": no,
        "label": label,
        "model": f"lab/{name}",
        "snapshot": None,
        "provider": None,
        "prompt_version": None,
        "own": [],
        "settings": {"parameters": {"temperature": 0.5}},
    }


def _recorded(lane: int, name: str) -> dict[str, Any]:
    return {
        "turn": 1,
        "lane": lane,
        "run": f"run_{lane}",
        "state": "done",
        "tries": 1,
        "model": f"lab/{name}",
        "provider": "lab",
        "request": {"model": f"lab/{name}", "messages": [{"role": "user", "content": "Hi"}]},
        "output": f"Hi from {name} {NASTY}",
        "reasoning": "Hm.",
        "finish_reason": "stop",
        "failure": None,
        "tool_calls": [{"id": "c1", "name": "look", "arguments": "{}", "kind": "function"}],
        "notes": [],
        "shares_cpu": False,
        "cost_usd": "0.005",
        "first_token_ms": 12.345,
        "first_answer_ms": 12.345,
        "total_ms": 100.0,
        "input_tokens": 3,
        "output_tokens": 7,
        "reasoning_tokens": None,
        "estimated": False,
    }


# --- whole or refused ------------------------------------------------------------------------


def test_a_pack_comes_back_as_it_was() -> None:
    file = packed(parts(), SIGNER)
    found = opened(file, public_key=SIGNER.public_key)
    assert found.parts == parts() and found.key_id == "0badc0de"
    assert packed(found.parts, SIGNER) == file


def test_a_pack_with_any_byte_changed_is_refused() -> None:
    small: dict[str, Any] = {name: [] for name in PARTS} | {"about": {"text": "é"}}
    file = packed(small, SIGNER)
    for at in range(len(file)):
        for other in {file[at] ^ 1, file[at] ^ 0x20, 0x20}:
            if other == file[at]:
                continue
            with pytest.raises(PackRefused):
                opened(file[:at] + bytes([other]) + file[at + 1 :], public_key=SIGNER.public_key)
    for changed in (file[:-1], file + b"\n", b" " + file, file.replace(b":", b": ", 1), b"", b"[]", b"\xff"):
        with pytest.raises(PackRefused):
            opened(changed)


def test_who_signs_a_changed_pack_anew_is_found_by_the_key() -> None:
    forged = packed(parts(votes=[]), Signer("0badc0de", bytes(32)))
    assert opened(forged).parts["votes"] == []  # whole in itself, but not ours
    with pytest.raises(PackRefused, match="another key"):
        opened(forged, public_key=SIGNER.public_key)


def test_a_signature_is_over_the_head_and_can_be_checked_without_us() -> None:
    """As a stranger would, from the words in docs/packs.md."""
    import hashlib
    import struct

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    file = packed(parts(), SIGNER)
    pack = json.loads(file)
    head = bytes(32)
    for place, name in enumerate(PARTS):
        part = json.dumps(pack["parts"][name], ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        record = head + struct.pack(">IIq", 1, 2, place)
        for text in (name, part):
            record += struct.pack(">I", len(text.encode())) + text.encode()
        head = hashlib.sha256(record).digest()
    assert pack["head"] == head.hex()
    signature = pack["signature"]
    Ed25519PublicKey.from_public_bytes(base64.b64decode(signature["public_key"])).verify(
        base64.b64decode(signature["value"]), b"tiltyard-pack/1\n0badc0de\n" + head.hex().encode()
    )


@pytest.mark.parametrize(
    "file",
    [
        b'{"format":"tiltyard-pack/1"}',
        b'{"format":"other"}',
        b"[" * 100_000,
        b'{"format":"tiltyard-pack/1","parts":' + b"{}" * 1 + b',"signature":{}}',
        b'{"a":NaN}',
        b'{"a":"\\ud800"}',
    ],
)
def test_what_is_no_pack_is_refused_in_words(file: bytes) -> None:
    with pytest.raises(PackRefused):
        opened(file)


# --- read by people --------------------------------------------------------------------------


def test_the_page_holds_no_script_and_loads_nothing() -> None:
    page = as_html(opened(packed(parts(), SIGNER)))
    assert "<script" not in page and not re.search(r"<[^>]*(javascript:| on\w+=)", page)
    assert "default-src 'none'" in page.replace("&#x27;", "'")
    assert not re.search(r"<(img|link|iframe|object|form|audio|video)\b", page)
    assert not re.search(r"""(src|url)\s*[=(]""", page)
    for said in ("lab/fast", "A is better", "on text alone", "$4.00", "Reasoning", "look", "temperature 0.5"):
        assert said in page


def test_what_was_written_cannot_leave_its_fence() -> None:
    text = as_markdown(opened(packed(parts(), SIGNER)))
    assert "````text\nHi from fast" in text  # longer than the fence inside it
    assert "tags a\\|b" not in text.split("\n")[0]
    assert "Turn 1, person 1, on text alone: A is better" in text


# --- made from a battle ----------------------------------------------------------------------


@pytest.fixture
def desk(at: Ring) -> Packs:
    return Packs(at.battles, Catalog.load(catalog_tables()), b"s" * 32)


@pytest.mark.asyncio(loop_scope="session")
async def test_a_battle_is_packed_whole(at: Ring, desk: Packs) -> None:
    at.lab.plays_of(alpha=says("42"), beta=says("A number."))
    settings = Settings(
        "Be brief.", (Example("a", "b"),), "Q: {{prompt}}", Sampling(temperature=0.5, stop=("X",))
    )
    lanes = (LaneWish("north/alpha"), LaneWish("south/beta", "lab", "prv_1", settings, ("template",)))
    battle, _ = await at.fought(wish=BattleWish(lanes, blind=True, category="factual", tags=("t",)))
    with pytest.raises(StillBlind):
        await desk.pack(LOCAL, battle.id)
    await at.votes.cast(LOCAL, battle.id, Ballot("left"))
    found = opened(await desk.pack(LOCAL, battle.id), public_key=desk.public_key).parts
    beta = next(lane for lane in found["lanes"] if lane["model"] == "south/beta")
    assert beta["settings"] == {
        "system": "Be brief.",
        "examples": [{"asked": "a", "answered": "b"}],
        "template": "Q: {{prompt}}",
        "parameters": {"temperature": 0.5, "stop": ["X"]},
    }
    run = next(run for run in found["runs"] if run["lane"] == beta["no"])
    assert run["output"] == "A number." and run["cost_usd"] == "0.000140000"
    assert run["request"] == {
        "model": "south/beta",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "a"},
            {"role": "assistant", "content": "b"},
            {"role": "user", "content": "Q: What is the answer?"},
        ],
        "temperature": 0.5,
        "stop": ["X"],
        "provider": {"only": ["lab"], "allow_fallbacks": False},
    }
    assert [vote["voter"] for vote in found["votes"]] == ["person 1"]
    assert found["about"]["category"] == "factual" and found["about"]["cost_usd"] == "0.000280000"
    assert {price["model"] for price in found["prices"]} == {"north/alpha", "south/beta"}
    assert found["prices"][0]["input_usd_per_million"] == "1.00"


@pytest.mark.asyncio(loop_scope="session")
async def test_who_may_not_see_a_battle_gets_no_pack(at: Ring, desk: Packs) -> None:
    battle = await at.battles.create(
        LOCAL, BattleWish((LaneWish("north/alpha"), LaneWish("south/beta")), personal=True)
    )
    await at.battles.start_turn(LOCAL, battle.id, Prompt("Hi"))
    await at.ended(battle)
    for reader in (STRANGER, MEMBER):
        with pytest.raises(BattleNotFound):
            await desk.pack(reader, battle.id)


def test_another_installation_signs_with_another_key(at: Ring, desk: Packs) -> None:
    other = Packs(at.battles, Catalog.load(catalog_tables()), b"t" * 32)
    assert other.public_key != desk.public_key and other.key_id != desk.key_id


# --- run again -------------------------------------------------------------------------------


class Installation(BaseHTTPRequestHandler):
    """Answers chat completions as the tests tell it."""

    answers: ClassVar[list[tuple[int, dict[str, Any]]]] = []
    asked: ClassVar[list[dict[str, Any]]] = []
    headers_seen: ClassVar[list[str]] = []

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        type(self).asked.append(body)
        type(self).headers_seen.append(str(self.headers["authorization"]))
        status, answer = type(self).answers.pop(0) if type(self).answers else (200, said("Hi"))
        raw = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("retry-after", "0")
        if status == 302:
            self.send_header("location", "http://127.0.0.1:1/")
        self.send_header("content-length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_: Any) -> None:
        pass


def said(text: str, cost: str = "0.005") -> dict[str, Any]:
    return {"model": "lab/fast", "choices": [{"message": {"content": text}}], "usage": {"cost": cost}}


@contextmanager
def served(*answers: tuple[int, dict[str, Any]]) -> Iterator[str]:
    Installation.answers, Installation.asked, Installation.headers_seen = list(answers), [], []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Installation)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "battle.json"
    path.write_bytes(packed(parts(), SIGNER))
    return path


def run(file: Path, *arguments: str) -> int:
    return packs.main(["run", str(file), "--key", "ty_test", *arguments])


def test_a_pack_runs_again_and_says_what_it_cost(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with served() as url:
        assert run(file, "--base-url", url) == packs.HELD
    assert [asked["model"] for asked in Installation.asked] == ["lab/fast", "lab/slow"]
    assert Installation.headers_seen == ["Bearer ty_test"] * 2
    assert "2 of 2 runs hold; cost $0.010000000" in capsys.readouterr().out


def test_a_run_that_does_not_hold_fails_the_build(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with served((200, said("Hi", "0.02"))) as url:
        assert run(file, "--base-url", url, "--cost-factor", "2") == packs.FAILED
    assert "it cost $0.020000000, then $0.005" in capsys.readouterr().out
    with served() as url:
        assert run(file, "--base-url", url, "--same") == packs.FAILED
    with served((502, {"error": {"message": "The provider failed."}})) as url:
        assert run(file, "--base-url", url) == packs.FAILED
    assert "no answer: The provider failed." in capsys.readouterr().out


def test_a_bound_on_the_cost_ends_the_run(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with served() as url:
        assert run(file, "--base-url", url, "--max-usd", "0.005") == packs.FAILED
    assert len(Installation.asked) == 1
    assert "not all was asked" in capsys.readouterr().out


def test_another_model_is_asked_in_place_of_one(file: Path) -> None:
    with served() as url:
        assert run(file, "--base-url", f"{url}/v1", "--replace", "lab/fast=lab/new") == packs.HELD
    assert [asked["model"] for asked in Installation.asked] == ["lab/new", "lab/slow"]


def test_checks_and_json_that_was_asked_for_are_held(tmp_path: Path) -> None:
    path = tmp_path / "battle.json"
    wanted = replace_requests(response_format={"type": "json_object"})
    path.write_bytes(packed(wanted | {"checks": [{"kind": "exact", "expected": '{"a": 1}'}]}, SIGNER))
    with served((200, said('{"a": 1}')), (200, said('{"a": 1}'))) as url:
        assert run(path, "--base-url", url) == packs.HELD
    with served((200, said('{"a": 1}')), (200, said("a is 1"))) as url:
        assert run(path, "--base-url", url) == packs.FAILED


def test_a_limit_is_waited_out_and_a_bad_key_or_nobody_is_said(file: Path) -> None:
    limited = (429, {"error": {"message": "Slow down."}})
    with served(limited, limited) as url:
        assert run(file, "--base-url", url) == packs.HELD
    with served((401, {"error": {"message": "No such key."}})) as url:
        assert run(file, "--base-url", url) == packs.UNREACHED
    with served((302, {})) as url:
        assert run(file, "--base-url", url) != packs.HELD
    assert run(file, "--base-url", "http://127.0.0.1:1") == packs.UNREACHED
    assert run(file, "--base-url", "file:///etc/passwd") == packs.UNREACHED


def test_a_changed_pack_is_not_run(file: Path) -> None:
    file.write_bytes(file.read_bytes().replace(b"Hi from fast", b"Hi from Fast"))
    with served() as url:
        assert run(file, "--base-url", url) == packs.REFUSED
    assert Installation.asked == []
    assert packs.main(["verify", str(file)]) == packs.REFUSED
    assert packs.main(["verify", str(file.parent / "none.json")]) == packs.REFUSED


def test_a_pack_is_verified_and_shown(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert packs.main(["verify", str(file), "--public-key", SIGNER.public_key]) == packs.HELD
    assert packs.main(["verify", str(file), "--public-key", "AAAA"]) == packs.REFUSED
    assert packs.main(["show", str(file), "--html"]) == packs.HELD
    assert "<!doctype html>" in capsys.readouterr().out


def replace_requests(**more: Any) -> dict[str, Any]:
    whole = parts()
    for each in whole["runs"]:
        each["request"] |= more
    return whole


def test_a_name_is_not_in_a_pack() -> None:
    assert "Local" not in packed(parts(), SIGNER).decode() and replace(SIGNER) == SIGNER
