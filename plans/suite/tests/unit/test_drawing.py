"""What a drawing looks like."""

import unittest

from bins import drawing


class Drawing(unittest.TestCase):
    """Lines of bins."""

    def test_an_empty_bin_has_a_line(self) -> None:
        self.assertEqual(drawing({0: 1, 2: 2}, 5), ["     0 #", "     5", "    10 ##"])
