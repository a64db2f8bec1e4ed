"""Write a table of the fits, the best first: `report.py OUT FIT.json...`."""

from __future__ import annotations

import json
import sys


def main() -> None:
    """Read the fits and write the table."""
    out, *files = sys.argv[1:]
    fits = []
    for file in files:
        with open(file, encoding="utf-8") as text:
            fits.append(json.load(text))
    with open(out, "w", encoding="utf-8") as text:
        text.write("The flow of the Nile, 100 million cubic metres a year\n\n")
        text.writelines(
            f"{fit['model']:6} {fit['score']:8.2f}  {fit['says']:26} {fit['about']}\n"
            for fit in sorted(fits, key=lambda fit: fit["score"])
        )


if __name__ == "__main__":
    main()
