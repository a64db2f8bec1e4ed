"""What a recorded run says of itself at its begin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class RunRecord:
    """What a recorded run says of itself at its begin.

    :ivar began: on the monotonic clock
    :ivar began_at: in seconds since the epoch
    :ivar names: the names that were selected
    :ivar argv: the words of the command line; none in a program
    :ivar about: further fields of the event `run`
    """

    __slots__ = ("about", "argv", "began", "began_at", "names", "params")

    def __init__(
        self,
        began: float,
        began_at: float,
        names: Sequence[str] = (),
        argv: Sequence[str] = (),
        params: Mapping[str, str] | None = None,
        about: Mapping[str, Any] | None = None,
    ) -> None:
        self.began = began
        self.began_at = began_at
        self.names = names
        self.argv = argv
        self.params = params or {}
        self.about = about or {}
