"""SignedCache: a wrong entry whose blobs all fit is a miss; a server that encodes entries anew does no harm."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cache_stores import KEY, placed, put, staged, stored, tree
from treadle import CacheError, Digest, FolderCache, SignedCache
from treadle.cache.base import ENTRY_LIMIT
from treadle.cache.entry import SignedEntryError, decode_entry, encode_entry
from treadle.cache.messages import ActionResult, decode_result, encode_result

OURS, THEIRS = b"k" * 32, b"t" * 32


class Elsewhere(FolderCache):
    """A store that others may write to."""

    name = "shared"
    is_own = False


def pair(folder: Path, key: bytes = OURS) -> tuple[Elsewhere, Any]:
    store = Elsewhere(str(folder / "store"), least_free=0)
    return store, SignedCache(store, key)


def test_what_was_signed_comes_back(tmp_path: Path) -> None:
    """T5."""
    store, signed = pair(tmp_path)
    put(tmp_path / "a", {"out": "1\n", "d/x": "2\n"})
    stored(signed, tmp_path / "a", "out", "d/")
    (tmp_path / "b").mkdir()
    assert placed(signed, tmp_path / "b", "out", "d/")
    assert tree(tmp_path / "b") | {"out": "1\n", "d/x": "2\n"} == tree(tmp_path / "b")
    # what the store has is no entry for those without the key
    with pytest.raises(SignedEntryError, match="you have no key"):
        staged(store, tmp_path / "c", "out", "d/")


@pytest.mark.parametrize("by", ["nothing", "another key"])
def test_what_is_not_signed_by_ours_is_a_fault(tmp_path: Path, by: str) -> None:
    """T5: digests cannot find it, as all blobs fit."""
    store, signed = pair(tmp_path)
    put(tmp_path / "a", {"out": "poison\n"})
    writer = store if by == "nothing" else SignedCache(store, THEIRS)
    stored(writer, tmp_path / "a", "out")  # type: ignore[arg-type]
    with pytest.raises(CacheError, match="is not signed with your key"):
        signed.get_entry(KEY, ENTRY_LIMIT)


def test_an_entry_that_was_signed_for_another_key_is_a_fault(tmp_path: Path) -> None:
    """T5: an old entry of another action, moved."""
    store, signed = pair(tmp_path)
    put(tmp_path / "a", {"out": "1\n"})
    stored(signed, tmp_path / "a", "out")
    other = "cd" * 32
    body = store.get_entry(KEY, ENTRY_LIMIT)
    assert body is not None
    store.put_entry(other, body)
    assert signed.get_entry(KEY, ENTRY_LIMIT) is not None
    with pytest.raises(CacheError, match="is not signed with your key"):
        signed.get_entry(other, ENTRY_LIMIT)


def change(result: ActionResult, field: str) -> ActionResult:
    from dataclasses import replace

    file = result.files[0]
    changed: dict[str, Any] = {
        "digest": {"files": (replace(file, digest=Digest("ab" * 32, file.digest.size)),)},
        "mode": {"files": (replace(file, is_executable=True),)},
        "path": {"files": (replace(file, path="other"),)},
        "host": {"worker": "elsewhere"},
        "time": {"ended": result.ended + 1},
        "log": {"stdout": Digest("ab" * 32, 1)},
        "note": {"note": (result.note or b"").replace(b"5f0c", b"5f0d")},
        "no note": {"note": None},
    }
    return replace(result, **changed[field])


@pytest.mark.parametrize("field", ["digest", "mode", "path", "host", "time", "log", "note", "no note"])
def test_each_field_is_signed(tmp_path: Path, field: str) -> None:
    """T5, W4."""
    store, signed = pair(tmp_path)
    put(tmp_path / "a", {"out": "1\n"})
    stored(signed, tmp_path / "a", "out")
    body = store.get_entry(KEY, ENTRY_LIMIT)
    assert body is not None
    # a server may encode it anew, with fields of its own
    store.put_entry(KEY, encode_result(decode_result(body)) + b"\xfa\x01\x03own")
    assert signed.get_entry(KEY, ENTRY_LIMIT) is not None
    store.put_entry(KEY, encode_result(change(decode_result(body), field)))
    with pytest.raises(CacheError, match="is not signed with your key"):
        signed.get_entry(KEY, ENTRY_LIMIT)


def test_path_sets_are_not_signed(tmp_path: Path) -> None:
    """D1: they are names only, and what they lead to is signed."""
    _, signed = pair(tmp_path)
    body = encode_result(ActionResult(stdout_raw=b'[["a"]]', worker="treadle"))
    signed.put_entry(KEY, body)
    assert signed.get_entry(KEY, ENTRY_LIMIT) == body


def test_a_signature_is_an_hmac_over_what_the_digest_is_over(tmp_path: Path) -> None:
    """T5: 2 us, 40 lines."""
    put(tmp_path / "a", {"out": "1\n"})
    store = FolderCache(str(tmp_path / "store"), least_free=0)
    stored(store, tmp_path / "a", "out")
    body = store.get_entry(KEY, ENTRY_LIMIT)
    assert body is not None
    entry = decode_entry(body, KEY)
    signed = encode_entry(entry, KEY, OURS)
    assert decode_entry(signed, KEY, OURS) == entry
    assert signed != body
    with pytest.raises(SignedEntryError):
        decode_entry(signed, KEY)
    with pytest.raises(ValueError, match="do not fit"):
        decode_entry(signed, KEY, THEIRS)
