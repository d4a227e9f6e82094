"""Formulas as source of loops over many steps, which numba compiles: with the QR decomposition, or of states alone.

The loop of `cocycle.lyapunov.qr` defines what is computed; `BLOCK` is its twin for one and the same map, many times, of
which the tests show that both agree.  What one step is, says a `Scheme`.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, final

from cocycle.formulas.libraries import NUMBA
from cocycle.formulas.program import Program

RANGE = 1e100  # lengths of vectors beyond it, and below its inverse, are left to the loop on arrays

BLOCK = """
@njit("int64(float64[:, ::1], float64[:, :, ::1], float64[:, ::1], int64, int64, float64, float64[:, :, ::1],"
      "float64[:, :, :, ::1], float64[:, :, ::1], boolean)", error_model="numpy", nogil=True, cache={cached})
def block(x, q, p, groups, every, spread, xs, qs, diagonal, as_pushed):
    n, k = {n}, {k}
    done = groups
    for b in range(len(x)):
        {load}
        for g in range(done):
            for step in range(every):
                {advance}
            {kept}
            if as_pushed:
                qs[g, b] = q[b]
                continue
            fine = True
            for i in range(n):
                fine = fine and abs(xs[g, b, i]) < inf
            least, most = inf, 0.0
            for j in range(k):
                before = 0.0
                for i in range(n):
                    before += q[b, i, j] * q[b, i, j]
                again = 0.0
                for sweep in range(2 if j else 0):
                    for m in range(j):
                        c = 0.0
                        for i in range(n):
                            c += q[b, i, m] * q[b, i, j]
                        for i in range(n):
                            q[b, i, j] -= c * q[b, i, m]
                        again += c * c if sweep else 0.0
                size = 0.0
                for i in range(n):
                    size += q[b, i, j] * q[b, i, j]
                fine = fine and {low} < size and before < {high} and again < 3 * size and size > 4.0e-24 * before
                size = sqrt(size)
                for i in range(n):
                    q[b, i, j] /= size
                diagonal[g, b, j] = size
                least, most = min(least, size), max(most, size)
            if not (fine and most <= spread * least):
                done = g
                break
            for i in range(n):
                for j in range(k):
                    qs[g, b, i, j] = q[b, i, j]
    return done
"""

ORBIT = """
@njit("int64(float64[:, ::1], float64[:, ::1], int64, float64[:, :, ::1])",
      error_model="numpy", nogil=True, cache={cached})
def orbit(x, p, every, xs):
    done = len(xs)
    for b in range(len(x)):
        {load}
        for g in range(done):
            for step in range(every):
                {advance}
            {kept}
            for i in range({n}):
                if not abs(xs[g, b, i]) < inf:
                    done = g
            if done == g:
                break
    return done
"""


class Scheme(ABC):
    """One step, from a program, in source of numba."""

    results = 0  # of the program, besides the state
    work = 1  # evaluations of the program in a step, at least about

    @abstractmethod
    def parts(self, program: Program, k: int) -> dict[str, list[str]]:
        """Lines by the place in the loop: `functions` before it, `load` of a member x[b] with its parameters p[b],
        `advance` of the state, and of k vectors q[b, :, j], and the state as it is `kept` in xs[g, b]."""


@final
@dataclass(frozen=True)
class Fixed(Scheme):
    """A program that is the step itself.

    If it depends on time, its last input, `start` is in that place of the parameters, and the time grows by `length`
    in each of `count` steps, then begins again.
    """

    length: float = 0.0
    count: int = 1
    timed: bool = False

    def parts(self, program, k):
        lines = Lines(program, k)
        clock = []
        if self.timed:
            clock = [f"{lines.names[-1]} = p[b, {lines.place(-1)}] + step % {self.count} * {self.length!r}"]
        return {
            "functions": [],
            "load": lines.load,
            "advance": [*clock, *lines.first, *lines.columns, lines.after],
            "kept": lines.kept,
        }


CONTROLLED = """
left = rest = {time}
trial = {longest}
pieces, piece = 0, 0.0
for attempt in range({attempts}):
    {h} = piece if pieces else min(trial, left)
    {clock}
    {first}
    if not pieces:
        error = {error}
        trial = min({h} * ({factor}), {longest})
        if not error <= 1.0:
            if trial < {vanishing}:
                break
            continue
        pieces, piece, rest = {pieces}, {h} / {pieces}, left - {h}
        if pieces > 1:
            continue
    {columns}
    {after}
    pieces -= 1
    left = left - piece if pieces else rest
    if left <= 0.0:
        break
if left > 0.0:
    {lost}
