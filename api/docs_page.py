"""GET /docs: the description of the API as a page to read; without a script, so that nothing runs here."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

from api.described import DESCRIBED
from api.described_values import About
from api.docs_examples import curl
from api.errors import TABLE
from api.exchange import Answer, Exchange, Text
from api.openapi import RUN_HEADERS, description

_STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; --line: #8885; --soft: #8881; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 66rem; padding: 1.5rem; overflow-wrap: break-word; }
h1 { font-size: 1.6rem; margin: 0; }
h2 { font-size: 1.2rem; margin: 2.2rem 0 .6rem; scroll-margin-top: 4rem; }
nav { position: sticky; top: 0; z-index: 1; background: Canvas; padding: .6rem 0;
  border-bottom: 1px solid var(--line); }
nav a { display: inline-block; margin-right: 1rem; }
a { color: LinkText; } a:focus-visible, summary:focus-visible { outline: 2px solid Highlight; }
details { border-bottom: 1px solid var(--line); scroll-margin-top: 4rem; }
details[open] { padding-bottom: .8rem; }
summary { cursor: pointer; padding: .45rem 0; display: grid; gap: 0 .8rem;
  grid-template-columns: 4.4rem minmax(0, 24rem) minmax(0, 1fr); align-items: baseline; }
summary b { font-size: .8rem; letter-spacing: .03em; } summary span { opacity: .8; }
summary b::before { content: "+"; display: inline-block; width: 1rem; opacity: .7; }
details[open] > summary b::before { content: "-"; }
summary code, td code { overflow-wrap: anywhere; }
code, pre { font: .88em ui-monospace, monospace; }
pre { overflow-x: auto; overflow-wrap: normal; background: var(--soft); padding: .8rem; }
table { border-collapse: collapse; width: 100%; } th { text-align: left; font-weight: 600; }
td, th { padding: .3rem .8rem .3rem 0; border-top: 1px solid var(--line); vertical-align: top; }
td:first-child { width: 30%; min-width: 8rem; } th { white-space: nowrap; }
@media (max-width: 48rem) {
  body { padding: 1rem; } nav { position: static; }
  summary { grid-template-columns: 4.4rem minmax(0, 1fr); } summary span { grid-column: 2; }
}
"""
_SHAPE = re.compile(r"\[([A-Za-z]\w*(?:\.\w+)*)\]")
_HOW = (
    "Send your key as `Authorization: Bearer ty_...`, or as `x-api-key`. To paste what is below, say "
    "`export TILTYARD_API_KEY=ty_...` once; what stands in capitals is yours to fill in.",
    "A stream is asked for with `stream: true` and comes as server-sent events. Every answer has "
    "`x-request-id`, one of a completion also {headers}. Under an `Idempotency-Key` a request runs, and is "
    "paid, once.",
)


async def show(exchange: Exchange) -> Answer:
    host = exchange.header(b"host") or "localhost:8501"
    scheme = str(exchange.scope.get("scheme") or "http")
    return Answer(200, Text(page(f"{scheme}://{host}"), "text/html; charset=utf-8"))


@functools.lru_cache(maxsize=8)
def page(origin: str) -> str:
    document = description()
    by_tag: dict[str, list[tuple[str, str, About]]] = {}
    for (method, path), about in DESCRIBED.items():
        by_tag.setdefault(about.tag, []).append((method, about.path or path, about))
    links = "".join(f'<a href="#{_anchor(tag)}">{escape(tag)}</a>' for tag in by_tag)
    sections = "".join(
        f'<h2 id="{_anchor(tag)}">{escape(tag)}</h2>'
        + "".join(_operation(origin, document, *one) for one in operations)
        for tag, operations in by_tag.items()
    )
    intro = escape(document["info"]["description"])
    headers = ", ".join(f"`{name.lower()}`" for name in RUN_HEADERS)
    how = "".join(f"<p>{_marked(said.format(headers=headers))}</p>" for said in _HOW)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Tiltyard API</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_STYLE}</style></head><body><h1>Tiltyard API</h1><p>{intro} "
        'Also as <a href="/openapi.json">OpenAPI 3.1</a>.</p>'
        f'<nav>{links}<a href="#shapes">Shapes</a><a href="#errors">Errors</a></nav>'
        f"{how}<main>{sections}{_shapes(document)}{_errors()}</main></body></html>"
    )


