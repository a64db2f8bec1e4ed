"""plans/site.yaml: the project's own pages as a site, and what an edit of a page writes again."""

from __future__ import annotations

import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from helpers import run_treadle
from plan_runs import Copy


@pytest.fixture(scope="module")
def run_before(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    copy = Copy(tmp_path_factory.mktemp("site"), "plans/site.yaml", "-p", f"python={sys.executable}")
    copy.take(
        "plans/site.yaml",
        "plans/site",
        "plans/package",
        "plans/monorepo",
        "plans/suite",
        "plans/c.yaml",
        "plans/data.yaml",
        "docs",
        "README.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "LICENSE",
    )
    ran = copy.run()
    pages = [path.relative_to(copy.folder).as_posix() for path in copy.folder.glob("docs/**/*.md")]
    for page in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", *pages):
        assert {f"page@{page}", f"outline@{page}"} <= set(ran)
    assert "links" in ran
    return copy


@pytest.fixture
def site(tmp_path: Path, run_before: Copy) -> Copy:
    copy = run_before.moved(tmp_path / "copy")
    assert copy.run() == []
    return copy


class Links(HTMLParser):
    """The links and anchors of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        self.links += [link for link in (named.get("href"), named.get("src")) if link is not None]
        self.anchors += [anchor for anchor in (named.get("id"),) if anchor is not None]


def test_links_and_anchors_of_the_site_lead_somewhere(site: Copy) -> None:
    out = site.folder / "out/site"
    pages = {path: Links(path.read_text("utf-8")) for path in out.glob("**/*.html")}
    assert len(pages) > 10
    for path, page in pages.items():
        for link in (link for link in page.links if "://" not in link):
            name, _, anchor = link.partition("#")
            target = (path.parent / name).resolve() if name else path
            assert target.exists(), f"{path}: {link}"
            assert not anchor or anchor in pages[target].anchors, f"{path}: {link}"


def test_an_edit_of_a_text_writes_its_page(site: Copy) -> None:
    with (site.folder / "docs/reference/walk.md").open("a") as page:
        page.write("\nAnd a last *word*.\n")
    assert site.run() == ["outline@docs/reference/walk.md", "page@docs/reference/walk.md"]
    assert "<p>And a last <em>word</em>.</p>" in site.read("out/site/docs/reference/walk.html")


def test_a_new_heading_checks_the_links_and_a_new_title_writes_every_page(site: Copy) -> None:
    with (site.folder / "docs/reference/walk.md").open("a") as page:
        page.write("\n## One more thing\n")
    assert site.run() == ["links", "menu", "outline@docs/reference/walk.md", "page@docs/reference/walk.md"]
    site.edit("docs/reference/walk.md", "# ", "# The title: ")
    ran = site.run()
    assert {"menu", "page@README.md", "page@docs/reference/plan.md", "outline@docs/reference/walk.md"} <= set(ran)
    assert "outline@docs/reference/plan.md" not in ran
    assert ">The title: " in site.read("out/site/README.html")


def test_a_new_page_is_in_the_menu_without_a_word_in_the_plan(site: Copy) -> None:
    (site.folder / "docs/new.md").write_text("# Something new\n\nSee [plans](reference/families.md#foreach).\n")
    assert {"outline@docs/new.md", "page@docs/new.md", "menu", "links"} <= set(site.run())
    assert '<a href="../new.html">Something new</a>' in site.read("out/site/docs/reference/plan.html")


def test_a_link_that_leads_nowhere_fails_and_is_named(site: Copy) -> None:
    (site.folder / "docs/new.md").write_text("# New\n\n[a](reference/plan.md#nothing), [b](gone.md), [c](#new)\n")
    done = run_treadle(site.folder, "run", "-f", site.plan, *site.options, "links", check=1)
    said = done.out + done.err
    assert "docs/new.md: reference/plan.md#nothing leads nowhere" in said
    assert "docs/new.md: gone.md leads nowhere" in said
    assert "docs/new.md: #new" not in said
