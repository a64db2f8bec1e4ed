"""Counts the words of a text."""

from tally.words import count

__all__ = ["count"]