def _errors() -> str:
    """Every code by its status, from the one table."""
    codes: dict[int, dict[str, None]] = {}
    for verdict in TABLE.values():
        codes.setdefault(verdict.status, {})[verdict.code] = None
    rows = ((str(status), ", ".join(f"`{code}`" for code in codes[status])) for status in sorted(codes))
    return (
        "<h2 id=\"errors\">Errors</h2><p>OpenAI's shape, Anthropic's or the AI SDK's, as the path's wire has "
        "it, with a <code>code</code> that says what to do; 4xx is yours to mend, 502 and 504 a provider's "
        f"fault, 503 passes.</p>{_table(('Status', 'code'), rows)}"
    )


def _operation(origin: str, document: Mapping[str, Any], method: str, path: str, about: About) -> str:
    parts = [f"<p>{_marked(about.says)}</p>" if about.says else ""]
    parts.append(f"<pre>{escape(curl(origin, method, path, about))}</pre>")
    if not about.with_key:
        parts.append("<p>No key is needed.</p>")
    if about.parameters:
        rows = (
            (one.name, one.place + (", required" if one.required else ""), one.says)
            for one in about.parameters
        )
        parts.append(_table(("Parameter", "Where", "What"), rows))
    if about.body is not None:
        schema = document["components"]["schemas"][about.body.__name__]
        parts.append(_table(("Field", "What it takes"), _fields(schema)))
    if about.keys:
        parts.append(f"<p>Answers {_marked(', '.join(f'`{key}`' for key in about.keys))}.</p>")
    if about.runs:
        parts.append(f"<p>Headers: {escape(', '.join(RUN_HEADERS))}.</p>")
    head = f"<b>{method}</b> <code>{escape(path)}</code> <span>{escape(about.summary)}</span>"
    named = f"{method.lower()}{_anchor(path)}"
    return f'<details id="{named}"><summary>{head}</summary>{"".join(parts)}</details>'


def _shapes(document: Mapping[str, Any]) -> str:
    """What stands within bodies, each under the name that they call it by."""
    bodies = {about.body.__name__ for about in DESCRIBED.values() if about.body is not None}
    shapes = (
        f'<details id="{_anchor(name)}"><summary><b></b> <code>{escape(name)}</code></summary>'
        f"{_table(('Field', 'What it takes'), _fields(schema))}</details>"
        for name, schema in sorted(document["components"]["schemas"].items())
        if name not in bodies and "properties" in schema
    )
    return f'<h2 id="shapes">Shapes</h2>{"".join(shapes)}'


def _fields(schema: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    required = schema.get("required", ())
    for name, field in schema["properties"].items():
        yield name, _words(field) + (", required" if name in required else "")


def _words(field: Mapping[str, Any]) -> str:
    """A field's schema in a few words."""
    if "anyOf" in field:
        choices = (_words(one) for one in field["anyOf"] if one.get("type") != "null")
        return " or ".join(dict.fromkeys(choices))
    if "$ref" in field:
        return f"[{str(field['$ref']).rsplit('/', 1)[1]}]"
    if "const" in field:
        return json.dumps(field["const"])
    if "enum" in field:
        return ", ".join(str(one) for one in field["enum"])
    kind = field.get("type", "anything")
    if kind == "array":
        return f"list of {_words(field.get('items', {}))}"
    least, most = field.get("minimum"), field.get("maximum")
    return f"{kind} from {least} to {most}" if least is not None and most is not None else str(kind)


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    head = "".join(f"<th>{escape(one)}</th>" for one in heads)
    body = "".join(
        f"<tr><td><code>{escape(row[0])}</code></td>"
        + "".join(f"<td>{_marked(cell)}</td>" for cell in row[1:])
        + "</tr>"
        for row in rows
    )
    return f"<table><tr>{head}</tr>{body}</table>"


def _marked(text: str) -> str:
    """Between backticks stands code, in brackets a shape."""
    linked = _SHAPE.sub(lambda found: f'<a href="#{_anchor(found[1])}">{found[1]}</a>', escape(text))
    pieces = linked.split("`")
    return "".join(f"<code>{piece}</code>" if at % 2 else piece for at, piece in enumerate(pieces))


def _anchor(named: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", named.lower()).rstrip("-")
