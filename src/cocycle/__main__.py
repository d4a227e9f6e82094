"""`python -m cocycle` is the `cocycle` command."""

import sys

from cocycle.cli import main

if __name__ == "__main__":  # workers of MPI import this too
    sys.exit(main())
