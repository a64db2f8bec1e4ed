"""Draw the catalogue as a bookcase: `picture.py OUT.svg CATALOGUE.json`.

Each book is a module or package: its thickness says how long it is, its height how many others import it,
its colour how much of its public face is documented. The same catalogue gives the same bytes.
"""

from __future__ import annotations

import itertools
import json
import math
import sys
from html import escape

PAGE = 1600
EDGE = 70
INNER = PAGE - 2 * EDGE - 2 * 34
"""Room for books on one shelf: the page without its margins, frame and some air."""
TOP = 232
SHELVES = 6
"""The case is made for so many: how thick a line is drawn follows from it."""
SHELF = 204
BOARD = 24
LETTER_GAP = 16
LEAN = math.radians(7)
THINNEST = 12.5
SHORT, TALL = 104, 184
RAMP = ((140, 54, 44), (196, 104, 62), (222, 178, 104), (104, 150, 142), (38, 88, 122))
"""From nothing documented to everything, in equal steps."""
CREAM, INK, GOLD = "#fbf3df", "#2a1d14", "#ecd08a"
SANS = "'Avenir Next','Helvetica Neue',Helvetica,Arial,'Liberation Sans',sans-serif"
SERIF = "'Iowan Old Style','Palatino Linotype',Palatino,Georgia,'Liberation Serif',serif"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import TypedDict

    class Measured(TypedDict):
        """One entry of the catalogue, as far as it is drawn."""

        name: str
        files: int
        lines: int
        readers: int
        public: int
        documented: int


class Book:
    """One spine: what was measured, and how it is drawn."""

    def __init__(self, measured: Measured, scale: float, most_readers: int) -> None:
        self.name = measured["name"]
        self.files = measured["files"]
        self.lines = measured["lines"]
        self.readers = measured["readers"]
        self.share = measured["documented"] / max(1, measured["public"])
        self.width = thickness(self.lines, scale)
        self.height = height(self.readers, most_readers)

    @property
    def letter(self) -> str:
        """What the label on the shelf says."""
        return self.name[0].upper()

    @property
    def facts(self) -> str:
        """What is shown when the pointer rests on the book."""
        files = "1 file" if self.files == 1 else f"{self.files} files"
        readers = "1 other" if self.readers == 1 else f"{self.readers} others"
        size = f"{self.lines:,} lines in {files}"
        return f"{self.name}: {size}, imported by {readers}, {self.share:.0%} documented"


def main() -> None:
    """Read the catalogue named on the command line and write the picture."""
    out, catalogue = sys.argv[1:]
    with open(catalogue, encoding="utf-8") as text:
        measured: list[Measured] = json.load(text)
    most = max(book["readers"] for book in measured)
    scale = scale_of(measured)
    books = [Book(book, scale, most) for book in measured]
    with open(out, "w", encoding="utf-8") as svg:
        svg.write("\n".join(page(books, scale, most)) + "\n")


def scale_of(measured: Sequence[Measured]) -> float:
    """Return how wide the root of one line is drawn so that the books fill the case."""
    fixed = (THINNEST + 1) * len(measured) + LETTER_GAP * 26
    return max(0.4, (0.965 * SHELVES * INNER - fixed) / sum(math.sqrt(book["lines"]) for book in measured))


def thickness(lines: int, scale: float) -> float:
    """Return how thick a book of so many lines is: by the root, or one giant would fill the case."""
    return THINNEST + scale * math.sqrt(lines)


def height(readers: int, most: int) -> float:
    """Return how tall a book with so many readers stands: by the logarithm."""
    return SHORT + (TALL - SHORT) * math.log1p(readers) / math.log1p(max(1, most))


def colour(share: float) -> tuple[int, int, int]:
    """Return the cloth of a book of whose public parts this share is documented."""
    place = min(share, 1.0) * (len(RAMP) - 1)
    low = min(int(place), len(RAMP) - 2)
    red, green, blue = (round(a + (b - a) * (place - low)) for a, b in zip(RAMP[low], RAMP[low + 1], strict=True))
    return red, green, blue


