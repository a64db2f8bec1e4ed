"""Fingerprinter: computes the fingerprints of Commands by content. It knows no records and no walk."""

from __future__ import annotations

import os
from time import monotonic, sleep

from treadle.content.digests import ABSENT, PRESENT
from treadle.content.files import differing, moved
from treadle.content.fingerprint import Fingerprint
from treadle.content.links import Links
from treadle.core.decision import NOT_ASKED
from treadle.core.elements import (
    COMMAND,
    DISCOVERED,
    EDITED,
    ENV,
    EXCLUDE,
    FOLDER,
    INPUT,
    OUTPUT,
    SHELL,
    STDOUT,
    TOOL,
)
from treadle.core.paths import holds
from treadle.engines.process_marks import KILL, wait_for_group
from treadle.errors import TreadleError, listed

from .command import BASE_ENVIRONMENT, BASE_PREFIXES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
    from subprocess import Popen

    from treadle.content.files import Files, Seen, Ways

    from .command import Command, Tool

TOOL_PATIENCE = 60.0
_HAVE_WAITID = hasattr(os, "waitid")


class Fingerprinter:
    """Computes the fingerprints of Commands; each file is read and each tool is asked once in a run.

    :param files: the files of the root
    :param environ: the environment that Treadle itself was called with
    :param is_stop_requested: called while a tool prints its version: if it returns true, the tool is ended
    """

    def __init__(
        self,
        files: Files,
        environ: Mapping[str, str],
        is_stop_requested: Callable[[], bool] = lambda: False,
    ) -> None:
        self.files = files
        self.environ = environ
        self._links = Links(files.root)
        self._own_programs: dict[str, str] = {}
        """Name -> path of a program in the root, "" for one elsewhere; without those of actions that set PATH."""
        self.is_stop_requested = is_stop_requested
        self.tool_patience = TOOL_PATIENCE
        """Seconds that a tool may take to print its version."""
        self._tools: dict[tuple[str, tuple[str, ...], tuple[tuple[str, str], ...]], str] = {}
        self._programs: dict[tuple[str, str], str | None] = {}
        self._basic = {
            name: value
            for name, value in environ.items()
            if name in BASE_ENVIRONMENT or name.startswith(BASE_PREFIXES)
        }
        """The variables that every action sees."""

    def compute(
        self,
        command: Command,
        discovered: Iterable[str] = (),
        again: bool = False,
        *,
        recorded: Mapping[str, str] | None = None,
    ) -> ActionInputs:
        """Return the key of a command as it is now, and the inputs that it discovered last time.

        :param discovered: the paths of these inputs
        :param again: whether to look at its files once more
        :param recorded: the elements on record, if nothing may be started: the version of a tool is taken from them
        :raises TreadleError: an input or a tool cannot be read
        """
        fingerprint = Fingerprint()
        add = fingerprint.add
        add(COMMAND, command.shown)
        if command.script is not None:
            add(SHELL, " ".join(command.script.shell))
        elements = fingerprint.elements
        elements[FOLDER] = self._folder(command, again)
        if command.discovery is not None:
            add(command.discovery.element, command.discovery.key)
        if command.stdout is not None:
            add(STDOUT, command.stdout)
        env = command.env
        for name, value in env.set.items():
            add(ENV + name, value if name not in env.secret else _redacted(name, value))
        for name in env.track:
            if name in self.environ and name not in env.set:
                value = self.environ[name]
                add(ENV + name, value if name not in env.secret else _redacted(name, value))
        environ = self.environment(command) if command.tools else self._basic
        see = self.files.see_again if again else self.files.see
        seen = {}
        for tool in command.tools:
            if tool.version:
                name = TOOL + tool.name
                add(name, self._version(tool, environ) if recorded is None else recorded.get(name, NOT_ASKED))
            else:
                path = self._file_of(tool, environ)
                seen[path] = see(path)
                add(TOOL + tool.name, seen[path].value)
        exclude = command.exclude
        for path in self._read_by(command):
            one = seen[path] = see(path, False, exclude[path]) if path in exclude else see(path)
            elements[INPUT + path] = one.value
        for path, patterns in exclude.items():
            add(EXCLUDE + path, _shown(patterns))
        if command.elements:
            elements.update(command.elements)
        inputs = ActionInputs(fingerprint, seen)
        for path in discovered:
            inputs.add_discovered(path, see(path))
        return inputs

    def _folder(self, command: Command, again: bool = False) -> str:
        """Return the value of a command's folder, with where it leads to: below a link, `..` is another folder."""
        if command.cwd == ".":
            return "."
        place = (Links(self.files.root) if again else self._links).real(command.cwd)
        return command.cwd if place == command.cwd else f"{command.cwd}: {place}"

    def compute_again(self, inputs: ActionInputs, command: Command, discovered: Iterable[str] = ()) -> ActionInputs:
        """Look once more at all files; return the same object, or another one if a file has another value.

        Only files can change while a run goes on: variables are our own, and the version of a tool is asked once.
        """
        if command.once:
            inputs = self.compute(command, discovered, again=True)
            if inputs.absent():
                raise TreadleError(f"the input {inputs.absent()[0]} is missing")
            return inputs
        see_again = self.files.see_again
        inputs.forget_results()
        if self._folder(command, again=True) != inputs.fingerprint.elements[FOLDER]:
            return self.compute(command, discovered, again=True)
        exclude = command.exclude
        for path, before in inputs.seen.items():
            after = see_again(path, False, exclude.get(path, ()))
            if after.value != before.value:
                return self.compute(command, discovered, again=True)
            inputs.seen[path] = after
        for path in discovered:
            inputs.add_discovered(path, see_again(path))
        return inputs

    def compute_once(self, command: Command) -> ActionInputs:
        """Look no further than whether the outputs exist, for an action with `once`; compare it to `made_once`.

        A snapshot has no content of them either: readers of such a file must not take an unrecorded value for
        known.
        """
        elements = {}
        for output in command.outputs:
            path = os.path.join(self.files.root, output)
            is_there = os.path.isdir(path) if output.endswith("/") else os.path.isfile(path)
            elements[OUTPUT + output] = "there" if is_there else ABSENT
        return ActionInputs(Fingerprint.from_elements(elements), {})

    def absent(self, inputs: ActionInputs, command: Command) -> list[str]:
        """Return the inputs that do not exist, and the files to be edited that do not."""
        edited = [path for path in command.edits if self.files.see_again(path).value == ABSENT]
        absent = inputs.absent()
        if absent and command.baseline:
            absent = [path for path in absent if path not in command.baseline.values()]
        return absent + edited

    def paths(self, inputs: ActionInputs, command: Command) -> list[str]:
        """Return the files that the fingerprint depends on, and those of tools that print their version."""
        names = {name for tool in command.tools if tool.version for name in (tool.name, tool.version[0])}
        tools = [self._links.named(name) if "/" in name else self._own_program(command, name) for name in names]
        return [path for path in (*inputs.seen, *inputs.results, *tools) if path]

    def note_routes(self, inputs: ActionInputs, command: Command) -> None:
        """Note the folders and links that lead to its files, as they are now that the command starts."""
        folder = () if command.cwd == "." else (f"{command.cwd}/",)
        inputs.routes = self.files.ways({**inputs.seen, **inputs.results}, (*command.edits, *folder))

    def moved_since(self, inputs: ActionInputs, command: Command) -> list[str]:
        """Look once more at the files; return those that may have held something else meanwhile."""
        see_again, exclude = self.files.see_again, command.exclude
        # the data of its discovery may lie in a tree that the command reads
        own = "" if command.discovery is None else command.discovery.path
        found = []
        for path, before in inputs.seen.items():
            after = see_again(path, False, exclude.get(path, ()))
            if after is not before and moved(before, after, own):
                found.append(path)
                if path.endswith("/"):
                    inputs.moved_in[path] = differing(before, after)
        gone = inputs.routes.moved() if inputs.routes is not None else ()
        return found + [path for path in gone if path not in found]

    def _read_by(self, command: Command) -> Sequence[str]:
        """Return the declared inputs and the programs inside the root that it starts."""
        script = command.script
        names = (script.shell[0],) if script is not None else [argv[0] for argv in command.steps]
        programs = {self._own_program(command, name) for name in names}
        programs.discard("")
        if not programs:
            return command.inputs
        return [*command.inputs, *(path for path in sorted(programs) if not _is_made_by(command, path))]

    def programs(self, command: Command) -> list[str]:
        """Return the file of each program that is started directly, relative to the root if it is in it.

        One that is not found is named as it is written.
        """
        script = command.script
        names = (script.shell[0],) if script is not None else [argv[0] for argv in command.steps]
        environ = self.environment(command)
        found = []
        for name in names:
            full = self._links.named(name, command.cwd) if "/" in name else self.program(name, environ) or name
            found.append(self._links.below(full) if full.startswith("/") else full)
        return found

    def _own_program(self, command: Command, name: str) -> str:
        """Return the path of a program in the root, "" for one elsewhere."""
        if "/" in name:
            return _inside(self._links.named(name, command.cwd))
        if "PATH" in command.env.set:
            return self._in_root(self.program(name, command.env.set))
        path = self._own_programs.get(name)
        if path is None:
            path = self._own_programs[name] = self._in_root(self.program(name, self._basic))
        return path

    def _in_root(self, full: str | None) -> str:
        return _inside(self._links.below(full)) if full is not None else ""

    def add_outputs(
        self,
        inputs: ActionInputs,
        command: Command,
        again: bool = False,
        *,
        recorded: Mapping[str, str] | None = None,
    ) -> None:
        """Add the outputs as they are on disk to the results.

        :param recorded: the elements on record: what has to be there of outputs that are judged by presence; None
            to take all that is there
        """
        see = self.files.see_again if again else self.files.see
        for path in command.outputs:
            if path in command.presence:
                inputs.add_result(OUTPUT, path, self._presence(path, recorded))
                continue
            inputs.add_result(OUTPUT, path, see(path, True, command.exclude.get(path, ())))
        for path in command.edits:
            inputs.add_result(EDITED, path, see(path))

    def _presence(self, path: str, recorded: Mapping[str, str] | None) -> Seen:
        if recorded is None:
            return self.files.see_names(path)
        value = recorded.get(OUTPUT + path, "")
        return self.files.see_names(path, value.split(" ", 2)[2].split("/") if value.startswith(PRESENT) else ())

    def add_made(
        self, inputs: ActionInputs, command: Command, made_in: Callable[[str], Collection[str]] = lambda _: ()
    ) -> None:
        """Add the outputs to the results, as the command has left them that has just ended.

        :param made_in: returns the names that the command has made at the top level of an output folder
        """
        for path in command.outputs:
            if path in command.presence:
                # an installer that wrote into what was there before has made no new name
                inputs.add_result(OUTPUT, path, self.files.see_names(path, made_in(path) or None))
                continue
            inputs.add_result(OUTPUT, path, self.files.see_made(path, command.exclude.get(path, ())))

    def add_edited(self, inputs: ActionInputs, command: Command) -> None:
        """Add the files that the command edits to the results, as it has left them.

        :raises TreadleError: one is gone
        """
        for path in command.edits:
            # another program may be writing to them too, so their stamps are no surer than those of inputs
            inputs.add_result(EDITED, path, self.files.see_again(path))
            if inputs.results[path].value == ABSENT:
                raise TreadleError(f"it removed {path}, which it edits")

    def environment(self, command: Command) -> dict[str, str]:
        """Return the environment of a command: the basic variables, and what it declares."""
        environ = dict(self._basic)
        for name in (*command.env.pass_, *command.env.track):
            if name in self.environ:
                environ[name] = self.environ[name]
        environ.update(command.env.set)
        if command.script is not None:
            environ.update(command.script.variables)
        return environ

    def program(self, name: str, environ: Mapping[str, str]) -> str | None:
        """Return the file of a program on PATH, None if there is none."""
        key = (name, environ.get("PATH", os.defpath))
        if key not in self._programs:
            self._programs[key] = _on_path(*key)
        return self._programs[key]

    def _file_of(self, tool: Tool, environ: Mapping[str, str]) -> str:
        if "/" in tool.name:
            path: str | None = self._links.named(tool.name)
        else:
            path = self.program(tool.name, environ)
        if path is None or not os.path.isfile(os.path.join(self.files.root, path)):
            raise TreadleError(f"the tool {tool.name} was not found", facts=(f"PATH={environ.get('PATH', '')}",))
        return path

    def _version(self, tool: Tool, environ: dict[str, str]) -> str:
        key = (tool.name, tool.version, tuple(sorted(environ.items())))
        if key not in self._tools:
            self._tools[key] = self._ask_version(tool, environ)
        return self._tools[key]

    def _ask_version(self, tool: Tool, environ: dict[str, str]) -> str:
        """Run the command that prints the version, up to the time limit, and end all of its group."""
        import subprocess
        import tempfile

        said = f"the tool {tool.name} did not print its version: {' '.join(tool.version)}"
        with tempfile.TemporaryFile() as output:
            try:
                child = subprocess.Popen(
                    tool.version,
                    cwd=self.files.root,
                    env=environ,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    process_group=0,
                )
            except OSError as error:
                raise TreadleError(said, facts=(error.strerror or str(error),)) from error
            end = monotonic() + self.tool_patience
            has_ended = False
            try:
                has_ended = _ends_before(end, child, self.is_stop_requested)
            finally:
                # before it is reaped, as its number may be used again after that; programs it has left end too
                _kill_group(child.pid)
                child.wait()
                wait_for_group(child.pid)
            if not has_ended:
                late = "" if self.is_stop_requested() else f" within {self.tool_patience:g} s"
                raise TreadleError(said, facts=(f"it did not end{late}",))
            output.seek(0)
            text = output.read().decode("utf-8", "surrogateescape").strip()
        if child.returncode:
            raise TreadleError(said, facts=(f"exit code {child.returncode}", *text.splitlines()[-3:]))
        return text


