"""Draws one model, section by section: what it is, what it costs, who serves it, how it behaves here."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from components import (
    code_snippets,
    figure,
    model_facts as facts,
    model_words as say,
    session,
    starters,
    table,
    words,
)
from components.table import Cell
from gateway.catalog import Catalog, Model, Price
from gateway.messages import CompletionRequest, Message
from gateway.rate_windows import Standing
from gateway.tiers import Tier
from gateway.what_if import WhatIf
from telemetry.latency import ModelSummary, Share, Spread
from telemetry.paces import Pace


@dataclass(frozen=True, slots=True)
class Here:
    """What this installation knows of the model. `pace_of` a provider is of the whole installation."""

    summary: ModelSummary | None
    pace_of: Callable[[str], Pace | None]
    why_not: str | None
    connected: frozenset[str]
    mix: Callable[[], WhatIf]
    tiers: Sequence[Tier]
    base_url: str
    headroom: Callable[[], tuple[Standing | None, Standing | None]]


def show_head(model: Model, here: Here, now_ms: int) -> None:
    st.title(words.escaped(model.name))
    st.caption(words.escaped(say.by(model.creator, model.lifecycle.released_on)))
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.code(model.id, language=None, width="content")
        _badges(model)
    standing = facts.standing(model, facts.today_of(now_ms))
    if standing is not None:
        st.warning(words.escaped(standing))
    elif here.why_not is not None:
        st.info(words.escaped(here.why_not))
    _figures(model, here, now_ms)


def show_about(model: Model) -> None:
    st.header(say.ABOUT)
    st.write(words.escaped(model.summary))
    for note in model.notes:
        st.caption(words.escaped(note))
    left, right = st.columns(2)
    _listed(left, say.BEST_FOR, model.best_for)
    _listed(right, say.CONSIDER, model.consider_others_for)


def show_use(model: Model, here: Here) -> None:
    st.header(say.USE)
    st.markdown(say.STEPS)
    st.page_link("team.py", label=say.MAKE_A_KEY, icon=":material/key:")
    request = CompletionRequest(model.id, (Message.of("user", starters.STARTERS[0].prompt),))
    makers = {name: make for name, (make, _) in code_snippets.LANGUAGES.items()}
    languages = {name: language for name, (_, language) in code_snippets.LANGUAGES.items()}
    tabs = st.tabs([*makers, "Codex CLI"])
    for tab, (name, make) in zip(tabs, makers.items(), strict=False):
        tab.code(make(request, here.base_url), language=languages[name], wrap_lines=True)
    tabs[-1].code(facts.codex_config(model, here.base_url), language="toml", wrap_lines=True)


def show_providers(model: Model, catalog: Catalog, here: Here) -> None:
    st.header(say.PROVIDERS)
    heads = [
        say.PROVIDER, say.SLUG, say.HERE, say.INPUT, say.OUTPUT, say.FIRST_TOKEN, say.TOKENS_PER_S,
        say.SUCCESS, say.RETENTION, say.REGIONS,
    ]  # fmt: skip
    rows: list[list[str | Cell]] = []
    for route in model.providers:
        listed = catalog.provider(route.provider)
        name = listed.name if listed else route.provider
        policy = listed.policy if listed else None
        price = (route.prices or model.prices or (None,))[-1]
        pace = here.pace_of(route.provider)
        rows.append(
            [
                name,
                route.provider,
                say.CONNECTED if route.provider in here.connected else say.NOT_CONNECTED,
                _rate(price, "input"),
                _rate(price, "output"),
                *_pace(pace),
                _supported(policy.zero_data_retention if policy else "unknown"),
                ", ".join(policy.regions) if policy and policy.regions else say.UNKNOWN,
            ]
        )
    table.show(say.PROVIDERS, heads, rows, about=say.HERE_30_DAYS, texts=3, titled=False)
    st.caption(say.CHOOSING)
    with st.expander(say.PREFER):
        st.code(facts.preferences(model), language="json")
    _links(model, catalog)


def show_price(model: Model, here: Here, now_ms: int, others: Sequence[Model]) -> None:
    st.header(say.PRICE)
    heads: list[str | Cell] = ["", say.INPUT, say.CACHED, say.CACHE_WRITE, say.OUTPUT, say.ONE_REQUEST]
    rows = [_priced(each, now_ms) for each in (model, *others)]
    table.show(say.PRICE, heads, rows, about=say.PER_MILLION, titled=False)
    if st.toggle(say.OWN_MIX, key=session.MODELS_MIX):  # reads every run of 30 days: only when asked
        mix = here.mix()
        was, would = figure.money(mix.was_nano_usd), figure.money(mix.would_nano_usd)
        st.write(words.escaped(say.own_mix(was, would, mix.runs) if mix.runs else say.NO_MIX))
    fees = [(name, fee) for price in model.prices[-1:] for name, fee in (price.tool_fees or {}).items()]
    if fees:
        table.show(say.FEES, ["", "$"], [[facts.named(name), figure.pico_money(fee)] for name, fee in fees])
    with st.expander(say.VERSIONS):
        _versions(model)


def show_capabilities(model: Model) -> None:
    st.header(say.CAPABILITIES)
    first, second, third = st.columns([2, 4, 3], gap="medium")
    with first:
        table.show(say.MODALITY, ["", say.IN, say.OUT], [list(row) for row in facts.modalities(model)])
    with second:
        heads = ["", say.AT_THE_MAKER, say.THROUGH_TILTYARD]
        table.show(say.ENDPOINT, heads, [list(row) for row in facts.endpoints(model)])
    with third:
        table.show(say.FEATURE, ["", ""], [list(row) for row in facts.features(model)])


def show_limits(model: Model, here: Here) -> None:
    st.header(say.LIMITS)
    rows: list[list[str | Cell]] = [
        [say.CONTEXT, f"{figure.tokens(model.context_tokens)} tokens"],
        [say.LONGEST, f"{figure.tokens(model.max_output_tokens)} tokens"],
        [say.KNOWS_UNTIL, model.knowledge_cutoff or say.UNKNOWN],
        [facts.named("reasoning"), say.YES if model.reasons else say.NO],
    ]
    table.show(say.LIMITS, ["", ""], rows, titled=False)
    names: list[list[str | Cell]] = [[name, say.ALIAS] for name in model.aliases]
    names += [[name, say.PINNED] for name in model.snapshots]
    if names:
        table.show(say.NAMES, ["", ""], names)
    if here.tiers:
        _tiers(here)


def show_data(model: Model, catalog: Catalog) -> None:
    st.header(say.DATA)
    rows: list[list[str | Cell]] = []
    for route in model.providers:
        listed = catalog.provider(route.provider)
        if listed is None:
            continue
        policy = listed.policy
        days = say.UNKNOWN if policy.retention_days is None else str(policy.retention_days)
        source = policy.fact.as_of if policy.fact and policy.fact.as_of else say.UNKNOWN
        rows.append(
            [
                listed.name,
                _supported(policy.zero_data_retention),
                _supported(policy.trains_on_data),
                days,
                ", ".join(policy.regions) or say.UNKNOWN,
                source,
            ]
        )
    heads: list[str | Cell] = ["", say.RETENTION, say.TRAINS, say.KEPT_DAYS, say.REGIONS, say.AS_OF]
    table.show(say.DATA, heads, rows, titled=False)
    runs_here = any(route.provider == "embedded" for route in model.providers)
    table.show(
        say.LICENCE,
        ["", ""],
        [
            [say.LICENCE, model.licence or say.UNKNOWN],
            [say.EU_AI_ACT, say.UNKNOWN],
            [say.TRANSFERS, say.STAYS_HERE if runs_here else say.UNKNOWN],
            [say.TRAINING_DATA, say.UNKNOWN],
            [say.PARAMETERS, say.UNKNOWN],
            [say.OWN_MACHINES, say.RUNS_HERE if runs_here else say.AT_PROVIDERS],
        ],
        texts=2,
    )


def show_questions(model: Model, catalog: Catalog, now_ms: int) -> None:
    st.header(say.QUESTIONS)
    for each in facts.questions(model, catalog, now_ms):
        with st.expander(words.escaped(each.asked)):
            st.markdown(each.answered.replace("$", r"\$"))


def show_review(model: Model, catalog: Catalog, now_ms: int) -> None:
    st.header(say.REVIEW)
    st.write(words.escaped(facts.verdict(model, catalog, now_ms)))
    day = facts.review_day(model)
    if day is not None:
        st.write(words.escaped(say.reviewed(day)))
    watched = facts.watch(model, catalog, facts.today_of(now_ms))
    if watched:
        _listed(st.container(), say.WATCH, watched)


def show_sources(model: Model) -> None:
    st.header(say.SOURCES)
    with st.container(key="sources"):
        _sources(model)


def _sources(model: Model) -> None:
    rows: list[list[str | Cell]] = [
        [say.GROUPS.get(group, group), _address(fact.source), fact.as_of or say.UNKNOWN, _address(fact.via)]
        for group, fact in model.facts.items()
    ]
    rows += [
        [say.PRICE, _address(price.fact.source), price.fact.as_of or say.UNKNOWN, _address(price.fact.via)]
        for price in model.prices[-1:]
        if price.fact is not None
    ]
    table.show(say.SOURCES, [say.FACT, say.SOURCE, say.AS_OF, say.READ_AT], rows, texts=4, titled=False)
    if model.conflicts:
        table.show(
            say.OTHERS_SAY,
            [say.FACT, "", say.SOURCE, say.AS_OF],
            [
                [facts.named(each.field), each.value, _address(each.source), each.as_of]
                for each in model.conflicts
            ],
            texts=4,
        )


def _address(source: str | None) -> str | Cell:
    """A source that can be opened is a link."""
    if source is None or not source.startswith("https://"):
        return source or ""
    return Cell(source.removeprefix("https://"), link=source)


def _tiers(here: Here) -> None:
    """This installation's, and how much the team has left of its own."""
    requests, tokens = here.headroom()
    rows = [
        _tier(each, own=requests is not None and requests.limit == each.rate.requests) for each in here.tiers
    ]
    table.show(say.TIERS, [say.TIER, say.PAID, say.REQUESTS, say.TOKENS], rows)
    if requests is not None and tokens is not None:
        left = (figure.tokens(requests.remaining), figure.tokens(tokens.remaining))
        st.caption(words.escaped(say.headroom(*left)))


