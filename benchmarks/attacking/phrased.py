"""More archives that somebody made to do harm: by what their journals, names and texts say; see `forged`."""

import contextlib
import json
import zlib
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from attacking.forged import HOSTILE, Maker, changed
from cocycle import Archive, Grid
from cocycle.sweeps import journal, layout
from cocycle.sweeps.records import Records, Status

READ_ONLY, AS_NOBODY = 1, 2  # what a maker says of how its file is to be looked at


def noted(*facts: Any) -> Maker:
    """Entries of the journal, with right checksums, whatever they are."""

    def maker(path: Path) -> None:
        with Archive.open(path).writer() as writer:
            for each in facts:
                writer._append(journal.line_of(each), layout.JOURNAL_BYTES)

    return maker


def header(words: bytes) -> Maker:
    def maker(path: Path) -> None:
        with h5py.File(path) as file:
            start = file[layout.JOURNAL].id.get_offset()
        with open(path, "rb+") as raw:
            raw.seek(start)
            raw.write(words)

    return maker


START = {"event": "start", "name": "quick", "module": "attacking.scenes", "file": "", "named": True}
JOURNALS = {
    "no mappings": noted([1], 3, "words", None),
    "without event": noted({"time": "now"}),
    "an event that is a list": noted({"event": ["start"]}),
    "a name that is a mapping": noted({**START, "name": {"a": 1}}),
    "digests that are a list": noted({**START, "digests": ["a"]}),
    "digests that are words": noted({**START, "digests": "abc"}),
    "digests of numbers": noted({**START, "digests": {"attacking.scenes": 3}}),
    "no digests": noted(START),
    "a module that is a number": noted({**START, "module": 7}),
    "a file that is a list": noted({**START, "file": ["a"]}),
    "a file with NUL": noted({**START, "module": "study_a", "file": "a\0b"}),
    "parts that are a number": noted({"event": "assembled", "parts": 5}),
    "parts that are null": noted({"event": "assembled", "parts": None}),
    "versions that are lists": noted({**START, "python_version": [1], "git_commit": 5}),
    "a failure without words": noted({"event": "failure"}),
    "a failure of lists": noted({"event": "failure", "place": [1], "traceback": {"a": 1}}),
    "deeply nested": lambda path: _deep_line(path),
    "a header of a huge length": header(b"00000000 99999999999999999999 0\n"),
    "a header of many digits": header(b"00000000 " + b"9" * 22 + b"\n"),
    "a header of other digits": header("00000000 ²² 0\n".encode("latin-1")),
    "no end": noted({**START, "digests": {}}),
    "control characters": noted({**START, "command": HOSTILE, "host": HOSTILE, "name": HOSTILE, HOSTILE: HOSTILE},
                                {"event": "end", "outcome": HOSTILE}),
}  # fmt: skip


def _deep_line(path: Path) -> None:
    """A line that is whole by its checksum and deeper than a parser goes."""
    text = "[" * 20_000 + "]" * 20_000
    with Archive.open(path).writer() as writer:
        writer._append(f"{zlib.crc32(text.encode()):08x} {text}\n".encode(), layout.JOURNAL_BYTES)


def with_names(axis: str, output: str) -> Maker:
    """Another name of an axis and of an output, everywhere in the file."""

    def maker(path: Path) -> None:
        with changed(path) as file:
            for old, new in (("x", axis), ("height", output)):
                with contextlib.suppress(Exception):
                    file.move(old, new)
                for name in ("axes", "outputs", "units", "long_names"):
                    file.attrs[name] = file.attrs[name].replace(json.dumps(old), json.dumps(new))

    return maker


NAMES = {
    kind: with_names(name, f"{name}2")
    for kind, name in {
        "..": "..", ".": ".", "a path": "../../evil", "NUL": "a\0b", "a newline": "a\nb", "an escape": "a\x1b[31mb",
        "empty": "", "very long": "a" * 60_000, "half a character": "a\ud800",
    }.items()
}  # fmt: skip


def hostile_texts(words: str) -> Maker:
    """Messages, settings, units and coordinates of these words, in an archive that is sound."""

    def maker(path: Path) -> None:
        path.unlink()
        grid = Grid({"kind": [words, "plain"], "x": [1.0, 2.0]})
        archive = Archive.create(
            path, grid, outputs={"height": (), "noise": (2,)}, seed=1, fixed={"note": words, "list": [words]},
            units={"height": words}, long_names={"kind": words},
        )  # fmt: skip
        with archive.writer() as writer:
            values = {"height": np.ones(2), "noise": np.ones((2, 2))}
            writer.commit(Records.done(np.arange(2), values))
            writer.commit(Records.without_result(np.arange(2, 4), Status.FAILED, words, archive.outputs))
            writer.explain({words: words})

    return maker


TEXTS = {
    "control characters": hostile_texts(HOSTILE),
    "newlines": hostile_texts("a\nb\r\nc"),
    "a formula": hostile_texts('=HYPERLINK("http://evil","x")'),
    "formula, plus": hostile_texts("+1+cmd|' /C calc'!A0"),
    "formula, minus": hostile_texts("-2+3"),
    "formula, at": hostile_texts("@SUM(1+1)"),
    "formula, tab": hostile_texts("\t=1+1"),
    "formula, return": hostile_texts("\r=1+1"),
    "formula, newline": hostile_texts("\n=1+1"),
    "a return, then a formula": hostile_texts("abc\r=1+1"),
    "markup": hostile_texts("<script>alert(1)</script>"),
}


def compressed(path: Path) -> int:
    """A small file, repacked, whose messages are 200 MB of zeros when they are read.  Commands that write are slow."""
    with changed(path) as file:
        length = 10**6
        for name in [name for name in file if name != "provenance"]:
            del file[name]
        for name, dtype, event in (("height", "<f8", ()), ("noise", "<f8", (2,)), ("status", "u1", ()),
                                   ("checksum", "<u4", ()), ("message", "S200", ())):  # fmt: skip
            _zeros(file, name, (length, *event), np.dtype(dtype))
        file["x"] = np.arange(length)
        file["noise_0"] = np.arange(2)
        file.attrs["axes"] = '["x"]'
        file.attrs["units"] = file.attrs["long_names"] = "{}"
    return READ_ONLY


def _zeros(file: h5py.File, name: str, shape: tuple[int, ...], dtype: np.dtype) -> None:
    """One compressed chunk, written again and again."""
    chunk = (10**6, *shape[1:])
    made = file.create_dataset(name, shape, dtype, chunks=chunk, compression="gzip", compression_opts=9)
    data = zlib.compress(bytes(int(np.prod(chunk)) * dtype.itemsize), 9)
    for start in range(0, shape[0], chunk[0]):
        made.id.write_direct_chunk((start, *[0] * len(shape[1:])), data)
