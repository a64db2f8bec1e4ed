"""Commands as lists of texts and back, so that one of a hundred thousand can be found again without the others.

It knows nothing of plans and walks, nor of the file that holds the texts.
"""

from __future__ import annotations

from treadle.command.command import Command, Environment, Limits, Retries, Script, Tool
from treadle.errors import Place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def texts_of(command: Command) -> list[str]:
    """Return a Command without its place as texts, to be read by `command_from`.

    A snapshot asks this of each action there is, so it goes without a call for each part.
    """
    steps, script, env = command.steps, command.script, command.env
    texts = [str(len(steps)), *[str(len(step)) for step in steps]]
    for step in steps:
        texts += step
    if script is None:
        texts.append("")
    else:
        texts += ("w" if script.words else "y", script.text, script.shown, str(len(script.shell)), *script.shell)
        texts += _pairs(script.variables)
        if script.words:
            texts += (str(len(script.words)), *script.words)
    texts.append(command.cwd)
    for values in (command.inputs, command.outputs, env.track, env.pass_):
        texts.append(str(len(values)))
        texts += values
    texts += _pairs(env.set if not env.secret else _without_secrets(env))
    tools = command.tools
    texts += (str(len(tools)), *[tool.name for tool in tools])
    for tool in tools:
        texts += (str(len(tool.version)), *tool.version)
    texts += (*_discovery(command), *_optional(command.stdout), *_limits(command.limits))
    texts += ("y" if command.always else "", "y" if command.keep else "", "y" if command.console else "")
    texts.append(command.output)
    texts.append("y" if command.once or command.edits or env.secret else "")
    if texts[-1]:
        texts += ("y" if command.once else "", str(len(command.edits)), *command.edits)
        texts += (str(len(env.secret)), *env.secret)
    texts.append(command.label)
    return texts


def texts_of_place(place: Place | None) -> list[str]:
    """Return the place of a Command as texts: it moves when others are edited, and the Command stays the same."""
    return [] if place is None else [place.file, str(place.line), str(place.column), place.text]


def command_from(texts: Sequence[str], place: Sequence[str] = ()) -> Command:
    """Return the Command that `texts_of` has made texts of.

    :param place: what `texts_of_place` has made of its place
    :raises ValueError: it sets a variable whose value is kept nowhere, or has a discovery that is no depfile
    """
    read = _Reader(texts)
    steps = [[read.text() for _ in range(int(length))] for length in read.list()]
    kind = read.text()
    script = None
    if kind:
        text, shown, shell, variables = read.text(), read.text(), read.list(), read.pairs()
        script = Script(text, variables, shown, shell, read.list() if kind == "w" else ())
    cwd = read.text()
    inputs, outputs, track, passed = (read.list() for _ in range(4))
    variables_set = read.pairs()
    names = read.list()
    tools = [Tool(name, read.list()) for name in names]
    depfile, stdout, limits = read.depfile(), read.optional(), read.limits()
    always, keep, console = (bool(read.text()) for _ in range(3))
    output = read.text()
    once, edits, secret = False, list[str](), list[str]()
    if read.text():
        once, edits, secret = bool(read.text()), read.list(), read.list()
    if not variables_set.keys().isdisjoint(secret):
        raise ValueError("a secret value is kept nowhere")
    env = Environment(variables_set, track, passed, secret)
    label = read.text()
    return Command(
        steps,
        script=script,
        cwd=cwd,
        inputs=inputs,
        outputs=outputs,
        env=env,
        tools=tools,
        depfile=depfile,
        stdout=stdout,
        limits=limits,
        always=always,
        keep=keep,
        console=console,
        output=output,
        once=once,
        edits=edits,
        label=label,
        place=Place(place[0], int(place[1]), int(place[2]), place[3]) if place else None,
    )


class _Reader:
    def __init__(self, texts: Sequence[str]) -> None:
        self._texts = texts
        self._at = 0

    def text(self) -> str:
        self._at += 1
        return self._texts[self._at - 1]

    def optional(self) -> str | None:
        if not self.text():
            return None
        return self.text()

    def depfile(self) -> str | None:
        kind = self.text()
        if kind == _OTHER:
            raise ValueError("a discovery that is no depfile cannot be kept as text")
        return self.text() if kind else None

    def list(self) -> list[str]:
        count = int(self.text())
        self._at += count
        return list(self._texts[self._at - count : self._at])

    def pairs(self) -> dict[str, str]:
        flat = self.list()
        return dict(zip(flat[::2], flat[1::2], strict=True))

    def limits(self) -> Limits:
        queue, tokens, priority, timeout = self.text(), self.text(), self.text(), self.optional()
        retries = Retries(int(self.text()), self.list(), float(self.text()))
        return Limits(queue, int(tokens), int(priority), None if timeout is None else float(timeout), retries)


_OTHER = "o"


def _discovery(command: Command) -> tuple[str, ...]:
    """Return what tells the discovery of a Command from another one."""
    discovery = command.discovery
    if discovery is None or (path := command.depfile) is not None:
        return _optional(None if discovery is None else path)
    kind = type(discovery)
    return (_OTHER, f"{kind.__module__}.{kind.__qualname__}", discovery.path, discovery.element, discovery.key)


def _without_secrets(env: Environment) -> dict[str, str]:
    from treadle.core.redaction import digest

    return {name: digest(name, value) if name in env.secret else value for name, value in env.set.items()}


def _limits(limits: Limits) -> list[str]:
    retries, timeout = limits.retries, limits.timeout
    texts = [limits.queue, str(limits.tokens), str(limits.priority)]
    texts += _optional(None if timeout is None else repr(timeout))
    texts += (str(retries.max), str(len(retries.on)), *retries.on, repr(retries.backoff))
    return texts


def _pairs(values: Mapping[str, str]) -> list[str]:
    texts = [str(2 * len(values))]
    for pair in values.items():
        texts += pair
    return texts


def _optional(text: str | None) -> tuple[str, ...]:
    return ("",) if text is None else ("y", text)
