"""Follows a page word for word, as a reader would: `python docs/_tools/follow.py [--write] PAGE...`.

A paragraph that ends with the name of a file, such as "Save this as `treadle.yaml`:", has the content of that file
in the example after it. A `console` example has commands (`$ ...`) and what they print. What differs from run to
run (times, digests, the order of actions that run in parallel) is not compared. A line `...` takes the place of any
number of lines. `--write` puts what is printed now into the page, if it differs in anything else.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from difflib import unified_diff
from pathlib import Path

EXAMPLE = re.compile(r"^```([\w-]+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"`([\w./-]+)`:\n\n\Z")
VARYING = (
    (re.compile(r", \S+ saved by skipping"), ""),
    (re.compile(r"\b\d+(\.\d+)?(s|ms| ms)\b( ±\S+)?"), "TIME"),
    (re.compile(r"\b[0-9a-f]{4,}\.\.\."), "DIGEST"),
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"), "DATE"),
    (re.compile(r"^\[\d+/(\d+)\]"), r"[N/\1]"),
)


@dataclass(frozen=True)
class Step:
    """A file to write, or a command with what it prints.

    :ivar path: of the file; "" for a command
    :ivar text: of the file, or the command
    :ivar span: where in the page the command and its lines are
    """

    path: str
    text: str
    printed: tuple[str, ...] = ()
    span: tuple[int, int] = (0, 0)


def steps(page: str) -> list[Step]:
    """Return what a reader of a page does, in order."""
    found = []
    for example in EXAMPLE.finditer(page):
        if example[1] == "console":
            for part in re.finditer(r"^\$ ((?:.*\\\n)*.*)\n((?:(?!\$ ).*\n)*)", example[2], re.MULTILINE):
                at = example.start(2)
                found.append(Step("", part[1], tuple(part[2].splitlines()), (at + part.start(2), at + part.end(2))))
        elif name := FILE.search(page, 0, example.start()):
            found.append(Step(name[1], example[2]))
    return found


def settled(lines: list[str]) -> list[str]:
    """Return lines without what differs from run to run, actions in one order."""
    for pattern, word in VARYING:
        lines = [pattern.sub(word, line) for line in lines]
    settled: list[str] = []
    actions: list[str] = []
    for line in [*lines, ""]:
        if line.startswith("[N/") or line.endswith("attempts are over)"):
            actions.append(line)
        else:
            settled += [*sorted(actions), line]
            actions = []
    return settled[:-1]


def is_same(expected: list[str], printed: list[str]) -> bool:
    """Return whether a command has printed what a page shows."""
    pattern = "".join(".*" if line == "..." else re.escape(line) + "\n" for line in settled(expected))
    return re.fullmatch(pattern, "".join(f"{line}\n" for line in settled(printed)), re.DOTALL) is not None


def follow(page: str, folder: Path) -> tuple[str, list[str]]:
    """Do what a page says in a folder; return the page with what was printed, and each difference from the page."""
    home = folder / "home"
    start = folder / "here"
    for each in (home, start):
        each.mkdir()
    environ = {name: text for name, text in os.environ.items() if not name.startswith(("TREADLE_", "GIT_", "CI"))}
    environ.pop("GITHUB_ACTIONS", None)
    environ.update(HOME=str(home), XDG_CACHE_HOME=str(home / "cache"), XDG_STATE_HOME=str(home / "state"))
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environ.update(PATH=path, NO_COLOR="1", COLUMNS="100")
    cwd, last = str(start), folder / "cwd"
    written, wrong = page, []
    moved = 0
    for step in steps(page):
        if step.path:
            file = Path(cwd) / step.path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(step.text, "utf-8")
            continue
        done = subprocess.run(
            ["bash", "-c", f'{step.text}\nstatus=$?\npwd > "{last}"\nexit $status'],
            cwd=cwd,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            timeout=120,
            check=False,
        )
        cwd = last.read_text("utf-8").strip()
        if not is_same(list(step.printed), done.stdout.splitlines()):
            shown = [f"{line}\n" for line in settled(list(step.printed))]
            now = [f"{line}\n" for line in settled(done.stdout.splitlines())]
            wrong.append(f"$ {step.text}\n{''.join(unified_diff(shown, now, 'the page', 'printed', n=1))}")
            begin, end = (at + moved for at in step.span)
            text = done.stdout if done.stdout.endswith("\n") or not done.stdout else f"{done.stdout}\n"
            written = written[:begin] + text + written[end:]
            moved += len(text) - (end - begin)
    return written, wrong


def main() -> None:
    """Follow each page that is named."""
    names = [name for name in sys.argv[1:] if name != "--write"]
    failed = False
    for name in names:
        page = Path(name)
        with tempfile.TemporaryDirectory(prefix="follow-") as folder:
            written, wrong = follow(page.read_text("utf-8"), Path(folder))
        for one in wrong:
            print(f"{name}: {one}")
        failed = failed or bool(wrong)
        if "--write" in sys.argv:
            page.write_text(written, "utf-8")
    sys.exit(failed and "--write" not in sys.argv)


if __name__ == "__main__":
    main()
