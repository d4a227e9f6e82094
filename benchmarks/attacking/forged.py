"""Archives that somebody made to do harm: each maker turns a sound finished archive at a path into one.

After a change HDF5 cuts the seal off: `sealed` makes a new one, right for whatever the file holds by then, so that the
file comes as far as an attacker can bring it.
"""

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from cocycle.sweeps import journal, layout
from cocycle.sweeps.contents import OF_POINTS
from cocycle.sweeps.seal import SEAL, SEAL_BYTES

SECRET = "the secret of another file"
HOSTILE = "\x1b]0;owned\x07\x1b[31m\r\x9b2J\u202e"  # a terminal's title, colours, a cleared screen, text backwards
DEEP = "[" * 100_000 + "]" * 100_000
Maker = Callable[[Path], Any]


@contextmanager
def changed(path: Path, right: bool = True) -> Iterator[h5py.File]:
    """The file, to be changed; then its digest is made right, if it is to be, as far as what it holds has any; and its
    seal."""
    with h5py.File(path, "r+", locking=False) as file:
        yield file
        if right and all(item.nbytes < 2**26 for item in _own(file) if item.name in ("/x", "/y")):  # they are read
            with contextlib.suppress(Exception):
                file.attrs["digest"] = layout._contents(file).digest()
    sealed(path)


def _own(file: h5py.File) -> list[h5py.Dataset]:
    """The datasets that lie in this file, under names of their own."""
    names = [*file, layout.JOURNAL]
    found = [file.get(name) for name in names if isinstance(file.get(name, getlink=True), h5py.HardLink)]
    return [item for item in found if isinstance(item, h5py.Dataset)]


def sealed(path: Path, **odd: Any) -> None:
    """Append a seal, with odd facts in place of the right ones."""
    spans = []
    with contextlib.suppress(Exception), h5py.File(path, locking=False) as file:
        names = [*json.loads(file.attrs["outputs"]), *json.loads(file.attrs["parameters"]), *OF_POINTS, layout.JOURNAL]
        ours = [item for item in _own(file) if item.name[1:] in names and item.id.get_offset() is not None]
        spans = sorted((item.id.get_offset(), item.id.get_storage_size()) for item in ours)
    whole, rest, position = path.read_bytes(), hashlib.sha256(), 0
    for start, length in [*spans, (len(whole), 0)]:
        rest.update(whole[position:start])
        position = start + length
    facts = {"size": len(whole), "changing": spans, "digest": rest.hexdigest(), **odd}
    with_seal(path, {name: fact for name, fact in facts.items() if fact is not ...})


def with_seal(path: Path, facts: Any) -> None:
    with open(path, "ab") as file:
        file.write((SEAL + journal.line_of(facts)).ljust(SEAL_BYTES, b"\0"))


def without_seal(path: Path) -> None:
    with h5py.File(path, "r+", locking=False) as file:
        file.attrs["nothing"] = 0


def dataset(name: str, make: Callable[[h5py.File, str], Any]) -> Maker:
    """Another thing in place of a dataset."""

    def maker(path: Path) -> None:
        path.with_name("secret").write_bytes(SECRET.encode() * 400)
        with changed(path) as file:
            del file[name]
            make(file, name)

    return maker


def external_storage(file: h5py.File, name: str) -> None:
    of = [(str(Path(file.filename).with_name("secret")), 0, h5py.h5f.UNLIMITED)]
    file.create_dataset(name, shape=file["checksum"].shape, dtype="<f8", external=of)


def virtual(file: h5py.File, name: str) -> None:
    other = Path(file.filename).with_name("other.h5")
    with h5py.File(other, "w") as source:
        source["y"] = np.zeros(file["checksum"].shape)
    view = h5py.VirtualLayout(file["checksum"].shape, "<f8")
    view[...] = h5py.VirtualSource(str(other), "y", file["checksum"].shape)
    file.create_virtual_dataset(name, view)


def external_link(file: h5py.File, name: str) -> None:
    other = Path(file.filename).with_name("other.h5")
    with h5py.File(other, "w") as source:
        source["y"] = np.zeros(file["checksum"].shape)
    file[name] = h5py.ExternalLink(str(other), "y")


def soft_link(file: h5py.File, name: str) -> None:
    file[name] = h5py.SoftLink("/checksum")


def ring_of_soft_links(file: h5py.File, name: str) -> None:
    file[name], file["ring"] = h5py.SoftLink("/ring"), h5py.SoftLink(f"/{name}")


def group(file: h5py.File, name: str) -> None:
    file.create_group(name)["x"] = 1


def loop(file: h5py.File, name: str) -> None:
    file.create_group(name)["itself"] = file["/"]


def named_type(file: h5py.File, name: str) -> None:
    file[name] = np.dtype("f8")


def declared(chunks: Any) -> Callable[[h5py.File, str], None]:
    return lambda file, name: file.create_dataset(name, shape=(2 * 10**9,), dtype="<f8", chunks=chunks)


