"""Attacks on the archives of sweeps: processes killed at random moments, flipped bits, files cut short, two writers,
hostile files.  A table of what came of each, with counts that must be 0.

python benchmarks/attacks.py                  # all of them: 500 kills, 12,000 flipped bits; about half an hour
python benchmarks/attacks.py --scale 0.02     # a quick look
python benchmarks/attacks.py --only flips crafted

Exit status 1 if a count that must be 0 is not.  It needs Linux, psutil, dask and MPI: the extra `test`.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

if __name__ == "__main__":  # before numpy: this process is forked, which threads do not survive
    os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
sys.path.append(str(Path(__file__).parent))

from attacking import crafted, flips, kills, runs, writers
from attacking.counts import Row, faults, table

ATTACKS = {"kills": kills.attack, "runs": runs.attack, "flips": flips.attack, "writers": writers.attack,
           "crafted": crafted.attack}  # fmt: skip


def rows(scale: float, seed: int, names: Sequence[str] = tuple(ATTACKS)) -> list[Row]:
    """The counts of some of the attacks; what is known is said meanwhile."""
    found = []
    for name in names:
        start = time.monotonic()
        with tempfile.TemporaryDirectory(prefix=f"attack-{name}-") as folder:
            new = ATTACKS[name](Path(folder), scale, seed)
        wrong = sum(sum(row.faults.values()) for row in new)
        seconds = f"{time.monotonic() - start:.0f} s"
        print(f"{name}: {seconds}, {sum(row.cases for row in new)} cases, {wrong} faults", file=sys.stderr, flush=True)
        found += new
    return found


def main(arguments: Sequence[str] = ()) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=float, default=1.0, help="share of the cases (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the random moments and places (default: %(default)s)")
    parser.add_argument("--only", nargs="+", choices=list(ATTACKS), default=list(ATTACKS), help="(default: all)")
    options = parser.parse_args(arguments)
    start = time.monotonic()
    found = rows(options.scale, options.seed, options.only)
    print(table(found))
    killed = sum(row.cases - row.safe["ended before"] for row in found if row.attack.startswith("killed"))
    wrong = sum(sum(row.faults.values()) for row in found)
    print(f"\nscale {options.scale:g}, seed {options.seed}: {time.monotonic() - start:.0f} s in all, {killed} kills")
    summary = f"{wrong} of {sum(row.cases for row in found)} cases are faults"
    print("\n".join([summary, *faults(found)]))
    if wrong:
        print(summary, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
