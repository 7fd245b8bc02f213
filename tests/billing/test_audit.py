"""The audit as anybody runs it: on a file, with a bare Python."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from billing import audit_postgresql
from billing.audit import audit, main, rules
from billing.export import as_json
from tests.billing.bank import Bank
from tests.billing.bank_postgresql import PostgresqlBank
from tests.billing.test_tampering import write

ROOT = Path(__file__).resolve().parents[2]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """With no site-packages: the standard library and this repository's `chain` are all there is."""
    start = (
        f"import sys, runpy; sys.path.insert(0, {str(ROOT)!r});"
        " runpy.run_module('billing.audit', run_name='__main__')"
    )
    command = [sys.executable, "-I", "-S", "-c", start, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    bank = Bank(tmp_path / "ledger.db")
    bank.spend("1")
    bank.pay("2")
    bank.journal.close()
    return bank.path


def head_of(output: str) -> str:
    return next(line.split()[1] for line in output.splitlines() if line.startswith("head"))


def test_a_sound_ledger_is_said_to_be_sound(ledger: Path) -> None:
    done = run(str(ledger))
    assert (done.returncode, done.stderr) == (0, "")
    assert f"1 teams, 3 entries, 0 open holds: {len(rules()) + 3} rules checked, 0 findings" in done.stdout


def test_a_ledger_that_was_altered_is_said_to_be_broken(ledger: Path) -> None:
    write(ledger, "UPDATE ledger_usage SET model = 'cheap'", disarmed=True)
    done = run(str(ledger))
    assert done.returncode == 1
    assert "BROKEN  an entry hashes to what it says: team 1, entry 2" in done.stdout


def test_a_ledger_that_was_rewritten_as_a_whole_does_not_match_a_head_that_was_kept(
    ledger: Path, tmp_path: Path
) -> None:
    kept = head_of(run(str(ledger)).stdout)
    assert run(str(ledger), "--head", kept).returncode == 0
    other = Bank(tmp_path / "other.db")
    other.spend("1.01")
    other.pay("2")
    other.journal.close()
    assert run(str(other.path)).returncode == 0
    done = run(str(other.path), "--head", kept)
    assert done.returncode == 1
    assert "an entry is what it was when its head was kept: team 1, entry 3" in done.stdout


def test_a_ledger_in_use_extends_the_heads_and_the_exports_that_somebody_kept_of_it(
    bank: Bank, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def audited(*arguments: str) -> int:
        if isinstance(bank, PostgresqlBank):
            return audit_postgresql.main([bank.url, *arguments])
        return main([str(bank.path), *arguments])

    bank.pay("2")
    hold = bank.reserve("1")
    assert audited() == 0
    kept = head_of(capsys.readouterr().out)
    older = tmp_path / "older.json"
    older.write_bytes(b"".join(as_json(bank.statements, 1, bank.now_ms)))
    bank.settle(hold, "0.50")
    assert audited("--extends", kept, "--extends", str(older)) == 0
    team, seq, digest = kept.split(":")
    assert audited("--extends", f"{team}:{seq}:{digest[::-1]}") == 1
    assert "an entry is what it was when its head was kept" in capsys.readouterr().out
    older.write_text(older.read_text().replace("2.000000000", "3.000000000"))
    assert audited("--extends", str(older)) == 2


@pytest.mark.parametrize(
    "arguments", [[], ["--help"], ["ledger.db", "--head"], ["ledger.db", "--other", "x"]]
)
def test_a_command_that_is_not_understood_says_how_it_is_used(arguments: list[str]) -> None:
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("usage:")


def test_a_file_that_is_no_ledger_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("not a database, however long this line of text may be" * 50)
    for path in (tmp_path / "text", tmp_path / "missing"):
        done = run(str(path))
        assert (done.returncode, done.stdout) == (2, "")
        assert "no ledger that can be read" in done.stderr


def test_a_ledger_can_be_audited_while_it_is_written(sqlite_bank: Bank) -> None:
    bank = sqlite_bank
    hold = bank.reserve("1")
    report = audit(bank.path, limit_s=10.0)
    assert (report.findings, report.entries, report.open_holds) == ((), 1, 1)
    bank.settle(hold, "1")


def test_a_rule_that_takes_too_long_is_given_up(sqlite_bank: Bank) -> None:
    bank = sqlite_bank
    for _ in range(30):
        bank.spend("0.01")
    with pytest.raises(TimeoutError):
        audit(bank.path, limit_s=-1.0)
