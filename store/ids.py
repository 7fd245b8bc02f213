"""Ids that sort by the time they were made: a prefix that says what they name, and a UUIDv7."""

from __future__ import annotations

import uuid_utils


def new_id(prefix: str) -> str:
    """For example `run_0199f0c2a3b87c4e9d1f2a3b4c5d6e7f`."""
    return f"{prefix}_{uuid_utils.uuid7().hex}"