def shelved(books: Sequence[Book]) -> list[list[Book]]:
    """Return the books in rows of about the same width, in as few rows as will hold them."""
    total = row_width(books)
    rows = math.ceil(total / INNER)
    for limit in range(math.ceil(total / rows), INNER + 1, 4):
        shelves = filled(books, limit)
        if len(shelves) <= rows:
            return shelves
    return filled(books, INNER)


def filled(books: Sequence[Book], limit: float) -> list[list[Book]]:
    """Return rows filled one after the other up to the limit."""
    shelves: list[list[Book]] = [[]]
    for book in books:
        if shelves[-1] and row_width([*shelves[-1], book]) > limit:
            shelves.append([])
        shelves[-1].append(book)
    return shelves


def row_width(books: Sequence[Book]) -> float:
    """Return how wide books side by side are, with the least gap where the letter changes."""
    return sum(book.width + 1 for book in books) + LETTER_GAP * letter_changes(books)


def letter_changes(books: Sequence[Book]) -> int:
    """Return how often the letter changes along a row."""
    return sum(1 for left, right in itertools.pairwise(books) if left.letter != right.letter)


def page(books: Sequence[Book], scale: float, most: int) -> Iterator[str]:
    """Yield the whole picture, line by line."""
    shelves = shelved(books)
    case = len(shelves) * (SHELF + BOARD) + 14
    bottom = TOP + case + 96
    yield f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {PAGE} {bottom}" font-family="{SANS}">'
    yield DEFINITIONS
    yield f'<rect width="{PAGE}" height="{bottom}" fill="url(#paper)"/>'
    yield from heading(books)
    yield from legend(scale, most)
    box = f'x="{EDGE}" y="{TOP}" width="{PAGE - 2 * EDGE}" height="{case}" rx="5"'
    yield f'<rect {box} fill="#3a2413" opacity=".45" filter="url(#soft)" transform="translate(0 10)"/>'
    yield f'<rect {box} fill="url(#frame)"/>'
    for number, row in enumerate(shelves):
        yield from shelf(row, TOP + 14 + number * (SHELF + BOARD), last=number == len(shelves) - 1)
    yield from footer(books, bottom)
    yield "</svg>"


