"""Flipped bits and files cut short: an archive is refused, shows its damage, or says what it said."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np

from attacking import scenes
from attacking.children import FORK, called, kill_tree, quiet
from attacking.counts import Row, generator, scaled
from cocycle import Archive
from cocycle.sweeps.layout import JOURNAL, JOURNAL_BYTES

FLIPS, OF_STATUS, OF_JOURNAL, TRUNCATIONS = 10_000, 1000, 1000, 500
BATCH = 400  # changes that one process looks at
SECONDS = 20.0  # for one change, after which it hangs
SAFE = ("refused", "shown by verify", "harmless")
FAULTS = ("WRONG VALUE", "UNDETECTED STATUS", "UNDETECTED HISTORY", "UNDETECTED MESSAGE", "UNDETECTED SETTING",
          "another error", "hang", "crash")  # fmt: skip
NAMES = {"VALUE": "WRONG VALUE"} | {name: f"UNDETECTED {name}" for name in ("STATUS", "HISTORY", "MESSAGE", "SETTING")}


class Flip(NamedTuple):
    """One bit of one byte."""

    place: int
    bit: int

    def apply(self, file, whole: bytes) -> None:
        os.pwrite(file, bytes([whole[self.place] ^ (1 << self.bit)]), self.place)

    def undo(self, file, whole: bytes) -> None:
        os.pwrite(file, whole[self.place : self.place + 1], self.place)


class Cut(NamedTuple):
    """A file that ends too early."""

    length: int

    def apply(self, file, whole: bytes) -> None:
        os.ftruncate(file, self.length)

    def undo(self, file, whole: bytes) -> None:
        os.pwrite(file, whole[self.length :], self.length)


Change = Flip | Cut


def attack(folder: Path, scale: float, seed: int) -> list[Row]:
    """Rows of flips in the whole file, in status bytes, in the journal, and of truncations."""
    paths = _archives(folder)
    rows = []
    for attack, count, choose in (
        ("flipped bits: whole file", FLIPS, _anywhere),
        ("flipped bits: status", OF_STATUS, _in_status),
        ("flipped bits: used journal", OF_JOURNAL, _in_journal),
        ("cut short", TRUNCATIONS, _lengths),
    ):
        row = Row.of(attack, SAFE, FAULTS)
        if choose is _lengths:  # nothing but a refusal will do
            row = Row.of(attack, SAFE[:1], (*SAFE[1:], *FAULTS))
        rng = generator(seed, attack)
        for path, share in zip(paths, _shares(scaled(count, scale), len(paths)), strict=True):
            _changed(row, path, choose(path, share, rng))
        rows.append(row)
    return rows


def _archives(folder: Path) -> list[Path]:
    makers: dict[str, Callable[[Path], Any]] = {"mixed.h5": scenes.finished, "refined.h5": scenes.refined,
                                                "table.h5": scenes.rows}  # fmt: skip
    for name, make in makers.items():
        answer = called(lambda make=make, name=name: make(folder / name) and None)
        if answer[0] != "value":
            raise RuntimeError(f"{name} could not be made: {answer}")
        assert Archive.open(folder / name).damage() == []
    return [folder / name for name in makers]


def _shares(count: int, parts: int) -> list[int]:
    return [count // parts + (i < count % parts) for i in range(parts)]


def _flips(places: np.ndarray, rng: np.random.Generator) -> list[Change]:
    return [Flip(int(place), int(bit)) for place, bit in zip(places, rng.integers(8, size=len(places)), strict=True)]


def _anywhere(path: Path, count: int, rng: np.random.Generator) -> list[Change]:
    return _flips(rng.integers(path.stat().st_size, size=count), rng)


def _in_status(path: Path, count: int, rng: np.random.Generator) -> list[Change]:
    with h5py.File(path) as file:
        start, length = file["status"].id.get_offset(), file["status"].size
    return _flips(start + rng.integers(length, size=count), rng)


def _in_journal(path: Path, count: int, rng: np.random.Generator) -> list[Change]:
    """In the header and the lines."""
    with h5py.File(path) as file:
        start = file[JOURNAL].id.get_offset()
    used = len(path.read_bytes()[start : start + JOURNAL_BYTES].rstrip(b"\0"))
    return _flips(start + rng.integers(used, size=count), rng)


def _lengths(path: Path, count: int, rng: np.random.Generator) -> list[Change]:
    return [Cut(int(length)) for length in rng.integers(path.stat().st_size, size=count)]


def _changed(row: Row, path: Path, changes: Sequence[Change]) -> None:
    """Look at the archive with each of the changes, one at a time, in processes that may hang or crash."""
    while changes:
        batch = changes[:BATCH]
        found = _batch(path, batch)
        for change, (kind, detail) in zip(batch, found, strict=False):
            row.add(kind, f"{path.name}, {change}: {detail}")
        changes = changes[len(found) :]


def _batch(path: Path, changes: Sequence[Change]) -> list[tuple[str, str]]:
    """The class of each change; fewer, the last of them "hang" or "crash", if the process did not come to its end."""
    ours, theirs = FORK.Pipe()
    process = FORK.Process(target=_look, args=(theirs, path, changes))
    process.start()
    theirs.close()
    found = []
    while len(found) < len(changes):
        try:
            found.append(ours.recv() if ours.poll(SECONDS) else ("hang", ""))
        except EOFError:
            process.join()
            found.append(("crash", f"exit code {process.exitcode}"))
        if found[-1][0] in ("hang", "crash"):
            break
    kill_tree(process.pid)
    process.join()
    return found


def _look(theirs, path: Path, changes: Sequence[Change]) -> None:
    quiet()
    original, whole = scenes.everything(Archive.open(path)), path.read_bytes()
    changed = path.with_name(f"changed-{path.name}")
    changed.write_bytes(whole)
    file = os.open(changed, os.O_RDWR)
    for change in changes:
        change.apply(file, whole)
        theirs.send(_class(changed, original))
        change.undo(file, whole)
    theirs.close()


def _class(path: Path, original: dict[str, Any]) -> tuple[str, str]:
    try:
        archive = Archive.open(path)
    except ValueError:
        return "refused", ""
    except Exception as error:
        return "another error", f"open: {error!r}"
    try:
        if archive.damage():
            return "shown by verify", ""
    except ValueError:
        return "shown by verify", ""
    except Exception as error:
        return "another error", f"damage: {error!r}"
    try:
        now = scenes.everything(archive)
    except Exception as error:
        return "another error", f"read: {error!r}"
    differ = [name for name in original if now[name] != original[name]]
    return (NAMES[differ[0]], "") if differ else ("harmless", "")
