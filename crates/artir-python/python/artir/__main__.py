"""`python -m artir`, and the program that other processes start by the path of this file."""

import os
import sys

if not __package__:
    # Started by its path: the first folder of the search is this one, where modules of the package would hide others.
    sys.path[0] = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

from artir._command import main

sys.exit(main())
