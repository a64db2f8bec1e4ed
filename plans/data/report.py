"""Write a table of the fits, the best first, as text and as CSV: `report.py TEXT TABLE FIT.json...`."""

from __future__ import annotations

import csv
import json
import sys


def main() -> None:
    """Read the fits and write both tables."""
    out, table, *files = sys.argv[1:]
    fits = []
    for file in files:
        with open(file, encoding="utf-8") as text:
            fits.append(json.load(text))
    fits.sort(key=lambda fit: fit["score"])
    with open(out, "w", encoding="utf-8") as text:
        text.write("The flow of the Nile, 100 million cubic metres a year\n\n")
        text.writelines(f"{fit['model']:6} {fit['score']:8.2f}  {fit['says']:26} {fit['about']}\n" for fit in fits)
    with open(table, "w", encoding="utf-8", newline="") as rows:
        writer = csv.writer(rows, lineterminator="\n")
        writer.writerow(["model", "score", "says"])
        writer.writerows([fit["model"], f"{fit['score']:.2f}", fit["says"]] for fit in fits)


if __name__ == "__main__":
    main()
