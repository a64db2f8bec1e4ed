"""How the system reads paths: checked against the system itself."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from treadle.content.links import Links, Producers


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return the real name of a root with links in it, and one that leads to it."""
    real = tmp_path.resolve() / "real/project"
    (tmp_path / "elsewhere/out").mkdir(parents=True)
    for folder in ("lib/sub", "src", "common"):
        (real / folder).mkdir(parents=True)
    for name in ("common/h.h", "h.h", "lib/h.h", "lib/sub/h.h", "src/a.c", "common/real.h"):
        (real / name).write_text(name)
    (tmp_path / "elsewhere/out/gen.h").write_text("gen")
    (real / "src/inc").symlink_to("../lib/sub")
    (real / "src/lib").symlink_to("../lib")
    (real / "out").symlink_to(tmp_path.resolve() / "elsewhere/out")
    (real / "common/link.h").symlink_to("real.h")
    (real / "common/chain.h").symlink_to("../common/link.h")
    (real / "loop").symlink_to("loop")
    (tmp_path.resolve() / "alias").symlink_to("real/project")
    return real


WRITTEN = [
    *("h.h", "./h.h", "common/../h.h", "src/inc/../h.h", "src/inc/../../h.h", "src/lib/../common/h.h"),
    *("src/lib/sub/../h.h", "src/./inc//h.h", "src/../src/inc/../../common/h.h", "out/gen.h", "out/../out/gen.h"),
    *("common/link.h", "common/chain.h", "src/inc/../../src/inc/h.h"),
]


@pytest.mark.parametrize("cwd", [".", "src", "src/inc", "src/lib", "out", "common"])
@pytest.mark.parametrize("written", WRITTEN)
@pytest.mark.parametrize("by", ["real", "alias"])
def test_a_name_leads_to_what_the_system_finds(root: Path, written: str, cwd: str, by: str) -> None:
    links = Links(str(root if by == "real" else root.parent.parent / "alias"))
    full = os.path.join(root, cwd, written)
    name = links.named(written, cwd)
    assert os.path.realpath(os.path.join(links.root, name)) == os.path.realpath(full)
    assert links.named(full) == name or os.path.realpath(full) == os.path.realpath(
        os.path.join(root, links.named(full))
    )
    real = os.path.realpath(full)
    inside = real.removeprefix(f"{root}/")
    assert links.real(name) == inside
    assert not links.named(full).startswith(str(root))


@pytest.mark.parametrize(
    "path", ["/", "..", "../..", "/../..", "nowhere/../h.h", "h.h/../h.h", "loop/x", "loop", "."]
)
def test_odd_paths_have_names(root: Path, path: str) -> None:
    links = Links(str(root))
    name = links.named(path)
    assert links.real(name)
    assert links.trail(name)[-1] == links.real(name)


def test_paths_without_links_are_named_as_text(root: Path) -> None:
    links = Links(str(root))
    assert links.named("common/../h.h") == "h.h"
    assert links.named(f"{root}/h.h") == "h.h"
    assert links.named(str(root)) == "."
    assert links.named("/usr//include/./x.h") == "/usr/include/x.h"
    assert links.named("src/inc/../h.h") == "src/inc/../h.h"


@pytest.mark.parametrize(
    ("output", "path"),
    [
        ("common/h.h", "src/lib/../common/h.h"),
        ("lib/sub/h.h", "src/inc/h.h"),
        ("lib/", "src/inc/h.h"),
        ("out/gen.h", "OUT/gen.h"),
        ("out/", "OUT/gen.h"),
        ("common/real.h", "common/chain.h"),
        ("common/link.h", "common/chain.h"),
        ("src/inc", "src/inc/h.h"),
        ("src/lib/gen.h", "lib/gen.h"),
        ("lib/gen.h", "src/lib/"),
    ],
)
def test_a_maker_is_found_by_every_name_of_its_output(root: Path, output: str, path: str) -> None:
    makers = Producers(str(root), [(output, "maker"), ("other", "other")])
    path = path.replace("OUT", os.path.realpath(root / "out"))
    assert makers.of(path) == ["maker"]
