"""GET /docs: the description of the API as a page to read; without a script, so that nothing runs here."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

from api.described import DESCRIBED
from api.described_values import About
from api.exchange import Answer, Exchange, Text
from api.openapi import RUN_HEADERS, description

_STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { margin: 0 auto; max-width: 62rem; padding: 1.5rem; }
h1 { font-size: 1.6rem; } h2 { margin-top: 2.5rem; border-bottom: 1px solid #8886; }
nav a { display: inline-block; margin-right: 1.2rem; }
details { border: 1px solid #8886; border-radius: .4rem; margin: .6rem 0; padding: .5rem .9rem; }
summary { cursor: pointer; } summary b { display: inline-block; min-width: 4.2rem; }
code, pre { font: .9em ui-monospace, monospace; } pre { overflow-x: auto; background: #8881; padding: .7rem; }
table { border-collapse: collapse; width: 100%; } th { text-align: left; }
td, th { padding: .25rem .8rem .25rem 0; border-top: 1px solid #8883; vertical-align: top; }
"""


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
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Tiltyard API</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_STYLE}</style></head><body><h1>Tiltyard API</h1><p>{intro} "
        'Also as <a href="/openapi.json">OpenAPI 3.1</a>.</p>'
        f"<nav>{links}</nav><main>{sections}</main></body></html>"
    )


def _operation(origin: str, document: Mapping[str, Any], method: str, path: str, about: About) -> str:
    parts = [f"<p>{_marked(about.says)}</p>" if about.says else ""]
    if not about.with_key:
        parts.append("<p>No key is needed.</p>")
    if about.parameters:
        rows = (
            (one.name, one.place + (", required" if one.required else ""), one.says)
            for one in about.parameters
        )
        parts.append(_table(("Parameter", "Where", "What"), rows))
    if about.body is not None:
        parts.append(_table(("Field", "What it takes"), _fields(document, about.body)))
    parts.append(f"<pre>{escape(_curl(origin, method, path, about))}</pre>")
    if about.keys:
        parts.append(f"<p>Answers {_marked(', '.join(f'`{key}`' for key in about.keys))}.</p>")
    if about.runs:
        parts.append(f"<p>Headers: {escape(', '.join(RUN_HEADERS))}.</p>")
    head = f"<b>{method}</b> <code>{escape(path)}</code> {escape(about.summary)}"
    return f"<details><summary>{head}</summary>{''.join(parts)}</details>"


def _fields(document: Mapping[str, Any], body: type) -> Iterable[tuple[str, str]]:
    schema = document["components"]["schemas"][body.__name__]
    required = schema.get("required", ())
    for name, field in schema["properties"].items():
        yield name, _words(field) + (", required" if name in required else "")


def _words(field: Mapping[str, Any]) -> str:
    """A field's schema in a few words."""
    if "anyOf" in field:
        choices = (_words(one) for one in field["anyOf"] if one.get("type") != "null")
        return " or ".join(dict.fromkeys(choices))
    if "$ref" in field:
        return str(field["$ref"]).rsplit("/", 1)[1]
    if "enum" in field:
        return ", ".join(str(one) for one in field["enum"])
    kind = field.get("type", "anything")
    if kind == "array":
        return f"list of {_words(field.get('items', {}))}"
    least, most = field.get("minimum"), field.get("maximum")
    return f"{kind} from {least} to {most}" if least is not None and most is not None else str(kind)


def _curl(origin: str, method: str, path: str, about: About) -> str:
    lines = [f"curl {'' if method == 'GET' else f'-X {method} '}{origin}{path}"]
    if about.with_key:
        lines.append('-H "Authorization: Bearer $TILTYARD_API_KEY"')
    if about.example is not None:
        lines.append(f"-d '{json.dumps(about.example)}'")
    return " \\\n  ".join(lines)


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
    """Between backticks stands code."""
    pieces = escape(text).split("`")
    return "".join(f"<code>{piece}</code>" if at % 2 else piece for at, piece in enumerate(pieces))


def _anchor(tag: str) -> str:
    return tag.lower().replace(" ", "-")
