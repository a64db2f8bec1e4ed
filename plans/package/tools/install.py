"""Let the environment of this Python see the modules of a folder, where they are: `install.py FOLDER`."""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path

Path(sysconfig.get_path("purelib"), "sources.pth").write_text(f"{sys.argv[1]}\n", "utf-8")
