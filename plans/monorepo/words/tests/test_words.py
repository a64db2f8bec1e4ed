"""What counts as a word."""

import unittest

from words import count


class Words(unittest.TestCase):
    """Texts and what is counted in them."""

    def test_case_does_not_matter(self) -> None:
        self.assertEqual(count("One one ONE two"), {"one": 3, "two": 1})
