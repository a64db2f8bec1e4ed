"""The user that a run is of."""

from __future__ import annotations

import os


def user_name() -> str:
    """Return the name of the user, or the number where no list of users has a name for it."""
    from pwd import getpwuid

    try:
        return getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())
