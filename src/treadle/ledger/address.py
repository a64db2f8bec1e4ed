"""The address of a shared ledger, and the name of a folder in it."""

from __future__ import annotations

import os
from urllib.parse import parse_qsl

from treadle.errors import UsageError

SCHEMES = ("postgresql", "postgres")
EXAMPLE = "postgresql://HOST/DATABASE"


def is_url(text: str) -> bool:
    """Return whether a text is the address of a shared ledger, and not a file."""
    return text.startswith(tuple(f"{one}://" for one in SCHEMES))


def checked(text: str, said_by: str = "the ledger", expected: str = EXAMPLE) -> str:
    """Return an address that may be shown and recorded.

    :param said_by: what has said it
    :param expected: what may be said there
    :raises UsageError: it is none, or has a password in it
    """
    if not is_url(text):
        # not shown: it may be one with a password in another notation
        raise UsageError(f"{said_by} is no address of a database: expected {expected}")
    # a password may hold whatever ends it elsewhere: all before the last @ may be one
    user = text.partition("://")[2].rpartition("@")[0]
    names = [name.lower() for name, _ in parse_qsl(text.partition("?")[2], keep_blank_values=True)]
    if ":" in user or any(name.endswith("password") for name in names):
        raise UsageError(
            "the address of the ledger has a password in it, which all may see",
            hint="leave it to ~/.pgpass, PGPASSFILE or PGPASSWORD",
        )
    if not text.isprintable():
        raise UsageError("the address of the ledger has characters in it that are not printable")
    return text


def root_name(root: str) -> str:
    """Return how a folder is named in a ledger that folders of several machines share.

    :param root: the folder of the plan
    """
    return f"{os.uname().nodename}:{os.path.realpath(root)}"


def root_on_this_host(name: str) -> str:
    """Return the path of a folder of this machine by its name in a shared ledger, "" for one of another."""
    host, _, path = name.partition(":")
    return path if host == os.uname().nodename else ""
