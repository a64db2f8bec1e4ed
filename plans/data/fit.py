"""Fit one model to the flow: `fit.py MODEL FLOW OUT --about TEXT [--shortest YEARS]`."""

from __future__ import annotations

import argparse
import csv
import json
import math
from statistics import fmean, linear_regression

Fit = tuple[int, str, list[float]]
"""How many numbers a model has, what it says, and its value in each year."""


def level(years: list[int], flow: list[float], _: int) -> Fit:
    """Say one number for all years."""
    mean = fmean(flow)
    return 1, f"{mean:.0f}", [mean] * len(years)


def line(years: list[int], flow: list[float], _: int) -> Fit:
    """Draw a straight line."""
    slope, start = linear_regression(years, flow)
    return 2, f"{slope:+.2f} a year", [start + slope * year for year in years]


def step(years: list[int], flow: list[float], shortest: int) -> Fit:
    """Set two levels, where the change between them explains most."""

    def levels(at: int) -> list[float]:
        return [fmean(flow[:at])] * at + [fmean(flow[at:])] * (len(flow) - at)

    at = min(range(shortest, len(years) - shortest + 1), key=lambda at: unexplained(flow, levels(at)))
    values = levels(at)
    return 3, f"{values[0]:.0f}, from {years[at]} on {values[-1]:.0f}", values


def unexplained(flow: list[float], values: list[float]) -> float:
    """Return the sum of squares that a model leaves."""
    return sum((seen - said) ** 2 for seen, said in zip(flow, values, strict=True))


def main() -> None:
    """Fit the model and write it with its score (Akaike's: lower is better)."""
    parser = argparse.ArgumentParser()
    parser.add_argument("model", choices=["level", "line", "step"])
    parser.add_argument("flow")
    parser.add_argument("out")
    parser.add_argument("--about", default="")
    parser.add_argument("--shortest", type=int, default=1)
    arguments = parser.parse_args()
    with open(arguments.flow, encoding="utf-8", newline="") as table:
        rows = list(csv.reader(table))
    years, flow = [int(row[0]) for row in rows], [float(row[1]) for row in rows]
    models = {"level": level, "line": line, "step": step}
    size, says, values = models[arguments.model](years, flow, arguments.shortest)
    score = len(flow) * math.log(unexplained(flow, values) / len(flow)) + 2 * (size + 1)
    found = {"model": arguments.model, "about": arguments.about, "says": says, "score": round(score, 2)}
    with open(arguments.out, "w", encoding="utf-8") as text:
        json.dump({**found, "values": [round(value, 2) for value in values]}, text, indent=1)


if __name__ == "__main__":
    main()