"""


@final
@dataclass(frozen=True)
class Control:
    """How the length of a step follows from the error of the last one: see `cocycle.integrators.adaptive`."""

    time: float
    longest: float
    direction: int
    error_order: int
    safety: float
    least: float
    most: float
    attempts: int
    vanishing: float

    @property
    def factor(self) -> str:
        """The length of the next step relative to the last."""
        wanted = f"{self.safety!r} * error ** {-1 / self.error_order!r}"
        return f"min(max({wanted}, {self.least!r}), {self.most!r}) if error < inf else {self.least!r}"

    def words(self) -> dict[str, str]:
        return {
            "time": repr(float(self.time)),
            "longest": repr(float(self.longest)),
            "attempts": repr(self.attempts),
            "factor": self.factor,
            "vanishing": repr(float(self.vanishing * self.time)),
        }


@final
@dataclass(frozen=True)
class Controlled(Scheme):
    """A program that gives the state after a step, of the length of its last input, and the error of that step.

    Behind the inputs there is one more parameter, the number of pieces into which each step is divided.
    """

    control: Control
    timed: bool = False
    results = 1
    work = 50

    def parts(self, program, k):
        lines = Lines(program, k, results=1)
        control = self.control
        elapsed = f"{control.direction} * ({control.time!r} - left)"
        clock = [f"{lines.names[-2]} = p[b, {lines.place(-2)}] + {elapsed}"]
        pieces = f"int(p[b, {lines.place(-1) + 1}])"
        given = control.words() | {"pieces": pieces, "h": lines.names[-1], "error": lines.results[-1]}
        blocks = {
            "clock": clock if self.timed else [],
            "first": lines.first,
            "columns": lines.columns,
            "after": [lines.after],
            "lost": [f"{lines.names[0]} = nan"],
        }
        return {
            "functions": [],
            "load": lines.load,
            "advance": filled(CONTROLLED, blocks, given).splitlines(),
            "kept": lines.kept,
        }


@final
class Lines:
    """The lines of a program, and of its tangent for k vectors, of a member b in the loops."""

    def __init__(self, program: Program, k: int, results: int = 0):
        self.program, count = program, len(program.results) - results
        seeds, linear = program.linear("pushed") if k else ([], [])
        linear = linear[:count]
        moving = program.graph.dependent(seeds)
        text, names = program.lines([*program.results, *linear], program.names | {s: f"d{s}" for s in seeds}, moving)
        self.seeds = [names[seed] for seed in seeds]
        self.first = [f"{name} = {expression}" for place, name, expression in text if place not in moving]
        self.each = [f"{name} = {expression}" for place, name, expression in text if place in moving]
        self.results, self.pushed = program.words(program.results, names), program.words(linear, names)
        self.names = [names[place] for place in program.inputs]
        self.state, rest = self.names[: program.n], self.names[program.n :]
        self.given = [f"{name} = p[b, {i}]" for i, name in enumerate(rest)]
        self.load = [f"{name} = x[b, {i}]" for i, name in enumerate(self.state)] + self.given
        self.kept = [f"xs[g, b, {i}] = {name}" for i, name in enumerate(self.state)]
        self.after = f"{', '.join(self.state)}, = {', '.join(self.results[:count])},"
        column = [f"{name} = q[b, {i}, j]" for i, name in enumerate(self.seeds)]
        store = [f"q[b, {i}, j] = {word}" for i, word in enumerate(self.pushed)]
        self.columns = ["for j in range(k):", *("    " + line for line in (*column, *self.each, *store))] if k else []

    def place(self, i: int) -> int:
        """The place among the parameters of the input i, counted from the end."""
        return len(self.names) + i - self.program.n


def filled(template: str, blocks: dict[str, list[str]], words: dict[str, str]) -> str:
    """The template with lines for each {block} that stands alone in a line, at its margin, and words for the others."""
    text = []
    for line in template.splitlines():
        margin, name = line[: len(line) - len(line.lstrip())], line.strip()[1:-1]
        if line.strip() == f"{{{name}}}" and name in blocks:
            text += [margin + part for part in blocks[name]] or [f"{margin}pass"]
        else:
            text.append(line)
    whole = "\n".join(text)
    for name, word in words.items():
        whole = whole.replace(f"{{{name}}}", word)
    return whole


def loop_source(program: Program, scheme: Scheme, template: str, k: int = 0) -> str:
    """The template with the lines of the program, and of its tangent for k vectors."""
    parts: dict[str, Any] = dict(scheme.parts(program, k))
    functions = "\n".join(parts.pop("functions"))
    words = {"n": repr(program.n), "k": repr(k), "low": repr(RANGE**-2), "high": repr(RANGE**2)}
    return NUMBA + functions + filled(template, parts, words)
