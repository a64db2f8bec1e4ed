"""How Sphinx builds these pages: `tox -e docs`, which is `sphinx-build -W -n -b dirhtml docs out/docs`.

Sphinx with MyST, as it is the one well-kept builder that checks links, anchors and references to the Python API in
the build itself. Each warning is an error (`-W`), and so is a reference that leads nowhere (`-n`).
"""

from __future__ import annotations

from importlib.metadata import version as installed
from typing import TYPE_CHECKING

from pygments.lexers.special import TextLexer

if TYPE_CHECKING:
    from docutils.nodes import Element
    from sphinx.addnodes import pending_xref
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

project = "Treadle"
author = "The authors of Treadle"
version = release = installed("treadle")
language = "en"

extensions = ["myst_parser", "sphinx.ext.autodoc"]
exclude_patterns = ["_tools"]
smartquotes = False
default_role = "py:obj"  # what docstrings have in single backticks: a link where there is such a name

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
python_use_unqualified_type_names = True

myst_enable_extensions = ["attrs_block", "attrs_inline", "deflist"]
myst_heading_anchors = 4

html_theme = "furo"
html_title = f"Treadle {version}"
html_show_sphinx = False
html_show_copyright = False
html_show_sourcelink = False
html_copy_source = False
html_static_path = ["_static"]
html_css_files = ["site.css"]


API = "reference/api/"


def find_public(app: Sphinx, env: BuildEnvironment, node: pending_xref, shown: Element) -> Element | None:
    """Return a link for a short name in a docstring, such as `Session`, or its text if that is no public name.

    Types in signatures may be private ones or those of the standard library. A name with a role on any other page,
    and an exception that a docstring says is raised, have to exist.
    """
    place = str(node.get("refdoc", ""))
    if node.get("refdomain") != "py" or not place.startswith(API):
        return None
    domain = env.domains.python_domain
    name = str(node["reftarget"]).rpartition(".")[2]
    homes = ("treadle", "treadle.errors", "treadle.events.bus")
    for home in ("treadle.aio", *homes) if place == f"{API}aio" else homes:
        found = domain.resolve_xref(env, place, app.builder, "obj", f"{home}.{name}", node, shown)
        if found is not None:
            return found
    return shown if node["reftype"] in ("class", "obj") else None


def setup(app: Sphinx) -> None:
    """Link short names, and name the languages of examples that the highlighter does not know."""
    app.connect("missing-reference", find_public)
    for unknown in ("ninja", "snakemake"):
        app.add_lexer(unknown, TextLexer)
