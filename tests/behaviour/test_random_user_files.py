"""Random edits, failures, kills and cleaning: what a user has written is in its place or in `.treadle/replaced/`."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from helpers import plan, run_treadle, start_treadle

if TYPE_CHECKING:
    from pathlib import Path

PLAN = """
actions:
  file:
    sh: |
      echo "made $(cat src)" > ${out}; echo "${out}: src" > ${depfile}
      case $(cat mode) in fail) exit 1;; kill) kill -KILL $PPID; exit 1;; esac
    in: src
    out: o/file
    depfile: o/file.d
  folder:
    sh: |
      mkdir -p ${out}/sub; for name in $(cat src); do echo "made $name" > ${out}/sub/$name; done
      echo made > ${out}/page; ln -s page ${out}/link
      case $(cat mode) in fail) exit 1;; kill) kill -KILL $PPID; exit 1;; esac
    in: src
    out: site/
"""
PLACES = ("o/file", "o/file.d")
NAMES = ("site/page", "site/sub/a", "site/sub/b", "site/sub/c")
REPLACED = ".treadle/replaced"


class User:
    """Writes what must not be lost, each text once, and remembers what is theirs."""

    def __init__(self, folder: Path, chance: random.Random) -> None:
        self.folder = folder
        self.chance = chance
        self.texts: set[str] = set()
        self.count = 0

    def write(self, path: str) -> None:
        target = self.folder / path
        if target.is_dir():
            return
        self.drop(path)
        self.count += 1
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(f"user {self.count}")
        self.texts.add(f"user {self.count}")

    def drop(self, path: str) -> None:
        """Remove a file: what it held may be gone."""
        target = self.folder / path
        if target.is_file():
            self.texts.discard(target.read_text())
            target.unlink()

    def edit(self) -> None:
        """Do one thing to the files."""
        do = self.chance.randrange(7)
        if do < 2:
            self.write(self.chance.choice(PLACES))
        elif do == 2:
            there = [name for name in NAMES if (self.folder / name).is_file()]
            if there:
                self.write(self.chance.choice(there))
        elif do == 3:
            self.write(self.chance.choice(("site/mine", "site/.git/HEAD", "site/sub/mine", "o/mine")))
        elif do == 4:
            self.drop(self.chance.choice((*PLACES, *NAMES, "site/mine", "site/sub/mine")))
        elif do == 5:
            (self.folder / "src").write_text(self.chance.choice(("a", "a b", "b c", "a b c")))
        else:
            self.put_back()

    def put_back(self) -> None:
        """Move a file back that was moved aside."""
        aside = self.folder / REPLACED / "file"
        for name in PLACES:
            if (aside / name).is_file() and not (self.folder / name).exists():
                (self.folder / name).parent.mkdir(exist_ok=True)
                (aside / name).rename(self.folder / name)

    def check(self, what: str) -> None:
        """Check that nothing is lost."""
        places = [path for path in self.folder.rglob("*") if path.is_file() and not path.is_symlink()]
        found = {
            path.read_text()
            for path in places
            if ".treadle" not in path.parts or path.is_relative_to(self.folder / REPLACED)
        }
        assert self.texts <= found, (what, self.texts - found)


@pytest.mark.parametrize("seed", range(6))
def test_nothing_that_a_user_has_written_is_lost(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    plan(tmp_path, PLAN)
    (tmp_path / "src").write_text("a b")
    user = User(tmp_path, chance)
    for _ in range(14):
        for _ in range(chance.randrange(3)):
            user.edit()
        mode = chance.choice(("ok", "ok", "fail", "kill"))
        (tmp_path / "mode").write_text(mode)
        calls = (
            ("run",),
            ("run", "--force"),
            ("clean",),
            ("clean", "folder"),
            ("clean", "--all"),
            ("clean", "--stale"),
        )
        call = chance.choices(calls, (6, 2, 2, 1, 1, 1))[0]
        if mode == "kill":
            start_treadle(tmp_path, *call).communicate()
        else:
            run_treadle(tmp_path, *call)
        user.check(f"{call} with {mode}")
    (tmp_path / "mode").write_text("ok")
    run_treadle(tmp_path, "run", "--force", check=0)
    user.check("the last run")
    made = {name for name in ("a", "b", "c") if name in (tmp_path / "src").read_text().split()}
    theirs = {path.name for path in (tmp_path / "site/sub").iterdir() if path.read_text().startswith("user")}
    assert {path.name for path in (tmp_path / "site/sub").iterdir()} == made | theirs
    assert run_treadle(tmp_path, "run", check=0).lines[0].startswith("nothing to do")
