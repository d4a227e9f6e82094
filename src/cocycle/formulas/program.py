"""A formula traced once: straight-line code for its value, its tangent and its cotangent.

Array libraries spend about a microsecond on every operation on a three-vector; plain python floats take twenty
nanoseconds.  Nobody should write a formula twice for that, or its derivative at all, so the formula is traced
(`tracing`), differentiated (`graph`), and written as lines of source that plain floats, numpy and torch run alike.
"""

import math
import re
from collections.abc import Callable, Container, Sequence
from threading import RLock
from typing import Any, final

import numpy as np

from cocycle.arrays import Array, like, namespace
from cocycle.formulas.graph import OPERATIONS, TRUTHS, Graph, Operand, word
from cocycle.formulas.libraries import FLOATS, of
from cocycle.formulas.refused import NotTraceable
from cocycle.formulas.tracing import traced
from cocycle.purity import Dependencies, has_iterator, random_numbers_unused, reads_clock

NAME = re.compile(r"\bt\d+\b")  # of a line's result, a number
UNROLLED = 12  # columns of a tangent, up to which each has lines of its own for plain floats


@final
class Program:
    """Straight-line code of a formula (n,) -> (p,), which may have parameters behind its state.

    It is that of the formula as long as its `dependencies` have not changed.
    """

    def __init__(
        self, graph: Graph, inputs: Sequence[int], results: Sequence[Operand], n: int, dependencies: Dependencies
    ):
        self.graph, self.inputs, self.n = graph, list(inputs), n
        self.results = [graph.number(result) for result in results]
        self.size = len(self.results)
        self.dependencies = dependencies
        self.names = {place: f"x{i}" for i, place in enumerate(inputs)}
        self._made: dict[tuple, tuple[Callable, Any]] = {}
        self._single: dict[tuple[str, int], Callable] = {}  # of single states
        self._derivatives: dict[str, tuple[list[int], list[Operand]]] = {}
        self.calls = 0  # of those whose results are compared with the function, now and then
        self._lock = RLock()  # several threads may want a derivative that is not there yet

    def value(self, library: Any) -> Callable[..., tuple]:
        """The p results as a function of the inputs, numbers or arrays of `library`."""
        return self._function(library, self._value_source, library is np)

    def tangent(self, library: Any, columns: int = 1) -> Callable[..., tuple]:
        """The p results, then p rows of `columns` tangents, of the inputs and n rows of tangents of the state."""
        return self._function(library, self._linear_source, "pushed", columns, library is np)

    def cotangent(self, library: Any, columns: int = 1) -> Callable[..., tuple]:
        """The p results, then n rows of `columns` covectors at the state, of the inputs and p rows at the results."""
        return self._function(library, self._linear_source, "pulled", columns, library is np)

    def _function(self, library: Any, source: Callable[..., str], *options: Any) -> Callable:
        key = id(library), source.__name__, *options
        if key not in self._made:
            scope = {name: getattr(library, name) for name in OPERATIONS if hasattr(library, name)}
            scope |= {"inf": math.inf, "nan": math.nan}
            with self._lock:
                exec(compile(source(*options), "<a formula>", "exec"), scope)
            self._made[key] = scope["step"], library  # which stays alive, and its id its own
        return self._made[key][0]

    def _value_source(self, overwrite: bool) -> str:
        lines, names = self.lines(self.results, self.names, range(len(self.graph.operations)))
        return _source([self.names[place] for place in self.inputs], lines, self.words(self.results, names), overwrite)

    def _linear_source(self, direction: str, columns: int, overwrite: bool) -> str:
        """What does not depend on the column comes first, then the lines of each column."""
        seeds, linear = self.linear(direction)
        moving = self.graph.dependent(seeds)
        lines, names = self.lines([*self.results, *linear], self.names | {s: f"d{s}" for s in seeds}, moving)
        text = [line for place, *line in lines if place not in moving]
        returned, arguments = [], []
        for j in range(columns):
            own = {place: f"{names[place]}{j:03d}" for place in moving if place in names}  # t70 -> t70003
            text += [[own[p], self.graph.expression(p, names | own)] for p, *_ in lines if p in moving]
            returned.append(self.words(linear, names | own))
            arguments.append([own[place] for place in seeds])
        rows = [name for row in zip(*arguments, strict=True) for name in row]
        flat = [name for row in zip(*returned, strict=True) for name in row]
        given = [*(self.names[place] for place in self.inputs), *rows]
        return _source(given, text, [*self.words(self.results, names), *flat], overwrite)

    def linear(self, direction: str) -> tuple[list[int], list[Operand]]:
        """Seeds, and the tangents or covectors that follow from them."""
        with self._lock:
            if direction not in self._derivatives:
                graph, state = self.graph, self.inputs[: self.n]
                seeds = [graph.input() for _ in (state if direction == "pushed" else self.results)]
                found = [graph.number(o) for o in getattr(graph, direction)(self.results, state, seeds)]
                self._derivatives[direction] = seeds, found
            return self._derivatives[direction]

    def lines(
        self, results: Sequence[Operand], names: dict[int, str], moving: Container[int]
    ) -> tuple[list[tuple[int, str, str]], dict[int, str]]:
        """(place, name, expression) of all operations that the results depend on, and the names of all places.

        Names begin with t where the value may be overwritten once it is no longer needed.
        """
        names, lines = dict(names), []
        for place in self.graph.needed(results):
            if place not in names:
                expression = self.graph.expression(place, names)
                truth = self.graph.operations[place][0] in TRUTHS
                names[place] = f"{'b' if truth else 't' if place in moving else 'p'}{place}"
                lines.append((place, names[place], expression))
        return lines, names

    @staticmethod
    def words(operands: Sequence[Operand], names: dict[int, str]) -> list[str]:
        return [word(operand, names) for operand in operands]

    def __call__(self, x: Array, parameters: Sequence[Array] = ()) -> Array:
        """The results (*batch, p) at x (*batch, n), with parameters (*batch,) each."""
        return self._run(self.value, x, parameters)

    def pushed(self, x: Array, q: Array, parameters: Sequence[Array] = ()) -> tuple[Array, Array]:
        """The results, and the tangents (*batch, p, k) of the vectors q (*batch, n, k)."""
        return self._run(self.tangent, x, parameters, q)

    def pulled(self, x: Array, p: Array, parameters: Sequence[Array] = ()) -> Array:
        """The covectors (*batch, n, k) at x of those at the results, p (*batch, p, k)."""
        return self._run(self.cotangent, x, parameters, p)[1]

    def _run(self, kind: Callable, x: Array, parameters: Sequence[Array], q: Array | None = None) -> Any:
        single = isinstance(x, np.ndarray) and x.ndim == 1 and x.dtype == np.float64
        if single and (q is None or q.shape[-1] <= UNROLLED) and all(isinstance(p, float) for p in parameters):
            k = 0 if q is None else q.shape[-1]
            key = kind.__name__, k
            if key not in self._single:
                self._single[key] = kind(FLOATS, k) if k else kind(FLOATS)
            try:
                return _on_floats(self._single[key], x, parameters, q, len(self.results))
            except (ArithmeticError, ValueError):  # where python raises, numpy has infinities
                pass
        return _on_arrays(kind(of(x)), x, parameters, q, len(self.results))


