"""The journal of an archive: who ran it, when and with what, as lines of JSON in a space of fixed size.

Before the lines stands a header: how many bytes of lines there are, how many notes found no place, and a checksum over
both and all the lines.  A note is appended first, then the header is written: a writer that is killed between leaves a
line that does not count.
"""

import json
import zlib
from itertools import takewhile
from typing import Any, NamedTuple

HEADER = 32  # bytes
START, FAILURE = "start", "failure"  # events: a run begins; the last calls of a failure, which is no entry of a run

Facts = dict[str, Any]


class Journal(NamedTuple):
    """What a journal holds: its notes, how many found no place, and whether all is as it was written."""

    notes: list[Facts]
    lost: int
    whole: bool
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
    """Facts as one line, that shows whether it is whole."""
    text = json.dumps(facts, default=str)
    return f"{zlib.crc32(text.encode()):08x} {text}\n".encode()


def facts_of(lines: bytes) -> list[Facts]:
    """The facts of lines, up to the first that is not whole."""
    found = [json.loads(line[9:]) for line in takewhile(_is_whole, lines.split(b"\n")[:-1])]
    return [facts for facts in found if isinstance(facts, dict)]


def read(space: bytes) -> Journal:
    """The journal in its space.  Of one that is damaged, the lines before the damage."""
    if not space[:HEADER].strip(b"\0"):
        return Journal([], 0, True)
    words = space[:HEADER].rstrip(b"\0\n").split(b" ")
    if len(words) == 3 and words[1].isdigit() and words[2].isdigit():
        length, lost = int(words[1]), int(words[2])
        lines = space[HEADER : HEADER + length]
        notes = facts_of(lines)
        if _header(lines, lost) == space[:HEADER] and len(notes) == lines.count(b"\n"):
            return Journal(notes, lost, True, lines)
    notes = facts_of(space[HEADER:].partition(b"\0")[0])
    return Journal(notes, 1, False, b"".join(map(line_of, notes)))


def appended(space: bytes, line: bytes, limit: int) -> tuple[int, bytes] | None:
    """Where a line is to be written, and then the header; None if it has no place within the limit."""
    known = read(space)
    if HEADER + len(known.lines) + len(line) > limit:
        return None
    return HEADER + len(known.lines), _header(known.lines + line, known.lost)


def with_one_lost(space: bytes) -> bytes:
    """The header when one more note found no place."""
    known = read(space)
    return _header(known.lines, known.lost + 1)


def shorter(facts: Facts, entries: list[Facts]) -> Facts:
    """The facts of a start without those that it shares with the start before: a journal holds more runs so."""
    before = next((entry for entry in reversed(entries) if entry.get("event") == START), {})
    gone = {name: None for name in before if name not in facts}
    return {k: v for k, v in facts.items() if k == "event" or k not in before or before[k] != v} | gone


def _header(lines: bytes, lost: int) -> bytes:
    words = f"{len(lines)} {lost}"
    return f"{zlib.crc32(words.encode() + lines):08x} {words}\n".encode().ljust(HEADER, b"\0")


def _is_whole(line: bytes) -> bool:
    return line[:9] == f"{zlib.crc32(line[9:]):08x} ".encode()
