"""What the AI SDK is told of a request that was not carried whole: its own kind of warning."""

from __future__ import annotations

_MOST = 50


class Warnings:
    """Collects them while a request is read; each once, and a bounded number of them."""

    def __init__(self) -> None:
        self._said: dict[tuple[str, str], None] = {}

    def unsupported(self, feature: str, details: str) -> None:
        """A setting that was let go."""
        if len(self._said) < _MOST:
            self._said.setdefault((feature[:200], details))

    def written(self, specification: int, notes: tuple[str, ...] = ()) -> list[dict[str, str]]:
        """`notes` are what the gateway changed, in words."""
        return [_written(feature, details, specification) for feature, details in self._said] + [
            {"type": "other", "message": note} for note in notes
        ]


def _written(feature: str, details: str, specification: int) -> dict[str, str]:
    if specification == 2:
        return {"type": "other", "message": f"{feature}: {details}"}
    return {"type": "unsupported", "feature": feature, "details": details}
