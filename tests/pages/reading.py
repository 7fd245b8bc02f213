"""What a page says, as a reader would gather it: the texts of all that is drawn, and the views on it."""

from __future__ import annotations

import json
import re
from typing import Any

from streamlit.testing.v1 import AppTest

_DRAWN = (
    "markdown",
    "caption",
    "success",
    "info",
    "warning",
    "error",
    "title",
    "header",
    "subheader",
    "metric",
    "code",
)
_ESCAPE = re.compile(r"\\([^A-Za-z0-9\s])")


def texts(at: AppTest) -> str:
    """Everything written on the page, without Markdown's escapes."""
    assert not at.exception, at.exception[0].message
    parts = [each.value for each in _elements(at, *_DRAWN)]
    parts += [each.proto.body for each in _elements(at, "html")]
    return _ESCAPE.sub(r"\1", "\n".join(str(part) for part in parts))


def views(at: AppTest, name: str) -> list[dict[str, Any]]:
    """The data of each of our own views of that name, in order."""
    mounted = [each.proto for each in _elements(at, "bidi_component") if each.proto.component_name == name]
    return [json.loads(proto.json) for proto in mounted]


def badges(at: AppTest) -> str:
    return "\n".join(each.value for each in _elements(at, "markdown") if "-badge[" in each.value)


def metrics(at: AppTest) -> list[str]:
    return [_ESCAPE.sub(r"\1", each.value) for each in at.metric]


def html(at: AppTest) -> str:
    """What is drawn as HTML, as it is sent."""
    return "\n".join(each.proto.body for each in _elements(at, "html"))


def _elements(at: AppTest, *kinds: str) -> list[Any]:
    return [each for kind in kinds for each in at.get(kind)]