def _figures(model: Model, here: Here, now_ms: int) -> None:
    price, summary = facts.price_now(model, now_ms), here.summary
    context = model.context_tokens
    told = (
        (say.INPUT, _rate(price, "input"), say.PER_MILLION),
        (say.OUTPUT, _rate(price, "output"), say.PER_MILLION),
        (say.CONTEXT, figure.window(context), f"{figure.tokens(context)} tokens"),
        (say.FIRST_TOKEN, *_measured(summary.ttft_ms if summary else None, figure.duration)),
        (say.TOKENS_PER_S, *_measured(summary.tokens_per_s if summary else None, figure.rate)),
        (say.SUCCESS, *_succeeded(summary.success if summary else None)),
    )
    items = "".join(
        f"<div><dt>{html.escape(name)}</dt><dd>{html.escape(value)}</dd><dd>{html.escape(about)}</dd></div>"
        for name, value, about in told
    )
    st.html(f'<dl class="ty-facts">{items}</dl>')


def _measured(spread: Spread | None, shown: Callable[[float | None], str]) -> tuple[str, str]:
    if spread is None or not spread.enough:
        return figure.UNKNOWN, figure.samples(spread.n if spread else 0)
    return shown(spread.p50), f"p50, {figure.samples(spread.n)}"


def _succeeded(share: Share | None) -> tuple[str, str]:
    if share is None or not share.enough:
        return figure.UNKNOWN, figure.samples(share.n if share else 0)
    return figure.share(share.value), figure.samples(share.n)


