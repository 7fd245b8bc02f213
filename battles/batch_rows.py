"""Reads an upload of rows, CSV or JSONL, whole or not at all: what is wrong is told by line.

A row is a set of named values, all text: what is no string in JSON stays as JSON writes it. Every row has
the same names; those that `prompt_template.is_name` takes can be used in prompts and checks. Nothing is
guessed away: a row with a field too many is an error, not a shorter row. Pure.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from battles.errors import BadRows

MOST_ROWS: Final = 50_000
MOST_BYTES: Final = 32 * 1024 * 1024
MOST_COLUMNS: Final = 100
LONGEST_VALUE: Final = 200_000  # characters
_MOST_TOLD: Final = 20
_LONGEST_NAME: Final = 64

Values = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Row:
    """`line_no` is where it stands in the upload, from 1; of a row that spans lines, its first."""

    line_no: int
    values: Values


@dataclass(frozen=True, slots=True)
class Upload:
    columns: tuple[str, ...]
    rows: tuple[Row, ...]


def read_rows(data: bytes, name: str = "") -> Upload:
    """The rows of a file. JSONL where its name or its first character says so, else CSV.
    Raises `BadRows`."""
    if len(data) > MOST_BYTES:
        raise BadRows([(0, f"it has {len(data):,} bytes, and {MOST_BYTES:,} is the most")])
    text = _text(data)
    if not text.strip():
        raise BadRows([(0, "it is empty")])
    if name.lower().endswith((".jsonl", ".ndjson", ".json")) or text.lstrip()[0] in "{[":
        return _read(_JsonLines(text))
    return _read(_Csv(text))


def rows_of(values: list[dict[str, object]]) -> Upload:
    """Rows that came as JSON objects, as the API takes them; the line is the place in the list."""
    found = _Problems()
    rows = [_JsonLines.row(no, item, found) for no, item in enumerate(values, 1)]
    return _checked([row for row in rows if row is not None], found)


def _text(data: bytes) -> str:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line_no = data.count(b"\n", 0, error.start) + 1
        raise BadRows([(line_no, "it is not UTF-8 text; save the file as UTF-8")]) from None
    if "\0" in text:
        raise BadRows([(text.count("\n", 0, text.index("\0")) + 1, "it has a NUL character")])
    return text


class _Problems(list[tuple[int, str]]):
    """What is wrong, by line; all are counted, the first are told."""

    def stop_if_any(self) -> None:
        if self:
            raise BadRows(self[:_MOST_TOLD], len(self))


class _Csv:
    """The first line names the columns. The separator is the one of `,` `;` tab that the first line has
    most of."""

    def __init__(self, text: str) -> None:
        head = text.lstrip("\r\n").split("\n", 1)[0]
        self._separator = max(",;\t", key=head.count)
        self._text = text

    def rows(self, found: _Problems) -> Iterator[Row]:
        csv.field_size_limit(LONGEST_VALUE * 2)
        reader = csv.reader(io.StringIO(self._text, newline=""), delimiter=self._separator, strict=True)
        names: list[str] | None = None
        line_no = 1
        try:
            for fields in reader:
                if fields and names is None:
                    names = [field.strip() for field in fields]
                    _check_names(names, found, line_no)
                    found.stop_if_any()
                elif fields and names is not None:
                    if len(fields) == len(names):
                        yield Row(line_no, dict(zip(names, fields, strict=True)))
                    else:
                        told = f"it has {len(fields)} fields, and the first line names {len(names)}"
                        found.append((line_no, told))
                line_no = reader.line_num + 1
        except csv.Error as error:
            found.append((line_no, f"its quotes do not add up ({error})"))


class _JsonLines:
    """One object a line; or one array of objects."""

    def __init__(self, text: str) -> None:
        self._text = text

    def rows(self, found: _Problems) -> Iterator[Row]:
        if self._text.lstrip().startswith("["):
            yield from self._of_array(found)
            return
        for line_no, line in enumerate(self._text.split("\n"), 1):
            if not line.strip():
                continue
            try:
                item = json.loads(line)
            except (ValueError, RecursionError) as error:
                found.append((line_no, f"it is not JSON ({str(error)[:120]})"))
                continue
            row = self.row(line_no, item, found)
            if row is not None:
                yield row

    def _of_array(self, found: _Problems) -> Iterator[Row]:
        try:
            items = json.loads(self._text)
        except json.JSONDecodeError as error:
            found.append((error.lineno, f"it is not JSON ({error.msg})"))
            return
        except (ValueError, RecursionError) as error:
            found.append((1, f"it is not JSON ({str(error)[:120]})"))
            return
        for no, item in enumerate(items, 1):
            row = self.row(no, item, found)
            if row is not None:
                yield row

    @staticmethod
    def row(line_no: int, item: object, found: _Problems) -> Row | None:
        if not isinstance(item, dict) or not item:
            found.append((line_no, "it is not an object with values by name"))
            return None
        return Row(line_no, {str(name): _as_text(value) for name, value in item.items()})


def _as_text(value: object) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, ensure_ascii=False)


def _read(source: _Csv | _JsonLines) -> Upload:
    found = _Problems()
    rows: list[Row] = []
    for row in source.rows(found):
        rows.append(row)
        if len(rows) > MOST_ROWS:
            raise BadRows([(row.line_no, f"there are more than {MOST_ROWS:,} rows, which is the most")])
    return _checked(rows, found)


def _checked(rows: list[Row], found: _Problems) -> Upload:
    if len(rows) > MOST_ROWS:
        raise BadRows([(0, f"there are {len(rows):,} rows, and {MOST_ROWS:,} is the most")])
    if not rows and not found:
        found.append((0, "it has no row"))
    found.stop_if_any()
    columns = tuple(rows[0].values)
    _check_names(columns, found, rows[0].line_no)
    for row in rows:
        if row.values.keys() != rows[0].values.keys():
            found.append((row.line_no, _difference(columns, row.values)))
        for column, value in row.values.items():
            if len(value) > LONGEST_VALUE:
                found.append((row.line_no, f"its {column!r} has more than {LONGEST_VALUE:,} characters"))
            elif "\0" in value or not _is_unicode(value):
                found.append((row.line_no, f"its {column!r} has a character that is no text"))
    found.stop_if_any()
    return Upload(columns, tuple(rows))


def _is_unicode(value: str) -> bool:
    """Not so of half a surrogate pair, which JSON can spell."""
    if value.isascii():
        return True
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _check_names(names: tuple[str, ...] | list[str], found: _Problems, line_no: int) -> None:
    if len(names) > MOST_COLUMNS:
        found.append((line_no, f"it names {len(names)} columns, and {MOST_COLUMNS} is the most"))
    for name in names:
        if not name.strip() or not name.isprintable() or len(name) > _LONGEST_NAME:
            told = f"{name[:80]!r} is no name for a column: up to {_LONGEST_NAME} characters on one line"
            found.append((line_no, told))
        elif list(names).count(name) > 1:
            found.append((line_no, f"the name {name!r} is there twice"))


def _difference(columns: tuple[str, ...], values: Values) -> str:
    missing = [name for name in columns if name not in values]
    more = [name for name in values if name not in columns]
    parts = [f"it has no {', '.join(map(repr, missing))}"] if missing else []
    parts += [f"it has {', '.join(map(repr, more))}, which the first row has not"] if more else []
    return "; ".join(parts)
