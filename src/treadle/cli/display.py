"""What shows a run on the terminal, as the options of a call say."""

from __future__ import annotations

from treadle.ui.progress import Progress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from treadle.session.call import Call
    from treadle.session.options import Options


def progress_of(call: Call) -> Progress:
    """Return what shows a run of a call."""
    options = call.options

    def again(name: str) -> str:
        from treadle.core.text import shell_join

        rest = [] if options.rest is None else ["--", *options.rest]
        return shell_join([*run_again(options), name, *rest])

    return Progress(
        call.console,
        call.began,
        again,
        quiet=options.quiet,
        verbose=options.verbose,
        output=options.output,
    )


def run_again(options: Options) -> list[str]:
    """Return the words of the command that runs the same plan again, from where it was called: a name follows."""
    words = ["treadle", "run"]
    if options.folder:
        words += ["-C", options.folder]
    if options.file:
        words += ["-f", options.file]
    for name, value in options.params.items():
        words += ["-p", f"{name}={value}"]
    return words
