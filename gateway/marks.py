"""What stands in an answer besides its words: seals of thoughts, calls that the provider ran, citations.

A run keeps its text and its thoughts as two strings; a mark says after how much of each it came, so that
the answer can be put together again in its order (`api/wire/pieces.py`). Marks are rare, and text: they are
kept and forgotten with it.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from gateway.messages import Citation, HostedCall, ReasoningProof

Marking = ReasoningProof | HostedCall | Citation


@dataclass(frozen=True, slots=True)
class Mark:
    """`calls`: how many of the caller's own tools had been called by then."""

    event: Marking
    reasoning_chars: int
    text_chars: int
    calls: int


class _Kept(msgspec.Struct, omit_defaults=True):
    """One of the three is there."""

    reasoning_chars: int
    text_chars: int
    calls: int
    proof: ReasoningProof | None = None
    hosted: HostedCall | None = None
    citation: Citation | None = None


def encoded(marks: tuple[Mark, ...]) -> str:
    return msgspec.json.encode([_plain(mark) for mark in marks]).decode()


def decoded(text: str) -> tuple[Mark, ...]:
    kept = msgspec.json.decode(text, type=list[_Kept])
    return tuple(
        Mark(event, each.reasoning_chars, each.text_chars, each.calls)
        for each in kept
        if (event := each.proof or each.hosted or each.citation) is not None
    )


def _plain(mark: Mark) -> _Kept:
    kept = _Kept(mark.reasoning_chars, mark.text_chars, mark.calls)
    match mark.event:
        case ReasoningProof() as proof:
            kept.proof = proof
        case HostedCall() as hosted:
            kept.hosted = HostedCall(hosted.kind, hosted.id, dict(hosted.item))
        case Citation() as citation:
            kept.citation = citation
    return kept
