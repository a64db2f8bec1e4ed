"""What the artifacts of a Command may be: patterns of files, each with the ends after which they are moved.

It knows no Commands and no files; `artifacts` moves them.
"""

from __future__ import annotations

from treadle.core.patterns import check_names, name_regex
from treadle.errors import UsageError

WHEN = ("always", "success", "failure", "never")
"""The ends after which a file is moved; `never` leaves what an earlier pattern names."""


def check(artifacts: object) -> dict[str, str]:
    """Return artifacts as a dict, if they are a map of patterns to words of `WHEN`.

    :raises UsageError: they are not
    """
    if not hasattr(artifacts, "items"):
        raise UsageError(f"artifacts are {artifacts!r}", facts=("expected a map of patterns to words",))
    given = dict(artifacts.items())
    for pattern, when in given.items():
        wrong = why_not(pattern) if isinstance(pattern, str) else "is no text"
        if wrong:
            raise UsageError(f"the pattern {pattern!r} in artifacts {wrong}")
        if when not in WHEN:
            raise UsageError(f"artifacts: {pattern!r} is {when!r}", facts=(f"expected one of {', '.join(WHEN)}",))
    return given


def why_not(pattern: str) -> str:
    """Return what is wrong with a pattern, "" if nothing is."""
    if not pattern or "\0" in pattern:
        return "names no file"
    names = pattern.split("/")
    if pattern.startswith("/") or ".." in names:
        return "leads out of the folder that it is relative to, which is that of the command"
    if "" in names or "." in names:
        return "has an empty name or a . between two /"
    try:
        for name in check_names(names):
            name_regex(name)
    except ValueError as error:
        return f"is no pattern: {error}"
    return ""
