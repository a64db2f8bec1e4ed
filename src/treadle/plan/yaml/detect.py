"""Detects plans by a look at their text. It never raises, and loads no YAML parser."""

from __future__ import annotations

import os
import re
import stat

MAX_BYTES = 1 << 20


def is_plan(file: str) -> bool:
    """Return whether a .yaml or .yml file has a `treadle` key at its top; looks at the first MiB at most."""
    if not file.endswith((".yaml", ".yml")):
        return False
    try:
        if not stat.S_ISREG(os.stat(file).st_mode):
            return False
        with open(file, "rb") as stream:
            head = stream.read(MAX_BYTES)
    except (OSError, ValueError):
        return False
    return re.search(rb"""(?m)^(?:\xef\xbb\xbf)?(?:---\s+)?(?:\{\s*)?(["']?)treadle\1\s*:""", head) is not None
