"""Prints the most frequent words of its input: `app.py < TEXT`."""

from __future__ import annotations

import sys

from report import table

sys.stdout.write(table(sys.stdin.read()))
