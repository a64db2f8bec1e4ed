"""Words of a text, and how often each occurs."""

from __future__ import annotations

import re
from collections import Counter


def count(text: str) -> Counter[str]:
    """Return how often each word of a text occurs, in whatever case it is written."""
    return Counter(re.findall(r"[^\W\d_]+", text.lower()))
