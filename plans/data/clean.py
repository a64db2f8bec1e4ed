"""Take the years that count out of a table, and refuse what is no flow: `clean.py RAW FIRST LAST OUT`."""

from __future__ import annotations

import csv
import sys


def main() -> None:
    """Read the raw table and write the rows between two years."""
    raw, first, last, out = sys.argv[1:]
    with open(raw, encoding="utf-8", newline="") as table, open(out, "w", encoding="utf-8", newline="") as clean:
        writer = csv.writer(clean, lineterminator="\n")
        for row in csv.DictReader(table):
            year, volume = int(row["year"]), float(row["volume"])
            if volume <= 0:
                sys.exit(f"{raw}: the flow of {year} is {volume}")
            if int(first) <= year <= int(last):
                writer.writerow([year, f"{volume:g}"])


if __name__ == "__main__":
    main()
