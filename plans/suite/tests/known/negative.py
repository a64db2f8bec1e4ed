"""Numbers below 0 are known to be in the wrong bin, as `int` rounds towards 0: 3 as long as that is so."""

import sys

from bins import bins

if bins([-3, 3], 10) == {0: 2}:
    print("-3 is in the bin of 3")
    sys.exit(3)
