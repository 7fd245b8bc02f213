"""The prompt library: a team's prompts, their versions, labels and saved rows.

A version is never changed: a save makes the next one, a rollback makes a new one with an older one's
content, and the database refuses the rest. Labels move; each move is in the audit log, because whoever
serves `production` serves another text from then on. Names belong to one team; another team's are as
unknown as none. What a version costs and wins is `prompt_figures.py`'s.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import delete, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session
from sqlmodel import col

from battles.encoding import said_json, settings_json, settings_of
from battles.errors import BadPrompt, PromptChanged, PromptNotFound, PromptTaken
from battles.prompt_values import (
    PRODUCTION,
    PromptVersion,
    PromptView,
    SavedRow,
    VersionWish,
    checked_label,
    checked_name,
    checked_rows,
    checked_wish,
)
from battles.tables_prompts import PromptLabelRow, PromptRow, PromptValuesRow, PromptVersionRow
from identity.audit_log import note
from identity.changes import NowMs, wall_ms
from identity.permissions import require
from identity.principal import Principal
from store.databases import Database
from store.ids import new_id

MOST_PROMPTS = 2_000  # of a team
_LONGEST_DESCRIPTION = 500
_MOST_NO = 2**31 - 1


class Prompts:
    """For script threads; the API calls it on a thread too."""

    def __init__(self, database: Database, *, now_ms: NowMs = wall_ms) -> None:
        self._database = database
        self._now_ms = now_ms

    # --- reading ------------------------------------------------------------------------------

    def all(self, by: Principal, *, archived: bool = False) -> tuple[PromptView, ...]:
        """By name. Raises `NotPermitted`, as everything here does."""
        require(by, "read_prompts")
        with self._database.session() as session:
            query = (
                select(PromptRow).where(col(PromptRow.team_id) == by.team_id).order_by(col(PromptRow.name))
            )
            if not archived:
                query = query.where(col(PromptRow.archived_ms).is_(None))
            rows = session.scalars(query).all()
            labels = _labels(session, [row.id for row in rows])
            return tuple(_view(row, labels.get(row.id, {})) for row in rows)

    def show(self, by: Principal, name: str) -> PromptView:
        """Raises `PromptNotFound`."""
        require(by, "read_prompts")
        with self._database.session() as session:
            row = _prompt(session, by, name)
            return _view(row, _labels(session, [row.id]).get(row.id, {}))

    def versions(self, by: Principal, name: str) -> tuple[PromptVersion, ...]:
        """Newest first. Raises `PromptNotFound`."""
        require(by, "read_prompts")
        with self._database.session() as session:
            row = _prompt(session, by, name)
            query = select(PromptVersionRow).where(col(PromptVersionRow.prompt_id) == row.id)
            found = session.scalars(query.order_by(col(PromptVersionRow.no).desc())).all()
            labels = _labels(session, [row.id]).get(row.id, {})
            return tuple(_version(row, each, labels) for each in found)

    def served(
        self, by: Principal, name: str, *, label: str | None = None, no: int | None = None
    ) -> PromptVersion:
        """The version that a label or a number names; without either, `production`'s where there is one,
        else the newest. Raises `PromptNotFound` and `BadPrompt`."""
        require(by, "read_prompts")
        if label is not None and no is not None:
            raise BadPrompt("Ask for a label or for a version, not for both.", "version")
        with self._database.session() as session:
            row = _prompt(session, by, name)
            labels = _labels(session, [row.id]).get(row.id, {})
            if label not in (None, "newest"):
                if (no := labels.get(label or "")) is None:
                    raise PromptNotFound(f"The prompt {name!r} has no label {(label or '')[:40]!r}.")
            elif no is None:
                no = row.newest_no if label else labels.get(PRODUCTION, row.newest_no)
            return _version(row, _at(session, row, no), labels)

    def by_id(self, by: Principal, version_id: str) -> PromptVersion:
        """Raises `PromptNotFound`."""
        require(by, "read_prompts")
        with self._database.session() as session:
            found = None if "\0" in version_id else session.get(PromptVersionRow, version_id)
            if found is None or found.team_id != by.team_id:
                raise PromptNotFound(f"There is no version {version_id[:60]!r} in this team.")
            row = session.get_one(PromptRow, found.prompt_id)
            return _version(row, found, _labels(session, [row.id]).get(row.id, {}))

    def rows(self, by: Principal, name: str) -> tuple[SavedRow, ...]:
        """Raises `PromptNotFound`."""
        require(by, "read_prompts")
        with self._database.session() as session:
            row = _prompt(session, by, name)
            query = select(PromptValuesRow).where(col(PromptValuesRow.prompt_id) == row.id)
            found = session.scalars(query.order_by(col(PromptValuesRow.no)))
            return tuple(SavedRow(each.no, json.loads(each.values_json)) for each in found)

    # --- writing ------------------------------------------------------------------------------

    def create(self, by: Principal, name: str, wish: VersionWish, *, description: str = "") -> PromptVersion:
        """A prompt with its first version. Raises `BadPrompt` and `PromptTaken`."""
        require(by, "write_prompts")
        checked_name(name), checked_wish(wish)
        now_ms = self._now_ms()
        row = PromptRow(
            id=new_id("prm"),
            team_id=by.team_id,
            name=name,
            description=_described(description),
            newest_no=1,
            created_ms=now_ms,
            created_by=by.user_id,
            updated_ms=now_ms,
        )
        try:
            with self._database.session() as session:
                if _count(session, by.team_id) >= MOST_PROMPTS:
                    raise BadPrompt(f"A team keeps at most {MOST_PROMPTS:,} prompts.", "name")
                session.add(row)
                session.flush()
                found = _add_version(session, row, 1, wish, by, now_ms)
                note(session, "prompt_made", by=by, subject=name, detail={"version": 1})
                return _version(row, found, {})
        except IntegrityError:
            raise PromptTaken(name) from None

    def save(
        self, by: Principal, name: str, wish: VersionWish, *, after_no: int | None = None
    ) -> PromptVersion:
        """The next version; the newest one where the content is just its. `after_no` is the version that
        was edited: where a newer one came meanwhile, `PromptChanged`. Raises `PromptNotFound` and
        `BadPrompt`."""
        require(by, "write_prompts")
        checked_wish(wish)
        with self._database.session() as session:
            return self._save(session, by, name, wish, after_no, None)

    def restore(self, by: Principal, name: str, no: int) -> PromptVersion:
        """A new version with the content of an older one. Raises `PromptNotFound`."""
        require(by, "write_prompts")
        with self._database.session() as session:
            old = _at(session, _prompt(session, by, name), no)
            settings = settings_of(old.settings_json, old.said_json)
            wish = VersionWish(settings, old.model, old.provider, f"Version {no} again")
            return self._save(session, by, name, wish, None, no)

    def set_label(self, by: Principal, name: str, label: str, no: int) -> PromptView:
        """From now on the label names this version. Raises `PromptNotFound` and `BadPrompt`."""
        require(by, "write_prompts")
        checked_label(label)
        with self._database.session() as session:
            row = _prompt(session, by, name, lock=True)
            _at(session, row, no)
            found = session.get(PromptLabelRow, (row.id, label))
            before = None if found is None else found.no
            if found is None:
                found = PromptLabelRow(prompt_id=row.id, label=label, no=no, set_ms=0)
                session.add(found)
            found.no, found.set_ms, found.set_by = no, self._now_ms(), by.user_id
            session.flush()
            if before != no:
                note(session, "prompt_label_moved", by=by, subject=f"{name} {label}",
                     detail={"from": before, "to": no})  # fmt: skip
            return _view(row, _labels(session, [row.id])[row.id])

    def remove_label(self, by: Principal, name: str, label: str) -> None:
        """Raises `PromptNotFound`."""
        require(by, "write_prompts")
        with self._database.session() as session:
            row = _prompt(session, by, name, lock=True)
            found = session.get(PromptLabelRow, (row.id, label))
            if found is None:
                raise PromptNotFound(f"The prompt {name!r} has no label {label[:40]!r}.")
            session.delete(found)
            note(session, "prompt_label_moved", by=by, subject=f"{name} {label}",
                 detail={"from": found.no, "to": None})  # fmt: skip

    def describe(self, by: Principal, name: str, description: str) -> PromptView:
        """Raises `PromptNotFound` and `BadPrompt`."""
        return self._change(by, name, description=_described(description))

    def archive(self, by: Principal, name: str, *, archived: bool = True) -> PromptView:
        """Out of lists, or back; who asks by name still gets it. Raises `PromptNotFound`."""
        return self._change(by, name, archived_ms=self._now_ms() if archived else None)

    def put_rows(self, by: Principal, name: str, rows: Sequence[Mapping[str, str]]) -> tuple[SavedRow, ...]:
        """These rows instead of those that were saved. Raises `PromptNotFound` and `BadPrompt`."""
        require(by, "write_prompts")
        rows, now_ms = checked_rows(rows), self._now_ms()
        with self._database.session() as session:
            prompt = _prompt(session, by, name, lock=True)
            session.execute(delete(PromptValuesRow).where(col(PromptValuesRow.prompt_id) == prompt.id))
            session.add_all(
                PromptValuesRow(prompt_id=prompt.id, no=no, values_json=_storable(values), created_ms=now_ms)
                for no, values in enumerate(rows, 1)
            )
            return tuple(SavedRow(no, values) for no, values in enumerate(rows, 1))

    def _change(self, by: Principal, name: str, **columns: Any) -> PromptView:
        require(by, "write_prompts")
        with self._database.session() as session:
            row = _prompt(session, by, name, lock=True)
            for column, value in columns.items():
                setattr(row, column, value)
            row.updated_ms = self._now_ms()
            return _view(row, _labels(session, [row.id]).get(row.id, {}))

    def _save(
        self,
        session: Session,
        by: Principal,
        name: str,
        wish: VersionWish,
        after_no: int | None,
        restored_no: int | None,
    ) -> PromptVersion:
        row = _prompt(session, by, name, lock=True)
        newest = _at(session, row, row.newest_no)
        if after_no is not None and after_no != row.newest_no:
            raise PromptChanged(name, row.newest_no)
        labels = _labels(session, [row.id]).get(row.id, {})
        if _content(wish) == (newest.model, newest.provider, newest.settings_json, newest.said_json):
            return _version(row, newest, labels)
        row.newest_no += 1
        row.updated_ms = self._now_ms()
        found = _add_version(session, row, row.newest_no, wish, by, row.updated_ms, restored_no)
        return _version(row, found, labels)


def forget(session: Session, team_id: int, before_ms: int | None) -> int:
    """For `gateway/retention.py`: the prompts of a team that was deleted. What a team saved here on purpose
    does not grow old."""
    if before_ms is not None:
        return 0
    ids = select(col(PromptRow.id)).where(col(PromptRow.team_id) == team_id)
    for table in (PromptLabelRow, PromptValuesRow):
        session.execute(delete(table).where(col(table.prompt_id).in_(ids)))
    session.execute(delete(PromptVersionRow).where(col(PromptVersionRow.team_id) == team_id))
    session.execute(delete(PromptRow).where(col(PromptRow.team_id) == team_id))
    return 0


# --- in a session ----------------------------------------------------------------------------


def _prompt(session: Session, by: Principal, name: str, *, lock: bool = False) -> PromptRow:
    """`lock`: nobody else changes it until this transaction ends."""
    asked = name[:200].replace("\0", "\ufffd")  # which PostgreSQL refuses to look for
    whose = (col(PromptRow.team_id) == by.team_id, col(PromptRow.name) == asked)
    if lock:  # a write, because SQLite takes its lock with the first one
        session.execute(update(PromptRow).where(*whose).values(newest_no=col(PromptRow.newest_no)))
    row = session.scalars(select(PromptRow).where(*whose)).one_or_none()
    if row is None:
        raise PromptNotFound(f"There is no prompt {asked[:80]!r} in this team.")
    return row


def _at(session: Session, row: PromptRow, no: int) -> PromptVersionRow:
    here = (col(PromptVersionRow.prompt_id) == row.id, col(PromptVersionRow.no) == no)
    found = (
        session.scalars(select(PromptVersionRow).where(*here)).one_or_none() if 0 < no <= _MOST_NO else None
    )
    if found is None:
        raise PromptNotFound(f"The prompt {row.name!r} has no version {no}.")
    return found


def _add_version(
    session: Session,
    row: PromptRow,
    no: int,
    wish: VersionWish,
    by: Principal,
    now_ms: int,
    restored_no: int | None = None,
) -> PromptVersionRow:
    model, provider, chosen, said = _content(wish)
    found = PromptVersionRow(
        id=new_id("prv"),
        prompt_id=row.id,
        team_id=row.team_id,
        no=no,
        model=model,
        provider=provider,
        settings_json=chosen,
        said_json=said,
        note=wish.note.replace("\0", ""),
        restored_no=restored_no,
        created_ms=now_ms,
        created_by=by.user_id,
    )
    session.add(found)
    session.flush()
    return found


def _content(wish: VersionWish) -> tuple[str | None, str | None, str, str]:
    return wish.model, wish.provider, settings_json(wish.settings), said_json(wish.settings)


def _labels(session: Session, prompt_ids: Sequence[str]) -> dict[str, dict[str, int]]:
    """Of each prompt, its labels and which version each names."""
    found: dict[str, dict[str, int]] = {}
    query = select(PromptLabelRow).where(col(PromptLabelRow.prompt_id).in_(prompt_ids))
    for each in session.scalars(query.order_by(col(PromptLabelRow.label))):
        found.setdefault(each.prompt_id, {})[each.label] = each.no
    return found


def _count(session: Session, team_id: int) -> int:
    whose = col(PromptRow.team_id) == team_id
    return session.scalar(select(func.count()).select_from(PromptRow).where(whose)) or 0


def _view(row: PromptRow, labels: Mapping[str, int]) -> PromptView:
    return PromptView(
        row.id,
        row.name,
        row.description,
        row.newest_no,
        labels,
        row.created_ms,
        row.updated_ms,
        row.archived_ms,
    )


def _version(row: PromptRow, found: PromptVersionRow, labels: Mapping[str, int]) -> PromptVersion:
    return PromptVersion(
        id=found.id,
        prompt_id=row.id,
        name=row.name,
        no=found.no,
        model=found.model,
        provider=found.provider,
        settings=settings_of(found.settings_json, found.said_json),
        note=found.note,
        restored_no=found.restored_no,
        created_ms=found.created_ms,
        created_by=found.created_by,
        labels=tuple(label for label, no in labels.items() if no == found.no),
    )


def _described(description: str) -> str:
    description = description.replace("\0", "").strip()
    if len(description) > _LONGEST_DESCRIPTION:
        raise BadPrompt(f"A description has at most {_LONGEST_DESCRIPTION} characters.", "description")
    return description


def _storable(values: Mapping[str, str]) -> str:
    return json.dumps(dict(values)).replace("\\u0000", "\\ufffd")
