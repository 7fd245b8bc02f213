"""A maker's seal on a thought, as a caller carries it from one answer to the next request.

A seal is of use only on the wire that gave it, so its wire travels with it: `wire:seal`, and
`wire:redacted:seal` where there is a seal and no thought to read. One of a caller's own wire goes as it
is: neither base64 nor what Anthropic and OpenAI seal with has a colon.
"""

from __future__ import annotations

from gateway.messages import Reasoning, ReasoningProof

_REDACTED = "redacted:"
_WIRES = ("responses", "anthropic_messages", "chat_completions")


def sealed(proof: ReasoningProof, own: str) -> str:
    """For a caller on the wire `own`, in whose shape a redacted thought can be told apart."""
    if proof.wire == own:
        return proof.proof
    return f"{proof.wire}:{_REDACTED if proof.redacted else ''}{proof.proof}"


def unsealed(text: str, seal: str | None, own: str, *, id: str | None = None) -> Reasoning:
    if not seal:
        return Reasoning(text, id=id)
    wire, colon, rest = seal.partition(":")
    if not colon or wire not in _WIRES:
        return Reasoning(text, seal, own, id, redacted=not text and own == "anthropic_messages")
    redacted = rest.startswith(_REDACTED)
    return Reasoning(text, rest.removeprefix(_REDACTED), wire, id, redacted)
