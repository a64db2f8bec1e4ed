"""Pack modules into one file that Python runs: `pack.py MODULE:FUNCTION OUT FOLDER FILE...`.

The same files make the same bytes, so what reads the program runs again only if one of them has changed.
"""

from __future__ import annotations

import os
import sys
import zipfile
from pathlib import Path

main, out, folder, *files = sys.argv[1:]
module, function = main.split(":")
with open(out, "wb") as program:
    program.write(b"#!/usr/bin/env python3\n")
    with zipfile.ZipFile(program, "w") as archive:
        for file in files:
            archive.writestr(zipfile.ZipInfo(os.path.relpath(file, folder)), Path(file).read_bytes())
        start = f"import {module}\n{module}.{function}()\n"
        archive.writestr(zipfile.ZipInfo("__main__.py"), start)
os.chmod(out, 0o755)
