"""How jobs look in the language of Graphviz. It knows no job, only what is told."""

from __future__ import annotations


def style(corners: str, label: str, *, critical: bool, forever: bool) -> str:
    """Return the attributes of a job or of a cluster: red and thick if critical, dashed if forever."""
    shape = ",".join(word for word in (corners, "dashed" if forever else "") if word)
    border = 'color="red",penwidth="2"' if critical else 'penwidth="0.5"'
    return f'style="{shape}",label={quoted(label)},shape="box",{border}'


def quoted(text: str) -> str:
    """Return a text as a string of Graphviz; its lines stay lines."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
