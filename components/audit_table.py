"""Draws entries of the audit log, newest first."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from components import figure, table, team_words as say
from identity.audit_log import AuditView


def show(entries: Sequence[AuditView], names: Mapping[int, str], zone: str | None) -> None:
    """`names` are people's by id, as far as the reader knows them."""
    if not entries:
        table.show(say.LOG, (say.AT, say.WHO, say.WHAT), [(say.LOG_EMPTY, "", "")])
        return
    table.show(
        say.LOG,
        (say.AT, say.WHO, say.WHAT, say.ABOUT),
        [
            (
                figure.day_and_time(entry.at_ms, zone),
                _who(entry, names),
                entry.kind.replace("_", " "),
                table.Cell(
                    _whom(entry, names)[:60], about=json.dumps(dict(entry.detail), ensure_ascii=False)[:500]
                ),
            )
            for entry in entries
        ],
    )


def _whom(entry: AuditView, names: Mapping[int, str]) -> str:
    """What it was done to, by its name where the log knows a number alone."""
    if not entry.subject.isdecimal():
        return entry.subject
    if entry.kind.startswith("member_"):
        return names.get(int(entry.subject), f"user {entry.subject}")
    if entry.kind.startswith("invitation_"):
        return f"invitation {entry.subject}, {entry.detail.get('role', '')}".removesuffix(", ")
    return entry.subject


def _who(entry: AuditView, names: Mapping[int, str]) -> str:
    if entry.user_id is None:
        return f"key {entry.key_id}" if entry.key_id is not None else say.INSTALLATION
    return names.get(entry.user_id, f"user {entry.user_id}")