def _source(arguments: Sequence[str], lines: Sequence[Sequence[Any]], returned: Sequence[str], overwrite: bool) -> str:
    text = [f"{name} = {expression}" for *_, name, expression in lines]
    text.append(f"return ({', '.join(returned)},)")
    text = _with_few_names(text) if overwrite else text  # torch may still need what would be overwritten
    return f"def step({', '.join(arguments)}):\n    " + "\n    ".join(text)


def _on_floats(step: Callable, x: np.ndarray, parameters: Sequence[float], q: np.ndarray | None, p: int):
    if q is None:
        return np.array(step(*x.tolist(), *parameters))
    found = np.array(step(*x.tolist(), *parameters, *q.ravel().tolist()))
    return found[:p], found[p:].reshape(-1, q.shape[-1])


def _on_arrays(step: Callable, x: Array, parameters: Sequence[Array], q: Array | None, p: int):
    """Component by component, the batch in one call; columns of q are the first axis of what is pushed."""
    xp = namespace(x)
    given = [like(np.asarray(p), x) if isinstance(p, float) else like(p, x) for p in parameters]
    batch = common_batch(tuple(x.shape[:-1]), given)
    inputs = [*xp.moveaxis(_broadcast(x, (*batch, x.shape[-1])), -1, 0), *(_broadcast(p, batch) for p in given)]
    if q is None:
        return _stacked(step(*inputs), batch, x, 1)
    columns = xp.moveaxis(_broadcast(q, (*batch, *q.shape[-2:])), (-2, -1), (0, 1))
    columns = np.ascontiguousarray(columns) if xp is np else columns  # results are laid out in memory as it is
    found = step(*inputs, *columns)
    return _stacked(found[:p], batch, x, 1), _stacked(found[p:], (q.shape[-1], *batch), q, 2)


