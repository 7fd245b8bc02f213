"""Draws the fields of a version of a prompt, and hands back what they make: a wish for the next one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import streamlit as st

from battles.models import AS_IT_IS, Example, Settings
from battles.prompt_values import PromptVersion, VersionWish
from components import prompt_words as say, words
from gateway.catalog import Model
from gateway.messages import Effort, Sampling

_EFFORTS: Final[tuple[Effort, ...]] = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
_JSON: Final[Mapping[str, object]] = {"type": "json_object"}
_MOST_TEXT: Final = 100_000
_MOST_OUTPUT: Final = 10_000_000
_MOST_SEED: Final = 2**31 - 1
_STEPPED: Final = (
    ("temperature", 0.0, 2.0), ("top_p", 0.0, 1.0), ("frequency_penalty", -2.0, 2.0),
    ("presence_penalty", -2.0, 2.0),
)  # fmt: skip


def show(models: Sequence[Model], version: PromptVersion | None, key: str, fixed: bool) -> VersionWish:
    """`version` is the one that is edited; None begins a prompt. `fixed`: it can be read alone."""
    before = version.settings if version is not None else AS_IT_IS
    model, provider = _who(models, version, key, fixed)
    system = st.text_area(
        say.SYSTEM, before.system or "", key=f"{key}-system", height=80, max_chars=_MOST_TEXT, disabled=fixed
    )
    template = st.text_area(
        say.TEMPLATE, before.template or "", key=f"{key}-template", height=140, max_chars=_MOST_TEXT,
        help=say.TEMPLATE_HELP, disabled=fixed,
    )  # fmt: skip
    with st.expander(f"{say.EXAMPLES} ({len(before.examples)})"):
        examples = _examples(before.examples, f"{key}-examples", fixed)
    with st.expander(say.PARAMETERS):
        sampling = _sampling(before.sampling, key, fixed)
        form = _form(before.response_format, key, fixed)
        if before.tools:
            st.caption(say.tools(len(before.tools)))
    note = "" if fixed else st.text_input(say.NOTE, key=f"{key}-note", max_chars=500)
    settings = Settings(
        system.strip() or None, examples, template if template.strip() else None, sampling, form, before.tools
    )
    return VersionWish(settings, model, provider, note)


def _who(
    models: Sequence[Model], version: PromptVersion | None, key: str, fixed: bool
) -> tuple[str | None, str | None]:
    names = {model.id: model.name for model in models}
    ids: list[str | None] = [None, *names]
    kept = version.model if version is not None else None
    if kept not in ids:  # the catalog has it no longer
        ids.append(kept)
    left, right = st.columns(2)
    model: str | None = left.selectbox(
        say.MODEL, ids, ids.index(kept), key=f"{key}-model", disabled=fixed,
        format_func=lambda each: words.escaped(names.get(each) or each) if each else say.ANY_MODEL,
    )  # fmt: skip
    routes = next((each.providers for each in models if each.id == model), ())
    providers: list[str | None] = [None, *(route.provider for route in routes)]
    pinned = version.provider if version is not None and version.model == model else None
    if pinned not in providers:
        providers.append(pinned)
    provider: str | None = right.selectbox(
        say.PROVIDER, providers, providers.index(pinned), key=f"{key}-provider-{model}",
        disabled=fixed or model is None,
        format_func=lambda each: say.ANY_PROVIDER if each is None else words.escaped(each),
    )  # fmt: skip
    return model, provider


def _examples(before: Sequence[Example], key: str, fixed: bool) -> tuple[Example, ...]:
    st.caption(say.EXAMPLES_HELP)
    rows: list[dict[str, Any]] = st.data_editor(
        [{"asked": each.asked, "answered": each.answered} for each in before]
        or [{"asked": "", "answered": ""}],
        key=key,
        num_rows="dynamic",
        disabled=fixed,
        column_config={
            "asked": st.column_config.TextColumn(say.ASKED, width="medium"),
            "answered": st.column_config.TextColumn(say.ANSWERED, width="medium"),
        },
    )
    pairs = ((str(row.get("asked") or ""), str(row.get("answered") or "")) for row in rows)
    return tuple(Example(asked, answered) for asked, answered in pairs if asked or answered)


def _sampling(before: Sampling, key: str, fixed: bool) -> Sampling:
    """Fields that the page does not draw stay as they were."""
    whole, seed = st.columns(2)
    most = whole.number_input(
        words.SAMPLING_NAMES["max_output_tokens"], 1, _MOST_OUTPUT, before.max_output_tokens, step=1,
        key=f"{key}-max", placeholder=words.MODELS_DEFAULT, disabled=fixed,
    )  # fmt: skip
    sown = seed.number_input(
        words.SAMPLING_NAMES["seed"], 0, _MOST_SEED, before.seed, step=1, key=f"{key}-seed",
        placeholder=words.MODELS_DEFAULT, disabled=fixed,
    )  # fmt: skip
    columns, values = st.columns(2), {}
    for at, (name, least, largest) in enumerate(_STEPPED):
        values[name] = columns[at % 2].number_input(
            words.SAMPLING_NAMES[name], least, largest, getattr(before, name), step=0.05, format="%.2f",
            key=f"{key}-{name}", placeholder=words.MODELS_DEFAULT, disabled=fixed,
        )  # fmt: skip
    effort: Effort | None = st.segmented_control(
        words.SAMPLING_NAMES["effort"], _EFFORTS, default=before.effort, key=f"{key}-effort", disabled=fixed
    )
    stop = st.multiselect(
        words.SAMPLING_NAMES["stop"], before.stop, before.stop, key=f"{key}-stop", accept_new_options=True,
        max_selections=4, placeholder=words.MODELS_DEFAULT, disabled=fixed,
    )  # fmt: skip
    return replace(
        before,
        max_output_tokens=None if most is None else int(most),
        seed=None if sown is None else int(sown),
        effort=effort,
        stop=tuple(stop),
        **values,
    )


def _form(before: Mapping[str, object] | None, key: str, fixed: bool) -> Mapping[str, object] | None:
    """A schema is kept as it was saved; JSON without one is a tick."""
    if before is not None and before.get("type") not in ("json_object", "text"):
        st.caption(say.KEPT_AS_IT_IS)
        return before
    wanted = st.checkbox(
        say.JSON_ANSWER, before is not None and before.get("type") == "json_object", key=f"{key}-json",
        disabled=fixed,
    )  # fmt: skip
    return _JSON if wanted else None
