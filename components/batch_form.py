"""What a new batch is made from: rows, a prompt, lanes, checks, a judge, a cap. Returns a wish once it is
whole; what is wrong with the file is said by line, and nothing of it is used."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import streamlit as st

from battles.batch_models import MOST_AT_ONCE, MOST_BATCH_LANES, BatchSpec, BatchWish, Judge
from battles.batch_rows import Upload, read_rows
from battles.checks import Check, Exact, JsonSchema, Python, Regex
from battles.errors import BadRows
from battles.models import LaneWish, Settings
from battles.prompt_template import is_name
from billing.money import parse_usd
from components import batch_session as session, batch_words as say, table, words
from gateway.messages import Sampling

_SHOWN_ROWS = 3
_SHOWN_CHARACTERS = 120


@dataclass(frozen=True, slots=True)
class Offered:
    """`models` are those that can answer, by id with their names; `prompts` the library's, by name."""

    models: Mapping[str, str]
    prompts: Sequence[str]
    version_of: Callable[[str], LaneWish | None]


def show(offered: Offered) -> BatchWish | None:
    name = st.text_input(say.NAME, key=session.NAME, placeholder=say.NAMED, max_chars=120).strip()
    upload = _rows()
    _columns_hint(upload)
    prompt = st.text_area(say.PROMPT, key=session.PROMPT, placeholder=say.PROMPT_EXAMPLE, height=120)
    system = st.text_area(say.SYSTEM, key=session.SYSTEM, height=68).strip()
    sampling, at_once = _settings()
    models = st.multiselect(
        say.LANES, list(offered.models), key=session.MODELS, format_func=offered.models.__getitem__,
        help=say.LANES_HELP, max_selections=MOST_BATCH_LANES,
    )  # fmt: skip
    library = (
        st.multiselect(say.LIBRARY, offered.prompts, key=session.LIBRARY, help=say.LIBRARY_HELP)
        if offered.prompts
        else []
    )
    checks = _checks(upload)
    judge = _judge(offered)
    cap = _cap()
    if upload is None or not models or not (prompt.strip() or library) or checks is None or cap == 0:
        st.caption(say.PICK_FIRST)
        return None
    shared = Settings(system=system or None, template=prompt if prompt.strip() else None, sampling=sampling)
    spec = BatchSpec("", _lanes(models, library, shared, offered), checks, judge, at_once, cap)
    st.caption(say.lanes(len(spec.lanes), len(spec.lanes) * len(upload.rows)))
    return BatchWish(name or say.NAMED, spec, upload)


def _rows() -> Upload | None:
    file = st.file_uploader(
        say.FILE, type=["csv", "tsv", "jsonl", "ndjson", "json"], key=session.FILE, help=say.FILE_HELP
    )
    if file is None:
        return None
    try:
        upload = read_rows(file.getvalue(), file.name)
    except BadRows as wrong:
        shown = [f"line {line}: {what}" if line else what for line, what in wrong.problems]
        listed = "\n".join(f"- {words.escaped(each)}" for each in shown)
        st.error(f"**{say.FILE_WRONG}.** {say.problems(len(shown), wrong.count)}\n\n{listed}")
        return None
    heads = list(upload.columns)
    rows = [[_short(row.values[name]) for name in heads] for row in upload.rows[:_SHOWN_ROWS]]
    st.caption(say.rows(len(upload.rows), f"{len(heads)} columns"))
    table.show(say.FIRST_ROWS, heads, rows)
    return upload


def _short(text: str) -> str:
    return (
        text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 1] + "\N{HORIZONTAL ELLIPSIS}"
    )


def _columns_hint(upload: Upload | None) -> None:
    if upload is not None:
        names = [name for name in upload.columns if is_name(name)]
        st.caption(" ".join(f"`{{{{{name}}}}}`" for name in names))


def _settings() -> tuple[Sampling, int]:
    one, two, three = st.columns(3)
    temperature = one.number_input(
        say.TEMPERATURE, 0.0, 2.0, value=None, step=0.1, key=session.TEMPERATURE, placeholder=say.AS_THE_MODEL
    )
    most = two.number_input(
        say.MAX_TOKENS, 1, 1_000_000, value=None, key=session.MAX_TOKENS, placeholder=say.AS_THE_MODEL
    )
    at_once = three.number_input(say.AT_ONCE, 1, MOST_AT_ONCE, value=8, key=session.AT_ONCE)
    return Sampling(temperature=temperature, max_output_tokens=most), int(at_once)


def _lanes(
    models: Sequence[str], library: Sequence[str], shared: Settings, offered: Offered
) -> tuple[LaneWish, ...]:
    """Every model with the prompt of the page, and with each prompt of the library."""
    lanes: list[LaneWish] = []
    for model in models:
        if shared.template is not None:
            lanes.append(LaneWish(model, settings=shared))
        for name in library:
            version = offered.version_of(name)
            if version is not None:
                template = version.settings.template or shared.template
                settings = replace(version.settings, template=template)
                lanes.append(replace(version, model=model, settings=settings, own=("prompt",)))
    return tuple(lanes)


def _checks(upload: Upload | None) -> tuple[Check, ...] | None:
    """None where one of them cannot be read."""
    checks: list[Check] = []
    with st.expander(say.CHECKS):
        st.caption(say.CHECKS_ABOUT)
        columns = [name for name in upload.columns if is_name(name)] if upload is not None else []
        expected = st.selectbox(say.EXACT, columns, index=None, key=session.EXACT)
        ignore_case = st.checkbox(say.IGNORE_CASE, key=session.IGNORE_CASE)
        pattern = st.text_input(say.REGEX, key=session.REGEX, placeholder=say.REGEX_EXAMPLE)
        schema = st.text_area(say.SCHEMA, key=session.SCHEMA, height=100)
        code = st.text_area(
            say.PYTHON, key=session.PYTHON, height=120, placeholder=say.PYTHON_EXAMPLE, help=say.PYTHON_HELP
        )
        if expected:
            checks.append(Exact(f"{{{{{expected}}}}}", ignore_case))
        if pattern:
            checks.append(Regex(pattern, ignore_case))
        if schema.strip():
            try:
                read = json.loads(schema)
            except (ValueError, RecursionError):
                read = None
            if not isinstance(read, dict):
                st.error(say.SCHEMA_WRONG)
                return None
            checks.append(JsonSchema(read))
        if code.strip():
            checks.append(Python(code))
    return tuple(checks)


def _judge(offered: Offered) -> Judge | None:
    with st.expander(say.JUDGE):
        model = st.selectbox(
            say.JUDGE, list(offered.models), index=None, key=session.JUDGE, help=say.JUDGE_HELP,
            format_func=offered.models.__getitem__, placeholder=say.NO_JUDGE,
        )  # fmt: skip
        criteria = st.text_area(say.CRITERIA, key=session.CRITERIA, height=68)
    return Judge(model, criteria) if model else None


def _cap() -> int | None:
    """None for no cap, 0 where what was typed is none."""
    typed = st.text_input(say.CAP, key=session.CAP, help=say.CAP_HELP, placeholder="1.00", width=240).strip()
    nano_usd = dollars(typed)
    if nano_usd == 0:
        st.error(say.CAP_WRONG)
    return nano_usd


def dollars(typed: str) -> int | None:
    """Nano-dollars; None of nothing, 0 of what is no amount above zero."""
    if not typed:
        return None
    try:
        return max(parse_usd(typed.removeprefix("$")), 0)
    except ValueError:
        return 0
