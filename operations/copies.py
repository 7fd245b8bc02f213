"""The commands around a backup; `backup.py` does the work."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from operations import backup, backup_postgresql
from operations.backup_files import BackupRefused, Restored
from operations.office import Office, Refused, plain


def make(office: Office, asked: argparse.Namespace) -> int:
    """Save all databases and the secret, while the server runs or not. 1 where the ledger is broken."""
    target = Path(asked.path)
    try:
        if isinstance(office.ledger, str):
            saved = backup_postgresql.save(office.ledger, target, office.secret())
        else:
            saved = backup.save(office.data_dir, target, office.secret())
    except BackupRefused as error:
        raise Refused(str(error)) from error
    print(f"{saved.path}: {', '.join(saved.files)}, {saved.bytes / 1e6:,.1f} MB.")
    if not saved.secret_is_inside:
        print("The secret is not in it, because TILTYARD_SECRET_KEY sets it: keep that as well.")
    for finding in saved.report.findings:
        print(f"BROKEN  {finding}", file=sys.stderr)
    print(f"The ledger has {saved.report.entries} entries, {saved.report.rules} rules checked on the copy.")
    return 1 if saved.report.findings else 0


def put_back(
    data_dir: Path, database_url: str | None, secret_set: bytes | None, asked: argparse.Namespace
) -> int:
    """Put a backup into an empty data folder, or an empty database, verified. The caller holds the
    folder's lock."""
    source = Path(asked.path)
    try:
        if database_url is None:
            return _tell(str(data_dir), backup.restore(source, data_dir, secret_set))
        return _tell("The database", backup_postgresql.restore(source, database_url, secret_set))
    except BackupRefused as error:
        raise Refused(str(error)) from error


def _tell(where: str, restored: Restored) -> int:
    print(f"{where}: {', '.join(restored.files)}, as of {plain(restored.made_at)}.")
    entries, rules = restored.report.entries, restored.report.rules
    print(f"Verified: checksums, {entries} entries of the ledger, {rules} rules.")
    return 0
