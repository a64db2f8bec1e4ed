"""The names of a plan for completion: from its text and, if needed, from its outline.

Problems of a plan do not matter here, if its names can be read.

Families, groups and parameters are in the text. Only instances and outputs need the loaded plan, and loading it
takes longer than a key press should.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from treadle.errors import TreadleError
from treadle.session.call import Call
from treadle.session.options import Options

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from treadle.frontends.base import Outline
    from treadle.plan.yaml.nodes import Node, Table

    Row = tuple[str, str]


class Choice:
    """The type, choices and help of a parameter."""

    def __init__(self, kind: str, choices: Iterable[str], text: str) -> None:
        self.type = kind
        self.choices = tuple(choices)
        self.help = text


class Names:
    """The names of one plan.

    :param file: the plan as it was named, "" for the one that is found, as a call finds it
    :param params: parameters that were given
    """

    def __init__(self, file: str, params: Mapping[str, str]) -> None:
        self.file = file
        self.given = dict(params)
        self._call = Call("", Options(file=file))
        self._tops: dict[str, Table] | None = None
        self._outline: Outline | None = None
        self._is_wrong = False

    def root(self) -> str:
        """Return the folder whose state folder has the recorded runs.

        :raises UsageError: there is no plan
        """
        from treadle.session.recorded import root_of

        return root_of(self._call)

    def matching(self, word: str) -> list[Row]:
        """Return the names that begin with a word: families and groups first, then instances, then outputs.

        In the folder of a member these are its own. If none of them begins so, they are those of the whole plan.
        """
        self._path()
        return (self._of_member(word) if self._call.member is not None else []) or self._matching(word)

    def _of_member(self, word: str) -> list[Row]:
        member, outline = self._call.member, self.outline()
        if member is None or outline is None:
            return []
        found: dict[str, str] = {}
        for prefix, folder in member.parts(outline.included).items():
            rows = self._matching(prefix + word)
            found.update((name[len(prefix) :], text) for name, text in rows if name.startswith(prefix))
            if not rows and folder:
                below = f"{folder}/"
                found.update((path[len(below) :], text) for path, text in _outputs(outline, below + word))
        return list(found.items())

    def _matching(self, word: str) -> list[Row]:
        hidden = _is_hidden(word)
        rows = [row for row in self._plain() if row[0].startswith(word) and (hidden or not _is_hidden(row[0]))]
        is_whole = [name for name, _ in rows] == [word]
        if rows and not (is_whole and self._is_family(word)):
            return rows
        outline = self.outline()
        if outline is None:
            return rows
        found = dict(rows)
        found |= {uid: text for uid, text in outline.helps.items() if uid.startswith(word) and "@" in uid}
        return list(found.items()) or _outputs(outline, word)

    def _makes_plans(self) -> bool:
        return any(self._has(node, "expand") for node in self._entries("actions").values())

    def _is_family(self, name: str) -> bool:
        if self._outline is not None:
            return any(uid != name for uid in self._outline.names.families.get(name, ()))
        return self._has(self._entries("actions").get(name), "foreach")

    def _has(self, action: object, key: str) -> bool:
        """Return whether an action has a key, or may have it from a mixin."""
        entries = getattr(action, "nodes", {})
        mixins = self._entries("mixins").values() if "use" in entries else ()
        return key in entries or any(key in getattr(mixin, "nodes", {}) for mixin in mixins)

    def params(self) -> dict[str, Choice]:
        """Return the parameters."""
        found = {}
        for name, node in self._entries("params").items():
            entries = getattr(node, "nodes", {})
            if not isinstance(entries, dict):
                entries = {}
            default, choices = entries.get("default"), entries.get("choices")
            is_list = isinstance(getattr(default, "nodes", None), list)
            kind = _text(entries.get("type")) or ("list" if is_list else "str")
            # words are not separated by commas
            kind = "words" if _text(entries.get("split")) == "words" else kind
            listed = getattr(choices, "nodes", [])
            found[name] = Choice(kind, (_text(one) for one in listed), _text(entries.get("help")))
        return found

    def outline(self) -> Outline | None:
        """Return all names, also those in generated plans as they are on disk; None if a plan is wrong."""
        if self._outline is None and not self._is_wrong:
            try:
                first = self._outline = self._load(())
                producers, root = first.plan_producers.items(), first.root
                there = [uid for uid, path in producers if os.path.isfile(os.path.join(root, path))]
                if there:
                    self._outline = self._load(there)
            except (TreadleError, OSError):
                self._is_wrong = self._outline is None
        return self._outline

    def _load(self, made: Sequence[str]) -> Outline:
        from treadle.frontends.base import Request
        from treadle.session.front_ends import outline
        from treadle.state.previous_outputs import PreviousOutputs

        file = self._path()
        return outline(Request(file, self.given, None, PreviousOutputs, made))

    def _plain(self) -> list[Row]:
        """Return families and groups, from the text of a plan without other plans in it, else from its outline."""
        if not self._is_yaml() or "include" in self._top() or self._makes_plans():
            outline = self.outline()
            if outline is not None:
                names = outline.names
                families = {names.uids[uid]: text for uid, text in outline.helps.items()}
                return [*families.items(), *((group.name, group.help) for group in names.groups.values())]
        rows = []
        for key in ("actions", "groups"):
            for name, node in self._entries(key).items():
                inside = getattr(node, "nodes", {})
                rows.append((name, _text(inside.get("help")) if isinstance(inside, dict) else ""))
        return rows

    def _entries(self, key: str) -> Mapping[str, Node]:
        table = self._top().get(key)
        return table.nodes if table is not None else {}

    def _top(self) -> dict[str, Table]:
        if self._tops is None and not self._is_yaml():
            # another front end: its names are those of the outline
            self._tops = {}
        if self._tops is None:
            from treadle.plan.yaml import parser as loader
            from treadle.plan.yaml.nodes import Items, Table

            self._tops = {}
            node = loader.parse(loader.read_source(self._path()))
            for name, value in node.nodes.items() if isinstance(node, Table) else ():
                if isinstance(value, Table):
                    self._tops[name] = value
                elif isinstance(value, Items):
                    self._tops[name] = Table(value.start, flow=False)
        return self._tops

    def _is_yaml(self) -> bool:
        from treadle.plan.front_end import YamlPlans

        return os.path.splitext(self._path())[1] in ("", *YamlPlans.suffixes)

    def _path(self) -> str:
        return self._call.plan_file()


def _is_hidden(name: str) -> bool:
    """Return whether a name, without the plan that it comes from, begins with `_`."""
    return name.rpartition(":")[2].startswith("_")


def _outputs(outline: Outline, word: str) -> list[Row]:
    """Return the outputs that begin with a word, folder by folder."""
    found: dict[str, str] = {}
    for path in outline.names.outputs:
        uid = outline.names.outputs.exact(path)[0]
        if word and path.startswith(word) and uid in outline.helps:
            end = path.find("/", len(word)) + 1
            found[path[:end] if end else path] = "" if 0 < end < len(path) else f"made by {uid}"
    return list(found.items())


def _text(node: object) -> str:
    text = getattr(node, "text", "")
    return text if isinstance(text, str) else ""
