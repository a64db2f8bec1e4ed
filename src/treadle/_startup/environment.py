"""The environment that this process was given: without what the interpreter puts into it when it starts.

Without a locale, Python sets LC_CTYPE to one of UTF-8 for itself (PEP 538). Programs that are started from here
are to see what they would see without Python in between.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

LC_CTYPE = "LC_CTYPE"
_SET_BY_PYTHON = ("C.UTF-8", "C.utf8", "UTF-8")
_OURS = "/proc/self/environ"

_given: list[bytes] = []
"""What the system keeps of the start of this process, once it was read."""


def inherited() -> dict[str, str]:
    """Return the variables of this process, with LC_CTYPE as it was given."""
    environ = dict(os.environ)
    value = own_ctype(environ)
    if value is None:
        environ.pop(LC_CTYPE, None)
    elif value != environ.get(LC_CTYPE):
        environ[LC_CTYPE] = value
    return environ


def own_ctype(environ: Mapping[str, str]) -> str | None:
    """Return LC_CTYPE as it was given, None if it was not; where the system does not keep it, as it is now.

    :param environ: the variables as they are now
    """
    value = environ.get(LC_CTYPE)
    if value not in _SET_BY_PYTHON or environ.get("LC_ALL"):
        return value
    if not _given:
        try:
            with open(_OURS, "rb") as file:
                _given[:] = file.read().split(b"\0")
        except OSError:
            return value
    given = next((one for one in _given if one.startswith(b"LC_CTYPE=")), None)
    return None if given is None else os.fsdecode(given.partition(b"=")[2])
