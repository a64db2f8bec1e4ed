"""What counts as a word."""

import unittest

from tally import count


class Words(unittest.TestCase):
    """Texts and what is counted in them."""

    def test_case_does_not_matter(self) -> None:
        self.assertEqual(count("One one ONE two"), {"one": 3, "two": 1})

    def test_a_number_is_no_word(self) -> None:
        self.assertEqual(count("1 and 2"), {"and": 1})