def _shown(patterns: Sequence[str]) -> str:
    from treadle.core.text import shell_join

    return shell_join(patterns)


def _inside(path: str) -> str:
    """Return a path if it is one below the root, else ""."""
    return "" if path.startswith("/") or path == "." else path


def _ends_before(end: float, child: Popen[bytes], is_stop_requested: Callable[[], bool]) -> bool:
    """Wait for a child without reaping it; return whether it has ended in time."""
    pause = 0.001
    while not _has_ended(child):
        if monotonic() >= end or is_stop_requested():
            return False
        sleep(pause)
        pause = min(2 * pause, 0.1)
    return True


def _kill_group(leader: int) -> None:
    try:
        os.killpg(leader, KILL)
    except (ProcessLookupError, PermissionError):
        # some systems raise this for a group of zombies
        return


def _has_ended(child: Popen[bytes]) -> bool:
    if not _HAVE_WAITID:
        return child.poll() is not None
    return os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def made_once(command: Command) -> Fingerprint:
    """Return the fingerprint of a command that runs only while an output is missing, when it need not run."""
    return Fingerprint.from_elements({OUTPUT + path: "there" for path in command.outputs})


def _is_made_by(command: Command, path: str) -> bool:
    """Return whether a path is an output of the command, or is in one, or is edited by it."""
    return path in command.edits or any(holds(out, path) for out in command.outputs)


