"""A draft from a dvc.yaml: its stages as actions, foreach and matrix as families."""

from __future__ import annotations

import os
import re

from .caches import keep_caches
from .draft import Draft, in_own_shells, not_understood, short
from .placeholders import Hole, HoleError, filled
from .yaml import as_list, as_map, as_text, read_map

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .draft import DraftAction, Value

_TEMPLATE = re.compile(r"\$\{\s*([\w.\-\[\]]+)\s*\}")
_UNDERSTOOD = frozenset(
    ("cmd", "deps", "outs", "params", "metrics", "plots", "wdir", "desc", "always_changed", "meta")
)
"""What is taken over of a stage, or changes nothing of what it does."""
_KNOWN = frozenset(("vars",))
"""What a stage may say without saying anything."""
_TOP = frozenset(("stages", "vars", "params", "metrics", "plots", "artifacts", "datasets", "schema"))
_OF_OUTPUTS = frozenset(
    (
        *("cache", "persist", "desc", "type", "labels", "meta", "remote", "push", "template", "x", "y", "title"),
        *("x_label", "y_label", "header", "xpath"),
    )
)
"""What outputs may say: how they are kept and shown."""
_FIELD = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_][\w-]*)*")
"""What may stand behind the name of a file of values in a plan."""
_TAKEN = frozenset(("in", "out", "item", "key", "edits", "depfile", "platform", "env"))
_OPTIONS = {"persist": "keep"}
"""What an output says there and what an action says here."""


def dvc_draft(root: str, name: str) -> Draft:
    """Return the draft of a dvc.yaml."""
    data = read_map(root, name)
    draft = Draft(name)
    values = _Values(root)
    if os.path.isfile(os.path.join(root, "params.yaml")):
        values.take_file("params.yaml")
    for one in as_list(data.get("vars")):
        if isinstance(one, dict):
            values.take(as_map(one), "")
        else:
            values.take_file(as_text(one).partition(":")[0])
    strange = not_understood(data, _TOP)
    whole = f"the file has {'; '.join(strange)}" if strange else ""
    draft.products = _on_record(root)
    for stage, body in as_map(data.get("stages")).items():
        reason = whole or _restraint(as_map(body))
        if reason:
            _leave_out(draft, stage, as_map(body), reason)
        else:
            _stage(draft, stage, as_map(body), values)
    if not all("out" in action.keys for action in draft.actions):
        draft.default = [action.name for action in draft.actions]
    draft.shell = ["bash", "-ec"]
    draft.vars.update({name: {"file": file} for name, file in values.files.items() if name in values.used})
    draft.notes += [
        f"{key}: {short(data[key])}" for key in data if key in _TOP - {"stages", "vars", "params", "schema"}
    ]
    # dvc removes the outputs of a stage before it runs, as a plan does
    keep_caches(draft, source_empties=True)
    return draft


def _on_record(root: str) -> set[str]:
    """Return what dvc has on record as made."""
    if not os.path.isfile(os.path.join(root, "dvc.lock")):
        return set()
    stages = as_map(read_map(root, "dvc.lock").get("stages")).values()
    return {as_text(as_map(out).get("path")) for stage in stages for out in as_list(as_map(stage).get("outs"))}


def _restraint(body: dict[str, Any]) -> str:
    """Return what a stage says that is not understood: it may restrain it."""
    found = []
    for one in ("foreach", "matrix"):
        if one in body:
            found += not_understood(
                body, {one, "do"} if one == "foreach" else {one, *_UNDERSTOOD}, {"frozen", *_KNOWN}
            )
    if not found and "foreach" in body:
        body = as_map(body.get("do"))
    found += not_understood(body, {*_UNDERSTOOD, "matrix"}, {"frozen", *_KNOWN})
    outs = [_with_options(one) for key in ("outs", "metrics", "plots") for one in as_list(body.get(key))]
    for path, options in outs:
        found += [f"{path}: {one}" for one in not_understood(options, _OF_OUTPUTS)]
    kept = {bool(options.get("persist")) for _, options in outs}
    if len(kept) > 1:
        found.append("persist: for some of its outputs only")
    deps = [_with_options(one) for one in as_list(body.get("deps"))]
    found += [f"{path}: {short(options)}" for path, options in deps if options]
    for path, _ in (*outs, *deps):
        if "://" in path or path.startswith(("/", "~")):
            found.append(f"{path} outside of the folder")
    if body.get("always_changed") not in (None, True, False):
        found.append(f"always_changed: {short(body['always_changed'])}")
    return f"it has {'; '.join(dict.fromkeys(found))}" if found else ""


