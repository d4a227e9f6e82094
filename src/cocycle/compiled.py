"""A map as straight-line python code: its formula is traced with symbols, and the recorded operations are compiled.

An array library takes about a microsecond for every operation on a three-vector, python about twenty nanoseconds for
one on floats.  So that no formula has to be written twice, it is traced: it is called with an array of symbols, and
each operation on a symbol records a line of source code.
"""

import math
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import final

import numpy as np

from cocycle.arrays import namespace
from cocycle.maps import Map
from cocycle.purity import Dependencies, has_iterator, random_numbers_unused, require_same, time_to_check

LONGEST = 5000  # operations
NAME = re.compile(r"\bt\d+\b")  # of the result of a line
FUNCTIONS = ("sin", "cos", "tan", "tanh", "exp", "log", "sqrt")


class Symbol:
    """A symbolic number; arithmetic on it appends one line of source code to `lines`."""

    def __init__(self, lines: list[str], text: str):
        self.lines, self.text = lines, text

    def _record(self, source: str) -> "Symbol":
        if len(self.lines) == LONGEST:
            raise TypeError(
                f"a formula must have at most {LONGEST} operations to be traced: a longer one is faster on arrays"
            )
        name = f"t{len(self.lines)}"
        self.lines.append(f"{name} = {source}")
        return Symbol(self.lines, name)

    def _text(self, other) -> str:
        if isinstance(other, Symbol):
            return other.text
        if not isinstance(other, int | float | np.number) or not math.isfinite(other):
            raise TypeError(f"a formula with {other!r} in it cannot be traced")
        return repr(float(other))

    def __pow__(self, other):
        square = not isinstance(other, Symbol) and other == 2  # numpy's square is a product, libm's pow is not
        return (
            self._record(f"{self.text} * {self.text}")
            if square
            else self._record(f"power({self.text}, {self._text(other)})")
        )

    def __neg__(self):
        return self._record(f"-{self.text}")

    def __abs__(self):
        return self._record(f"abs({self.text})")

    def __bool__(self):
        raise TypeError("a formula that branches on its values cannot be traced")

    def __eq__(self, other):
        raise TypeError("a formula that compares its values cannot be traced")

    __ne__ = __eq__
    __hash__ = None  # type: ignore[assignment]


def _arithmetic(operator: str):
    def forward(self, other):
        if isinstance(other, np.ndarray):
            return NotImplemented  # numpy then does it element by element
        return self._record(f"{self.text} {operator} {self._text(other)}")

    def backward(self, other):
        return self._record(f"{self._text(other)} {operator} {self.text}")

    return forward, backward


for _name, _operator in {"add": "+", "sub": "-", "mul": "*", "truediv": "/", "mod": "%"}.items():
    _forward, _backward = _arithmetic(_operator)
    setattr(Symbol, f"__{_name}__", _forward)
    setattr(Symbol, f"__r{_name}__", _backward)
for _name in FUNCTIONS:  # numpy's functions call the method of that name on the elements of an object array
    setattr(Symbol, _name, lambda self, _name=_name: self._record(f"{_name}({self.text})"))


def straight_line(
    function: Callable[[np.ndarray], np.ndarray], n: int, library=math, owner: object = None
) -> Callable[..., tuple]:
    """`function`, (n,) -> (p,), as a function of n python floats that returns a tuple of p.

    With numpy as the `library` of elementary functions it takes n arrays, the components of a batch.  The operations
    and their order are the same, and so are the results, to the last digit for arithmetic, nearly so for elementary
    functions.  Raises TypeError for a function with anything but arithmetic and the elementary FUNCTIONS, such as
    branches and comparisons, for one that is too long, and for one that is not pure, because it draws random numbers,
    reads a clock or changes attributes of its `owner`, by default the function itself.
    """
    arguments = [f"x{i}" for i in range(n)]
    owner = function if owner is None else owner
    if has_iterator(owner):
        raise TypeError("a formula with an iterator in it cannot be traced: what it yields is an input")
    with random_numbers_unused(owner) as unused:
        lines = _traced(function, arguments)
        attributes = Dependencies(owner)
        again = _traced(function, arguments)  # the first call may have filled caches
        if not unused():
            raise TypeError("a formula that draws random numbers cannot be traced: noise is an input")
    if lines != again or attributes.changed():
        raise TypeError("a formula that differs from one call to the next cannot be traced: what changes is an input")
    source = f"def step({', '.join(arguments)}):\n    " + "\n    ".join(_with_few_names(lines))
    scope = {name: getattr(library, name) for name in FUNCTIONS}
    scope["power"] = math.pow if library is math else operator.pow  # python's is complex where numpy's is NaN
    exec(compile(source, "<straight line>", "exec"), scope)
    return scope["step"]


def _traced(function: Callable[[np.ndarray], np.ndarray], arguments: list[str]) -> list[str]:
    """The lines of the function's body."""
    lines: list[str] = []
    symbols = np.array([Symbol(lines, name) for name in arguments], dtype=object)
    try:
        results = [Symbol(lines, "0.0")._text(y) for y in function(symbols)]
    except Exception as error:  # any error that a library raises for an array of symbols
        raise TypeError(f"the formula cannot be traced: {error}") from error
    return [*lines, f"return ({', '.join(results)},)"]


