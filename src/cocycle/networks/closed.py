"""Trained torch models that are fed their own output: recurrent ones with a readout, and models of a window."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import repeat
from typing import Any, final

import numpy as np
import torch
from torch import nn

from cocycle.arrays import Array, Frame, State, as_numpy, like, namespace, require_count
from cocycle.driven import check_inputs, closed_loop
from cocycle.maps import Composed, Dual, Map, Select, cotangent, orbit
from cocycle.networks.cells import Cell
from cocycle.networks.feed_forward import feedforward
from cocycle.progress import tracked
from cocycle.threads import one_thread_if_small
from cocycle.trajectories import end


@final
@dataclass(frozen=True, eq=False)
class RecurrentForecaster:
    """A recurrent torch network and a readout of the last layer's h that estimates the next input, u[t+1].

    `cell` is a `Cell`, or a module that `Cell` takes; `readout` any torch module from (batch, n) to (batch, m) that
    `feedforward` takes, such as a Linear or a Sequential.  Exponents are those of

        lyapunov_spectrum(model.driven(u), x, frame(x, k))              conditional on the input
        lyapunov_spectrum(repeat(model.closed, steps), x, frame(x, k))  of the network that is fed its own output

    in both cases with states x = model.warmed(u) (*batch, n) of the network.  All values are in the network's units.

    Raises TypeError for another kind of module; ValueError for a readout of other widths or precision, in training
    mode, or with weights that are not finite.
    """

    cell: Any  # Cell | nn.Module
    readout: nn.Module
    _output: Map = field(init=False, repr=False)

    def __post_init__(self):
        cell = self.cell if isinstance(self.cell, Cell) else Cell(self.cell)
        object.__setattr__(self, "cell", cell)
        width, kind = cell.hidden.stop - cell.hidden.start, like(np.zeros(1), cell.rest()).dtype
        _require_input(self.readout, width, str(kind))
        layers = feedforward(nn.Sequential(self.readout), (width,))
        output = Composed((Select(cell.hidden, dt=0.0), *layers))
        components = output(cell.rest()).shape[-1]
        if components != cell.inputs:
            raise ValueError(
                f"readout must give the {cell.inputs} components of the input of the cell; it gives {components}"
            )
        object.__setattr__(self, "_output", output)

    def driven(self, series: Array) -> Iterator[Map]:
        """The maps of the state, one for each value of series (time, *batch, m): see `Cell.driven`."""
        return self.cell.driven(series)

    @property
    def closed(self) -> Map:
        """The autonomous map of the network that is fed its own output, of states (*batch, n)."""
        return closed_loop(self.cell, self._output, self.cell.inputs, reads_input=False)

    def warmed(self, warm_up: Array) -> State:
        """The state (*batch, n) after the series warm_up (time, *batch, m), from rest.

        Raises ValueError for a warm-up that is empty, of another shape, or with values that are not finite.
        """
        u = check_inputs("warm_up", warm_up, self.cell.inputs)
        if len(u) < 1:
            raise ValueError("warm_up must have at least one time; got an empty one")
        state = self.cell.rest(tuple(u.shape[1:-1]))
        state = state if namespace(u) is np else torch.as_tensor(state, device=u.device)
        with one_thread_if_small(state):
            return end(tracked(self.cell.driven(u), "warm-up", len(u)), state)

    def continued(self, state: State, steps: int) -> tuple[np.ndarray, State]:
        """`steps` outputs (steps, *batch, m) of the closed loop from `state` on, and the state that follows them.

        An orbit that diverges is not finite from there on, without an error.
        """
        require_count("steps", steps, 1)
        values, loop = [], repeat(self.closed, steps)
        with np.errstate(over="ignore", invalid="ignore"), one_thread_if_small(state):
            for after in orbit(tracked(loop, "forecast"), state):
                values.append(as_numpy(self._output(state)))
                state = after
        return np.stack(values), state

    def forecast(self, warm_up: Array, steps: int) -> np.ndarray:
        """The `steps` values (steps, *batch, m) that follow the series warm_up (time, *batch, m).

        The network is driven from rest by the warm-up, then by its own output: row 0 is the first value after the
        warm-up.
        """
        return self.continued(self.warmed(warm_up), steps)[0]


def _require_input(readout: Any, width: int, kind: str) -> None:
    """Raise an error unless the readout is a module for inputs of that width and precision."""
    if not isinstance(readout, nn.Module):
        raise TypeError(f"readout must be a torch module, such as Linear; got {type(readout).__name__}")
    first = next((part for part in readout.modules() if isinstance(part, nn.Linear)), None)
    if isinstance(readout, nn.Linear | nn.Sequential) and first is not None and first.in_features != width:
        raise ValueError(
            f"readout must take the {width} components of h of the cell's last layer; it takes {first.in_features}"
        )
    for name, weight in readout.named_parameters():
        if str(weight.dtype).removeprefix("torch.") != kind:
            raise ValueError(f"readout must have the precision of the cell, {kind}; its {name} is {weight.dtype}")


@final
@dataclass(frozen=True, eq=False)
class Windowed(Dual):
    """[u_1 | ... | u_T] -> [u_2 | ... | u_T | model(u_1, ..., u_T)]: a torch model of a window that is fed its output.

    `model` takes windows (batch, T, m), T = `length` and m = `components`, and gives the next value (batch, m), or
    (batch, T, m) whose last time is the next value, as a causal decoder does.  States are flat, (*batch, T m), the
    oldest value first, and have the precision of the model; numpy arrays give numpy results.  Tangents are those of
    `feedforward`, that of the shift is exact.  With a model that ignores all but r values of the window only r m
    exponents are finite.

    Raises TypeError for a recurrent module; ValueError for a length or components below 1, another output, and what
    `feedforward` refuses: a model in training mode, half precision, weights that are not finite, random output.
    """

    model: nn.Module
    length: int
    components: int
    dt: float = 1.0
    _next: Map = field(init=False, repr=False)

    def __post_init__(self):
        require_count("length", self.length, 1)
        require_count("components", self.components, 1)
        if not isinstance(self.model, nn.Module):
            raise TypeError(f"model must be a torch module; got {type(self.model).__name__}")
        shape, m = (self.length, self.components), self.components
        layers = feedforward(nn.Sequential(self.model), shape)
        outputs = Composed(layers)(np.zeros((1, self.length * m))).shape[-1]
        if outputs not in (m, self.length * m):
            raise ValueError(
                f"model must give the next value (batch, {m}), or (batch, {self.length}, {m}) whose last time is it; it"
                f" gives {outputs} numbers for a window of shape {shape}"
            )
        last = () if outputs == m else (Select(slice(outputs - m, None), dt=0.0),)
        object.__setattr__(self, "_next", Composed((*layers, *last)))

    def __call__(self, x):
        y = self._next(x)
        return namespace(x).concatenate([like(x, y)[..., self.components :], y], axis=-1)

    def tangent(self, x: State, q: Frame) -> tuple[State, Frame]:
        join, m = namespace(x).concatenate, self.components
        y, s = self._next.tangent(x, q)
        return join([like(x, y)[..., m:], y], axis=-1), join([like(q, s)[..., m:, :], s], axis=-2)

    def cotangent(self, x: State, p: Frame) -> Frame:
        m = self.components
        pulled = cotangent(self._next, x, p[..., -m:, :])
        shifted = like(p, pulled)[..., :-m, :]
        return pulled + namespace(p).concatenate([0 * like(p, pulled)[..., :m, :], shifted], axis=-2)