def common_batch(states: tuple[int, ...], parameters: Sequence[Any]) -> tuple[int, ...]:
    """The batch axes of states and parameters together.  Raises ValueError where they do not fit."""
    own = [tuple(np.shape(p)) if isinstance(p, float) else tuple(p.shape) for p in parameters]
    try:
        return np.broadcast_shapes(states, *own)
    except ValueError:
        wanted = next(shape for shape in own if shape)
        raise ValueError(
            f"x must have a state for each value of a batch of parameters, {wanted}; got a batch {states}"
        ) from None


def _broadcast(a: Array, shape: tuple[int, ...]) -> Array:
    return a if tuple(a.shape) == shape else namespace(a).broadcast_to(a, shape)


def _stacked(parts: tuple, shape: tuple[int, ...], kind: Array, event: int) -> Array:
    """(*batch, p), or (*batch, p, k) with event=2, from p parts of `shape`, of which some may be constants."""
    xp, end = namespace(kind), tuple(range(-event, 0))
    if xp is np:
        whole = np.empty((len(parts), *shape), kind.dtype)
        for i, part in enumerate(parts):
            whole[i] = part
    else:
        whole = xp.stack([_broadcast(like(np.asarray(a), kind) if isinstance(a, float) else a, shape) for a in parts])
    return xp.moveaxis(whole, tuple(range(event)), end)


def _with_few_names(lines: list[str]) -> list[str]:
    """The same lines, a name being used again once its value is no longer needed, at best by the operation itself.

    Of a batch every value is an array: overwritten, or freed at once, its memory is still in the cache.
    """
    last = {name: i for i, line in enumerate(lines) for name in NAME.findall(line)}
    names: dict[str, str] = {}
    free: list[str] = []
    count, renamed = 0, []
    for i, line in enumerate(lines):
        target, _, source = line.rpartition(" = ")
        ended = [names[name] for name in dict.fromkeys(NAME.findall(source)) if last[name] == i]
        source = NAME.sub(lambda match: names[match.group()], source)
        if not NAME.fullmatch(target):  # to be kept, or what is returned
            renamed.append(f"{target} = {source}" if target else source)
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
    """`a op= b` for `a op b` if a has ended, or b where the operands commute."""
    left, operator, right = parts if len(parts := source.split()) == 3 else ("", "", "")
    if operator not in ("+", "-", "*", "/"):
        return None
    if left in ended:
        return f"{left} {operator}= {right}"
    return f"{right} {operator}= {left}" if right in ended and operator in ("+", "*") else None


def program(function: Callable[..., Any], *shapes: tuple[int, ...], owner: object = None) -> Program:
    """The straight-line code of function(state, *parameters) of these shapes, which gives a vector.

    Raises NotTraceable for what symbols cannot record, and for a function that is not pure, because it draws random
    numbers, reads a clock or changes attributes of its `owner`, the function itself by default.
    """
    owner = function if owner is None else owner
    if has_iterator(owner):
        raise NotTraceable("it takes values from an iterator: these are inputs, or parameters")
    if reads_clock(owner):
        raise NotTraceable("it reads a clock: what changes is an input, such as the time")
    with random_numbers_unused(owner) as unused:
        first = traced(function, *shapes)
        dependencies = Dependencies(owner)
        graph, inputs, results = traced(function, *shapes)  # the first time it may have filled caches
        if not unused():
            raise NotTraceable("it draws random numbers: noise is an input")
    if first[0].operations != graph.operations or dependencies.changed() or dependencies.rebound():
        raise NotTraceable(
            "it differs from one call to the next: noise is an input, and what changes is an input, or a parameter"
        )
    if results.ndim != 1:
        raise NotTraceable(
            f"it must return a vector, np.stack([...]), for a state of shape {shapes[0]}; got {results.shape}"
        )
    return Program(graph, inputs, results.tolist(), shapes[0][0], dependencies)
