"""What actions have made in their output folders, name by name: a file for each action, read only when asked for.

A manifest says what came to be and what it held, never what is there now. One that is lost or damaged says nothing.
"""

from __future__ import annotations

import os

from treadle.errors import StateError

from . import log as frames
from . import own_files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

FORMAT = b"treadle manifest 1\n"


class Manifests:
    """The manifests of one state folder.

    :param folder: the folder that holds them
    """

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def read(self, key: str) -> dict[str, str]:
        """Return path -> value of what the action with this key has made in its output folders.

        Folders end with `/`.
        """
        data = own_files.read(self._path(key))
        if data is None or not data.startswith(FORMAT):
            return {}
        try:
            for _, body, _ in frames.scan(data, len(FORMAT)):
                texts = frames.unpack(body)
                return dict(zip(texts[::2], texts[1::2], strict=True))
        except ValueError:
            pass
        return {}

    def write(self, key: str, made: Mapping[str, str]) -> None:
        """Put down what an action has made in its output folders; what was there before is replaced.

        :raises StateError: it cannot be written
        """
        if not made:
            self.remove(key)
            return
        texts = [text for pair in made.items() for text in pair]
        path = self._path(key)
        try:
            own_files.make_folder(*os.path.split(self.folder))
            own_files.replace(path, [FORMAT + frames.pack(frames.MADE, texts)])
        except OSError as error:
            raise StateError(
                f"the state cannot be written: {path}: {error.strerror}",
                hint="make room or the folder writable, and run again",
            ) from error

    def remove(self, key: str) -> None:
        """Remove what is known of one action."""
        try:
            os.unlink(self._path(key))
        except OSError:
            return

    def remove_all_but(self, keys: Collection[str]) -> None:
        """Remove what is known of all other actions."""
        try:
            names = os.listdir(self.folder)
        except OSError:
            return
        for name in names:
            if name not in keys:
                self.remove(name)

    def _path(self, key: str) -> str:
        return os.path.join(self.folder, key)
