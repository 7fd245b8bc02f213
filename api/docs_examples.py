"""Each route of the API as a command to paste: what it needs is filled in, what is yours is in capitals."""

from __future__ import annotations

import json
import shlex
from urllib.parse import quote, urlencode

from api.described_values import About, Parameter


def curl(origin: str, method: str, path: str, about: About) -> str:
    lines = [
        f"curl {'' if method == 'GET' else f'-X {method} '}{shlex.quote(origin + _address(path, about))}"
    ]
    if about.with_key:
        lines.append('-H "Authorization: Bearer $TILTYARD_API_KEY"')
    lines += [
        f"-H {shlex.quote(f'{one.name}: {one.example}')}"
        for one in about.parameters
        if one.place == "header" and one.example is not None
    ]
    if about.example is not None:
        lines.append(f"-d {shlex.quote(json.dumps(about.example))}")
    return " \\\n  ".join(lines)


def _address(path: str, about: About) -> str:
    query = {}
    for one in about.parameters:
        if one.place == "path":
            path = path.replace(f"{{{one.name}}}", quote(_said(one), safe=""))
        elif one.place == "query" and (one.required or one.example is not None):
            query[one.name] = _said(one)
    return f"{path}?{urlencode(query)}" if query else path


def _said(one: Parameter) -> str:
    return one.example or one.name.upper()
