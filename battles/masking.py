"""Names of models and of their makers, replaced in the text of a blind battle until its reader has voted.

Every name that the catalog knows and the families and makers of the field are replaced, whichever lane
says them: a wrong name would mislead as much as a right one gives away. Makers that are also ordinary
words (Google, Amazon, Meta) are replaced where a text says who made or trained something. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from gateway.catalog import Model

MODEL: Final = "[model]"
MAKER: Final = "[maker]"
HOLD: Final = 96  # characters: the end of a text that grows may be the beginning of a name

_FAMILIES: Final = (
    "chat gpt", "gpt", "codex", "dall e", "claude", "gemini", "gemma", "bard", "llama", "mistral", "mixtral",
    "ministral", "magistral", "codestral", "devstral", "pixtral", "deepseek", "deep seek", "qwen", "qwq",
    "glm", "chat glm", "kimi", "grok", "smollm", "smol lm", "nemotron", "olmo", "ernie", "hunyuan", "doubao",
    "minimax", "jamba", "command r", "copilot", "wizard lm", "vicuna", "starcoder",
)  # fmt: skip
_MAKERS: Final = (
    "openai", "open ai", "anthropic", "deepmind", "deep mind", "google deepmind", "meta ai", "mistral ai",
    "xai", "x.ai", "moonshot", "moonshot ai", "zhipu", "zhipu ai", "z.ai", "hugging face", "cohere",
    "deepseek ai", "alibaba cloud", "ai21", "ai21 labs", "bytedance",
)  # fmt: skip
_ALSO_ORDINARY: Final = (
    "google",
    "meta",
    "microsoft",
    "amazon",
    "nvidia",
    "ibm",
    "alibaba",
    "apple",
    "tencent",
)
_TAILS: Final = (
    "mini", "nano", "micro", "pro", "turbo", "flash", "lite", "opus", "sonnet", "haiku", "max", "ultra",
    "large", "medium", "small", "instruct", "chat", "codex", "latest", "coder", "thinking", "preview", "oss",
    "exp", "next", "plus",
)  # fmt: skip
_JOIN: Final = r"[\s\-_.:*`\u2010-\u2015]{0,3}"
_PIECES: Final = re.compile(r"[A-Za-z]+|\d+")
_LEAST_NAME: Final = 4  # letters: a shorter one of an operator's own is too often a word


class Mask:
    """Made once for a catalog; then `whole` texts, or texts that `Growing` reads as they come."""

    def __init__(self, models: Iterable[Model]) -> None:
        models = [model for model in models if model.series != "simulated"]
        creators = {model.creator.lower() for model in models if len(model.creator) >= _LEAST_NAME}
        makers = creators | set(_MAKERS)
        families, tails, names = set(_FAMILIES), set(_TAILS), set[str]()
        for model in models:
            first, *rest = _PIECES.findall(model.name)
            tails |= {piece.lower() for piece in rest if piece.isalpha() and len(piece) > 1}
            names |= {
                name
                for name in (model.name, model.id.partition("/")[2], *model.aliases)
                if len(name) >= _LEAST_NAME and not _is_a_word(name)
            }
            makers -= {first.lower()}
        families -= tails
        self.pattern = _pattern(families | {"codex"}, tails, names, makers - set(_ALSO_ORDINARY))

    def whole(self, text: str) -> str:
        return self.pattern.sub(_neutral, text)


class Growing:
    """A text that grows, masked as far as no name can still begin before its end."""

    def __init__(self, mask: Mask) -> None:
        self._pattern = mask.pattern
        self._read = 0
        self._pieces: list[str] = []
        self.length = 0

    @property
    def text(self) -> str:
        if len(self._pieces) > 1:
            self._pieces = ["".join(self._pieces)]
        return self._pieces[0] if self._pieces else ""

    def advance(self, text: str, *, ended: bool) -> None:
        """`text` is all of it, and begins as it did before."""
        until = len(text) if ended else len(text) - HOLD
        if until <= self._read:
            return
        at = self._read
        for found in self._pattern.finditer(text, self._read):
            if found.start() >= until:
                break
            if found.end() > until:  # it may go on
                until = found.start()
                break
            self._add(text[at : found.start()])
            self._add(_neutral(found))
            at = found.end()
        self._add(text[at:until] if until > at else "")
        self._read = max(until, at)

    def _add(self, piece: str) -> None:
        if piece:
            self._pieces.append(piece)
            self.length += len(piece)


def _neutral(found: re.Match[str]) -> str:
    return MODEL if found["model"] else MAKER


def _pattern(
    families: Iterable[str], tails: Iterable[str], names: Iterable[str], makers: Iterable[str]
) -> re.Pattern[str]:
    tail = rf"(?:{_JOIN}(?:v?\d+[a-z]{{0,2}}|{_any(tails)})(?![A-Za-z])){{0,6}}"
    makes = rf"(?:(?<=by )|(?<=from )|(?<=at )|(?<=by \*\*)){_any(_ALSO_ORDINARY)}"
    model = rf"(?:{_any(names)}|{_any(families)}|(?-i:o)[1-9](?:-(?:mini|pro|preview|high))?){tail}"
    maker = rf"(?:{_any(makers)}(?:{_JOIN}ai)?|{makes})"
    # A maker's name that begins a model's is longer than the family alone, so it is tried first.
    return re.compile(
        rf"(?<![A-Za-z0-9])(?:(?P<maker>{maker})(?![A-Za-z0-9])|(?P<model>{model})(?![A-Za-z]))",
        re.IGNORECASE,
    )


def _any(names: Iterable[str]) -> str:
    """Any of these, the longest first, however its pieces are joined."""
    spelled = {_JOIN.join(re.escape(piece) for piece in _PIECES.findall(name)) for name in names}
    return "(?:" + "|".join(sorted(spelled - {""}, key=lambda one: (-len(one), one))) + ")"


def _is_a_word(name: str) -> bool:
    """Whether a name would be found in any text: an operator's model that is called "Fast"."""
    pieces = _PIECES.findall(name)
    return len(pieces) == 1 and name.isalpha() and len(name) < 8
