"""The language of Graphviz: how a text is quoted in it."""

from __future__ import annotations

from treadle.core.text import safe


def quoted(text: object) -> str:
    """Return a text as a string of Graphviz that shows as it is, with no entity and no escape of Graphviz's own.

    Line ends stay line ends; other control characters become visible escapes.
    """
    shown = "\n".join(map(safe, str(text).split("\n")))
    escaped = shown.replace("&", "&amp;").replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