def of(shape: Any, dtype: Any, **more: Any) -> Callable[[h5py.File, str], None]:
    def make(file: h5py.File, name: str) -> None:
        shown = file["checksum"].shape[: 1 if name == "x" else 2] if shape is None else shape
        if "chunks" in more:
            more["chunks"] = (1,) * len(shown)
        early = {} if "chunks" in more else {"dcpl": _early()}
        made = file.create_dataset(name, shape=shown, dtype=dtype, **early, **more)
        if "chunks" in more:
            made[...] = 0

    return make


def _early() -> h5py.h5p.PropDCID:
    """All its bytes are in the file, as ours are: what is odd about it is not that they are missing."""
    early = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    early.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    return early


THINGS: dict[str, Callable[[h5py.File, str], Any]] = {
    "external storage": external_storage,
    "a virtual dataset": virtual,
    "an external link": external_link,
    "a soft link": soft_link,
    "a ring of soft links": ring_of_soft_links,
    "a group": group,
    "a group that holds itself": loop,
    "a named type": named_type,
    "nothing": lambda file, name: None,
    "15 GB in chunks that are not there": declared((1000,)),
    "15 GB that are not there": declared(None),
    "another shape": of((3, 3), "<f8"),
    "a scalar": of((), "<f8"),
    "no points": of((0, 0), "<f8"),
    "an empty dataspace": lambda file, name: file.create_dataset(name, data=h5py.Empty("<f8")),
    "big-endian numbers": of(None, ">f8"),
    "integers of 64 bits": of(None, "<i8"),
    "strings": of(None, h5py.string_dtype()),
    "lists": of(None, h5py.vlen_dtype(np.dtype("f8"))),
    "a compound type": of(None, np.dtype([("a", "f8"), ("b", "i4")])),
    "references": of(None, h5py.ref_dtype),
    "chunks of one number": of(None, "<f8", chunks=True),
}
DATASETS = {
    f"{name}: {thing}": dataset(name, make)
    for name in ("height", "status", "message", "x", layout.JOURNAL)
    for thing, make in THINGS.items()
}


def attribute(name: str, value: Any) -> Maker:
    def maker(path: Path) -> None:
        with changed(path, right=name != "digest") as file:
            del file.attrs[name]
            if value is not ...:
                file.attrs[name] = value

    return maker


ODD_VALUES = {
    "missing": ...,
    "no JSON": "{",
    "deeply nested": DEEP[:60_000],
    "deep within a mapping": '{"a": ' + "[" * 25_000 + "]" * 25_000 + "}",
    "a number": "3",
    "a list": "[1, 2]",
    "null": "null",
    "a huge number": "1" * 5000,
    "not a number": "NaN",
    "no text": np.arange(3),
    "bytes": np.bytes_(b"\xff\xfe{"),
    "empty": h5py.Empty("f4"),
    "names in names": '{"a": {"b": {"c": 1}}}',
    "wrong kinds": '{"height": [[]], "x": -1}',
    "control characters": json.dumps({HOSTILE: HOSTILE}),
}
SETTINGS = ("axes", "block", "common", "whole", "outputs", "fixed", "units", "long_names", "parent", "parameters",
            "seed", "schema", "digest")  # fmt: skip
ATTRIBUTES = {f"{name}: {odd}": attribute(name, value) for name in SETTINGS for odd, value in ODD_VALUES.items()}


def seal(**odd: Any) -> Maker:
    def maker(path: Path) -> None:
        without_seal(path)
        sealed(path, **odd)

    return maker


def bare_seal(facts: Any) -> Maker:
    def maker(path: Path) -> None:
        without_seal(path)
        with_seal(path, facts)

    return maker


SEALS = {
    "no mapping": bare_seal([1, 2]),
    "null": bare_seal(None),
    "empty": bare_seal({}),
    "without a size": seal(size=...),
    "without spans": seal(changing=...),
    "without a digest": seal(digest=...),
    "a negative size": seal(size=-5),
    "a huge size": seal(size=2**80),
    "an infinite size": seal(size=float("inf")),
    "a size in words": seal(size="many"),
    "a list as size": seal(size=[1]),
    "negative spans": seal(changing=[[-10, 5]]),
    "a huge span": seal(changing=[[0, 2**70]]),
    "spans that run backwards": seal(changing=[[100, 10], [0, 10]]),
    "spans of one number": seal(changing=[[1]]),
    "spans of words": seal(changing=[["a", "b"]]),
    "spans that are no list": seal(changing=7),
    "fractions": seal(size=1.5, changing=[[0.5, 1.5]]),
    "a span that hides everything": seal(changing=[[0, 10**9]], digest=hashlib.sha256(b"").hexdigest()),
    "a number as digest": seal(digest=3),
    "hostile words": seal(digest=HOSTILE),
    "two of them": lambda path: sealed(path),
    "none": without_seal,
    "cut in two": lambda path: os.truncate(path, path.stat().st_size - SEAL_BYTES // 2),
}
