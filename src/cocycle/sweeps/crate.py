"""An archive as an RO-Crate: its files with a description that repositories of research data read.

RO-Crate 1.1, https://w3id.org/ro/crate/1.1, is a folder with the file ro-crate-metadata.json: entities of schema.org in
JSON-LD, each with an @id, that name the files and say what they are, who made them with what, and who may use them.
The runs are described as in the profile Process Run Crate 0.5, https://w3id.org/ro/wfrun/process/0.5.  Soiland-Reyes et
al., Data Science 5, 97 (2022).
"""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from shutil import copyfile
from typing import Any, final

import numpy as np

from cocycle.sweeps.archive import Archive
from cocycle.sweeps.labelled import write_netcdf
from cocycle.sweeps.records import WITHOUT_RESULT, Status

METADATA = "ro-crate-metadata.json"
CRATE, PROFILE = "https://w3id.org/ro/crate/1.1", "https://w3id.org/ro/wfrun/process/0.5"
CONTEXT = [f"{CRATE}/context", {"sha256": "http://schema.org/sha256"}]  # a newer word than 1.1 has
SPDX = "https://spdx.org/licenses/"
ORCID = re.compile(r"\d{4}-\d{4}-\d{4}-\d{3}[\dX]")
DOI = re.compile(r"10\.\d{4,9}/\S+")

Entity = dict[str, Any]


@final
@dataclass(frozen=True)
class Credits:
    """Who made the data (names, each with an ORCID after a comma or without), under which licence (its SPDX name, such
    as CC-BY-4.0, or its address; None: no right is granted), and the DOI or address of what is to be cited.

    Raises ValueError for other licences, ORCIDs and citations.
    """

    license: str | None = None
    authors: Sequence[str] = ()
    cite: str | None = None

    def __post_init__(self):
        if self.license and not (_is_address(self.license) or re.fullmatch(r"[A-Za-z0-9.+-]+", self.license)):
            raise ValueError(f"license must be an SPDX name, such as CC-BY-4.0, or an address; got {self.license!r}")
        for author in self.authors:
            name, comma, orcid = (part.strip() for part in author.partition(","))
            if not name or (comma and not ORCID.fullmatch(orcid.removeprefix("https://orcid.org/"))):
                raise ValueError(
                    f"author must be NAME or NAME,ORCID, as in 'A. Physicist,0000-0002-1825-0097'; got {author!r}"
                )
        if self.cite and not (_is_address(self.cite) or DOI.fullmatch(self.cite)):
            raise ValueError(f"citation must be a DOI, such as 10.1000/182, or an address; got {self.cite!r}")


def write_crate(archive: Archive, folder: Path, credits: Credits) -> None:
    """Fill an empty folder with a crate: the archive as it is, its results as netCDF with CF attributes, the text of
    the measure where it is known, and the description of all that.

    Raises ImportError without xarray and h5netcdf.
    """
    stem = archive.path.stem
    write_netcdf(archive, folder / f"{stem}.nc")
    copyfile(archive.path, folder / f"{stem}.h5")
    copied = Archive.open(folder / f"{stem}.h5")
    parts = [
        _file(folder / f"{stem}.h5", "application/x-hdf5", f"archive of the sweep: {_counts(copied)}", copied),
        _file(folder / f"{stem}.nc", "application/x-netcdf", "its results as netCDF, with CF attributes", copied),
    ]
    measures = _measures(copied, folder)
    actions = _actions(copied, parts, measures, credits)
    people, licence, cited = _people(credits), _licence(credits), _cited(credits)
    root = {
        "@id": "./",
        "@type": "Dataset",
        "name": f"Sweep {stem}",
        "description": _description(copied),
        "datePublished": datetime.now(UTC).date().isoformat(),
        "conformsTo": _reference(PROFILE),
        "license": _reference(licence["@id"]),
        "hasPart": _references([*parts, *measures]),
        **({"mentions": _references(actions)} if actions else {}),
        **({"author": _references(people)} if people else {}),
        **({"citation": _references(cited)} if cited else {}),
    }
    about = {"@id": METADATA, "@type": "CreativeWork", "conformsTo": _reference(CRATE), "about": _reference("./")}
    profile = {"@id": PROFILE, "@type": "CreativeWork", "name": "Process Run Crate", "version": "0.5"}
    others = [profile, licence, *people, *cited, *_variables(copied), *_software(copied)]
    graph = [about, root, *parts, *measures, *others, *actions]
    text = json.dumps({"@context": CONTEXT, "@graph": graph}, indent=2, ensure_ascii=False)
    (folder / METADATA).write_text(text + "\n", "utf-8")


def _file(path: Path, kind: str, words: str, archive: Archive) -> Entity:
    return {
        "@id": path.name,
        "@type": "File",
        "name": path.name,
        "description": words,
        "encodingFormat": kind,
        "contentSize": str(path.stat().st_size),
        "sha256": _digest(path),
        "variableMeasured": _references(_variables(archive)),
    }


def _variables(archive: Archive) -> list[Entity]:
    """The axes and outputs, with their units."""
    contents, grid = archive.contents, archive.grid
    return [
        {
            "@id": f"#variable-{name}",
            "@type": "PropertyValue",
            "name": name,
            "description": contents.long_names.get(name, name),
            **({"unitText": contents.units[name]} if name in contents.units else {}),
        }
        for name in (*grid.axes, *grid.columns, *archive.outputs)
    ]


