"""What changed at an instant and may explain a chart: deploys, aliases that moved, prices.

Deploys and aliases are noticed at a start, by comparing with what was so at the last one; of several
processes that start together one writes them. Prices are dated in the catalog, so nothing of them is kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

import msgspec
from sqlalchemy import Connection, Engine, select, update

from store.upserts import insert_into
from telemetry.tables import LAST_SEEN, MARK

Kind = Literal["deploy", "alias", "price"]
MOST: Final = 40  # on one chart, the newest


@dataclass(frozen=True, slots=True, order=True)
class Mark:
    """`detail` is a sentence without its full stop."""

    at_ms: int
    kind: Kind
    subject: str
    detail: str


class Marks:
    """`dated` are those that somebody else keeps: prices, by the day from which they are valid."""

    def __init__(self, engine: Engine, dated: tuple[Mark, ...] = ()) -> None:
        self._engine = engine
        self._dated = dated

    def between(self, from_ms: int, to_ms: int) -> tuple[Mark, ...]:
        """Oldest first, at most `MOST`."""
        columns = MARK.c
        asked = (
            select(columns.at_ms, columns.kind, columns.subject, columns.detail)
            .where(columns.at_ms >= from_ms, columns.at_ms < to_ms)
            .order_by(columns.at_ms.desc())
            .limit(MOST)
        )
        with self._engine.connect() as connection:
            kept = [Mark(*row) for row in connection.execute(asked)]
        dated = [mark for mark in self._dated if from_ms <= mark.at_ms < to_ms]
        return tuple(sorted([*kept, *dated])[-MOST:])

    def notice(self, code: str, aliases: Mapping[str, str], now_ms: int) -> tuple[Mark, ...]:
        """Compare with the last start and keep what changed: `code` names what runs, `aliases` lead to
        models. Nothing is a change at the first start."""
        with self._engine.begin() as connection:
            found = [*_deploys(connection, code, now_ms), *_moves(connection, aliases, now_ms)]
            if found:
                connection.execute(
                    insert_into(connection, MARK).on_conflict_do_nothing(),
                    [
                        {"at_ms": m.at_ms, "kind": m.kind, "subject": m.subject, "detail": m.detail}
                        for m in found
                    ],
                )
        return tuple(found)


def _deploys(connection: Connection, code: str, now_ms: int) -> list[Mark]:
    before = _changed(connection, "code", code)
    return [] if before is None else [Mark(now_ms, "deploy", code, f"Another version was deployed ({code})")]


def _moves(connection: Connection, aliases: Mapping[str, str], now_ms: int) -> list[Mark]:
    before = _changed(connection, "aliases", msgspec.json.encode(dict(sorted(aliases.items()))).decode())
    if before is None:
        return []
    told: dict[str, str] = msgspec.json.decode(before, type=dict[str, str])
    return [
        Mark(now_ms, "alias", alias, f"{alias} leads to {model}, before to {told[alias]}")
        for alias, model in sorted(aliases.items())
        if alias in told and told[alias] != model
    ]


def _changed(connection: Connection, name: str, value: str) -> str | None:
    """What it was before; None where it was the same, was not known, or another process said so first."""
    before: str | None = connection.scalar(select(LAST_SEEN.c.value).where(LAST_SEEN.c.name == name))
    if before is None:
        first = insert_into(connection, LAST_SEEN).values(name=name, value=value)
        connection.execute(first.on_conflict_do_nothing())
        return None
    if before == value:
        return None
    changed = update(LAST_SEEN).where(LAST_SEEN.c.name == name, LAST_SEEN.c.value == before)
    return before if connection.execute(changed.values(value=value)).rowcount else None
