"""The difference of two texts in few lines: the changed lines, and of long lines the words. It reads no files."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher

from treadle.core.text import MORE, crop, safe, width

from .text import Line, Piece, line

_ROOM = 100
"""Cells of a line; of a longer one only the changed words are shown."""
_SIDES = (("- ", "bad"), ("+ ", "good"))
_CONTEXT = 2
"""Equal words that are shown around changed words."""
_MOST_WORDS = 400
"""Words between the first and the last changed one; more count as one change."""
_MOST_LINES = 20_000
"""Lines of two texts; more are not compared line by line."""


def text_difference(old: str, new: str, most: int, indent: str = "    ", room: int = _ROOM) -> list[Line]:
    """Return the lines that differ, with one equal line around them.

    :param most: lines that are shown
    :param room: cells of a line; of a longer one only the changed words are shown
    """
    old_lines, new_lines = old.split("\n"), new.split("\n")
    if old == new:
        return []
    if len(old_lines) == 1 and len(new_lines) == 1:
        made = _replaced(old_lines, new_lines, room)
    elif len(old_lines) + len(new_lines) > _MOST_LINES:
        made = [line((f"{len(old_lines)} lines became {len(new_lines)}", "dim"))]
    else:
        made = _by_lines(old_lines, new_lines, room)
    shown = [((indent, ""), *pieces) for pieces in made[:most]]
    left = len(made) - len(shown)
    return [*shown, line(f"{indent}{MORE} and {left} more lines")] if left else shown


def _by_lines(old: Sequence[str], new: Sequence[str], room: int) -> list[Line]:
    made: list[Line] = []
    at_end = 0
    for group in SequenceMatcher(None, old, new, autojunk=False).get_grouped_opcodes(1):
        if group[0][1] > at_end:
            made.append(line((MORE, "dim")))
        for tag, start, end, new_start, new_end in group:
            if tag == "equal":
                made += [line(f"  {crop(safe(text), room)}".rstrip()) for text in old[start:end]]
            else:
                made += _replaced(old[start:end], new[new_start:new_end], room)
            at_end = end
    return made


def _replaced(old: Sequence[str], new: Sequence[str], room: int) -> list[Line]:
    """Return the lines of a change, the old ones first; as many new as old ones are compared by words."""
    if len(old) != len(new):
        return [
            *(_marked("-", "bad", text, room) for text in old),
            *(_marked("+", "good", text, room) for text in new),
        ]
    pairs = [_pair(before, after, room) for before, after in zip(old, new, strict=True)]
    return [*(before for before, _ in pairs), *(after for _, after in pairs)]


def _marked(mark: str, style: str, text: str, room: int) -> Line:
    return line((f"{mark} {_cropped(text, room)}" if text else mark, style))


def _cropped(text: str, room: int) -> str:
    return crop(safe(text), 4 * room)


def _pair(old: str, new: str, room: int) -> tuple[Line, Line]:
    """Return two versions of a line, the words that differ in colour; of long ones little else is shown."""
    is_long = width(safe(old)) > room or width(safe(new)) > room
    if not old or not new:
        return _marked("-", "bad", old, room), _marked("+", "good", new, room)
    words = old.split(" "), new.split(" ")
    return _side(0, words, room, is_long=is_long), _side(1, words, room, is_long=is_long)


def _side(side: int, words: tuple[list[str], list[str]], room: int, *, is_long: bool) -> Line:
    mark, style = _SIDES[side]
    pieces: list[Piece] = [(mark, style)]
    blocks = _blocks(*words)
    for number, (is_equal, spans) in enumerate(blocks):
        part = words[side][slice(*spans[side])]
        if not part:
            continue
        if is_equal and is_long:
            part = _shortened(part, is_first=number == 0, is_last=number == len(blocks) - 1)
        text = " ".join(_cropped(word, room) for word in part)
        pieces.append((text if len(pieces) == 1 else f" {text}", "" if is_equal else style))
    return tuple(pieces)


def _shortened(words: list[str], *, is_first: bool, is_last: bool) -> list[str]:
    """Return the words of an equal stretch next to changed words."""
    start = [] if is_first else words[:_CONTEXT]
    end = [] if is_last else words[-_CONTEXT:]
    return words if len(start) + len(end) >= len(words) else [*start, MORE, *end]


def _blocks(old: list[str], new: list[str]) -> list[tuple[bool, tuple[tuple[int, int], tuple[int, int]]]]:
    """Return the stretches of two lists of words: whether they are equal, and their positions in each."""
    shortest = min(len(old), len(new))
    head = next((n for n in range(shortest) if old[n] != new[n]), shortest)
    tail = next((n for n in range(shortest - head) if old[-1 - n] != new[-1 - n]), shortest - head)
    ends = len(old) - tail, len(new) - tail
    blocks = [(True, ((0, head), (0, head)))] if head else []
    if max(ends) - head > _MOST_WORDS:
        blocks.append((False, ((head, ends[0]), (head, ends[1]))))
    else:
        matcher = SequenceMatcher(None, old[head : ends[0]], new[head : ends[1]], autojunk=False)
        for tag, a, b, c, d in matcher.get_opcodes():
            blocks.append((tag == "equal", ((a + head, b + head), (c + head, d + head))))
    if tail:
        blocks.append((True, ((ends[0], len(old)), (ends[1], len(new)))))
    return blocks