def _with_few_names(lines: list[str]) -> list[str]:
    """The same lines with names reused once their values are no longer needed, if possible by in-place operations.

    For a batch every value is an array, and memory that is reused or freed at once is still in the cache.
    """
    last = {name: i for i, line in enumerate(lines) for name in NAME.findall(line)}
    names: dict[str, str] = {}
    free: list[str] = []
    count, renamed = 0, []
    for i, line in enumerate(lines):
        target, _, source = line.rpartition(" = ")
        ended = [names[name] for name in dict.fromkeys(NAME.findall(source)) if last[name] == i]
        source = NAME.sub(lambda match: names[match.group()], source)
        if not target:
            renamed.append(source)
            continue
        free.extend(ended)
        in_place = _in_place(source, ended)
        if in_place:
            names[target] = in_place.split()[0]
            free.remove(names[target])
        elif free:
            names[target] = free.pop()
        else:
            names[target], count = f"t{count}", count + 1
        renamed.append(in_place or f"{names[target]} = {source}")
    return renamed


def _in_place(source: str, ended: list[str]) -> str | None:
    """`a op= b` for `a op b` if a is no longer needed, or `b op= a` if b is not and the operands commute."""
    left, operator, right = parts if len(parts := source.split()) == 3 else ("", "", "")
    if left in ended:
        return f"{left} {operator}= {right}"
    return f"{right} {operator}= {left}" if right in ended and operator in ("+", "*") else None


@final
@dataclass(frozen=True, eq=False)
class Compiled(Map):
    """The same map, value and tangent, some ten times faster for a low-dimensional system in numpy.

    A single state (n,) is computed by straight-line python code, a batch by the same lines with one array for each
    component.  For torch tensors, numbers out of range, and formulas that cannot be traced or are not pure (noise,
    clocks), `map` itself is called.  The results are the same except for the last digit of elementary functions.  When
    attributes of the map change, its formula is traced again; at calls 1, 2, 4, ... the result is compared with that of
    the map.

    Raises RuntimeError if the two differ: the map then depends on something that is neither attribute nor argument.
    """

    map: Map
    _traced: dict = field(default_factory=dict, init=False, repr=False)

    @property
    def dt(self):
        return self.map.dt

    @property
    def order(self):
        return self.map.order

    def refined(self):
        return self.map.refined()  # called too few times for a trace

    def __call__(self, x):
        pushed = self._pushed(x, x.shape[-1], 0, ())
        return self.map(x) if pushed is None else pushed

    def tangent(self, x, q):
        n, k = q.shape[-2:]
        pushed = self._pushed(x, n, k, q)
        if pushed is None:
            return self.map.tangent(x, q)
        p = pushed.shape[-1] // (1 + k)
        return pushed[..., :p], pushed[..., p:].reshape(*pushed.shape[:-1], p, k)

    def _pushed(self, x, n, k, q):
        """Value and tangent in one vector (*batch, p + p k), or None where the traced code cannot be used."""
        if namespace(x) is not np or x.dtype != np.float64:
            return None
        formulas = self._formulas()
        key = n, k, x.ndim == 1
        if key not in formulas.steps:
            formulas.steps[key] = formulas.trace(*key)
        step = formulas.steps[key]
        if step is None:
            return None
        pushed = _through(step, x, n, k, q)
        if pushed is not None:
            formulas.check(pushed, x, k, q)
        return pushed

    def _formulas(self) -> "_Formulas":
        formulas = self._traced.get("formulas")
        if formulas is None or formulas.attributes.changed():
            formulas = self._traced["formulas"] = _Formulas(self.map)
        return formulas

    def __reduce__(self):
        return Compiled, (self.map,)


@final
class _Formulas:
    """The traced formulas of a map for its present attributes."""

    def __init__(self, f: Map):
        self.map, self.attributes = f, Dependencies(f)
        self.steps: dict[tuple[int, int, bool], Callable | None] = {}
        self.calls = 0

    def trace(self, n: int, k: int, single: bool) -> Callable | None:
        def stacked(xq):
            y, s = self.map.tangent(xq[:n], xq[n:].reshape(n, k))
            return np.concatenate([y, s.ravel()])

        try:
            step = straight_line(stacked if k else self.map, n + n * k, math if single else np, self.map)
        except TypeError:
            step = None
        self.attributes = Dependencies(self.map)  # tracing may fill caches
        return step

    def check(self, pushed: np.ndarray, x: np.ndarray, k: int, q: np.ndarray) -> None:
        """Compare with the map at some of the calls."""
        self.calls += 1
        if not time_to_check(self.calls):
            return
        with np.errstate(all="ignore"):
            if k:
                y, s = self.map.tangent(x, q)
                expected = np.concatenate([y, s.reshape(*y.shape[:-1], -1)], axis=-1)
            else:
                expected = self.map(x)
        require_same(pushed, expected, type(self.map).__name__)


def _through(step: Callable, x: np.ndarray, n: int, k: int, q) -> np.ndarray | None:
    if x.ndim > 1:
        batch, axes = x.shape[:-1], range(x.ndim - 1)
        columns = q.transpose(x.ndim - 1, x.ndim, *axes).reshape(n * k, *batch) if k else ()
        return _stacked(step(*x.transpose(x.ndim - 1, *axes), *columns), batch)
    try:
        return np.array(step(*x.tolist(), *(q.ravel().tolist() if k else ())))
    except (ArithmeticError, ValueError):  # python floats raise where numpy arrays overflow
        return None


def _stacked(components: tuple, batch: tuple[int, ...]) -> np.ndarray:
    """(*batch, p) from p arrays, each contiguous in memory, because the next step uses them one by one."""
    whole = np.empty((len(components), *batch))
    for row, component in zip(whole, components, strict=True):
        row[...] = component
    return whole.transpose(*range(1, whole.ndim), 0)
