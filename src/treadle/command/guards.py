"""Guards: what is required and asked before an action starts, as data. They count for no fingerprint."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence


class Requirement:
    """What has to hold before an action starts.

    :param argvs: a command, or several that run in order until one fails; none if `failed` says it already
    :param message: what is wrong if it does not hold, "" for none
    :param shown: the command as text
    :param variables: values of a script, for the environment
    :param failed: why it does not hold, if that was known when the plan was loaded
    """

    __slots__ = ("argvs", "failed", "message", "shown", "variables")

    def __init__(
        self,
        argvs: Sequence[Sequence[str]] = (),
        message: str = "",
        shown: str = "",
        variables: Mapping[str, str] | None = None,
        failed: str = "",
    ) -> None:
        self.argvs = tuple(tuple(argv) for argv in argvs)
        self.message = message
        self.shown = shown
        self.variables = dict(variables or {})
        self.failed = failed

    def failure(self, why: str) -> str:
        """Return in one line that it does not hold."""
        return f"{self.message} ({why})" if self.message else f"it requires what does not hold: {why}"


class Guards:
    """What is required and asked before an action starts.

    :param require: checked in order; the first that does not hold is the failure
    :param confirm: asked on the terminal, "" for nothing
    """

    __slots__ = ("confirm", "require")

    def __init__(self, require: Sequence[Requirement] = (), confirm: str = "") -> None:
        self.require = tuple(require)
        self.confirm = confirm

    def texts(self) -> list[str]:
        """Return them as texts, for a snapshot."""
        texts = [self.confirm, str(len(self.require))]
        for one in self.require:
            texts += (one.message, one.shown, one.failed, str(len(one.argvs)))
            for argv in one.argvs:
                texts += (str(len(argv)), *argv)
            texts.append(str(len(one.variables)))
            for pair in one.variables.items():
                texts += pair
        return texts


def guards_from(texts: Iterator[str]) -> Guards:
    """Return what `Guards.texts` has made texts of."""

    def several() -> list[str]:
        return [next(texts) for _ in range(int(next(texts)))]

    confirm, require = next(texts), []
    for _ in range(int(next(texts))):
        message, shown, failed = next(texts), next(texts), next(texts)
        argvs = [several() for _ in range(int(next(texts)))]
        variables = {next(texts): next(texts) for _ in range(int(next(texts)))}
        require.append(Requirement(argvs, message, shown, variables, failed))
    return Guards(require, confirm)
