"""What a model writes is shown, and runs or loads nothing."""

from __future__ import annotations

import time
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings, strategies as st

from markup.links import safe_link
from markup.markdown import render

HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "text <img src=https://evil.example/x onerror=alert(1)> text",
    "![](https://evil.example/pixel.png)",
    "![alt](javascript:alert(1))",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](java\tscript:alert(1))",
    "[x](&#106;avascript:alert(1))",
    "[x](data:text/html;base64,PHNjcmlwdD4=)",
    "[x](vbscript:x)",
    "[x](//evil.example)",
    "[x](/settings?delete=1)",
    '[x](https://e.org/"onmouseover="alert(1))',
    "<javascript:alert(1)>",
    "[x]: javascript:alert(1)\n\n[x]",
    "<svg/onload=alert(1)>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<a href='javascript:x'>y</a>",
    '<div style="position:fixed;inset:0">',
    "<style>*{display:none}</style>",
    "<meta http-equiv=refresh content='0;url=https://evil.example'>",
    '```"><script>alert(1)</script>\nx\n```',
    "```html\n<script>alert(1)</script>\n```",
    "| <img src=x onerror=alert(1)> |\n|---|\n| <b onclick=x> |",
    "<math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>",
    "`<img src=x onerror=alert(1)>`",
    "[![x](https://evil.example/a.png)](https://evil.example)",
]

LOADS = {
    "script",
    "style",
    "img",
    "iframe",
    "object",
    "embed",
    "link",
    "meta",
    "base",
    "svg",
    "math",
    "form",
    "input",
}
MAY_HAVE = {"href", "target", "rel", "dir", "start", "class", "scope", "tabindex"}


class _Judge(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links: list[dict[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag not in LOADS, tag
        assert {name for name, _ in attrs} <= MAY_HAVE, attrs
        if tag == "a":
            self.links.append(dict(attrs))


def judged(markdown: str) -> list[dict[str, str | None]]:
    judge = _Judge()
    judge.feed(render(markdown, {}).html)
    return judge.links


@pytest.mark.parametrize("markdown", HOSTILE)
def test_a_hostile_answer_keeps_no_markup_of_its_own(markdown: str) -> None:
    for link in judged(markdown):
        assert (link["href"] or "").startswith(("https://", "http://", "mailto:"))
        assert link["rel"] == "noopener noreferrer nofollow"
        assert link["target"] == "_blank"


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.sampled_from([*HOSTILE, "<", ">", '"', "'", "`", "[", "](", ")", "\n", " ", "x"]), max_size=8)
)
def test_no_mixture_of_attacks_gets_through(pieces: list[str]) -> None:
    judged("".join(pieces))


def test_raw_html_is_shown_as_it_was_written() -> None:
    assert "&lt;input&gt;" in render("Use `<b>` or <input> here", {}).html
    assert "&lt;div&gt;\nkept\n&lt;/div&gt;" in render("<div>\nkept\n</div>", {}).html


def test_an_image_becomes_a_link_that_says_so() -> None:
    html = render("![a cat](https://cats.example/1.png)", {}).html
    assert ">image: a cat</a>" in html
    assert '<span class="host">cats.example</span>' in html


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("https://e.org/x", "e.org"),
        ("HTTP://E.org", "e.org"),
        ("https://good.example@evil.example/", "evil.example"),
        ("https://e.org:8443/x", "e.org"),
        ("https://xn--80ak6aa92e.com", "xn--80ak6aa92e.com"),
        ("https://\N{CYRILLIC SMALL LETTER A}pple.com", "xn--pple-43d.com"),
        ("mailto:a@b.example", "b.example"),
        ("https://good.example\\@evil.example", None),
        ("https://[bad", None),
        ("https://", None),
        ("ftp://e.org", None),
        ("https://e.org/" + "x" * 3000, None),
    ],
)
def test_a_link_shows_the_host_a_click_goes_to(address: str, host: str | None) -> None:
    link = safe_link(address)
    assert (link.host if link else None) == host


def test_a_link_whose_text_is_its_address_is_not_said_twice() -> None:
    assert "host" not in render("<https://e.org/x> and [e.org](https://e.org) and <a@e.org>", {}).html
    assert "evil.example</span>" in render("[https://e.org](https://evil.example)", {}).html


def test_headings_start_below_the_pages_own() -> None:
    assert render("# A\n\n###### F", {}).html == '<h3 dir="auto">A</h3><h6 dir="auto">F</h6>'


@pytest.mark.parametrize(
    "piece", ["> ", "1. ", "> - ", "[", "*", "`", "<a ", "![", "| a ", "[a](", "<!--", "**a "]
)
def test_no_text_can_be_made_to_hold_up_the_process(piece: str) -> None:
    began_s = time.thread_time()
    judged(piece * (48_000 // len(piece)))
    assert time.thread_time() - began_s < 0.5


def test_deep_nesting_keeps_its_text() -> None:
    assert "deep" in render("> " * 500 + "deep", {}).html