def _pace(pace: Pace | None) -> list[str | Cell]:
    if pace is None:
        return [figure.UNKNOWN, figure.UNKNOWN, figure.UNKNOWN]
    small = pace.first_token_ms is None
    return [
        Cell(figure.duration(pace.first_token_ms), figure.samples(pace.n), faint=small),
        Cell(figure.rate(pace.tokens_per_s), faint=small),
        Cell(figure.share(pace.success), figure.samples(pace.attempts), faint=small),
    ]


def _badges(model: Model) -> None:
    source = model.facts.get("about")
    for name, value in model.badges.items():
        st.badge(f"{facts.named(name)}: {value}", color="gray", help=source.source if source else None)


def _listed(place: DeltaGenerator, title: str, items: Sequence[str]) -> None:
    if items:
        body = "\n".join(f"- {words.escaped(item)}" for item in items)
        place.markdown(f"**{title}**\n{body}")


def _links(model: Model, catalog: Catalog) -> None:
    links = []
    for route in model.providers:
        listed = catalog.provider(route.provider)
        if listed is not None and listed.terms_url:
            links.append(f"[{words.escaped(listed.name)}]({listed.terms_url})")
    if links:
        st.caption(f"{say.TERMS}: {', '.join(links)}")


def _priced(model: Model, now_ms: int) -> list[str | Cell]:
    price = facts.price_now(model, now_ms)
    cost = facts.one_request_nano_usd(model, now_ms)
    rates = [_rate(price, name) for name in ("input", "cached_input", "cache_write", "output")]
    return [model.name, *rates, figure.money(cost)]


def _rate(price: Price | None, name: str) -> str:
    pico_usd: int | None = getattr(price.base, name) if price is not None else None
    return figure.UNKNOWN if pico_usd is None else figure.price_per_million(pico_usd)


def _versions(model: Model) -> None:
    rows: list[list[str | Cell]] = []
    for price in reversed(model.prices):
        since = facts.today_of(price.valid_from_ms).isoformat() if price.valid_from_ms else figure.UNKNOWN
        source = price.fact.source if price.fact else figure.UNKNOWN
        rows.append([since, _rate(price, "input"), _rate(price, "output"), price.version, source])
        rows += [
            [f"above {figure.tokens(tier.above_input_tokens)} tokens in",
             figure.price_per_million(tier.rates.input), figure.price_per_million(tier.rates.output), "", ""]
            for tier in price.tiers
        ]  # fmt: skip
    table.show(say.VERSIONS, ["", say.INPUT, say.OUTPUT, "", say.SOURCE], rows)


def _tier(tier: Tier, *, own: bool) -> list[str | Cell]:
    return [
        Cell(str(tier.no), say.YOURS if own else ""),
        figure.money(tier.paid_nano_usd),
        figure.tokens(tier.rate.requests),
        figure.tokens(tier.rate.tokens),
    ]


def _supported(value: str) -> str:
    return {"yes": say.YES, "no": say.NO}.get(value, say.UNKNOWN)
