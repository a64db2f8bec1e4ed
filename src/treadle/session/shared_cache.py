"""The shared cache of a run: its address, what may be done there, and what is sent to be let in.

A plan never grants anything: only the option and the environment let a run store there, the token of the
environment goes to the address of the environment only, and an address of a plan gets what ~/.netrc has for its
host at most.
"""

from __future__ import annotations

import json
import os
from math import inf
from typing import TYPE_CHECKING, Any, NamedTuple

from treadle.cache.policy import Breaker
from treadle.core.addresses import is_namespace
from treadle.errors import TreadleError, UsageError, listed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from treadle.cache.base import OutputCache

URL = "TREADLE_CACHE_URL"
TOKEN = "TREADLE_CACHE_TOKEN"  # noqa: S105 (the name of a variable)
SIGNING_KEY = "TREADLE_CACHE_SIGNING_KEY"
NAMESPACE = "TREADLE_CACHE_NAMESPACE"
GROUP = "treadle.caches"
"""The group of entry points; their names are schemes of addresses."""
_SHORTEST_KEY = 32
"""Bytes of a key for signatures at least."""
_WEB = ("http", "https")
_PAUSE = 60.0
"""Seconds after which `--watch` asks a server again that has failed."""


class Shared(NamedTuple):
    """A shared cache that is asked for.

    :ivar url: may have a user and a password in it
    :ivar token: is sent there
    :ivar key: for signatures, empty for none
    :ivar writable: whether outputs are stored there
    :ivar breaker: says whether it is asked
    :ivar notes: what is reported when it is opened
    """

    url: str
    token: str
    key: bytes
    writable: bool
    breaker: Breaker
    notes: tuple[str, ...]

    def open(self, note: Callable[[str], object]) -> Sequence[OutputCache]:
        """Return the store.

        :param note: called with a line about what is not used
        """
        for text in self.notes:
            note(text)
        try:
            cache = self._made()
        except TreadleError as error:
            note(f"the shared cache is not used: {error.what}" + (f"; {error.hint}" if error.hint else ""))
            return ()
        except Exception as error:
            # of a package for other schemes; its words are not shown, as they may have the address in them
            note(f"the shared cache is not used: what makes it has failed ({type(error).__name__})")
            return ()
        if self.key:
            from treadle.cache.signed import SignedCache

            return (SignedCache(cache, self.key),)
        return (cache,)

    def _made(self) -> OutputCache:
        scheme = self.url.partition("://")[0]
        if scheme not in _WEB:
            made: OutputCache = _factory(scheme)(self.url, token=self.token, writable=self.writable)
            return made
        from treadle.cache.http import HttpCache

        return HttpCache(self.url, self.token, writable=self.writable, breaker=self.breaker)


def shared_of(
    mode: str, said: str, environ: Mapping[str, str], breakers: dict[str, Breaker], *, is_watching: bool = False
) -> Shared | None:
    """Return the shared cache of a run, None if it has none.

    :param mode: what `--cache` or TREADLE_CACHE say, "" if they say nothing
    :param said: what the plan says, see `Project.cache`
    :param breakers: those of the call
    :raises UsageError: a value is wrong
    """
    if mode == "local":
        return None
    given = json.loads(said) if said else {}
    own, planned = environ.get(URL, ""), given.get("shared", "")
    url = own or planned
    if not url:
        if mode:
            raise UsageError(
                f"there is no shared cache to {mode}",
                hint=f"its address goes into {URL}, or into the plan: cache: {{shared: ADDRESS}}",
            )
        return None
    key = environ.get(SIGNING_KEY, "").encode("utf-8", "surrogateescape")
    if 0 < len(key) < _SHORTEST_KEY:
        raise UsageError(f"{SIGNING_KEY} has {len(key)} bytes: expected {_SHORTEST_KEY} or more")
    token, notes = environ.get(TOKEN, "") if own else "", []
    if environ.get(TOKEN) and not own:
        notes.append(f"{TOKEN} is not sent: it is for the address in {URL} only")
    if url.startswith(tuple(f"{one}://" for one in _WEB)) or own:
        url, why = _with_login(url, token, environ, URL if own else "shared in cache")
        if why:
            notes.append(why)
    breaker = breakers.setdefault(url, Breaker(_PAUSE if is_watching else inf))
    return Shared(url, token, key, mode == "write", breaker, tuple(notes))


def source_of(mode: str, said: str, environ: Mapping[str, str]) -> str:
    """Return the address of the server that a plan alone vouches for, "" if there is none.

    A plan speaks for its own project only. So what comes from there is kept apart from what other projects find.
    What the environment names, or has the key for, the user believes.

    :param mode: what `--cache` or TREADLE_CACHE say, "" if they say nothing
    :param said: what the plan says, see `Project.cache`
    """
    if mode == "local" or environ.get(URL) or environ.get(SIGNING_KEY):
        return ""
    planned: str = json.loads(said).get("shared", "")
    return planned


def namespaces_of(said: str, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the namespaces of a run: what is stored is found by the first one.

    :param said: what the plan says, see `Project.cache`
    :raises UsageError: the environment names what is none
    """
    own = environ.get(NAMESPACE, "")
    if not own:
        found: list[str] = json.loads(said).get("namespaces", []) if '"namespaces"' in said else []
        return tuple(found)
    names = [name.strip() for name in own.split(",")]
    wrong = [name for name in names if not is_namespace(name)]
    if wrong:
        raise UsageError(f"{NAMESPACE} has {listed(map(repr, wrong))} in it", hint="for example pr-7,main")
    return tuple(dict.fromkeys(names))


def _with_login(url: str, token: str, environ: Mapping[str, str], said_by: str) -> tuple[str, str]:
    """Return an address with what ~/.netrc has for its host, if nothing else is sent there; and a note about that.

    :raises UsageError: it is no address
    """
    from treadle.cache.address import Address

    if not url.startswith(tuple(f"{one}://" for one in _WEB)):
        _factory(url.partition("://")[0])
        return url, ""
    address = Address.of(url, token, said_by)
    if address.is_let_in:
        return url, ""
    path = environ.get("NETRC", "") or os.path.join(environ.get("HOME", "/nonexistent"), ".netrc")
    if not os.path.isfile(path):
        return url, ""
    from netrc import NetrcParseError, netrc
    from urllib.parse import quote

    try:
        # what is for all other hosts is there by that name
        found = netrc(path).hosts.get(address.host) if address.host != "default" else None
    except (NetrcParseError, OSError, ValueError):
        return url, f"{path} cannot be read, so the shared cache gets no user from it"
    if found is None:
        return url, ""
    if address.scheme == "http" and not address.is_loopback:
        return url, f"{path} has a user for the shared cache, which is not sent by plain http"
    user, _, password = found
    rest = url.partition("://")[2]
    return f"{address.scheme}://{quote(user, safe='')}:{quote(password or '', safe='')}@{rest}", ""


def _factory(scheme: str) -> Any:
    """Return what makes a store of a scheme that another package has.

    :raises UsageError: no package has it
    """
    from importlib.metadata import entry_points

    found = [one for one in entry_points(group=GROUP) if one.name == scheme]
    if not found:
        raise UsageError(
            f"no package that is installed has a cache with addresses of {scheme[:20]!r}",
            hint="http and https need none",
        )
    return found[0].load()
