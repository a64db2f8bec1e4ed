"""What the table holds."""

import unittest

from report import table


class Table(unittest.TestCase):
    """Texts and their tables."""

    def test_the_most_frequent_word_comes_first(self) -> None:
        self.assertEqual(table("a b b"), "   2  b\n   1  a\n")

    def test_it_has_no_more_rows_than_are_asked_for(self) -> None:
        self.assertEqual(table("a a b", 1), "   2  a\n")
