"""How Sphinx builds these pages: `tox -e docs`, which is `sphinx-build -W -n -b dirhtml docs out/docs`.

Sphinx with MyST, as it is the one well-kept builder that checks links, anchors and references to the Python API in
the build itself. Each warning is an error (`-W`), and so is a reference that leads nowhere (`-n`).
"""

from __future__ import annotations

from importlib.metadata import version as installed

from pygments.lexers.special import TextLexer
from sphinx.application import Sphinx

project = "Treadle"
author = "The authors of Treadle"
version = release = installed("treadle")
language = "en"

extensions = ["myst_parser", "sphinx.ext.autodoc"]
exclude_patterns = ["_tools"]

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


def setup(app: Sphinx) -> None:
    """Name the languages of examples that the highlighter does not know: they are shown as they are."""
    for language_of_an_example in ("ninja", "snakemake"):
        app.add_lexer(language_of_an_example, TextLexer)
