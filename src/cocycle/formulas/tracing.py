"""A function run on symbols: what it does, as a graph."""

from collections.abc import Callable
from typing import Any

import numpy as np

from cocycle.formulas.graph import Graph
from cocycle.formulas.refused import NotTraceable
from cocycle.formulas.symbols import Symbols, operands_of


def traced(function: Callable[..., Any], *shapes: tuple[int, ...]) -> tuple[Graph, list[int], np.ndarray]:
    """The graph of function(*arrays) of these shapes, the places of its inputs, and its results, an array of operands.

    Raises NotTraceable, with the remedy, for what symbols cannot record.
    """
    graph, arguments, inputs = Graph(), [], []
    for shape in shapes:
        places = np.empty(shape, dtype=object)
        for index in np.ndindex(shape):
            places[index] = graph.input()
            inputs.append(places[index])
        arguments.append(Symbols(graph, places, fixed=True))
    try:
        results = operands_of(graph, function(*arguments))
    except Exception as error:
        raise _reason(error, shapes[0]) from error
    if graph.refused:
        raise NotTraceable(graph.refused)
    return graph, inputs, results


def _reason(error: BaseException, shape: tuple[int, ...]) -> NotTraceable:
    """What symbols said, also where numpy said something else of it."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, NotTraceable):
            return type(cause)(*cause.args)
        cause = cause.__cause__ or cause.__context__
    if "missing" in str(error) and "argument" in str(error):
        hint = (
            "; it is a function of the state, and of parameters that have values, Flow(f, dt, a=1.0): of an equation"
            " that depends on time, f(t, x), take ForcedFlow"
        )
    else:
        hint = f"; the state has shape {shape}"
    return NotTraceable(f"it fails on symbols: {error}{hint}")
