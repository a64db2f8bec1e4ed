"""Which bin a number is in."""

import unittest

from bins import bins


class Bins(unittest.TestCase):
    """Numbers and widths."""

    def test_a_bin_has_its_beginning_and_not_its_end(self) -> None:
        self.assertEqual(bins([0, 9.9, 10], 10), {0: 2, 1: 1})

    def test_a_width_may_be_a_fraction(self) -> None:
        self.assertEqual(bins([0.1, 0.3, 0.6], 0.5), {0: 2, 1: 1})
