"""Our own views' scripts and styles, as `markup.assets` serves them: views take addresses from here,
`app.py` hands the bundle to the server."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from markup.assets import Bundle, bundle

_HERE = Path(__file__).parent

BUNDLE: Final[Bundle] = bundle(
    *(
        _HERE / view
        for view in (
            "run_view",
            "battle_view",
            "battle_keys",
            "live_chart",
            "still_chart",
            "draft_watch",
            "picks",
        )
    )
)


def shim(name: str) -> str:
    """The script that Streamlit carries in each mount: loads the real one, which the browser keeps.

    It runs from a blob, where only absolute addresses mean anything; without a line break Streamlit
    would take it for a path.
    """
    return (
        "export default async (component) => {\n"
        f'  const view = await import(location.origin + "{BUNDLE.url(name)}");\n'
        "  return view.default(component);\n"
        "};\n"
    )