def heading(books: Sequence[Book]) -> Iterator[str]:
    """Yield the title."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    lines = sum(book.lines for book in books)
    yield (
        f'<text x="{EDGE}" y="104" font-family="{SERIF}" font-size="58" fill="{INK}">'
        f"The standard library, shelved</text>"
    )
    yield (
        f'<text x="{EDGE}" y="146" font-size="20" fill="{INK}" opacity=".75">'
        f"Python {version}: {len(books)} modules and packages, {lines:,} lines.</text>"
    )
    yield (
        f'<text x="{EDGE}" y="174" font-size="20" fill="{INK}" opacity=".75">'
        f"Every spine was measured by one action.</text>"
    )


def legend(scale: float, most: int) -> Iterator[str]:
    """Yield what thickness, height and colour mean, each with samples."""
    base = 150
    yield f'<g fill="{INK}" font-size="13.5">'
    yield from caption(848, "thickness", "lines", base)
    x = 848.0
    for lines in (100, 1_000, 10_000):
        yield sample(x, base, thickness(lines, scale), 58, "#8d7b68")
        yield note(x + thickness(lines, scale) / 2, base + 16, f"{lines:,}")
        x += thickness(lines, scale) + 16
    yield from caption(1086, "height", "imported by", base)
    x = 1086.0
    for readers in sorted({0, 5, most}):
        yield sample(x, base, 24, height(readers, most) * 0.4, "#8d7b68")
        yield note(x + 12, base + 16, f"{readers}")
        x += 40
    yield from caption(1252, "colour", "public parts with a docstring", base)
    for step in range(11):
        yield sample(1252 + step * 25.4, base, 24, 58, rgb(colour(step / 10)))
    for step in (0, 5, 10):
        yield note(1264 + step * 25.4, base + 16, f"{step * 10}%")
    yield "</g>"
    yield f'<g font-size="13.5" fill="{INK}">'
    yield sample(848, 206, 15, 24, "#8d7b68") + bands(848, 182, 15, 24)
    yield '<text x="872" y="199" opacity=".75">gold bands: a package of several files</text></g>'


def caption(x: float, name: str, meaning: str, base: float) -> Iterator[str]:
    """Yield the name of one scale of the legend."""
    yield f'<text x="{x}" y="{base - 78}"><tspan font-weight="600">{name}</tspan>'
    yield f'<tspan dx="7" opacity=".75">{meaning}</tspan></text>'


def note(x: float, y: float, text: str) -> str:
    """Return a small number below a sample."""
    return f'<text x="{x:.1f}" y="{y}" font-size="12" text-anchor="middle" opacity=".75">{text}</text>'


def sample(x: float, base: float, width: float, tall: float, fill: str) -> str:
    """Return one book without a title."""
    box = f'x="{x:.1f}" y="{base - tall:.1f}" width="{width:.1f}" height="{tall:.1f}" rx="1.6"'
    return f'<rect {box} fill="{fill}"/><rect {box} fill="url(#round)"/>'


def shelf(row: Sequence[Book], top: float, *, last: bool) -> Iterator[str]:
    """Yield one shelf with its books, and a label wherever a letter begins."""
    left, base = EDGE + 14, top + SHELF
    width = PAGE - 2 * left
    yield f'<rect x="{left}" y="{top}" width="{width}" height="{SHELF}" fill="url(#back)"/>'
    changes = letter_changes(row)
    spare = INNER - row_width(row)
    stretch = min(spare / changes, 60) if changes else 0
    x = left + 20.0
    labels = []
    for before, book, after in zip([None, *row], row, [*row[1:], None], strict=False):
        if before is None or before.letter != book.letter:
            labels.append(label(x, base, book.letter))
        ends = after is not None and after.letter != book.letter
        yield from spine(book, x, base, leaning=ends and leans(before, book, LETTER_GAP + stretch))
        x += book.width + 1 + (LETTER_GAP + stretch if ends else 0)
    yield f'<rect x="{left}" y="{base}" width="{width}" height="{BOARD}" fill="url(#board)"/>'
    if not last:
        yield f'<rect x="{left}" y="{base + BOARD}" width="{width}" height="16" fill="url(#under)"/>'
    yield from labels


def leans(before: Book | None, book: Book, gap: float) -> bool:
    """Return whether a thin book at the end of its letter leans on a taller one of the same letter."""
    if before is None or before.letter != book.letter or before.height < book.height * math.cos(LEAN):
        return False
    return book.width < 34 and gap > book.height * math.sin(LEAN) + 4


def label(x: float, base: float, letter: str) -> str:
    """Return the small plate on the edge of a shelf."""
    return (
        f'<rect x="{x:.1f}" y="{base + 3.5}" width="26" height="17" rx="2" fill="{GOLD}"/>'
        f'<text x="{x + 13:.1f}" y="{base + 16.5}" font-family="{SERIF}" font-size="14" font-weight="700" '
        f'text-anchor="middle" fill="{INK}">{letter}</text>'
    )


def spine(book: Book, x: float, base: float, *, leaning: bool) -> Iterator[str]:
    """Yield one book with its title."""
    cloth = colour(book.share)
    light = 0.299 * cloth[0] + 0.587 * cloth[1] + 0.114 * cloth[2] > 138
    top = base - book.height
    tilt = ""
    if leaning:
        x += book.height * math.sin(LEAN)
        tilt = f' transform="rotate({-math.degrees(LEAN):.1f} {x:.1f} {base})"'
    yield f"<g{tilt}><title>{escape(book.facts)}</title>"
    yield sample(x, base, book.width, book.height, rgb(cloth))
    if book.files > 1:
        yield bands(x, top, book.width, book.height)
    yield lettering(book, x + book.width / 2, top + book.height / 2, INK if light else CREAM)
    yield "</g>"


def bands(x: float, top: float, width: float, tall: float) -> str:
    """Return the double gilded lines at the head and the foot of a package."""
    offsets = (5, 8.5, tall - 9.5, tall - 6) if tall > 40 else (3, tall - 4)
    lines = "".join(f"M{x:.1f} {top + offset:.1f}h{width:.1f}" for offset in offsets)
    return f'<path d="{lines}" stroke="{GOLD}" stroke-width="1.3" opacity=".9"/>'


def lettering(book: Book, x: float, y: float, ink: str) -> str:
    """Return the title: across the spine where it fits well, else along it, cut where it is too long."""
    title = book.name
    room = book.height - (30 if book.files > 1 else 16)
    across = min((book.width - 11) / text_width(title), 30)
    along = min(book.width * 0.62, 24, room / text_width(title))
    if across > 0.8 * along:
        extent = f"{book.lines:,} lines" if book.width > 84 else ""
        y += across * 0.25
        return (
            f'<g text-anchor="middle" fill="{ink}">'
            f'<text x="{x:.1f}" y="{y:.1f}" font-size="{across:.1f}" font-weight="600">{title}</text>'
            f'<text x="{x:.1f}" y="{y + 19:.1f}" font-size="11.5" opacity=".8">{extent}</text></g>'
        )
    while along < 8.6:
        title = title[:-2] + "…"
        along = min(book.width * 0.62, room / text_width(title))
    return (
        f'<text transform="translate({x:.1f} {y:.1f}) rotate(90)" y="{along * 0.35:.1f}" '
        f'font-size="{along:.1f}" font-weight="600" text-anchor="middle" fill="{ink}">{title}</text>'
    )


def text_width(text: str) -> float:
    """Return about how wide a text is, in units of its size; rather too wide than too narrow."""
    return sum(0.29 if c in "ijl" else 0.38 if c in "frt" else 0.89 if c in "mw" else 0.6 for c in text)


def footer(books: Sequence[Book], bottom: float) -> Iterator[str]:
    """Yield the line of records below the case."""
    thick = max(books, key=lambda book: book.lines)
    read = max(books, key=lambda book: book.readers)
    whole = sum(1 for book in books if book.share == 1)
    bare = sum(1 for book in books if book.share == 0)
    facts = (
        f"Thickest: {thick.name}, {thick.lines:,} lines",
        f"Most imported: {read.name}, by {read.readers}",
        f"Documented to the last public part: {whole}",
        f"Not at all: {bare}",
        "Rest the pointer on a spine to read its numbers",
    )
    spans = "".join(f'<tspan dx="{20 if number else 0}">{fact}.</tspan>' for number, fact in enumerate(facts))
    place = f'x="{PAGE / 2}" y="{bottom - 36}" font-size="17" text-anchor="middle"'
    yield f'<text {place} fill="{INK}" opacity=".75">{spans}</text>'


def rgb(parts: tuple[int, int, int]) -> str:
    """Return a colour as SVG writes it."""
    return "#{:02x}{:02x}{:02x}".format(*parts)


DEFINITIONS = """<defs>
<linearGradient id="paper" x2="0" y2="1"><stop stop-color="#f7f0e2"/>
<stop offset="1" stop-color="#eadfc9"/></linearGradient>
<linearGradient id="frame" x2="0" y2="1"><stop stop-color="#7a5236"/>
<stop offset="1" stop-color="#5d3c26"/></linearGradient>
<linearGradient id="back" x2="0" y2="1"><stop stop-color="#23170f"/><stop offset=".25" stop-color="#35251a"/>
<stop offset="1" stop-color="#3f2d20"/></linearGradient>
<linearGradient id="board" x2="0" y2="1"><stop stop-color="#a3744c"/><stop offset=".12" stop-color="#835839"/>
<stop offset="1" stop-color="#6b4529"/></linearGradient>
<linearGradient id="under" x2="0" y2="1"><stop stop-opacity=".45"/>
<stop offset="1" stop-opacity="0"/></linearGradient>
<linearGradient id="round"><stop stop-opacity=".32"/><stop offset=".16" stop-color="#fff" stop-opacity=".1"/>
<stop offset=".34" stop-color="#fff" stop-opacity=".16"/><stop offset=".6" stop-opacity="0"/>
<stop offset="1" stop-opacity=".34"/></linearGradient>
<filter id="soft" x="-5%" y="-5%" width="110%" height="110%"><feGaussianBlur stdDeviation="11"/></filter>
</defs>"""


if __name__ == "__main__":
    main()
