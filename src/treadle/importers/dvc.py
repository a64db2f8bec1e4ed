"""A draft from a dvc.yaml: its stages as actions, foreach and matrix as families."""

from __future__ import annotations

import os
import re
import shlex
from itertools import product
from typing import Any

from .caches import keep_caches
from .draft import Draft, DraftAction, single
from .placeholders import Placeholder, PlaceholderError, filled
from .scripts import SAFE, in_own_shells
from .yaml import as_list, as_map, as_text, leave_out, not_understood, read_map, short

_TEMPLATE = re.compile(r"\$\{\s*([\w.\-\[\]]+)\s*\}")
_UNDERSTOOD = frozenset(
    ("cmd", "deps", "outs", "params", "metrics", "plots", "wdir", "desc", "always_changed", "meta")
)
"""What is taken over of a stage, or changes nothing of what it does."""
_KNOWN = ("vars", "frozen")
"""What a stage may have without any meaning, while it is empty or false."""
_TOP = frozenset(("stages", "vars", "params", "metrics", "plots", "artifacts", "datasets", "schema"))
_OF_OUTPUTS = frozenset(
    (
        *("cache", "persist", "desc", "type", "labels", "meta", "remote", "push", "template", "x", "y"),
        *("title", "x_label", "y_label", "header", "xpath"),
    )
)
"""Options of outputs: how they are kept and shown."""
_FIELD = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_][\w-]*)*")
"""A field of a file of values, as a plan writes it after the name of the file."""
_TAKEN = frozenset(("in", "out", "item", "key", "edits", "depfile", "platform", "env", "root"))
_OPTIONS = {"persist": "keep"}
"""Option of an output there -> key of an action here."""


def dvc_draft(root: str, name: str) -> Draft:
    """Return the draft of a dvc.yaml."""
    data = read_map(root, name)
    draft = Draft(name, products=_on_record(root), passes_environment=True)
    draft.shell = ["bash", "-ec"]
    values = _Values(root, _made(data))
    if os.path.isfile(os.path.join(root, "params.yaml")):
        values.add_file("params.yaml")
    for one in as_list(data.get("vars")):
        if isinstance(one, dict):
            values.add(as_map(one), "")
        else:
            values.add_file(as_text(one).partition(":")[0])
    strange = not_understood(data, _TOP)
    whole = f"the file has {'; '.join(strange)}" if strange else ""
    for stage, body in as_map(data.get("stages")).items():
        _add_stage(draft, stage, as_map(body), values, whole)
    if not all("out" in action.keys for action in draft.actions):
        draft.default = [action.name for action in draft.actions]
    draft.vars.update({name: {"file": file} for name, file in values.files.items() if name in values.used})
    draft.notes += [
        f"{key}: {short(data[key])}" for key in data if key in _TOP - {"stages", "vars", "params", "schema"}
    ]
    # dvc removes the outputs of a stage before it runs, as a plan does
    keep_caches(draft, source_empties=True)
    return draft


def _made(data: dict[str, Any]) -> set[str]:
    """Return the outputs of all stages, with templates in them as they are written."""
    found: set[str] = set()
    for stage in as_map(data.get("stages")).values():
        body = as_map(as_map(stage).get("do")) or as_map(stage)
        folder = as_text(body.get("wdir"))
        found.update(os.path.normpath(os.path.join(folder, path)) for _, path, _ in _outputs(body))
    return found


def _on_record(root: str) -> set[str]:
    """Return the outputs that dvc has on record."""
    if not os.path.isfile(os.path.join(root, "dvc.lock")):
        return set()
    stages = as_map(read_map(root, "dvc.lock").get("stages")).values()
    return {as_text(as_map(out).get("path")) for stage in stages for out in as_list(as_map(stage).get("outs"))}


