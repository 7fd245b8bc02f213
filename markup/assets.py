"""The scripts and styles of our own views: files by name, under one address that changes with them.

An address holds a hash of every file in the bundle, so that a browser may keep what it has for ever and
files may import each other by relative name. Views ask for `url`, the server (`api/assets.py`) for
`files`; neither needs to know the other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from types import MappingProxyType

PREFIX = "/ui"
_KINDS = (".js", ".css")


@dataclass(frozen=True, slots=True)
class Bundle:
    """`version` is 16 hex digits over names and contents."""

    files: Mapping[str, bytes]
    version: str

    def url(self, name: str) -> str:
        """The path of a file on this origin. Raises `KeyError` for a file that is not in the bundle."""
        if name not in self.files:
            raise KeyError(name)
        return f"{PREFIX}/{self.version}/{name}"


def bundle(*folders: Path) -> Bundle:
    """All `.js` and `.css` files of the folders. Raises `ValueError` where two have one name."""
    files: dict[str, bytes] = {}
    for path in sorted(path for folder in folders for path in folder.iterdir() if path.suffix in _KINDS):
        if path.name in files:
            raise ValueError(f"two files of the bundle are called {path.name}")
        files[path.name] = path.read_bytes()
    digest = hashlib.sha256()
    for name, content in sorted(files.items()):
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return Bundle(MappingProxyType(files), digest.hexdigest()[:16])


def plotly_url() -> str:
    """The path of plotly.js, which comes out of the installed wheel and is versioned by it."""
    return f"{PREFIX}/plotly-{metadata.version('plotly')}/plotly.min.js"
