"""Counts words that say of things what is true of people: `python docs/_tools/count_words.py [--lines] [PATH...]`.

*Who, nobody, stands, told, lies, behind* and their like are no terms that a reader can search for. The count is per
10,000 words, for pages and for sources. A line that means people, or a place, is right as it is: the count is to
stay low, not to be zero.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[2]
OF_PEOPLE = re.compile(
    r"(?<![\w$./-])(who|whom|whoever|nobody|somebody|stands?|stood|told|tells?|lies|lay|heard|hears?|behind|beside)"
    r"(?![\w/=-])",
    re.IGNORECASE,
)
WORD = re.compile(r"[A-Za-z][A-Za-z'-]+")
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


def found_in(text: str) -> Counter[str]:
    """Return how often each of the words is in a text."""
    return Counter(word.lower() for word in OF_PEOPLE.findall(text))


def files_below(path: Path) -> list[Path]:
    """Return the pages and sources below a path."""
    if path.is_file():
        return [path]
    return sorted(file for file in path.rglob("*") if file.suffix in (".md", ".py"))


def count(paths: list[Path]) -> tuple[Counter[str], int]:
    """Return how often each of the words is in some files, and how many words these have; examples do not count."""
    words: Counter[str] = Counter()
    total = 0
    for file in (one for path in paths for one in files_below(path)):
        text = FENCE.sub("", file.read_text("utf-8"))
        words += found_in(text)
        total += len(WORD.findall(text))
    return words, total


def main() -> None:
    """Print the counts of pages and sources, or of the paths that are named."""
    names = [name for name in sys.argv[1:] if name != "--lines"]
    groups = [[Path(name)] for name in names] or [
        [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "docs"],
        [ROOT / "src/treadle"],
    ]
    for paths in groups:
        words, total = count(paths)
        rate = 10_000 * words.total() / max(1, total)
        each = ", ".join(f"{word} {number}" for word, number in words.most_common())
        print(f"{', '.join(path.name for path in paths)}: {rate:.1f} in 10,000 words ({each})")
        if "--lines" in sys.argv:
            for file in (one for path in paths for one in files_below(path)):
                for number, line in enumerate(file.read_text("utf-8").splitlines(), 1):
                    if OF_PEOPLE.search(line):
                        print(f"{file}:{number}: {line.strip()}")


if __name__ == "__main__":
    main()
