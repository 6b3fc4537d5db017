"""`python -m tapewatch` is the same as `tapewatch`."""

import sys

from tapewatch.cli import main

sys.exit(main())
