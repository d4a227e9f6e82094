"""The summary of an archive, and its progress while it is written."""

import time
from typing import Any

import numpy as np

from cocycle.progress import progress_bar
from cocycle.sweeps.archive import Archive
from cocycle.sweeps.layout import journal_of
from cocycle.sweeps.locks import is_being_written
from cocycle.sweeps.records import WITHOUT_RESULT, Status
from cocycle.sweeps.table import Table
from cocycle.sweeps.text import one_line, printable

FAILURES = 5  # that are quoted
WITHOUT_WRITER = 3.0  # seconds until a sweep without a writer has ended: one may be about to begin


def summary(archive: Archive) -> str:
    """Axes, outputs, settings, progress, failures, and who ran it with what; control characters are escaped."""
    contents, status, grid = archive.contents, archive.status, archive.grid
    names = {name: _named(archive, name) for name in (*grid.axes, *grid.columns, *archive.outputs)}
    lines = [f"{archive.name}, {archive.path.stat().st_size / 1e6:.3g} MB", ""]
    if isinstance(grid, Table):
        lines += [f"table, {grid.used} of {len(grid)} rows used", *_parameters(grid, names)]
    else:
        lines += ["axes", *(f"  {names[name]}: {_range(values)}" for name, values in grid.axes.items())]
    lines += ["outputs"]
    for name, dims in contents.dims.items():
        shape = ", ".join(f"{axis} ({length})" for axis, length in dims.items())
        lines.append(f"  {names[name]}{': ' + shape if shape else ''}")
    lines += ["settings", f"  seed = {archive.seed}"]
    lines += [f"  {name} = {value}" for name, value in archive.fixed.items()]
    if grid.block:
        lines.append("  computed together: " + ", ".join(f"{n} of {name}" for name, n in grid.block.items()))
    if grid.common:
        lines.append(
            f"  common random numbers over {', '.join(grid.common)}: {grid.independent} independent streams,"
            f" {len(grid)} points"
        )
    if contents.parent:
        lines.append("  refines " + ", ".join(f"{name} {value}" for name, value in contents.parent.items()))
    used = status[: grid.used] if isinstance(grid, Table) else status
    lines += ["progress", f"  {_progress(used)}"]
    failed = int(np.isin(status, WITHOUT_RESULT).sum())
    failures = archive.messages(FAILURES)
    lines += [f"  {grid.point_text(grid.number(index))}: {one_line(said)}" for index, said in failures.items()]
    lines += [f"  and {failed - FAILURES} more: archive.messages()"] if failed > FAILURES else []
    lines += _frames(archive.tracebacks() if failed else {}, list(failures.values()))
    lost = journal_of(archive.path).lost
    lines += ["runs", *_runs(archive.history, is_being_written(archive.path))]
    lines += [f"  {lost} notes are not on record: the journal was full, or is damaged"] if lost else []
    return printable("\n".join(lines))


def _parameters(table: Table, names: dict[str, str]) -> list[str]:
    lines = []
    for name, kind in table.parameters.items():
        stored = table.column_values(np.arange(table.used))[name]
        if isinstance(kind, tuple):
            lines.append(f"  {names[name]}: one of {', '.join(map(str, kind))}")
        else:
            used = f", {stored.min():.6g} to {stored.max():.6g}" if len(stored) else ""
            lines.append(f"  {names[name]}: {kind.__name__}{used}")
    return lines


def _frames(tracebacks: dict[str, str], messages: list[str]) -> list[str]:
    """The last frames of the failures with these messages."""
    lines = []
    for place, text in tracebacks.items():
        if any(message.endswith(f"({place})") for message in messages):
            lines += [f"  the last calls of the failure in {place}", *(f"  {line}" for line in text.splitlines())]
    return lines


def watch(archive: Archive, every: float = 1.0) -> str:
    """Follow a sweep that another process writes until nothing is to do, or no process writes it; what came of it."""
    status = archive.status
    total = int((status != Status.LEFT_OUT).sum())
    before = int(((status != Status.TO_DO) & (status != Status.LEFT_OUT)).sum())
    with progress_bar(total, printable(archive.name), initial=before, delay=0) as advance:
        seen = time.monotonic()
        while True:
            now = total - int((archive.status == Status.TO_DO).sum())
            advance(now - before)
            before = now
            seen = time.monotonic() if is_being_written(archive.path) else seen
            if now == total or time.monotonic() - seen > WITHOUT_WRITER:
                break
            time.sleep(every)
    said = _progress(archive.status)
    if now == total:
        return said
    ended = [entry for entry in archive.history[-1:] if entry.get("event") == "end"]
    return printable(f"{said}; no process writes it" + (f", its last run: {ended[0].get('outcome')}" if ended else ""))


def _progress(status: np.ndarray) -> str:
    counts = np.bincount(status.ravel(), minlength=len(Status))
    asked = status.size - counts[Status.LEFT_OUT]
    words = ", ".join(f"{counts[s]} {s.words}" for s in Status if counts[s] and s != Status.DONE)
    return f"{counts[Status.DONE]} of {asked} points done" + (f"; {words}" if words else "")


def _runs(history: list[dict[str, Any]], running: bool) -> list[str]:
    lines, before = [], None
    for i, entry in enumerate(history):
        if entry.get("event") == "end":
            continue
        after = history[i + 1] if i + 1 < len(history) else {}
        end = (
            f"to {after.get('time')}, {after.get('outcome')}" if after.get("event") == "end" else "to no end on record"
        )
        end = "and still running" if running and entry is history[-1] else end
        end = "made of others" if entry.get("event") == "assembled" else end
        dirty = {"yes": " (dirty)", "unknown": " (whether changed is unknown)"}.get(str(entry.get("git_dirty")), "")
        commit = str(entry.get("git_commit", ""))[:10] + dirty
        versions = [f"{k.removesuffix('_version')} {v}" for k, v in entry.items() if k.endswith("_version")]
        lines += [
            f"  {entry.get('time')} {end}",
            f"    {entry.get('command')}",
            f"    on {entry.get('host')} in {entry.get('directory')}{', commit ' + commit if commit else ''}",
            f"    {', '.join(versions)}",
        ]
        if "name" in entry:
            digests = entry.get("digests")
            lines.append(
                f"    measure {entry['name']} of {entry.get('file') or entry.get('module')}{_short_digest(entry)}"
            )
            lines += ["    with another source text than before"] if before not in (None, digests) else []
            before = digests
        parts = entry.get("parts")
        lines += [f"    made of {part}" for part in parts] if isinstance(parts, list) else []
    return lines or ["  none"]


def _short_digest(entry: dict[str, Any]) -> str:
    """The beginning of the digest that identifies the source that was run."""
    digests = entry.get("digests")
    own = digests.get(str(entry.get("module"))) if isinstance(digests, dict) else None
    return f", SHA-256 {str(own)[:12]}" if own else ""


def _named(archive: Archive, name: str) -> str:
    unit, words = (table.get(name) for table in (archive.contents.units, archive.contents.long_names))
    return name + (f" ({unit})" if unit else "") + (f", {words}" if words else "")


def _range(values: np.ndarray) -> str:
    if values.dtype.kind in "UOb" or len(values) < 6:
        return ", ".join(f"{value:.6g}" if values.dtype.kind == "f" else str(value) for value in values)
    return f"{len(values)} values, {values[0]:.6g} to {values[-1]:.6g}"
