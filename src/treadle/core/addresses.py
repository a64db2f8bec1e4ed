"""What may be an address or a namespace of a shared cache, as a plan says them. Addresses are never shown."""

from __future__ import annotations

EXAMPLE = "https://cache.example/team"
_LETTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-/")
_LONGEST = 100


def why_no_address(text: str) -> str:
    """Return in words why a text may not be an address in a plan, "" if it may.

    Other schemes than those of the web belong to packages that are installed.
    """
    scheme, separator, rest = text.partition("://")
    if not separator or not rest or not (scheme.isascii() and scheme.replace("+", "a").isalnum()):
        return "is not an address"
    if not text.isascii() or not text.isprintable() or " " in text:
        return "has characters in it that no address may have"
    if "@" in rest.partition("/")[0]:
        return "has a user in it, which all may see: that is for ~/.netrc, or for TREADLE_CACHE_URL"
    if "?" in rest or "#" in rest:
        return "has a query or a fragment"
    return ""


def is_namespace(text: str) -> bool:
    """Return whether a text may be a namespace."""
    return 0 < len(text) <= _LONGEST and set(text) <= _LETTERS
