"""Counts numbers in bins of equal width, and draws the counts: `bins.py FILE [WIDTH]`."""

import sys


def bins(numbers: list[float], width: float) -> dict[int, int]:
    """Return bin -> how many numbers it has; bin 0 begins at 0."""
    found: dict[int, int] = {}
    for number in numbers:
        at = int(number / width)
        found[at] = found.get(at, 0) + 1
    return found


def drawing(counts: dict[int, int], width: float) -> list[str]:
    """Return a line for each bin from the first to the last."""
    return [f"{at * width:6g} {'#' * counts.get(at, 0)}".rstrip() for at in range(min(counts), max(counts) + 1)]


def main(file: str, width: str = "10") -> int:
    """Draw the numbers of a file; return 2 if there are none."""
    with open(file, encoding="utf-8") as lines:
        numbers = [float(word) for line in lines for word in line.split()]
    if not numbers:
        print(f"{file}: no numbers", file=sys.stderr)
        return 2
    print("\n".join(drawing(bins(numbers, float(width)), float(width))))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
