"""The command: `tally < TEXT`."""

from __future__ import annotations

import sys

from tally.words import count


def main() -> None:
    """Print the ten most frequent words of the input."""
    for word, times in count(sys.stdin.read()).most_common(10):
        print(times, word)
