"""The commands around a backup; `backup.py` does the work."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from operations.backup import BackupRefused, restore, save
from operations.office import Office, Refused, plain


def make(office: Office, asked: argparse.Namespace) -> int:
    """Save all databases and the secret, while the server runs or not. 1 where the ledger is broken."""
    if isinstance(office.ledger, str):
        raise Refused(
            "With PostgreSQL the data lies there: save it with pg_dump, and keep TILTYARD_SECRET_KEY."
        )
    try:
        saved = save(office.data_dir, Path(asked.path), office.secret())
    except BackupRefused as error:
        raise Refused(str(error)) from error
    print(f"{saved.path}: {', '.join(saved.files)}, {saved.bytes / 1e6:,.1f} MB.")
    if not saved.secret_is_inside:
        print("The secret is not in it, because TILTYARD_SECRET_KEY sets it: keep that as well.")
    for finding in saved.report.findings:
        print(f"BROKEN  {finding}", file=sys.stderr)
    print(f"The ledger has {saved.report.entries} entries, {saved.report.rules} rules checked on the copy.")
    return 1 if saved.report.findings else 0


def put_back(data_dir: Path, secret_set: bytes | None, asked: argparse.Namespace) -> int:
    """Put a backup into an empty data folder, verified. The caller holds the folder's lock."""
    try:
        restored = restore(Path(asked.path), data_dir, secret_set)
    except BackupRefused as error:
        raise Refused(str(error)) from error
    print(f"{data_dir}: {', '.join(restored.files)}, as of {plain(restored.made_at)}.")
    entries, rules = restored.report.entries, restored.report.rules
    print(f"Verified: checksums, {entries} entries of the ledger, {rules} rules.")
    return 0
