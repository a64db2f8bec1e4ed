"""The address of a store on a server, with what is sent there to be let in. It opens nothing.

What is let in is never shown: `str` of an address has neither user nor password nor token.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self
from urllib.parse import unquote, urlsplit

from treadle.core.addresses import EXAMPLE
from treadle.errors import UsageError

_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Address:
    """The address of a store on a server.

    :ivar path: what is before `/ac` and `/cas`, "" or with a `/` in front
    """

    scheme: str
    host: str
    port: int
    path: str
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)

    @classmethod
    def of(cls, url: str, token: str = "", said_by: str = "the address of the shared cache") -> Self:
        """Return the address that a text is.

        :param said_by: what has said it, for errors, which never show it
        :raises UsageError: it is none, or a secret would go over the network for all to read
        """
        scheme, host, port, path, user, password = _parts(url, said_by)
        if not token.isascii() or not token.isprintable() or " " in token:
            raise UsageError("the token for the shared cache has characters in it that no header may have")
        if "\n" in user + password or "\r" in user + password:
            raise UsageError(f"{said_by} has a user or a password with a line break")
        found = cls(scheme, host, port, path, user, password, token)
        if scheme == "http" and (token or user) and not found.is_loopback:
            raise UsageError(
                f"{said_by} is one of http, which shows what is sent to let you in to all on the way",
                hint="use https; plain http with a token is for this machine only",
            )
        return found

    @property
    def is_loopback(self) -> bool:
        """Whether it is one of this machine."""
        return self.host in ("localhost", "::1") or (
            self.host.startswith("127.") and self.host.replace(".", "").isdigit()
        )

    @property
    def is_let_in(self) -> bool:
        """Whether something is sent to be let in."""
        return bool(self.token or self.user)

    def __str__(self) -> str:
        """Return it without user, password and token."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == _PORTS.get(self.scheme) else f":{self.port}"
        return f"{self.scheme}://{host}{port}{self.path}"


def _parts(url: str, said_by: str) -> tuple[str, str, int, str, str, str]:
    expected = f"expected one such as {EXAMPLE}"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        # not shown: it may have a password in it
        raise UsageError(f"{said_by} is no address: {expected}") from None
    if parts.scheme not in _PORTS or not parts.hostname:
        raise UsageError(f"{said_by} is no address of http or https: {expected}")
    if parts.query or parts.fragment or not url.isprintable() or " " in url or not url.isascii():
        raise UsageError(f"{said_by} has a query, a fragment or letters that no address may have: {expected}")
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    return parts.scheme, parts.hostname, port or _PORTS[parts.scheme], parts.path.rstrip("/"), user, password