def _outputs(body: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    """Return the outputs of a stage: kind, path and options."""
    kinds = ("outs", "metrics", "plots")
    return [(kind, *_with_options(one)) for kind in kinds for one in as_list(body.get(kind))]


def _restraint(body: dict[str, Any]) -> str:
    """Return the entries of a stage that are not understood, "" if there are none: they may restrain it."""
    found: list[str] = []
    if "foreach" in body:
        found += not_understood(body, {"foreach", "do"}, _KNOWN)
    if "matrix" in body:
        found += not_understood(body, {"matrix", *_UNDERSTOOD}, _KNOWN)
    if not found and "foreach" in body:
        body = as_map(body.get("do"))
    found += not_understood(body, {*_UNDERSTOOD, "matrix"}, _KNOWN)
    outs = _outputs(body)
    for _, path, options in outs:
        found += [f"{path}: {one}" for one in not_understood(options, _OF_OUTPUTS)]
    if len({bool(options.get("persist")) for _, _, options in outs}) > 1:
        found.append("persist: for some of its outputs only")
    deps = [_with_options(one) for one in as_list(body.get("deps"))]
    found += [f"{path}: {short(options)}" for path, options in deps if options]
    for path in (*(path for _, path, _ in outs), *(path for path, _ in deps)):
        if "://" in path or path.startswith(("/", "~")):
            found.append(f"{path} is outside of the folder")
    if body.get("always_changed") not in (None, True, False):
        found.append(f"always_changed: {short(body['always_changed'])}")
    return f"it has {'; '.join(dict.fromkeys(found))}" if found else ""


def _leave_out(draft: Draft, name: str, body: dict[str, Any], reason: str) -> None:
    inner = as_map(body.get("do")) or body
    folder = as_text(inner.get("wdir"))
    # a frozen stage is not run there either: what it made once is a file like others
    outs = [] if inner.get("frozen") else _outputs(inner)
    made = [os.path.normpath(os.path.join(folder, path)) for _, path, _ in outs]
    leave_out(draft, name, body, reason, (_TEMPLATE.sub("*", one) for one in made))


class _Values:
    """The values of templates, found by their paths: those of params.yaml, and what `vars` names or holds.

    :param made: what stages make
    """

    def __init__(self, root: str, made: set[str]) -> None:
        self.root = root
        self.made = made
        self.data: dict[str, Any] = {}
        self.files: dict[str, str] = {}
        """Name in the plan -> the file of values."""
        self.used: set[str] = set()
        self._origins: dict[str, str] = {}

    def add(self, data: dict[str, Any], name: str) -> None:
        """Add values.

        :param name: that of their file in the plan, "" if the dvc.yaml itself holds them
        """
        self.data.update(data)
        self._origins.update(dict.fromkeys(data, name))

    def add_file(self, file: str) -> None:
        """Add a file of values, if it is there."""
        if name := self.name_of(file):
            self.add(read_map(self.root, file), name)

    def name_of(self, file: str) -> str:
        """Return the name that a plan has for a file of values, "" if it cannot have one."""
        for name, known in self.files.items():
            if known == file:
                return name
        if not file.endswith((".yaml", ".yml", ".json")) or not os.path.isfile(os.path.join(self.root, file)):
            return ""
        name = re.sub(r"\W", "_", os.path.basename(file).rpartition(".")[0])
        if name in _TAKEN or not name[:1].isalpha() or name in self.files:
            name = f"values{len(self.files) + 1}"
        self.files[name] = file
        return name

    def used_of(self, file: str, names: list[str]) -> list[str]:
        """Return the names that a plan has for values of a file; [] if it has none for one of them."""
        if not names or file in self.made or not all(map(_FIELD.fullmatch, names)) or not self.name_of(file):
            return []
        data = read_map(self.root, file)
        for name in names:
            value: Any = data
            for part in name.split("."):
                value = value.get(part, self) if isinstance(value, dict) else self
            if value is self or "-" in name:
                return []
        self.used.add(self.name_of(file))
        return [f"{self.name_of(file)}.{name}" for name in names]

    def reference(self, path: str) -> str:
        """Return the name that a plan has for a value of a file, "" if it has none."""
        name = self._origins.get(path.partition(".")[0], "")
        if not name or not _FIELD.fullmatch(path):
            return ""
        self.used.add(name)
        return f"{name}.{path}"

    def find(self, path: str) -> Any:
        """Return the value at a path such as `train.lr`, None if there is none."""
        value: Any = self.data
        for part in re.split(r"[.\[\]]+", path.strip("[]")):
            if isinstance(value, dict):
                value = value.get(part, value.get(int(part)) if part.isdigit() else None)
            elif isinstance(value, list) and part.isdigit() and int(part) < len(value):
                value = value[int(part)]
            else:
                return None
        return value


def _add_stage(draft: Draft, name: str, stage: dict[str, Any], values: _Values, whole: str) -> None:
    """Add the action or the family of a stage, or leave it out.

    :param whole: why no stage of the file is understood, "" if they may be
    """
    reason = whole or _restraint(stage)
    if reason:
        _leave_out(draft, name, stage, reason)
        return
    body, keys, notes = stage, dict[str, Any](), list[str]()
    local: dict[str, Placeholder] = {}
    reference = ""
    if "foreach" in stage:
        source = stage["foreach"]
        each = _each(source, values)
        if each is None:
            _leave_out(draft, name, stage, f"foreach: {short(source)}")
            return
        keys["foreach"], local = _foreach(each)
        reference = _list_reference(source, values)
        if isinstance(source, str) and not reference:
            notes.append(f"the values of {source} are written here as they are now")
        body = as_map(stage.get("do"))
    elif "matrix" in stage:
        axes = {axis: _each(one, values) for axis, one in as_map(stage["matrix"]).items()}
        if not axes or any(one is None or not all(map(_is_scalar, one)) for one in axes.values()):
            _leave_out(draft, name, stage, f"matrix: {short(stage['matrix'])}")
            return
        keys["foreach"] = {axis: [as_text(value) for value in one or []] for axis, one in axes.items()}
        local = {f"item.{axis}": Placeholder(axis) for axis in axes}
    try:
        action = _add_action(draft, name, body, keys, _Filler(local, values), notes)
    except PlaceholderError as error:
        _leave_out(draft, name, stage, str(error))
        return
    if reference:
        action.keys["foreach"] = {"item": f"${{{reference}}}"}


def _template_value(value: Any, values: _Values) -> tuple[str, Any]:
    """Return the path in a template and its value; "" and the value itself if it is none."""
    match = _TEMPLATE.fullmatch(value) if isinstance(value, str) else None
    if match is not None:
        return match.group(1), values.find(match.group(1))
    return "", None if isinstance(value, str) else value


def _list_reference(value: Any, values: _Values) -> str:
    """Return the name that a plan has for the list of a foreach, "" if it has none."""
    path, items = _template_value(value, values)
    if not path or not isinstance(items, list) or not items:
        return ""
    records = [as_map(one).values() for one in items]
    if not all(map(_is_scalar, items)) and not all(one and all(map(_is_scalar, one)) for one in records):
        return ""
    return values.reference(path)


def _each(value: Any, values: _Values) -> list[Any] | None:
    """Return the values of a foreach; None if they are not known."""
    _, value = _template_value(value, values)
    if isinstance(value, dict):
        if all(isinstance(one, dict) for one in value.values()):
            return [{"key": as_text(key), **as_map(one)} for key, one in value.items()]
        return [{"key": as_text(key), "item": as_text(one)} for key, one in value.items()]
    return list(value) if isinstance(value, list) else None


def _foreach(each: list[Any]) -> tuple[dict[str, Any], dict[str, Placeholder]]:
    """Return `foreach`, and the placeholder for each name that templates have in it."""
    if all(map(_is_scalar, each)):
        return {"item": [as_text(one) for one in each]}, {"item": Placeholder("item")}
    records = [{str(key): as_text(one) for key, one in as_map(record).items()} for record in each]
    local = {f"item.{key}": Placeholder(f"item.{key}") for record in records for key in record}
    if all(record.keys() == {"key", "item"} for record in records):
        local["item"] = local["item.item"]
    local["key"] = Placeholder("item.key")
    return {"item": records}, local


class _Filler:
    """Puts values of the plan, or plain text, in the place of templates.

    :param local: the placeholders of the instances of a family, by the names that templates have for them
    """

    def __init__(self, local: dict[str, Placeholder], values: _Values) -> None:
        self.values = values
        self.fixed: dict[str, None] = {}
        """Templates of which the plan holds the present value."""
        self._local = local
        self._placeholders = {one.name: one for one in local.values()}

    def filled(self, text: str) -> str:
        """Return a text with its templates filled in."""
        marked = _TEMPLATE.sub(self._mark, text)
        made = filled(marked, self._placeholders, set())
        for name, placeholder in self._placeholders.items():
            # in single quotes and the like a shell sees no value of a plan
            if marked.count(placeholder.mark) > made.count(f"${{{name}}}"):
                self.fixed[name.partition(".")[2]] = None
        return made

    def _mark(self, match: re.Match[str]) -> str:
        name = match.group(1)
        if name in self._local:
            return self._local[name].mark
        value = self.values.find(name)
        if not _is_scalar(value):
            raise PlaceholderError(f"the value of {match.group()} is not known")
        reference = self.values.reference(name)
        if not reference:
            return as_text(value)
        return self._placeholders.setdefault(reference, Placeholder(reference, as_text(value))).mark


def _add_action(
    draft: Draft, name: str, body: dict[str, Any], keys: dict[str, Any], filler: _Filler, notes: list[str]
) -> DraftAction:
    folder = filler.filled(as_text(body.get("wdir"))).strip("/")
    folder = "" if folder == "." else folder

    def path(text: str) -> str:
        joined = os.path.normpath(os.path.join(folder, filler.filled(text)))
        is_folder = text.endswith("/") or os.path.isdir(os.path.join(filler.values.root, joined))
        return f"{joined}/" if is_folder else joined

    outs: list[str] = []
    more: dict[str, Any] = {}
    for kind, text, options in _outputs(body):
        made = path(text)
        is_bare = not made.endswith("/") and "." not in os.path.basename(made)
        if kind == "outs" and is_bare and not _is_written_to(text, body.get("cmd")):
            made += "/"
            notes.append(f"{made} is taken for a folder; write it without the / if it is a file")
        outs.append(made)
        more.update({_OPTIONS[option]: True for option in options if option in _OPTIONS and options[option]})
    reads = [path(_with_options(one)[0]) for one in as_list(body.get("deps"))]
    uses: list[str] = []
    for file, names in _params(as_list(body.get("params"))).items():
        found = filler.values.used_of(path(file), names)
        uses += found
        if not found and names:
            listed = ", ".join(names)
            notes.append(
                f"dvc runs it again only if these change: {listed}; a plan does if any value of the file changes"
            )
        if not found and path(file) not in reads:
            reads.append(path(file))
    commands = [filler.filled(as_text(one)) for one in as_list(body.get("cmd"))]
    if bare := [os.path.relpath(one, folder or ".") for one in outs if one.endswith("/") and not more]:
        # dvc starts a stage without its outputs, and a program may insist on making its folder itself
        commands.insert(0, f"rmdir {' '.join(map(_word, bare))} 2> /dev/null || true")
    if filler.fixed:
        notes.append(f"the value of {', '.join(filler.fixed)} is written here as it is now")
    all_keys = {
        "help": as_text(body.get("desc")),
        **keys,
        "sh": "\n".join(in_own_shells(commands)),
        "cwd": folder,
        "in": single(reads),
        "uses": single(uses),
        "out": single(outs),
        **more,
        "always": bool(body.get("always_changed")),
    }
    action = draft.add(name, all_keys, notes)
    if "foreach" in keys:
        action.makes.update(_instances(outs, keys["foreach"]))
    return action


def _word(path: str) -> str:
    """Return a path as a word of a script, values of the plan in it as they are."""
    return path if SAFE.fullmatch(re.sub(r"\$\{[\w.]+\}", "x", path)) else shlex.quote(path)


def _is_written_to(path: str, command: Any) -> bool:
    """Return whether a command writes to a path as a shell does, so that it is a file."""
    return any(re.search(rf">\s*[\"']?{re.escape(path)}", as_text(one)) for one in as_list(command))


def _instances(outs: list[str], foreach: dict[str, list[Any]]) -> list[str]:
    """Return the outputs of all instances of a family."""
    found = []
    for values in product(*foreach.values()):
        for out in outs:
            for name, value in zip(foreach, values, strict=True):
                pairs = value.items() if isinstance(value, dict) else [("", value)]
                for key, text in pairs:
                    out = out.replace(f"${{{name}.{key}}}" if key else f"${{{name}}}", as_text(text))
            found.append(out)
    return found


def _with_options(one: Any) -> tuple[str, dict[str, Any]]:
    """Return the path of an entry and its options."""
    if isinstance(one, dict) and one:
        text, options = next(iter(one.items()))
        return as_text(text), as_map(options)
    return as_text(one), {}


def _params(listed: list[Any]) -> dict[str, list[str]]:
    """Return the files that hold parameters, and the parameters of each that are named; [] for the whole file."""
    files: dict[str, list[str] | None] = {}
    for one in listed:
        if isinstance(one, dict):
            entries = [(as_text(file), [as_text(name) for name in as_list(names)]) for file, names in one.items()]
        else:
            file, colon, name = as_text(one).partition(":")
            entries = [(file, [name]) if colon else ("params.yaml", [file])]
        for file, names in entries:
            before = files.get(file, [])
            # the whole file holds all that is named of it
            files[file] = [*before, *names] if names and before is not None else None
    return {file: names or [] for file, names in files.items()}


def _is_scalar(value: Any) -> bool:
    return isinstance(value, str | int | float | bool)
