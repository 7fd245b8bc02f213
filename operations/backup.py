"""Saves everything an installation keeps, while it runs, and puts it back, verified.

Each database is copied by SQLite itself, as of one moment of its own, without keeping writers waiting:
the ledger first, then `app.db`, then the rest. Across files only ids hold things together, and in this
order a team, key or code that the ledger mentions is in `app.db`, so no code that the ledger has taken
can be brought by another team. What happened while the copies were made may be in one file alone: a run
shown as answered whose bill is not in the ledger yet, never money without its entry. Holds that were
open are ended by the writer at its first start, at what their runs had come to.

A backup is a folder, or one `.tar` or `.tar.gz`, with `manifest.json`: size and SHA-256 of each file,
and the heads of the ledger's chains. It holds the installation's secret and everybody's text: nobody
but its owner may read it. It is whole when it has its name; until then it lies beside as `.partial`.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Final

from billing import audit
from identity.keys import purpose_key

FORMAT: Final = 1
LEDGER: Final = "ledger.db"
DATABASES: Final = (LEDGER, "app.db", "log.db", "jobs.db")
_NEEDED: Final = (LEDGER, "app.db", "log.db")
SECRET: Final = "secret.key"
MANIFEST: Final = "manifest.json"
_LOCK: Final = "lock"
_CHUNK: Final = 1 << 20
_MOST_MANIFEST_BYTES: Final = 16 << 20
_PURPOSE: Final = "backup"


class BackupRefused(Exception):
    """A sentence for the operator; what was there before is as it was."""


@dataclass(frozen=True, slots=True)
class Saved:
    path: Path
    files: tuple[str, ...]
    bytes: int
    report: audit.Report
    secret_is_inside: bool


@dataclass(frozen=True, slots=True)
class Restored:
    files: tuple[str, ...]
    made_at: str
    report: audit.Report


# --- saving -----------------------------------------------------------------------------------


def save(data_dir: Path, target: Path, secret: bytes) -> Saved:
    """Write a backup of a data folder to a new folder or, by its name, a new archive.

    Raises `BackupRefused` where the target exists or cannot be written, or something cannot be copied.
    """
    if os.path.lexists(target):
        raise BackupRefused(f"{target} exists; a backup overwrites nothing.")
    if not target.parent.is_dir():
        raise BackupRefused(f"There is no folder {target.parent}.")
    try:
        with _partial(target) as folder:
            saved = _fill(folder, data_dir, target, secret)
            if _is_archive(target):
                packed = folder.with_name(folder.name + ".tar")
                try:
                    _pack(folder, packed, compressed=target.name.endswith("gz"))
                    packed.rename(target)
                finally:
                    packed.unlink(missing_ok=True)
            else:
                folder.rename(target)
            _sync_folder(target.parent)
            return saved
    except (OSError, sqlite3.Error) as error:
        raise BackupRefused(f"The backup could not be written: {error}") from error


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
    for name in names:
        (folder / name).chmod(0o600)
        _sync(folder / name)
    report = audit.audit(folder / LEDGER)
    manifest = {
        "format": FORMAT,
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "files": {name: _fingerprint(folder / name) for name in names},
        "secret_id": purpose_key(secret, _PURPOSE).id,
        "ledger": {"entries": report.entries, "teams": report.teams, "heads": _heads(folder / LEDGER)},
    }
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n")
    (folder / MANIFEST).chmod(0o600)
    _sync(folder / MANIFEST)
    size = sum((folder / name).stat().st_size for name in names)
    return Saved(target, tuple(names), size, report, inside)


def _copy_database(source: Path, copy: Path) -> None:
    """As of one moment, in one file: a copy needs no log of its own beside it."""
    with (
        closing(sqlite3.connect(f"{source.resolve().as_uri()}?mode=ro", uri=True, timeout=10)) as read,
        closing(sqlite3.connect(copy)) as write,
    ):
        read.backup(write)  # all pages in one step: one snapshot, however much is written meanwhile
        write.execute("PRAGMA journal_mode = DELETE")


@contextmanager
def _partial(target: Path) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".partial", dir=target.parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _pack(folder: Path, archive: Path, *, compressed: bool) -> None:
    with archive.open("xb") as file:
        archive.chmod(0o600)
        with tarfile.open(fileobj=file, mode="w:gz" if compressed else "w") as tar:
            for path in sorted(folder.iterdir(), key=lambda path: (path.name != MANIFEST, path.name)):
                tar.add(path, path.name, filter=_anonymous)
        file.flush()
        os.fsync(file.fileno())


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


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
        with _opened(source) as files:
            manifest = _manifest(files)
            for name, expected in manifest["files"].items():
                _unpack(files, name, staging / name, expected)
        report = _verified(staging, manifest, secret_set)
        # app.db last: a folder without it holds no data yet, so that a crash here is seen.
        names = sorted(manifest["files"], key=lambda name: name == "app.db")
        for name in names:
            (staging / name).rename(data_dir / name)
        staging.rmdir()
        _sync_folder(data_dir)
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


class _Files:
    """What a backup holds, by name, whether it is a folder or an archive."""

    def __init__(self, folder: Path | None, tar: tarfile.TarFile | None) -> None:
        self._folder = folder
        self._tar = tar

    def open(self, name: str) -> IO[bytes]:
        """A plain file of that name and no other. Raises `BackupRefused`."""
        if self._tar is not None:
            try:
                member = self._tar.getmember(name)
            except KeyError:
                raise BackupRefused(f"The backup lacks {name}.") from None
            file = self._tar.extractfile(member) if member.isreg() else None
        else:
            assert self._folder is not None
            path = self._folder / name
            file = path.open("rb") if path.is_file() and not path.is_symlink() else None
        if file is None:
            raise BackupRefused(f"The backup lacks {name}.")
        return file


@contextmanager
def _opened(source: Path) -> Iterator[_Files]:
    if source.is_dir():
        yield _Files(source, None)
        return
    try:
        tar = tarfile.open(source)  # noqa: SIM115  # closed below
    except (OSError, tarfile.TarError) as error:
        raise BackupRefused(f"{source} is no backup: {error}") from error
    with tar:
        yield _Files(None, tar)


def _manifest(files: _Files) -> dict[str, Any]:
    with files.open(MANIFEST) as file:
        raw = file.read(_MOST_MANIFEST_BYTES)
    try:
        manifest = json.loads(raw)
        if manifest["format"] != FORMAT:
            raise BackupRefused(f"The backup has format {manifest['format']}; this version reads {FORMAT}.")
        known = {*DATABASES, SECRET}
        names = set(manifest["files"])
        if not set(_NEEDED) <= names or not names <= known:
            raise ValueError("its files are not those of an installation")
        for expected in manifest["files"].values():
            if type(expected["bytes"]) is not int or len(bytes.fromhex(expected["sha256"])) != 32:
                raise ValueError("a file is not described")
        if not all(isinstance(head, str) for head in manifest["ledger"]["heads"]):
            raise ValueError("a head is not described")
        if not isinstance(manifest["secret_id"], str) or not isinstance(manifest["made_at"], str):
            raise ValueError("it does not say when or with which secret it was made")
    except (ValueError, KeyError, TypeError) as error:
        raise BackupRefused(f"The backup's manifest cannot be read: {error!r}") from None
    return dict(manifest)


def _unpack(files: _Files, name: str, copy: Path, expected: dict[str, Any]) -> None:
    digest, left = hashlib.sha256(), int(expected["bytes"])
    with files.open(name) as source, copy.open("xb") as target:
        copy.chmod(0o600)
        while left > 0 and (chunk := source.read(min(_CHUNK, left))):
            digest.update(chunk)
            target.write(chunk)
            left -= len(chunk)
        longer = bool(source.read(1))
        target.flush()
        os.fsync(target.fileno())
    if left or longer or digest.hexdigest() != expected["sha256"]:
        raise BackupRefused(f"{name} is not what was saved: its checksum differs. Nothing was restored.")


def _verified(staging: Path, manifest: dict[str, Any], secret_set: bytes | None) -> audit.Report:
    for name in manifest["files"]:
        if name in DATABASES:
            _check_whole(staging / name)
    report = audit.audit(staging / LEDGER, heads=manifest["ledger"]["heads"])
    if report.findings:
        raise BackupRefused(f"The ledger in the backup is broken: {report.findings[0]}")
    kept = staging / SECRET
    secret = secret_set or (kept.read_bytes().strip() if kept.exists() else None)
    if secret is None or purpose_key(secret, _PURPOSE).id != manifest["secret_id"]:
        raise BackupRefused(
            "The backup was made with another secret: set TILTYARD_SECRET_KEY to the one that was set then"
            + (", or unset it: the backup brings its own." if kept.exists() else ".")
        )
    return report


def _check_whole(path: Path) -> None:
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as db:
        problems = [problem for (problem,) in db.execute("PRAGMA quick_check") if problem != "ok"]
    if problems:
        raise BackupRefused(f"{path.name} is broken: {problems[0]}")


# --- files ------------------------------------------------------------------------------------


def _is_archive(path: Path) -> bool:
    return path.name.endswith((".tar", ".tar.gz", ".tgz"))


def _fingerprint(path: Path) -> dict[str, object]:
    with path.open("rb") as file:
        return {"bytes": path.stat().st_size, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def _heads(ledger: Path) -> list[str]:
    with closing(sqlite3.connect(f"{ledger.resolve().as_uri()}?mode=ro", uri=True)) as db:
        return [
            f"{team_id}:{seq}:{head.hex()}"
            for team_id, seq, head in db.execute(
                "SELECT id, entry_seq, head FROM ledger_team WHERE entry_seq > 0 ORDER BY id"
            )
        ]


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
