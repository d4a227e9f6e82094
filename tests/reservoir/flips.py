"""In a process of its own, which may die: what becomes of models whose files are damaged.  Prints counts as JSON.

Run by test_saved_models.py with the folder of the saved models.
"""

import json
import sys
import warnings
from collections import Counter
from pathlib import Path

import numpy as np

from cocycle import forecast
from cocycle.reservoir import load

FLIPS, CUTS = 80, 12  # of each model


def outcome(path, warm_up, expected):
    try:
        model = load(path)
    except ValueError as error:
        whole = str(error).startswith(f"{path} is not a saved model that can be used: ") and "\n" not in str(error)
        return "refused" if whole else f"refused with {error}"
    found = forecast(model, warm_up, 20)
    return "the same" if found.tobytes() == expected.tobytes() else "different"


def damaged(whole, rng):
    for place in rng.integers(8 * len(whole), size=FLIPS):
        flipped = bytearray(whole)
        flipped[place // 8] ^= 1 << place % 8
        yield "flips", flipped
    for length in rng.integers(len(whole), size=CUTS):
        yield "cuts", whole[:length]


def main(folder):
    warnings.simplefilter("ignore")
    warm_up, rng, counts = np.load(folder / "warm-up.npy"), np.random.default_rng(5), Counter()
    for path in sorted(folder.glob("*.h5")):
        expected, whole = forecast(load(path), warm_up, 20), path.read_bytes()
        for kind, content in damaged(whole, rng):
            changed = folder / "damaged"
            changed.write_bytes(content)
            counts[f"{kind} {outcome(changed, warm_up, expected)}"] += 1
    print(json.dumps(counts))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
