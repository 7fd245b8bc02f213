"""What a backup looks like: a folder, or one `.tar` or `.tar.gz`, with `manifest.json`.

The manifest has size and SHA-256 of each file, the heads of the ledger's chains and a fingerprint of the
secret. A backup holds the installation's secret and everybody's text: nobody but its owner may read it.
It is whole when it has its name; until then it lies beside as `.partial`. What is in the files is
`backup.py`'s and `backup_postgresql.py`'s.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Final, Literal

import psycopg

from billing import audit
from identity.keys import purpose_key

Engine = Literal["sqlite", "postgresql"]
FORMAT: Final = 1
SECRET: Final = "secret.key"  # noqa: S105  # a file name
MANIFEST: Final = "manifest.json"
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


# --- writing ----------------------------------------------------------------------------------


@contextmanager
def writing(target: Path) -> Iterator[Path]:
    """A folder to fill; where the body ends well it becomes the backup, by its name a folder or an archive.

    Raises `BackupRefused` where the target exists or cannot be written, or something cannot be copied.
    """
    if os.path.lexists(target):
        raise BackupRefused(f"{target} exists; a backup overwrites nothing.")
    if not target.parent.is_dir():
        raise BackupRefused(f"There is no folder {target.parent}.")
    try:
        with _partial(target) as folder:
            yield folder
            if target.name.endswith((".tar", ".tar.gz", ".tgz")):
                packed = folder.with_name(folder.name + ".tar")
                try:
                    _pack(folder, packed, compressed=target.name.endswith("gz"))
                    packed.rename(target)
                finally:
                    packed.unlink(missing_ok=True)
            else:
                folder.rename(target)
            sync_folder(target.parent)
    except (OSError, sqlite3.Error, psycopg.Error) as error:
        raise BackupRefused(f"The backup could not be written: {error}") from error


def describe(
    folder: Path,
    names: list[str],
    secret: bytes,
    report: audit.Report,
    heads: list[str],
    *,
    engine: Engine,
    **more: Any,
) -> int:
    """Write the manifest of these files, which are synced and made their owner's; their bytes together."""
    for name in names:
        (folder / name).chmod(0o600)
        _sync(folder / name)
    manifest = {
        "format": FORMAT,
        "engine": engine,
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "files": {name: _fingerprint(folder / name) for name in names},
        "secret_id": purpose_key(secret, _PURPOSE).id,
        "ledger": {"entries": report.entries, "teams": report.teams, "heads": heads},
        **more,
    }
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n")
    (folder / MANIFEST).chmod(0o600)
    _sync(folder / MANIFEST)
    return sum((folder / name).stat().st_size for name in names)


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


# --- reading ----------------------------------------------------------------------------------


class Files:
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
def opened(source: Path) -> Iterator[Files]:
    """Raises `BackupRefused`, also for what goes wrong in the body with its files."""
    if source.is_dir():
        yield Files(source, None)
        return
    try:
        tar = tarfile.open(source)  # noqa: SIM115  # closed below
    except (OSError, tarfile.TarError) as error:
        raise BackupRefused(f"{source} is no backup: {error}") from error
    with tar:
        yield Files(None, tar)


def manifest_of(files: Files, engine: Engine, knows: Callable[[set[str]], bool]) -> dict[str, Any]:
    """The manifest of a backup of this engine. `knows` says whether these are the names of its files.
    Raises `BackupRefused`."""
    with files.open(MANIFEST) as file:
        raw = file.read(_MOST_MANIFEST_BYTES)
    try:
        manifest = json.loads(raw)
        if manifest["format"] != FORMAT:
            raise BackupRefused(f"The backup has format {manifest['format']}; this version reads {FORMAT}.")
        made_of = manifest.get("engine", "sqlite")
        if made_of != engine:
            raise BackupRefused(
                f"The backup is of an installation on {made_of}, and the settings name {engine}: "
                + ("set TILTYARD_DATABASE_URL." if engine == "sqlite" else "unset TILTYARD_DATABASE_URL.")
            )
        if not knows(set(manifest["files"])):
            raise ValueError("its files are not those of an installation")
        for expected in manifest["files"].values():
            if type(expected["bytes"]) is not int or len(bytes.fromhex(expected["sha256"])) != 32:
                raise ValueError("a file is not described")
        if not all(isinstance(head, str) for head in manifest["ledger"]["heads"]):
            raise ValueError("a head is not described")
        if not isinstance(manifest["secret_id"], str) or not isinstance(manifest["made_at"], str):
            raise ValueError("it does not say when or with which secret it was made")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BackupRefused(f"The backup's manifest cannot be read: {error!r}") from None
    return dict(manifest)


def read_checked(files: Files, name: str, expected: dict[str, Any]) -> Iterator[bytes]:
    """A file in pieces. Raises `BackupRefused` at its end where it is not what was saved."""
    digest, left = hashlib.sha256(), int(expected["bytes"])
    with files.open(name) as source:
        while left > 0 and (chunk := source.read(min(_CHUNK, left))):
            digest.update(chunk)
            left -= len(chunk)
            yield chunk
        longer = bool(source.read(1))
    if left or longer or digest.hexdigest() != expected["sha256"]:
        raise BackupRefused(f"{name} is not what was saved: its checksum differs. Nothing was restored.")


def check_secret(manifest: dict[str, Any], secret_set: bytes | None, kept: bytes | None) -> None:
    """Raises `BackupRefused` where neither the secret that is set, nor without one the backup's own, is
    the one that it was made with."""
    secret = secret_set or kept
    if secret is None or purpose_key(secret, _PURPOSE).id != manifest["secret_id"]:
        raise BackupRefused(
            "The backup was made with another secret: set TILTYARD_SECRET_KEY to the one that was set then"
            + (f", which is in its {SECRET}." if kept is not None else ".")
        )


# --- files ------------------------------------------------------------------------------------


def _fingerprint(path: Path) -> dict[str, object]:
    with path.open("rb") as file:
        return {"bytes": path.stat().st_size, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
