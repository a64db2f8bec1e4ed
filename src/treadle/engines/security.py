"""What an engine may speak to: this machine, others by TLS, and others without it if the user says so."""

from __future__ import annotations

import ipaddress

from treadle.errors import UsageError

INSECURE = "TREADLE_INSECURE"
"""The variable by which a call lets `insecure: ok` of a plan count; its value is `ok`."""


def check_address(name: str, host: str, *, is_encrypted: bool, is_insecure: bool) -> None:
    """Refuse what others on the way could read and change: environments, and what is run.

    :param name: the engine
    :param host: a name or an address, without a port; "" for a socket of this machine alone
    :param is_encrypted: whether both sides prove their identity, by TLS with keys
    :param is_insecure: whether the user lets it be: the setting `insecure` of an engine
    :raises UsageError: it is on another machine, and not encrypted
    """
    if is_encrypted or is_insecure or is_loopback(host):
        return
    raise UsageError(
        f"the engine {name} is on {host}, without TLS",
        facts=("whatever is on the way could read the environment of actions, and run other programs",),
        hint=f"use TLS; or `insecure: ok` in `engine`, and for a plan {INSECURE}=ok in the environment of the call",
    )


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine alone, by what is written: an address, or `localhost`.

    Any other name is none: what it means may be another address by the time that it is connected to.
    """
    if not host:
        return True
    host = host.removeprefix("[").removesuffix("]").partition("%")[0]
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
