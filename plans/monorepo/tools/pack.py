"""Pack modules into a file that Python imports from: `pack.py OUT FILE...`.

The same files make the same bytes, so what imports from it is tested again only if one of them has changed.
"""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

out, *files = sys.argv[1:]
with zipfile.ZipFile(out, "w") as archive:
    for file in files:
        archive.writestr(zipfile.ZipInfo(Path(file).name), Path(file).read_bytes())
