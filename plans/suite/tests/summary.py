"""Writes what went wrong in a run, in a line for each kind of outcome: `summary.py FILE`."""

import os
import sys

ends: dict[str, list[str]] = {}
for line in os.environ["TREADLE_MET_BY"].splitlines():
    kind, _, name = line.partition(" ")
    ends.setdefault(kind, []).append(name)
with open(sys.argv[1], "w", encoding="utf-8") as file:
    file.writelines(f"{kind}: {', '.join(sorted(names))}\n" for kind, names in sorted(ends.items()))
    if not ends:
        print("all is well", file=file)