def _leave_out(draft: Draft, name: str, body: dict[str, Any], reason: str) -> None:
    text = "\n".join(f"  {key}: {short(value)}" for key, value in body.items())
    inner = as_map(body.get("do")) or body
    outs = [_with_options(one)[0] for key in ("outs", "metrics", "plots") for one in as_list(inner.get(key))]
    folder = as_text(inner.get("wdir"))
    # a frozen stage is not run there either: what it made once is a file like others
    made = [] if inner.get("frozen") else [os.path.normpath(os.path.join(folder, one)) for one in outs]
    draft.leave_out(name, reason, text, (_TEMPLATE.sub("*", one) for one in made))


class _Values:
    """The values of templates, found by their paths: those of params.yaml, and what `vars` names or says."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.data: dict[str, Any] = {}
        self.files: dict[str, str] = {}
        """Name in the plan -> the file of values."""
        self.used: set[str] = set()
        self._origins: dict[str, str] = {}

    def take(self, data: dict[str, Any], name: str) -> None:
        """Take in values.

        :param name: that of their file in the plan, "" if they stand in the dvc.yaml itself
        """
        self.data.update(data)
        self._origins.update(dict.fromkeys(data, name))

    def take_file(self, file: str) -> None:
        """Take in a file of values, if it is there."""
        if not file.endswith((".yaml", ".yml", ".json")) or not os.path.isfile(os.path.join(self.root, file)):
            return
        name = re.sub(r"\W", "_", os.path.basename(file).rpartition(".")[0])
        if name in _TAKEN or not name[:1].isalpha() or self.files.get(name, file) != file:
            name = f"values{len(self.files) + 1}"
        self.files[name] = file
        self.take(read_map(self.root, file), name)

    def said(self, path: str) -> str:
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


def _stage(draft: Draft, name: str, body: dict[str, Any], values: _Values) -> None:
    local: dict[str, Hole] = {}
    keys: dict[str, Value] = {}
    said = ""
    notes: list[str] = []
    whole = body
    if "foreach" in body:
        each = _each(body["foreach"], values)
        if each is None:
            _leave_out(draft, name, whole, f"foreach: {short(body['foreach'])}")
            return
        keys["foreach"], local = _foreach(each)
        said = _said_list(body["foreach"], values)
        if isinstance(body["foreach"], str) and not said:
            notes.append(f"the values of {body['foreach']} stand here as they are now")
        body = as_map(body.get("do"))
    elif "matrix" in body:
        axes = {axis: _each(one, values) for axis, one in as_map(body["matrix"]).items()}
        if not axes or any(one is None or not all(map(_is_scalar, one)) for one in axes.values()):
            _leave_out(draft, name, whole, f"matrix: {short(body['matrix'])}")
            return
        keys["foreach"] = {axis: [as_text(value) for value in one or []] for axis, one in axes.items()}
        local = {f"item.{axis}": Hole(axis, None) for axis in axes}
    try:
        action = _body(draft, name, body, keys, _Filler(local, values), notes)
    except HoleError as error:
        _leave_out(draft, name, whole, str(error))
        return
    if said:
        action.keys["foreach"] = {"item": f"${{{said}}}"}


def _said_list(value: Any, values: _Values) -> str:
    """Return the name that a plan has for the list of a foreach, "" if it has none."""
    found = _TEMPLATE.fullmatch(value) if isinstance(value, str) else None
    listed = values.find(found.group(1)) if found else None
    if found is None or not isinstance(listed, list) or not listed:
        return ""
    records = [as_map(one).values() for one in listed]
    if not all(map(_is_scalar, listed)) and not all(one and all(map(_is_scalar, one)) for one in records):
        return ""
    return values.said(found.group(1))


def _each(value: Any, values: _Values) -> list[Any] | None:
    """Return the values of a foreach; None if they cannot be told."""
    if isinstance(value, str):
        found = _TEMPLATE.fullmatch(value)
        value = values.find(found.group(1)) if found else None
    if isinstance(value, dict):
        if all(isinstance(one, dict) for one in value.values()):
            return [{"key": as_text(key), **as_map(one)} for key, one in value.items()]
        return [{"key": as_text(key), "item": as_text(one)} for key, one in value.items()]
    return list(value) if isinstance(value, list) else None


def _foreach(each: list[Any]) -> tuple[dict[str, Value], dict[str, Hole]]:
    """Return `foreach` and what the names of templates stand for."""
    if all(map(_is_scalar, each)):
        return {"item": [as_text(one) for one in each]}, {"item": Hole("item", None)}
    records = [{str(key): as_text(one) for key, one in as_map(record).items()} for record in each]
    holes = {f"item.{key}": Hole(f"item.{key}", None) for record in records for key in record}
    if all(record.keys() == {"key", "item"} for record in records):
        holes["item"] = holes["item.item"]
    holes["key"] = Hole("item.key", None)
    return {"item": records}, holes


class _Filler:
    """Puts values of the plan, or plain text, in the place of templates."""

    def __init__(self, local: dict[str, Hole], values: _Values) -> None:
        self.local = local
        self.values = values
        self.frozen: dict[str, None] = {}
        """Templates whose values stand somewhere as they are now."""
        self._holes = {hole.name: hole for hole in local.values()}

    def script(self, text: str) -> str:
        """Return a command with its templates filled in."""
        marked = _TEMPLATE.sub(self._mark, text)
        made = filled(marked, self._holes, set())
        for name, hole in self._holes.items():
            # in single quotes and the like a shell sees no value of a plan
            if marked.count(hole.mark) > made.count(f"${{{name}}}"):
                self.frozen[name.partition(".")[2]] = None
        return made

    text = script

    def _mark(self, found: re.Match[str]) -> str:
        name = found.group(1)
        if name in self.local:
            return self.local[name].mark
        value = self.values.find(name)
        if not _is_scalar(value):
            raise HoleError(f"{found.group()} cannot be told")
        said = self.values.said(name)
        if not said:
            return as_text(value)
        hole = self._holes.setdefault(said, Hole(said, as_text(value)))
        return hole.mark


def _body(
    draft: Draft, name: str, body: dict[str, Any], keys: dict[str, Value], filler: _Filler, notes: list[str]
) -> DraftAction:
    folder = filler.text(as_text(body.get("wdir"))).strip("/")
    folder = "" if folder == "." else folder

    def path(text: str) -> str:
        joined = os.path.normpath(os.path.join(folder, filler.text(text)))
        is_folder = text.endswith("/") or os.path.isdir(os.path.join(filler.values.root, joined))
        return f"{joined}/" if is_folder else joined

    outs: list[str] = []
    for kind in ("outs", "metrics", "plots"):
        for one in as_list(body.get(kind)):
            text, options = _with_options(one)
            made = path(text)
            is_bare = not made.endswith("/") and "." not in os.path.basename(made)
            if kind == "outs" and is_bare and not _is_written_to(text, body.get("cmd")):
                made += "/"
                notes.append(f"{made} is taken for a folder; write it without the / if it is a file")
            outs.append(made)
            keys.update({_OPTIONS[option]: True for option in options if option in _OPTIONS and options[option]})
    reads = [path(_with_options(one)[0]) for one in as_list(body.get("deps"))]
    files, named = _params(as_list(body.get("params")))
    if named:
        notes.append(f"there it is run again only if these change: {', '.join(named)}; here if the file does")
    reads += [one for one in (path(file) for file in files) if one not in reads]
    commands = [filler.script(as_text(one)) for one in as_list(body.get("cmd"))]
    if filler.frozen:
        notes.append(f"the value of {', '.join(filler.frozen)} stands here as it is now")
    keys["help"] = as_text(body.get("desc"))
    keys["sh"] = "\n".join(in_own_shells(commands))
    keys["cwd"] = folder
    keys["in"] = reads[0] if len(reads) == 1 else reads
    keys["out"] = outs[0] if len(outs) == 1 else outs
    keys["always"] = bool(body.get("always_changed"))
    order = ("help", "foreach", "sh", "cwd", "in", "out")
    keys = {key: keys[key] for key in (*order, *(k for k in keys if k not in order)) if key in keys}
    action = draft.add(name, keys, notes)
    action.makes.update(_instances(outs, keys.get("foreach", {})))
    return action


def _is_written_to(path: str, command: Any) -> bool:
    """Return whether a command writes to a path as a shell does, so that it is a file."""
    return any(re.search(rf">\s*[\"']?{re.escape(path)}", as_text(one)) for one in as_list(command))


def _instances(outs: list[str], foreach: dict[str, list[Any]]) -> list[str]:
    """Return the outputs of all members of a family."""
    from itertools import product

    found = []
    for values in product(*foreach.values()):
        for out in outs if foreach else ():
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


def _params(listed: list[Any]) -> tuple[list[str], list[str]]:
    """Return the files that parameters stand in, and those that are named one by one."""
    files: dict[str, None] = {}
    named = []
    for one in listed:
        if isinstance(one, dict):
            for file, names in one.items():
                files[as_text(file)] = None
                named += [as_text(name) for name in as_list(names)]
        else:
            file, colon, name = as_text(one).partition(":")
            files[file if colon else "params.yaml"] = None
            named.append(name if colon else file)
    return list(files), named


def _is_scalar(value: Any) -> bool:
    return isinstance(value, str | int | float | bool)
