"""The journal of an archive: who ran it, when and with what, as lines of JSON in a space of fixed size.

Before the lines stands a header: how many bytes of lines there are, how many notes had no room, whether a run is on,
whether the journal was ever damaged, and a checksum over that and all the lines.  A note is appended first, then the
header is written: a writer that is killed between leaves a line that does not count.
"""

import json
import struct
import zlib
from typing import Any, NamedTuple

HEADER = 32  # bytes
FIELDS = struct.Struct("<IIHBB")  # checksum, bytes of lines, notes lost, running, damaged: few, to be written at once
START, FAILURE = "start", "failure"  # events: a run begins; the last calls of a failure, which is no entry of a run

Facts = dict[str, Any]


class Journal(NamedTuple):
    """What a journal holds: its notes, how many had no room, whether all is as it was written and always was, and
    whether a run is on, or was killed."""

    notes: list[Facts]
    lost: int
    whole: bool
    running: bool = False
    lines: bytes = b""

    @property
    def entries(self) -> list[Facts]:
        """The notes of runs.  One of a start was written without the facts that it shares with the start before."""
        found, before = [], {}
        for note in self.notes:
            if note.get("event") == START:
                note = before = {name: value for name, value in {**before, **note}.items() if value is not None}
            if note.get("event") != FAILURE:
                found.append(dict(note))
        return found


def line_of(facts: Facts) -> bytes:
    """Facts as one line with its checksum."""
    text = json.dumps(facts, default=str)
    return f"{zlib.crc32(text.encode()):08x} {text}\n".encode()


def facts_of(lines: bytes) -> list[Facts]:
    """The facts of lines, but for those that are not whole."""
    found = [json.loads(line[9:]) for line in lines.split(b"\n")[:-1] if _is_whole(line)]
    return [facts for facts in found if isinstance(facts, dict)]


def read(space: bytes) -> Journal:
    """The journal in its space.  Of one that is damaged, the lines that are whole."""
    if not space[:HEADER].strip(b"\0"):
        return Journal([], 0, True)
    _, length, lost, running, damaged = FIELDS.unpack_from(space)
    lines = space[HEADER : HEADER + length]
    notes = facts_of(lines)
    if _header(lines, lost, running, damaged) == space[:HEADER] and len(notes) == lines.count(b"\n"):
        return Journal(notes, lost, not damaged, bool(running), lines)
    notes = facts_of(space[HEADER:].replace(b"\0", b""))
    return Journal(notes, 1, False, False, b"".join(map(line_of, notes)))


def appended(space: bytes, line: bytes, limit: int, *, running: bool | None = None) -> tuple[int, bytes] | None:
    """Where a line is to be written, and then the header; None if there is no room within the limit."""
    journal = read(space)
    if HEADER + len(journal.lines) + len(line) > limit:
        return None
    state = journal.running if running is None else running
    return HEADER + len(journal.lines), _header(journal.lines + line, journal.lost, state, not journal.whole)


def with_one_lost(space: bytes, *, running: bool) -> bytes:
    """The header when one more note had no room."""
    journal = read(space)
    return _header(journal.lines, journal.lost + 1, running, not journal.whole)


def shorter(facts: Facts, entries: list[Facts]) -> Facts:
    """The facts of a start without those that it shares with the start before: a journal holds more runs so."""
    before = next((entry for entry in reversed(entries) if entry.get("event") == START), {})
    gone = {name: None for name in before if name not in facts}
    return {k: v for k, v in facts.items() if k == "event" or k not in before or before[k] != v} | gone


def _header(lines: bytes, lost: int, running: int, damaged: int) -> bytes:
    fields = (len(lines), min(lost, 2**16 - 1), int(running), int(damaged))
    checksum = zlib.crc32(FIELDS.pack(0, *fields) + lines)
    return FIELDS.pack(checksum, *fields).ljust(HEADER, b"\0")


def _is_whole(line: bytes) -> bool:
    return line[:9] == f"{zlib.crc32(line[9:]):08x} ".encode()
