"""How the system reads a path: links are followed before `..` is, and one file may have many names.

Paths are names relative to a root, or absolute outside of it, as in `command`. What is remembered of
links holds for one look: make another object when an action may have turned one.

Outputs count also by their names without links, as links are when the plan is read. If a link is in the place of
an output folder, the records decide: a link that an action made is not a name of its target.
"""

from __future__ import annotations

import os

from treadle.core.output_index import OutputIndex

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_MOST_LINKS = 40
"""So many links the system follows in one path."""


class Links:
    """The links in and around one root.

    :param root: an absolute path, which may lead through links itself
    """

    def __init__(self, root: str) -> None:
        self.root = root
        self.real_root = os.path.realpath(root)
        self._inside = os.path.join(root, "")
        self._really_inside = os.path.join(self.real_root, "")
        self._is_link: dict[str, bool] = {}
        self._folders: dict[str, tuple[str, tuple[str, ...]]] = {self.real_root: (self.real_root, ())}
        self._trails: dict[str, tuple[str, ...]] = {}
        self._prefixes: dict[str, str] = {}

    def named(self, path: str, cwd: str = ".") -> str:
        """Return the name of a path that a program has written, which ran in `cwd`.

        `..` is taken away with the name before it, unless that is a link: then both stay, for the system to read.
        """
        full = os.path.join(self.root if cwd == "." else os.path.join(self.root, cwd), path)
        if ".." not in full:
            return self.below(os.path.normpath(full))
        names: list[str] = []
        for name in full.split("/"):
            if name in ("", "."):
                continue
            if name != ".." or (names and (names[-1] == ".." or self._leads_on("/" + "/".join(names)))):
                names.append(name)
            elif names:
                names.pop()
        return self.below("/" + "/".join(names))

    def below(self, full: str) -> str:
        """Return an absolute path relative to the root, if it is in it by the root's name or its real one."""
        if full in (self.root, self.real_root):
            return "."
        if full == "/":
            # a path that ends with / is a tree, and this one is a place
            return "/."
        short = full.removeprefix(self._inside)
        return short.removeprefix(self._really_inside) if short == full else short

    def real(self, name: str) -> str:
        """Return the name, without a link in it, of what a path leads to: the path itself if it has none."""
        return self.trail(name)[-1]

    def trail(self, name: str) -> tuple[str, ...]:
        """Return each link that a path leads through, by its place, and the place of what it leads to at last."""
        found = self._trails.get(name)
        if found is None:
            tail = "/" if name.endswith("/") and name != "/" else ""
            full, passed = self._follow(os.path.join(self.root, name.rstrip("/") or "/"))
            last = self.below(full)
            found = self._trails[name] = (*map(self.below, passed), "./" if tail and last == "." else last + tail)
        return found

    def text(self, link: str) -> str:
        """Return where a link leads to, as it says, "" for what is none."""
        try:
            return os.readlink(os.path.join(self.root, link))
        except OSError:
            return ""

    def place(self, name: str) -> str:
        """Return the place of a path: the real name of its folder, and its own name, be it that of a link."""
        if name.endswith("/"):
            return self.real(name)
        folder, own = os.path.split(os.path.join(self.root, name))
        return self.below(os.path.join(self._folder(folder)[0], own))

    def place_of_output(self, name: str) -> str:
        """Return the name of an output without the links around it; its own name stays, also that of a folder.

        An action may make a link in the place of an output folder: that is not what the link leads to.
        """
        at = name.rfind("/", 0, -1) + 1
        folder = name[:at]
        real = self._prefixes.get(folder)
        if real is None:
            real = self.trail(folder)[-1] if folder else ""
            real = self._prefixes[folder] = "" if real == "./" else real
        return name if real == folder else real + name[at:]

    def other_names(self, name: str) -> list[str]:
        """Return the other names of what a path leads to: by each link on the way, and without any."""
        folder = name if name.endswith("/") else name[: name.rfind("/") + 1]
        own = name[len(folder) :]
        found = []
        if folder and folder != "./":
            trail = self.trail(folder)
            if len(trail) > 1:
                found = [own if place == "./" and own else f"{place.rstrip('/')}/{own}" for place in trail]
        if own and os.path.islink(os.path.join(self.root, name)):
            found += self.trail(name)
        return [one for one in found if one != name]

    def _leads_on(self, full: str) -> bool:
        known = self._is_link.get(full)
        if known is None:
            known = self._is_link[full] = os.path.islink(full)
        return known

    def _follow(self, full: str, depth: int = 0) -> tuple[str, tuple[str, ...]]:
        """Return where a path leads to, and the places of the links on the way."""
        folder, own = os.path.split(full)
        if not own or own == ".":
            return self._folder(folder, depth)
        real, passed = self._folder(folder, depth)
        if own == "..":
            return os.path.dirname(real), passed
        place = os.path.join(real, own)
        if depth >= _MOST_LINKS or not self._leads_on(place):
            return place, passed
        try:
            target = os.readlink(place)
        except OSError:
            return place, passed
        last, more = self._follow(os.path.join(real, target), depth + 1)
        return last, (*passed, place, *more)

    def _folder(self, full: str, depth: int = 0) -> tuple[str, tuple[str, ...]]:
        if full == self.root:
            full = self.real_root
        found = self._folders.get(full)
        if found is None:
            found = ("/", ()) if full in ("", "/", "//") else self._follow(full, depth)
            self._folders[full] = found
        return found


class Producers:
    """Which actions make or edit a path, by any name that it has through links.

    :param root: the folder that paths are relative to
    :param written: path and action, for each output and each file that is edited
    """

    def __init__(self, root: str, written: Iterable[tuple[str, str]]) -> None:
        self._links = Links(root)
        self._outputs = OutputIndex()
        for path, uid in written:
            self._outputs.add(path, uid)
            self._outputs.add(self._links.place(path), uid)

    def of(self, path: str, links: Links | None = None) -> list[str]:
        """Return the actions that make a file or a folder, also by what it leads through; of a folder all in it.

        :param links: how links are now, if they may have been turned since this was made
        """
        names = dict.fromkeys((path, *(links or self._links).trail(path)))
        return list(dict.fromkeys(uid for name in names for uid in self._outputs.of(name)))
