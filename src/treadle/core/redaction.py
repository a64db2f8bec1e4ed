"""Redaction: the digest that replaces a secret value, so that a change of it is seen. It knows no actions."""

from __future__ import annotations

PREFIX = "secret:"


def digest(name: str, value: str) -> str:
    """Return what replaces the secret value of a variable in records, snapshots and reasons."""
    from hashlib import sha256

    text = f"{name}\0{value}".encode("utf-8", "surrogateescape")
    return PREFIX + sha256(text).hexdigest()[:32]


def is_digest_of(kept: str | None, name: str, value: str | None) -> bool:
    """Return whether what was kept is the digest of this value."""
    return kept is not None and value is not None and kept.startswith(PREFIX) and kept == digest(name, value)
