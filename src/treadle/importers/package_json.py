"""A draft from a package.json: its scripts as actions, run as npm runs them.

Nothing is run, neither npm nor node. Scripts that a package manager starts by itself are no actions.
"""

from __future__ import annotations

import json
import os
import re
from typing import Any

from treadle.errors import UsageError

from .caches import keep_caches
from .draft import Draft, action_name
from .scripts import literal
from .yaml import as_map, short

_LIFECYCLE = frozenset(
    (
        *("install", "preinstall", "postinstall", "prepare", "preprepare", "postprepare", "prepublish"),
        *("prepublishOnly", "publish", "postpublish", "prepack", "postpack", "pack", "uninstall", "preuninstall"),
        *("postuninstall", "preversion", "version", "postversion", "shrinkwrap", "preshrinkwrap", "postshrinkwrap"),
        *("dependencies", "restart", "prerestart", "postrestart"),
    )
)
"""Scripts that npm starts by itself at some moment."""
_CALL = re.compile(r"(?:npm\s+run|npm\s+run-script|pnpm\s+run|yarn\s+run|bun\s+run|pnpm|yarn|npm)\s+([\w:.-]+)")
_OWN_CALLS = frozenset(("test", "start", "stop"))
"""Scripts that `npm NAME` starts too."""
_PATH = "PATH=${root}/node_modules/.bin:$PATH; export PATH"
"""Where npm looks for programs first."""
_ARGS = " ${args}"
_USES_NPM = re.compile(r"npm_(package|config|lifecycle)_|\$npm_|%\w+%|\$INIT_CWD")


def package_draft(root: str, name: str) -> Draft:
    """Return the draft of a package.json."""
    try:
        with open(os.path.join(root, name), encoding="utf-8-sig") as file:
            data = json.load(file)
    except (OSError, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise UsageError(f"{name} cannot be read", facts=str(error).splitlines()[:3]) from error
    if not isinstance(data, dict):
        raise UsageError(f"{name} is not a map")
    draft = Draft(name, default=[], passes_environment=True)
    draft.shell = ["sh", "-c"]
    scripts = as_map(data.get("scripts"))
    own = {
        script: command
        for script, command in scripts.items()
        if script not in _LIFECYCLE and not _is_around(script, scripts)
    }
    names = {script: action_name(script) for script in own}
    if len({*names.values()}) < len(names):
        names = {script: name if list(names.values()).count(name) == 1 else "" for script, name in names.items()}
    for script, command in own.items():
        _add_script(draft, script, command, scripts, names)
    needed = {name for action in draft.live for name in action.keys.get("needs", ())}
    for action in draft.live:
        if action.name in needed:
            # npm hands what comes after -- to the one that is named
            action.keys["sh"] = action.keys["sh"].replace(_ARGS, "")
    if any(_ARGS in action.keys["sh"] for action in draft.live):
        draft.params["args"] = {"type": "list", "rest": True}
    for script in scripts:
        if script in _LIFECYCLE:
            draft.notes.append(f"{script}: {short(scripts[script])} (npm runs it by itself: no action)")
    if data.get("workspaces"):
        draft.notes.append(f"workspaces: {short(data['workspaces'])}: the scripts of these packages were not read")
    keep_caches(draft)
    return draft


def _is_around(script: str, scripts: dict[str, Any]) -> bool:
    """Return whether a script runs before or after another one."""
    return any(script.startswith(word) and script.removeprefix(word) in scripts for word in ("pre", "post"))


def _add_script(draft: Draft, script: str, command: Any, scripts: dict[str, Any], names: dict[str, str]) -> None:
    name = names[script] or action_name(script)
    text = f"  {script}: {short(command)}"
    parts = [scripts[one] for one in (f"pre{script}", script, f"post{script}") if one in scripts]
    if not all(isinstance(one, str) and one.strip() for one in parts):
        draft.leave_out(name, "its command is no text", text)
        return
    if not names[script]:
        draft.leave_out(name, "another script has the same name in a plan", text)
        return
    whole = "\n".join(parts)
    if found := _USES_NPM.search(whole):
        draft.leave_out(name, f"only npm knows {found.group()}", text)
        return
    if "\ue000" in whole or "\ue001" in whole or "\n" in command.strip():
        draft.leave_out(name, "its command has several lines", text)
        return
    needs: list[str] = []
    commands = [literal(one.strip()) for one in parts]
    # what runs first may be an action of its own
    if called := _first_call(parts[0].strip(), names):
        needs = [names[called[0]]]
        commands[0] = literal(called[1])
    at = 1 if f"pre{script}" in scripts else 0
    if commands[at] and "#" not in commands[at]:
        # npm hands on what comes after --
        commands[at] += _ARGS
    commands = list(filter(None, commands))
    if not commands:
        draft.add_group(name, needs, "")
        return
    whole = " && ".join(f"({one})" for one in commands) if len(commands) > 1 else commands[0]
    draft.add(name, {"sh": f"{_PATH}\n{whole}", "needs": needs})


def _first_call(text: str, names: dict[str, str]) -> tuple[str, str] | None:
    """Return the script that a command calls first, and what comes after `&&`; None if it calls none first."""
    first, _, rest = text.partition("&&")
    if re.search(r"[;|&()]", text.replace("&&", "")):
        return None
    found = _CALL.fullmatch(first.strip())
    if found is None or not names.get(found.group(1)):
        return None
    word = first.split()
    if len(word) == 2 and word[0] == "npm" and found.group(1) not in _OWN_CALLS:
        return None
    return found.group(1), rest.strip()
