"""`python -m cocycle` is the `cocycle` command."""

import sys

from cocycle.cli import main

sys.exit(main())