class ActionInputs:
    """The fingerprint of an action, and what was seen of each file when it was computed.

    :param seen: path -> what was seen of each declared input and each tool
    """

    __slots__ = ("fingerprint", "moved_in", "results", "routes", "seen")

    def __init__(self, fingerprint: Fingerprint, seen: dict[str, Seen]) -> None:
        self.fingerprint = fingerprint
        self.seen = seen
        self.moved_in: dict[str, list[str]] = {}
        """Folder that it reads -> what in it may have held something else while the command ran."""
        self.results: dict[str, Seen] = {}
        """Path -> what was seen of each discovered input and each output."""
        self.routes: Ways | None = None
        """The folders and links that led to the files when the command started."""

    def add_result(self, kind: str, path: str, seen: Seen) -> None:
        """Add an element to the result: DISCOVERED, OUTPUT or EDITED."""
        self.results[path] = seen
        self.fingerprint.elements[kind + path] = seen.value
        self.fingerprint.results.add(kind + path)

    def add_discovered(self, path: str, seen: Seen) -> None:
        """Add a discovered input to the result."""
        self.add_result(DISCOVERED, path, seen)

    def forget_results(self) -> None:
        """Remove all elements of the result."""
        for name in list(self.fingerprint.results):
            del self.fingerprint.elements[name]
        self.fingerprint.results.clear()
        self.results.clear()

    def shown(self, path: str) -> str:
        """Return a path that changed while the command ran, with the first names in it."""
        names = self.moved_in.get(path, ())
        return f"{path} ({listed(names, 3)})" if names and names != [path] else path

    def absent(self) -> list[str]:
        """Return the declared inputs that do not exist."""
        return [path for path, seen in self.seen.items() if seen.value == ABSENT]


def _on_path(name: str, path: str) -> str | None:
    for folder in path.split(os.pathsep):
        full = os.path.join(folder or ".", name)
        if os.access(full, os.X_OK) and os.path.isfile(full):
            return os.path.abspath(full)
    return None


def _redacted(name: str, value: str) -> str:
    from treadle.core.redaction import digest

    return digest(name, value)
