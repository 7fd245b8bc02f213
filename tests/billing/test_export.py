"""A team's exported entries: whole, equal to what is shown, and refused wherever they were touched."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from billing import audit_export
from billing.audit_export import check, kept, read
from billing.commands import Facts, Line, Settle
from billing.export import as_csv, as_json
from billing.money import cost_nano_usd, decimal_usd
from tests.billing.bank import LEASE_MS, Bank
from tests.billing.test_audit import run

FACTS = Facts("=lab/fast", "lab", "2026-08-01", user_id=7, key_id=3, tags=("nightly", "'quoted'"))
LINES = (Line("input", 812, 2_000_000), Line("cached_input", 1_024, 500_001), Line("output", 391, 8_000_000))
Exporter = Callable[..., Any]
EXPORTERS = pytest.mark.parametrize("exporter", [as_json, as_csv])


def fill(bank: Bank) -> None:
    """Something of every kind of entry, with an odd reason and a bill of several lines."""
    hold = bank.do(bank.asking("1", facts=FACTS))
    bank.do(Settle(hold, LINES, cost_nano_usd(LINES), FACTS))  # type: ignore[arg-type]
    bank.settle(bank.reserve("2"), "3")
    dying = bank.reserve("1")
    bank.checkpoint(dying, "0.25")
    bank.pass_time(ms=LEASE_MS)
    bank.commit.sweep()
    bank.pass_time(days=31)
    bank.settle(bank.reserve("4"), "9")
    bank.grant("3", days=5)
    bank.pay("10")
    bank.grant("-1", "adjustment")
    bank.settle(bank.reserve("0.10"), "0", lines=())


def exported(bank: Bank, exporter: Exporter, path: Path) -> Path:
    path.write_bytes(b"".join(exporter(bank.statements, 1, bank.now_ms)))
    return path


@pytest.fixture
def filled(sqlite_bank: Bank) -> Bank:
    fill(sqlite_bank)
    return sqlite_bank


def problems(path: Path) -> list[str]:
    return [str(finding) for finding in check(read(path))]


# --- what it says ------------------------------------------------------------------------------------


@EXPORTERS
def test_an_export_sums_to_the_shown_balance_and_is_sound(
    bank: Bank, exporter: Exporter, tmp_path: Path
) -> None:
    fill(bank)
    bank.reserve("0.50")
    path = exported(bank, exporter, tmp_path / "entries")
    export = read(path)
    assert list(check(export)) == []
    assert sum(entry.amount_nano_usd for entry in export.entries) == bank.balance().balance_nano_usd
    assert export.balance_nano_usd == bank.balance().balance_nano_usd
    assert len(export.entries) == len(bank.statements.entries(1, 100))


@EXPORTERS
def test_what_no_entry_says_yet_has_a_line_so_that_the_sum_is_still_what_is_shown(
    bank: Bank, exporter: Exporter, tmp_path: Path
) -> None:
    bank.spend("1")
    bank.grant("2", days=3)
    bank.pass_time(days=31)
    path = exported(bank, exporter, tmp_path / "entries")
    export = read(path)
    assert list(check(export)) == []
    assert (export.allowance_due_nano_usd, export.ended_nano_usd) == (5_000_000_000, 6_000_000_000)
    assert export.balance_nano_usd == bank.balance().balance_nano_usd == 5_000_000_000


def test_whoever_adds_up_the_amounts_of_the_table_gets_the_balance(bank: Bank) -> None:
    bank.spend("1")
    bank.grant("2", days=3)
    bank.pass_time(days=31)
    text = b"".join(as_csv(bank.statements, 1, bank.now_ms)).decode()
    rows = list(csv.DictReader(io.StringIO(text)))
    total = sum(Decimal(row["amount_usd"]) for row in rows if row["amount_usd"])
    assert total == Decimal(decimal_usd(bank.balance().balance_nano_usd))
    assert [row["kind"] for row in rows][-3:] == ["allowance_due", "ended", "balance"]


@EXPORTERS
def test_a_team_without_entries_exports_the_allowance_that_it_would_be_given(
    sqlite_bank: Bank, exporter: Exporter, tmp_path: Path
) -> None:
    export = read(exported(sqlite_bank, exporter, tmp_path / "entries"))
    assert list(check(export)) == []
    assert (export.entries, export.balance_nano_usd) == ([], 5_000_000_000)
    assert str(export.head) == f"1:0:{'0' * 64}"


def test_no_cell_of_the_table_is_a_formula(filled: Bank) -> None:
    text = b"".join(as_csv(filled.statements, 1, filled.now_ms)).decode()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert "'=lab/fast" in [row["model"] for row in rows]
    words = [row[name] for row in rows for name in ("ref", "reason", "tags", "model", "provider")]
    assert [each for each in words if each.startswith(("=", "+", "-", "@"))] == []


def test_a_history_is_of_one_moment_however_long_its_reading_takes(filled: Bank, tmp_path: Path) -> None:
    pieces = as_csv(filled.statements, 1, filled.now_ms)
    history = filled.statements.history(1, filled.now_ms)
    with history as before:
        filled.spend("1")
        assert before.balance.booked_nano_usd == sum(each.amount_nano_usd for each in before.entries)
    (tmp_path / "entries").write_bytes(b"".join(pieces))
    assert problems(tmp_path / "entries") == []


# --- what was touched --------------------------------------------------------------------------------


def altered_json(bank: Bank, path: Path, alter: Callable[[dict[str, Any]], object]) -> Path:
    whole = json.loads(b"".join(as_json(bank.statements, 1, bank.now_ms)))
    alter(whole)
    path.write_text(json.dumps(whole))
    return path


def _amount(whole: dict[str, Any]) -> None:
    whole["entries"][2]["amount_usd"] = "-0.000000001"


def _postings(whole: dict[str, Any]) -> None:
    for posting in whole["entries"][2]["postings"]:
        posting["amount_nano_usd"] //= 2


def _order(whole: dict[str, Any]) -> None:
    entries = whole["entries"]
    entries[2], entries[3] = entries[3], entries[2]


def _missing(whole: dict[str, Any]) -> None:
    del whole["entries"][2]


def _hash(whole: dict[str, Any]) -> None:
    whole["entries"][2]["hash"] = "ab" * 32


def _renumbered(whole: dict[str, Any]) -> None:
    del whole["entries"][2]
    for seq, entry in enumerate(whole["entries"], start=1):
        entry["seq"] = seq


def _model(whole: dict[str, Any]) -> None:
    whole["entries"][2]["usage"]["model"] = "cheap"


def _reason(whole: dict[str, Any]) -> None:
    whole["entries"][2]["reason"] = "another"


def _line(whole: dict[str, Any]) -> None:
    whole["entries"][2]["usage"]["lines"][0]["quantity"] += 1


def _hour(whole: dict[str, Any]) -> None:
    whole["entries"][2]["at_ms"] += 1


@pytest.mark.parametrize(
    ("alter", "said"),
    [
        (_amount, "an entry's amount is what it posts to the team's accounts: team 1, entry 3"),
        (_postings, "an entry hashes to what it says: team 1, entry 3"),
        (_order, "entries are numbered from 1 without gaps: team 1, entry 3 is not there"),
        (_missing, "entries are numbered from 1 without gaps: team 1, entry 3 is not there"),
        (_hash, "an entry hashes to what it says: team 1, entry 3"),
        (_renumbered, "an entry hashes to what it says: team 1, entry 3"),
        (_model, "an entry hashes to what it says: team 1, entry 3"),
        (_reason, "an entry hashes to what it says: team 1, entry 3"),
        (_line, "what a run cost is the sum of its lines, rounded up once: team 1, entry 3"),
        (_hour, "an entry hashes to what it says: team 1, entry 3"),
    ],
)
def test_a_tampered_export_is_refused_and_the_entry_is_named(
    filled: Bank, tmp_path: Path, alter: Callable[[dict[str, Any]], object], said: str
) -> None:
    path = altered_json(filled, tmp_path / "entries.json", alter)
    assert said in "\n".join(problems(path))


@pytest.mark.parametrize("cell", ["amount_usd", "balance_after_usd", "hash", "at_ms", "reason", "postings"])
def test_a_tampered_table_is_refused_and_the_entry_is_named(filled: Bank, tmp_path: Path, cell: str) -> None:
    rows = list(csv.reader(io.StringIO(b"".join(as_csv(filled.statements, 1, filled.now_ms)).decode())))
    place = rows[0].index(cell)
    rows[3][place] = {"reason": "other", "postings": "-3:5 1:-5", "hash": "ab" * 32, "at_ms": "1"}.get(
        cell, "0.000000001"
    )
    with (tmp_path / "entries.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    assert any(problem.endswith("entry 3") for problem in problems(tmp_path / "entries.csv"))


def test_a_balance_that_the_entries_do_not_sum_to_is_refused(filled: Bank, tmp_path: Path) -> None:
    path = altered_json(filled, tmp_path / "a.json", lambda whole: whole.update(balance_usd="7.000000000"))
    assert any("the entries sum to the balance" in problem for problem in problems(path))


def test_an_allowance_that_was_made_up_is_refused(filled: Bank, tmp_path: Path) -> None:
    def more(whole: dict[str, Any]) -> None:
        whole["allowance_due_usd"] = "9.000000000"
        whole["balance_usd"] = decimal_usd(9_000_000_000 + filled.balance().booked_nano_usd)

    path = altered_json(filled, tmp_path / "a.json", more)
    assert any("what no entry says yet" in problem for problem in problems(path))


def test_a_last_entry_that_was_left_out_does_not_fit_the_head(filled: Bank, tmp_path: Path) -> None:
    path = altered_json(filled, tmp_path / "a.json", lambda whole: whole["entries"].pop())
    assert any("the head is the hash of the newest entry" in problem for problem in problems(path))


# --- what goes on from what --------------------------------------------------------------------------


def test_an_export_extends_every_head_that_it_went_through(filled: Bank, tmp_path: Path) -> None:
    older = read(exported(filled, as_json, tmp_path / "older.json"))
    filled.spend("1")
    newer = read(exported(filled, as_csv, tmp_path / "newer.csv"))
    assert list(kept(newer, [older.head, audit_export.head_of(f"1:0:{'0' * 64}")])) == []
    (finding,) = kept(older, [newer.head])
    assert f"entry {newer.head.seq} is missing" in str(finding)


def test_a_history_that_was_rewritten_as_a_whole_is_sound_but_extends_no_head_that_was_kept(
    filled: Bank, tmp_path: Path
) -> None:
    older = exported(filled, as_json, tmp_path / "older.json")
    other = Bank(tmp_path / "other.db")
    other.spend("0.01")
    fill(other)
    rewritten = exported(other, as_json, tmp_path / "rewritten.json")
    other.journal.close()
    assert run(str(rewritten)).returncode == 0
    done = run(str(rewritten), "--extends", str(older))
    assert done.returncode == 1
    assert (
        f"an entry is what it was when its head was kept: team 1, entry {read(older).head.seq}" in done.stdout
    )


@EXPORTERS
def test_with_a_bare_python_anybody_can_check_an_export(
    filled: Bank, exporter: Exporter, tmp_path: Path
) -> None:
    older = exported(filled, as_json, tmp_path / "older.json")
    receipt = filled.spend("1")
    path = exported(filled, exporter, tmp_path / "entries")
    head = f"1:{receipt.entry_seq}:{receipt.entry_hash.hex()}"
    done = run(str(path), "--extends", str(older), "--extends", head)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"head    {head}" in done.stdout and f"extends {head}" in done.stdout
    assert f"${decimal_usd(filled.balance().balance_nano_usd)}  balance" in done.stdout


def test_the_command_names_the_entry_that_was_touched(filled: Bank, tmp_path: Path) -> None:
    done = run(str(altered_json(filled, tmp_path / "a.json", _amount)))
    assert done.returncode == 1
    assert "BROKEN  an entry's amount" in done.stdout and "entry 3" in done.stdout


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        '{"format": "tiltyard-entries-1"}',
        "seq,kind\n1,settle\n",
        "[" * 5_000,
        "{" + '"a":[' * 9_000,
    ],
)
def test_a_file_that_is_no_export_is_refused_in_words(tmp_path: Path, text: str) -> None:
    (tmp_path / "file").write_text(text)
    done = run(str(tmp_path / "file"))
    assert (done.returncode, done.stdout) == (2, "")
    assert "no ledger that can be read, and no export" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("kept_head", ["1:2", "nowhere.json", "1:2:" + "g" * 64])
def test_a_head_that_cannot_be_read_is_said(filled: Bank, tmp_path: Path, kept_head: str) -> None:
    done = run(str(exported(filled, as_json, tmp_path / "a.json")), "--extends", kept_head)
    assert (done.returncode, done.stdout) == (2, "")
    assert "--extends takes a head or an older export" in done.stderr


def test_an_older_export_that_is_not_sound_itself_is_no_witness(filled: Bank, tmp_path: Path) -> None:
    older = altered_json(filled, tmp_path / "older.json", _hash)
    done = run(str(exported(filled, as_json, tmp_path / "a.json")), "--extends", str(older))
    assert done.returncode == 2
    assert "is not sound itself" in done.stderr and "entry 3" in done.stderr
