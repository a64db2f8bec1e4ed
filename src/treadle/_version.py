"""The version of Treadle, where the quickest run finds it without importing anything else."""

from __future__ import annotations

VERSION = "0.1.0"
