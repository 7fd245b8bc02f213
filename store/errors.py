"""Why the store cannot serve.

StoreError
`- DatabaseUnavailable   see that the database runs, lets us in and is not newer than we are; start again
"""

from __future__ import annotations


class StoreError(Exception):
    """Anything that this package raises for its caller; `str()` is safe to show."""


class DatabaseUnavailable(StoreError):
    """At the start alone: afterwards an engine's own errors tell, and pass."""
