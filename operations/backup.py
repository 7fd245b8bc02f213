"""Saves everything an installation on SQLite keeps, while it runs, and puts it back, verified.

Each database is copied by SQLite itself, as of one moment of its own, without keeping writers waiting:
the ledger first, then `app.db`, then the rest. Across files only ids hold things together, and in this
order a team, key or code that the ledger mentions is in `app.db`, so no code that the ledger has taken
can be brought by another team. What happened while the copies were made may be in one file alone: a run
shown as answered whose bill is not in the ledger yet, never money without its entry. Holds that were
open are ended by the writer at its first start, at what their runs had come to.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import tarfile
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from billing import audit
from operations.backup_files import (
    SECRET,
    BackupRefused,
    Files,
    Restored,
    Saved,
    check_secret,
    describe,
    manifest_of,
    opened,
    read_checked,
    sync_folder,
    writing,
)

LEDGER: Final = "ledger.db"
DATABASES: Final = (LEDGER, "app.db", "log.db", "jobs.db")
_NEEDED: Final = (LEDGER, "app.db", "log.db")
_LOCK: Final = "lock"


# --- saving -----------------------------------------------------------------------------------


def save(data_dir: Path, target: Path, secret: bytes) -> Saved:
    """Write a backup of a data folder to a new folder or, by its name, a new archive.

    Raises `BackupRefused` where the target exists or cannot be written, or something cannot be copied.
    """
    with writing(target) as folder:
        return _fill(folder, data_dir, target, secret)


def _fill(folder: Path, data_dir: Path, target: Path, secret: bytes) -> Saved:
    names: list[str] = []
    for name in DATABASES:
        if (data_dir / name).exists():
            _copy_database(data_dir / name, folder / name)
            names.append(name)
        elif name in _NEEDED:
            raise BackupRefused(f"{data_dir} has no {name} yet: start the server once.")
    inside = (data_dir / SECRET).exists()
    if inside:
        shutil.copyfile(data_dir / SECRET, folder / SECRET)
        names.append(SECRET)
    report = audit.audit(folder / LEDGER)
    size = describe(folder, names, secret, report, _heads(folder / LEDGER), engine="sqlite")
    return Saved(target, tuple(names), size, report, inside)


def _copy_database(source: Path, copy: Path) -> None:
    """As of one moment, in one file: a copy needs no log of its own beside it."""
    with (
        closing(sqlite3.connect(f"{source.resolve().as_uri()}?mode=ro", uri=True, timeout=10)) as read,
        closing(sqlite3.connect(copy)) as write,
    ):
        read.backup(write)  # all pages in one step: one snapshot, however much is written meanwhile
        write.execute("PRAGMA journal_mode = DELETE")


# --- putting back -----------------------------------------------------------------------------


def restore(source: Path, data_dir: Path, secret_set: bytes | None) -> Restored:
    """Put a backup into a data folder that holds nothing, after it was verified: sizes and checksums,
    each database whole, the ledger's rules and chain with the heads that the manifest names.

    The caller holds the folder's lock. `secret_set` is the secret of the settings, where there is one.
    Raises `BackupRefused`; then the folder is as it was.
    """
    refuse_used(data_dir)
    # Inside, because the folder may be a file system of its own.
    staging = Path(tempfile.mkdtemp(prefix=".restoring-", dir=data_dir))
    try:
        with opened(source) as files:
            manifest = manifest_of(files, "sqlite", _are_ours)
            for name, expected in manifest["files"].items():
                _unpack(files, name, staging / name, expected)
        report = _verified(staging, manifest, secret_set)
        # app.db last: a folder without it holds no data yet, so that a crash here is seen.
        names = sorted(manifest["files"], key=lambda name: name == "app.db")
        for name in names:
            (staging / name).rename(data_dir / name)
        staging.rmdir()
        sync_folder(data_dir)
        return Restored(tuple(names), str(manifest["made_at"]), report)
    except (OSError, EOFError, tarfile.TarError, sqlite3.Error) as error:
        raise BackupRefused(f"{source} could not be restored: {error}") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def refuse_used(data_dir: Path) -> None:
    """Raises `BackupRefused` where a data folder holds anything but its lock."""
    found = sorted(path.name for path in data_dir.iterdir() if path.name != _LOCK)
    if found:
        raise BackupRefused(
            f"{data_dir} is in use: it holds {', '.join(found[:5])}. Move it away, or set TILTYARD_DATA_DIR "
            "to a new folder; a restore overwrites nothing."
        )


def _are_ours(names: set[str]) -> bool:
    return set(_NEEDED) <= names <= {*DATABASES, SECRET}


def _unpack(files: Files, name: str, copy: Path, expected: dict[str, Any]) -> None:
    with copy.open("xb") as target:
        copy.chmod(0o600)
        for chunk in read_checked(files, name, expected):
            target.write(chunk)
        target.flush()
        os.fsync(target.fileno())


def _verified(staging: Path, manifest: dict[str, Any], secret_set: bytes | None) -> audit.Report:
    for name in manifest["files"]:
        if name in DATABASES:
            _check_whole(staging / name)
    report = audit.audit(staging / LEDGER, heads=manifest["ledger"]["heads"])
    if report.findings:
        raise BackupRefused(f"The ledger in the backup is broken: {report.findings[0]}")
    kept = staging / SECRET
    check_secret(manifest, secret_set, kept.read_bytes().strip() if kept.exists() else None)
    return report


def _check_whole(path: Path) -> None:
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as db:
        problems = [problem for (problem,) in db.execute("PRAGMA quick_check") if problem != "ok"]
    if problems:
        raise BackupRefused(f"{path.name} is broken: {problems[0]}")


def _heads(ledger: Path) -> list[str]:
    with closing(sqlite3.connect(f"{ledger.resolve().as_uri()}?mode=ro", uri=True)) as db:
        return [
            f"{team_id}:{seq}:{head.hex()}"
            for team_id, seq, head in db.execute(
                "SELECT id, entry_seq, head FROM ledger_team WHERE entry_seq > 0 ORDER BY id"
            )
        ]
