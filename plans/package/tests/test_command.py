"""What the command prints."""

import subprocess
import sys
import unittest


class Command(unittest.TestCase):
    """Texts and what is printed for them."""

    def test_the_most_frequent_word_comes_first(self) -> None:
        command = [sys.executable, "-c", "from tally.command import main; main()"]
        done = subprocess.run(command, input="a b b", capture_output=True, text=True, check=True)
        self.assertEqual(done.stdout, "2 b\n1 a\n")
