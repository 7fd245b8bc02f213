"""Why the store cannot serve.

StoreError
`- DatabaseUnavailable   see that the database runs and that TILTYARD_DATABASE_URL is right; start again
"""

from __future__ import annotations


class StoreError(Exception):
    """Anything that this package raises for its caller; `str()` is safe to show."""


class DatabaseUnavailable(StoreError):
    """At the start alone: afterwards an engine's own errors tell, and pass."""
