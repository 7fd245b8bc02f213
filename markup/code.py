"""Code in answers: coloured by class name, within a bound of time and size.

A lexer's patterns run on text that a stranger may have steered, and hold up the whole process while
they do. So only the languages listed here are looked for, each tried with hundreds of repeated pieces
(Scala's and INI's lexers took seconds, so they are not here; `tests/markup/test_code.py` keeps the worst);
very long code and very long lines are plain text, because some patterns are quadratic in what they match;
and colouring ends in mid-code when its time is up.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from functools import cache, lru_cache
from html import escape
from itertools import groupby

from pygments.lexer import Lexer
from pygments.lexers import get_lexer_by_name
from pygments.token import Token, _TokenType

LONGEST_CHARS = 16_000
LONGEST_LINE = 1_000
_LONGEST_S = 0.12
_SMALL_CHARS = 1_200
_LONG_LINE = re.compile(rf"[^\n]{{{LONGEST_LINE}}}")

_LANGUAGES: dict[str, tuple[str, ...]] = {
    "bash": ("sh", "shell", "zsh", "console"),
    "c": ("h",),
    "cpp": ("c++", "cc", "hpp"),
    "csharp": ("cs", "c#"),
    "css": (),
    "diff": ("patch",),
    "dockerfile": ("docker",),
    "go": ("golang",),
    "graphql": (),
    "haskell": ("hs",),
    "html": (),
    "java": (),
    "javascript": ("js", "mjs", "node"),
    "json": ("jsonc", "json5", "jsonl"),
    "jsx": (),
    "kotlin": ("kt",),
    "lua": (),
    "makefile": ("make",),
    "nginx": (),
    "php": (),
    "powershell": ("ps1", "pwsh"),
    "python": ("py", "python3", "pyi"),
    "r": (),
    "ruby": ("rb",),
    "rust": ("rs",),
    "sql": ("postgresql", "postgres", "psql", "sqlite", "mysql"),
    "swift": (),
    "toml": (),
    "tsx": (),
    "typescript": ("ts",),
    "xml": ("svg",),
    "yaml": ("yml",),
}
_NAMES = {alias: name for name, aliases in _LANGUAGES.items() for alias in (name, *aliases)}
_EARLY = ("python", "javascript", "bash", "json", "html", "css", "sql", "typescript", "java", "yaml", "diff")

# Few families, so that neighbours merge: a span a token would cost eight bytes for each byte of code.
_FAMILIES: tuple[tuple[_TokenType, str], ...] = (
    (Token.Comment.Preproc, "k"),
    (Token.Comment, "c"),
    (Token.Keyword.Constant, "n"),
    (Token.Keyword, "k"),
    (Token.Operator.Word, "k"),
    (Token.Literal.Number, "n"),
    (Token.Literal, "s"),
    (Token.Name.Function, "f"),
    (Token.Name.Class, "f"),
    (Token.Name.Decorator, "f"),
    (Token.Name.Builtin, "b"),
    (Token.Name.Exception, "b"),
    (Token.Name.Tag, "k"),
    (Token.Name.Attribute, "b"),
    (Token.Generic.Inserted, "i"),
    (Token.Generic.Deleted, "d"),
    (Token.Generic.Heading, "f"),
    (Token.Generic.Subheading, "f"),
)
CLASSES = frozenset(name for _, name in _FAMILIES)


def preload() -> None:
    """Load the usual lexers, about 0.2 s: on a thread, before the first answer needs one."""
    for name in _EARLY:
        highlight("x = 1\n", name)


def highlight(code: str, language: str | None) -> str:
    """`code` as HTML text with `<span class>` around what has a colour; plain where it has none."""
    lexer = _lexer(_NAMES.get((language or "").lower(), ""))
    if lexer is None or len(code) > LONGEST_CHARS or _LONG_LINE.search(code):
        return escape(code)
    return "".join(_spans(_families(lexer, code)))


def _spans(parts: Iterator[tuple[str, str]]) -> Iterator[str]:
    for family, group in groupby(parts, key=lambda part: part[0]):
        text = escape("".join(text for _, text in group))
        yield f'<span class="{family}">{text}</span>' if family else text


def _families(lexer: Lexer, code: str) -> Iterator[tuple[str, str]]:
    """(class, text) pieces that join to exactly `code`; after the time is up, the rest is plain."""
    until_s = time.monotonic() + _LONGEST_S
    done = 0
    for start, kind, text in lexer.get_tokens_unprocessed(code):
        if start != done:  # a lexer that skips or repeats would change what the model wrote
            break
        done += len(text)
        # White space has no colour: it may join either neighbour.
        yield _family(kind), text
        if time.monotonic() > until_s:
            break
    yield "", code[done:]


@lru_cache(maxsize=512)
def _family(kind: _TokenType) -> str:
    return next((name for family, name in _FAMILIES if kind in family), "")


@cache
def _lexer(name: str) -> Lexer | None:
    return get_lexer_by_name(name, stripnl=False, ensurenl=False) if name else None


class GrowingCode:
    """Colours the code blocks of a text that is rendered again and again as it grows.

    A block is coloured up to its last whole line, and again only when it has grown by a quarter, so
    that the work stays linear. Call `rewind` before each rendering; blocks are told apart by order.
    """

    def __init__(self) -> None:
        self._known: dict[int, tuple[str | None, str, str]] = {}
        self._next = 0

    def rewind(self) -> None:
        self._next = 0

    def forget(self) -> None:
        self._known.clear()
        self._next = 0

    def __call__(self, code: str, language: str | None) -> str:
        index, self._next = self._next, self._next + 1
        known_language, known, html = self._known.get(index, (language, "", ""))
        if known_language != language or not code.startswith(known):
            known, html = "", ""
        lines = code[: code.rfind("\n") + 1]
        grown = len(lines) - len(known)
        if grown > 0 and (len(known) < _SMALL_CHARS or grown * 4 >= len(known)):
            known, html = lines, highlight(lines, language)
            self._known[index] = (language, known, html)
        return html + escape(code[len(known) :])
