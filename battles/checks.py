"""What an answer must be: the checks of a batch, and what each said of an answer.

`exact` compares text, `regex` searches it, `json_schema` reads it as JSON and holds it against a schema,
`python` calls every function of a piece of Python whose name begins with `test`, with the answer and its
row. An answer passes where every check passes.

All but `exact` run apart from this process, in `sandbox.py`: a pattern may take forever, and Python is
somebody's code. Here is what a check is, what it must look like, and how a row's values get into it.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Sequence
from typing import Any, Final, Literal

import msgspec

from battles.batch_rows import Values
from battles.errors import BadBattle
from battles.prompt_template import filled, variables_of

MOST_CHECKS: Final = 10
LONGEST_CHECK: Final = 50_000  # characters


class Exact(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="exact"):
    """The answer is `expected`, spaces around it aside."""

    expected: str
    ignore_case: bool = False


class Regex(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="regex"):
    """`pattern` (Python's) is found in the answer. A value that is put into it stands for itself."""

    pattern: str
    ignore_case: bool = False


class JsonSchema(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="json_schema"
):
    """The answer is JSON, alone or in one fenced block, and `schema` holds of it (draft 2020-12 unless
    the schema says otherwise). A schema refers to nothing outside itself."""

    schema: dict[str, Any]


class Python(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="python"):
    """`code` defines `test...(answer, row)`: a test that returns without raising passes, unless it
    returns False. `row` is a dictionary of text."""

    code: str


Check = Exact | Regex | JsonSchema | Python


class Verdict(msgspec.Struct, frozen=True):
    """What one check said. `passed` is None where it could not be told: `why` says what went wrong, as
    with a check that took too long."""

    kind: Literal["exact", "regex", "json_schema", "python"]
    passed: bool | None
    why: str = ""


def checked(checks: Sequence[Check], columns: Sequence[str]) -> None:
    """Look at them before the first row is paid for. Raises `BadBattle`."""
    if len(checks) > MOST_CHECKS:
        raise BadBattle(f"A batch has up to {MOST_CHECKS} checks.", "checks")
    for no, check in enumerate(checks):
        param = f"checks[{no}]"
        if len(msgspec.json.encode(check)) > LONGEST_CHECK:
            raise BadBattle(f"A check has up to {LONGEST_CHECK:,} characters.", param)
        match check:
            case Exact(expected):
                _known(expected, columns, f"{param}.expected")
            case Regex(pattern):
                _known(pattern, columns, f"{param}.pattern")
                _compiles(pattern, param)
            case JsonSchema(schema):
                _no_outside_refs(schema, f"{param}.schema")
            case Python(code):
                _has_tests(code, f"{param}.code")


def exactly(check: Exact, answer: str, row: Values) -> Verdict:
    expected, got = filled(check.expected, row).strip(), answer.strip()
    if check.ignore_case:
        same = expected.casefold() == got.casefold()
    else:
        same = expected == got
    return Verdict("exact", same, "" if same else f"expected {_short(expected)}, got {_short(got)}")


def for_row(check: Regex | JsonSchema | Python, row: Values) -> dict[str, object]:
    """What the sandbox is told of it: plain values."""
    match check:
        case Regex(pattern, ignore_case):
            return {
                "kind": "regex",
                "pattern": filled(pattern, {name: re.escape(value) for name, value in row.items()}),
                "ignore_case": ignore_case,
            }
        case JsonSchema(schema):
            return {"kind": "json_schema", "schema": schema}
        case Python(code):
            return {"kind": "python", "code": code, "row": dict(row)}


def passes(verdicts: Sequence[Verdict]) -> bool | None:
    """Whether an answer passed all; None where there is no check, or one could not be told and no other
    failed."""
    if any(verdict.passed is False for verdict in verdicts):
        return False
    if not verdicts or any(verdict.passed is None for verdict in verdicts):
        return None
    return True


def needs_python(checks: Sequence[Check]) -> bool:
    return any(isinstance(check, Python) for check in checks)


def _known(text: str, columns: Sequence[str], param: str) -> None:
    unknown = [name for name in variables_of(text) if name not in columns]
    if unknown:
        raise BadBattle(f"It names {', '.join(unknown)}, and the rows have {', '.join(columns)}.", param)


def _compiles(pattern: str, param: str) -> None:
    """Only what nobody's data changes; patterns are tried for real in the sandbox."""
    try:
        re.compile(filled(pattern, dict.fromkeys(variables_of(pattern), "x")))
    except (re.error, RecursionError, OverflowError) as error:
        raise BadBattle(f"The pattern is no regular expression: {error}.", f"{param}.pattern") from None


def _no_outside_refs(schema: object, param: str) -> None:
    """A `$ref` to an address would be a way out of the sandbox's silence; there is none in it anyway."""
    match schema:
        case dict():
            for name, value in schema.items():
                if name in ("$ref", "$dynamicRef") and not str(value).startswith("#"):
                    raise BadBattle(f"A schema refers to itself alone, not to {str(value)[:80]!r}.", param)
                _no_outside_refs(value, param)
        case list():
            for value in schema:
                _no_outside_refs(value, param)


def _has_tests(code: str, param: str) -> None:
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise BadBattle(f"The tests are no Python: {str(error)[:200]}.", param) from None
    names = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    if not any(name.startswith("test") for name in names):
        raise BadBattle("The code needs a function whose name begins with `test`.", param)


def _short(text: str) -> str:
    shown = json.dumps(text, ensure_ascii=False)
    return shown if len(shown) <= 80 else shown[:77] + '..."'
