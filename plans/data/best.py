"""Choose the fit with the lowest score: `best.py OUT FIT.json...`."""

from __future__ import annotations

import json
import sys


def main() -> None:
    """Read the fits and write the best one."""
    out, *files = sys.argv[1:]
    fits = []
    for file in files:
        with open(file, encoding="utf-8") as text:
            fits.append(json.load(text))
    with open(out, "w", encoding="utf-8") as text:
        json.dump(min(fits, key=lambda fit: fit["score"]), text, indent=1)


if __name__ == "__main__":
    main()
