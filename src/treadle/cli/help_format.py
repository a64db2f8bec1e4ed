"""The layout of help texts: lines break at blanks, at the width of the terminal and at 80 columns at most."""

from __future__ import annotations

import argparse
import re
import shutil
import textwrap

WIDEST = 80
_NARROWEST = 20
_EXAMPLE = re.compile(r"( *)(treadle \S.*?|\$ .*?|[a-z]+(?: [a-z]+)*(?=  ))(?: {2,}(\S.*))?")
"""An example, or a row of a table: a command or words, and what it does after two blanks at least."""


class HelpFormatter(argparse.HelpFormatter):
    """Fills paragraphs, and keeps each example on a line of its own."""

    def __init__(self, prog: str) -> None:
        width = max(_NARROWEST, min(WIDEST, shutil.get_terminal_size().columns))
        super().__init__(prog, max_help_position=min(28, width // 3), width=width)

    def filled(self, text: str) -> str:
        """Return a text of paragraphs and examples at the width of this formatter."""
        return self._fill_text(text, self._width, "")

    def _split_lines(self, text: str, width: int) -> list[str]:
        """Break the help of an option at blanks alone: `not-run` is one word."""
        return textwrap.wrap(" ".join(text.split()), width, break_on_hyphens=False, break_long_words=False)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        lines: list[str] = []
        paragraph: list[str] = []
        for line in [*text.splitlines(), ""]:
            margin = _margin(line)
            example = _EXAMPLE.fullmatch(line)
            follows = paragraph and margin == _margin(paragraph[0])
            if paragraph and (example or not line or not follows):
                lines += _filled(paragraph, width)
                paragraph = []
            if example:
                lines += _example_lines(line, example, width)
            elif len(margin) > len(_MARGIN) and not paragraph:
                lines += _filled([line], width)
            elif line:
                paragraph.append(line)
            else:
                lines.append("")
        return "\n".join(indent + line for line in lines[:-1])


_MARGIN = "  "


def _margin(line: str) -> str:
    return line[: len(line) - len(line.lstrip())]


def _filled(paragraph: list[str], width: int) -> list[str]:
    margin = _margin(paragraph[0])
    margin = margin if len(margin) < width // 2 else _MARGIN * 3
    words = " ".join(line.strip() for line in paragraph)
    return textwrap.wrap(
        words,
        width,
        initial_indent=margin,
        subsequent_indent=margin,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _example_lines(line: str, example: re.Match[str], width: int) -> list[str]:
    """Return an example as it is, or with what it does below it where it does not fit."""
    margin, command, does = example.groups()
    if len(line) <= width:
        return [line]
    below = textwrap.wrap(
        command, width, initial_indent=margin, subsequent_indent=margin + _MARGIN, break_on_hyphens=False,
        break_long_words=False,
    )  # fmt: skip
    return below + (_filled([margin + _MARGIN * 2 + does], width) if does else [])
