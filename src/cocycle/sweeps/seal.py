"""The seal of an archive: a digest of everything in the file that no run changes, in one line at its end.

It is checked before HDF5 opens the file: a damaged structure can make HDF5 loop for ever.
"""

import hashlib
import os
from pathlib import Path

from cocycle.sweeps import journal

SEAL, SEAL_BYTES = b"cocycle seal ", 2**14
SEAL_BLOCKS = [2**i for i in range(12)]  # of so many times these bytes: it is long if there are many outputs


def seal(made: Path, spans: list[tuple[int, int]]) -> None:
    """Append the digest of all but the spans of bytes, (start, length), that runs change; wait for the disk."""
    changing = _merged(sorted(spans))
    size = made.stat().st_size
    facts = {"size": size, "changing": changing, "digest": _digest(made, size, changing)}
    line = SEAL + journal.line_of(facts)
    with open(made, "rb+") as written:
        written.seek(size)
        written.write(line.ljust(next(n * SEAL_BYTES for n in SEAL_BLOCKS if n * SEAL_BYTES >= len(line)), b"\0"))
        written.flush()
        os.fsync(written.fileno())


def _merged(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Spans of bytes, (start, length), those that touch as one."""
    found: list[tuple[int, int]] = []
    for start, length in spans:
        if found and sum(found[-1]) == start:
            found[-1] = found[-1][0], found[-1][1] + length
        else:
            found.append((start, length))
    return found


def is_sealed(path: Path) -> bool:
    """Whether there is a seal at the end of the file.  Raises ValueError if the file is not as it was sealed."""
    end = path.stat().st_size
    with open(path, "rb") as file:
        for blocks in SEAL_BLOCKS:
            file.seek(max(0, end - blocks * SEAL_BYTES))
            line = file.read(blocks * SEAL_BYTES)
            if line.startswith(SEAL):
                break
        else:
            return False
    facts = journal.facts_of(line[len(SEAL) :])
    if not facts or facts[0]["digest"] != _digest(path, int(facts[0]["size"]), facts[0]["changing"]):
        raise ValueError("its structure is not as it was made")
    return True


def _digest(path: Path, size: int, changing: list[tuple[int, int]]) -> str:
    """SHA-256 of the first `size` bytes, without those that runs change."""
    whole, position = hashlib.sha256(), 0
    with open(path, "rb") as raw:
        for start, length in [*changing, (size, 0)]:
            raw.seek(position)
            left = start - position
            if left < 0 or length < 0:
                raise ValueError("its seal is not of this file")
            while left and (data := raw.read(min(left, 2**20))):
                whole.update(data)
                left -= len(data)
            position = start + length
    return whole.hexdigest()