def _measures(archive: Archive, folder: Path) -> list[Entity]:
    """The text of the measure of the last run that noted one, in a file."""
    noted = [entry for entry in archive.history if entry.get("source")]
    if not noted:
        return []
    last = noted[-1]
    stem = Path(str(last.get("file") or last.get("module"))).stem
    path = folder / f"{re.sub(r'[^A-Za-z0-9_-]', '_', stem) or 'measure'}.py"
    path.write_text(str(last["source"]), "utf-8")
    return [
        {
            "@id": path.name,
            "@type": ["File", "SoftwareSourceCode"],
            "name": f"measure {last.get('name')}",
            "description": f"the source text with the function {last.get('name')}, as the last run noted it",
            "programmingLanguage": f"Python {last.get('python_version')}",
            "encodingFormat": "text/x-python",
            "contentSize": str(path.stat().st_size),
            "sha256": _digest(path),
        }
    ]


def _software(archive: Archive) -> list[Entity]:
    """One entity for each version of this package that computed points."""
    versions = sorted({str(entry["cocycle_version"]) for entry in archive.history if "cocycle_version" in entry})
    return [
        {
            "@id": f"#cocycle-{found}",
            "@type": "SoftwareApplication",
            "name": "cocycle",
            "description": "Lyapunov exponents of networks as discrete maps; sweeps in archives",
            "softwareVersion": found,
            "license": _reference(f"{SPDX}MIT"),
        }
        for found in versions
    ]


def _actions(archive: Archive, parts: list[Entity], measures: list[Entity], credits: Credits) -> list[Entity]:
    """The runs: who computed it when, with what, and what came of it."""
    entries, found = archive.history, []
    for i, entry in enumerate(entries):
        if entry.get("event") == "end":
            continue
        after = entries[i + 1] if i + 1 < len(entries) and entries[i + 1].get("event") == "end" else {}
        complete = after.get("outcome") == "complete"
        versions = [f"{k.removesuffix('_version')} {v}" for k, v in entry.items() if k.endswith("_version")]
        commit = f"; commit {entry['git_commit']}" if entry.get("git_commit") else ""
        used = f"#cocycle-{entry['cocycle_version']}" if "cocycle_version" in entry else ""
        found.append(
            {
                "@id": f"#run-{len(found) + 1}",
                "@type": "CreateAction",
                "name": f"run {len(found) + 1} of the sweep",
                "description": f"{entry.get('command')} ({', '.join(versions)}{commit})",
                "startTime": str(entry.get("time")),
                **({"endTime": str(after["time"])} if "time" in after else {}),
                "actionStatus": f"http://schema.org/{'Completed' if complete else 'Failed'}ActionStatus",
                **({} if complete else {"error": str(after.get("outcome", "no end on record"))}),
                **({"instrument": _reference(used)} if used else {}),
                **({"object": _references(measures)} if measures else {}),
                "result": _references(parts),
                **({"agent": _references(_people(credits)[:1])} if credits.authors else {}),
            }
        )
    return found


def _people(credits: Credits) -> list[Entity]:
    people = []
    for author in credits.authors:
        name, _, orcid = (part.strip() for part in author.partition(","))
        number = orcid.removeprefix("https://orcid.org/")
        identity = f"https://orcid.org/{number}" if number else f"#{name.replace(' ', '-')}"
        people.append({"@id": identity, "@type": "Person", "name": name})
    return people


def _licence(credits: Credits) -> Entity:
    if credits.license is None:
        words = "No licence was given: all rights are reserved by those who made the data."
        return {"@id": "#no-licence", "@type": "CreativeWork", "name": "no licence", "description": words}
    address = credits.license if _is_address(credits.license) else SPDX + credits.license
    return {"@id": address, "@type": "CreativeWork", "name": credits.license, "description": "licence of the data"}


def _cited(credits: Credits) -> list[Entity]:
    if credits.cite is None:
        return []
    address = credits.cite if _is_address(credits.cite) else f"https://doi.org/{credits.cite}"
    return [{"@id": address, "@type": "ScholarlyArticle", "name": credits.cite}]


def _description(archive: Archive) -> str:
    axes = ", ".join(f"{name} ({len(values)})" for name, values in archive.grid.axes.items())
    settings = ", ".join(f"{name} = {value}" for name, value in archive.fixed.items())
    fixed = f" Settings that all points share: {settings}." if settings else ""
    return f"{', '.join(archive.outputs)} over {axes}; seed {archive.seed}; {_counts(archive)}.{fixed}"


def _counts(archive: Archive) -> str:
    status = archive.status
    asked = int((status != Status.LEFT_OUT).sum())
    failed = int(np.isin(status, WITHOUT_RESULT).sum())
    return f"{int((status == Status.DONE).sum())} of {asked} points done, {failed} failed"


def _digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_address(text: str) -> bool:
    return text.startswith(("https://", "http://"))


def _reference(name: str) -> Entity:
    return {"@id": name}


def _references(entities: Sequence[Entity]) -> Entity | list[Entity]:
    """References to entities, not in a list if there is one: as RO-Crate recommends."""
    found = [_reference(entity["@id"]) for entity in entities]
    return found[0] if len(found) == 1 else found
