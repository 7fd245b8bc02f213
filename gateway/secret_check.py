"""Looks for secrets in a prompt before it leaves: keys of well-known services, private keys, our own.

Only shapes that a service documents for its keys, so that prose is left alone; a password in a sentence is
not found. What is found is never logged, kept or told: only which kind it was.
"""

from __future__ import annotations

import re
from typing import Final, Literal

from msgspec.structs import replace

from gateway.errors import PolicyRefused
from gateway.messages import CompletionRequest, Message, Part, TextPart

# Named by what a person would call them. Each begins with a fixed prefix, which makes looking cheap.
_KINDS: Final[dict[str, str]] = {
    "a private key": (
        r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----[\s\S]*?"
        r"(?:-----END (?:[A-Z]+ )*PRIVATE KEY-----|\Z)"
    ),
    "an AWS access key": r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
    "a GitHub token": r"\b(?:gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_[A-Za-z0-9_]{60,255})\b",
    "a GitLab token": r"\bglpat-[A-Za-z0-9_-]{20,}",
    "an Anthropic key": r"\bsk-ant-[A-Za-z0-9_-]{20,}",
    "an OpenAI key": r"\bsk-(?:proj-|svcacct-|admin-)?[A-Za-z0-9_-]{32,}",
    "a Google API key": r"\bAIza[0-9A-Za-z_-]{35}\b",
    "a Slack token": r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}",
    "a Stripe key": r"\b[rs]k_live_[0-9A-Za-z]{16,}\b",
    "an npm token": r"\bnpm_[A-Za-z0-9]{36}\b",
    "a PyPI token": r"\bpypi-AgEIcHlwaS5vcmc[A-Za-z0-9_-]{20,}",
    "a Hugging Face token": r"\bhf_[A-Za-z0-9]{30,}\b",
    "a Tiltyard key": r"\bty_[0-9A-Za-z]{49}\b",
}  # fmt: skip
_ANY: Final = re.compile("|".join(f"(?P<k{no}>{shape})" for no, shape in enumerate(_KINDS.values())))
_NAMES: Final = tuple(_KINDS)
REDACTED: Final = "[redacted: {}]"


def kinds_in(text: str) -> tuple[str, ...]:
    """Which kinds of secrets a text holds, each once, in order."""
    return tuple(dict.fromkeys(_kind(found) for found in _ANY.finditer(text)))


def redacted(text: str) -> str:
    return _ANY.sub(lambda found: REDACTED.format(_kind(found)), text)


def check_secrets(request: CompletionRequest, what: Literal["off", "redact", "block"]) -> CompletionRequest:
    """The request, with secrets replaced where that is what the rule says. Raises `PolicyRefused`."""
    if what == "block":
        found = dict.fromkeys(kind for text in _texts(request) for kind in kinds_in(text))
        if found:
            raise PolicyRefused(
                "secrets", f"this prompt seems to hold {', '.join(found)}: take it out, and make a new one"
            )
        return request
    if what == "redact":
        return replace(request, messages=tuple(_clean(message) for message in request.messages))
    return request


def _kind(found: re.Match[str]) -> str:
    assert found.lastgroup is not None
    return _NAMES[int(found.lastgroup[1:])]


def _texts(request: CompletionRequest) -> list[str]:
    texts: list[str] = []
    for message in request.messages:
        texts += [part.text for part in message.parts if isinstance(part, TextPart)]
        texts += [call.arguments for call in message.tool_calls]
    return texts


def _clean(message: Message) -> Message:
    parts: tuple[Part, ...] = tuple(
        replace(part, text=redacted(part.text)) if isinstance(part, TextPart) else part
        for part in message.parts
    )
    calls = tuple(replace(call, arguments=redacted(call.arguments)) for call in message.tool_calls)
    if parts == message.parts and calls == message.tool_calls:
        return message
    return replace(message, parts=parts, tool_calls=calls)
