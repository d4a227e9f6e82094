"""What is kept of an error of a measure: what it is, the line of the measure's own code, the last frames before it."""

import traceback
from itertools import dropwhile
from pathlib import Path
from typing import NamedTuple

from cocycle.sweeps.provenance import is_library
from cocycle.sweeps.records import MESSAGE_BYTES, clipped
from cocycle.sweeps.text import one_line

FRAMES, LENGTH = 8, 1500  # of a traceback, its last ones; characters of their text


class Failure(NamedTuple):
    """`message`, with the place at its end, as in "ValueError: no (file.py, line 3)"; the last frames, by that place.

    An error that was not raised in the measure has neither place nor frames.
    """

    message: str
    tracebacks: dict[str, str]


def failure(error: BaseException, caller: str) -> Failure:
    """What is kept of an error that a measure raised, which code of the file `caller` called."""
    frames = _frames(error, caller)
    if not frames:
        return Failure(_text(error), {})
    own = _own(frames)
    place = f"{Path(own.filename).name[-80:]}, line {own.lineno}"
    text = clipped(_text(error), MESSAGE_BYTES - len(f" ({place})".encode(errors="backslashreplace")))
    return Failure(f"{text.decode()} ({place})", {place: _last(frames, FRAMES) + _before(error, caller)})


def _frames(error: BaseException, caller: str) -> list[traceback.FrameSummary]:
    """Of the traceback, from the measure on."""
    return list(dropwhile(lambda frame: frame.filename == caller, traceback.extract_tb(error.__traceback__)))


def _own(frames: list[traceback.FrameSummary]) -> traceback.FrameSummary:
    """The innermost frame that is not of a library; of a measure in a library, the innermost in its file."""
    theirs = [frame for frame in frames if not is_library(frame.filename)]
    return (theirs or [frame for frame in frames if frame.filename == frames[0].filename])[-1]


def _last(frames: list[traceback.FrameSummary], count: int) -> str:
    """As Python prints them; calls of a function by itself are collapsed."""
    entries = traceback.StackSummary.from_list(frames).format()[-count:]
    while len(entries) > 1 and sum(map(len, entries)) > LENGTH:
        del entries[0]
    return "".join(entries)[-LENGTH:]


def _before(error: BaseException, caller: str) -> str:
    """The error that this one was raised from, or in place of."""
    first = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if first is None:
        return ""
    text = clipped(_text(first)).decode()
    return f"after {text}, raised in\n{_last(_frames(first, caller), FRAMES // 2)}"


def _text(error: BaseException) -> str:
    try:
        return one_line(f"{type(error).__name__}: {error}")
    except Exception:  # an error that cannot say what it is
        return type(error).__name__
