"""torch's recurrent cells as driven systems."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from torch import nn
from torch.func import functional_call

from cocycle.arrays import Array
from cocycle.autodiff import Autodiff
from cocycle.maps import Driven, Map, check_inputs


@final
@dataclass(frozen=True, eq=False)
class Cell(Driven):
    """A torch RNNCell, GRUCell or LSTMCell as a driven system: its state is h, that of an LSTM [h | c].

    Weights are shared with the cell, not copied.  numpy inputs and states come back as numpy; the cell must have their
    dtype: `cell.double()` for numpy's.  Tangents by automatic differentiation.

    Raises TypeError for another kind of module.
    """

    cell: nn.RNNCellBase

    def __post_init__(self):
        if not isinstance(self.cell, nn.RNNCellBase):
            raise TypeError(f"cell must be a torch RNNCell, GRUCell or LSTMCell; got {type(self.cell).__name__}")

    @classmethod
    def of(cls, module: nn.RNNBase) -> "Cell":
        """The cell of an RNN, GRU or LSTM, weights shared: a sequence u (time, *batch, m) is `driven(u)`.

        Raises ValueError for more than one layer, two directions, or projections: take one layer after the other.
        """
        kind = {nn.RNN: nn.RNNCell, nn.GRU: nn.GRUCell, nn.LSTM: nn.LSTMCell}.get(type(module))
        if kind is None:
            raise TypeError(f"module must be a torch RNN, GRU or LSTM; got {type(module).__name__}")
        if module.num_layers > 1 or module.bidirectional or module.proj_size:
            raise ValueError("module must have one layer, one direction, no projection: take one layer after the other")
        options = {"nonlinearity": module.nonlinearity} if isinstance(module, nn.RNN) else {}
        cell = kind(module.input_size, module.hidden_size, bias=module.bias, device="meta", **options)
        for name in dict(cell.named_parameters()):
            setattr(cell, name, getattr(module, f"{name}_l0"))
        return cls(cell)

    @property
    def dimension(self) -> int:
        return self.cell.hidden_size * (2 if isinstance(self.cell, nn.LSTMCell) else 1)

    @property
    def inputs(self) -> int:
        return self.cell.input_size

    def driven(self, u: Array) -> Iterator[Map]:
        """The maps of the state, one for each of the inputs u (time, *batch, m).

        Raises ValueError for another shape, and for inputs that are not finite.
        """
        u = check_inputs("u", u, self.inputs)
        return (Autodiff(_Step(self.cell, torch.as_tensor(now))) for now in u)

    def rest(self, starts: tuple[int, ...] = ()) -> Array:
        return np.zeros((*starts, self.dimension))

    def spread(self, axes: int) -> "Cell":
        return self

    @property
    def joint(self) -> Map:
        return Autodiff(_Joint(self.cell))


def _apply(cell: nn.RNNCellBase, u: torch.Tensor, state: torch.Tensor) -> torch.Tensor:
    weights = {name: w.detach() for name, w in cell.named_parameters()}
    given, own = state.dtype, next(iter(weights.values())).dtype  # computed in the precision of the cell
    u, state = u.to(own), state.to(own)
    u = u.expand(*state.shape[:-1], u.shape[-1])
    # a cell takes one batch axis or none
    u, flat = u.reshape(-1, u.shape[-1]), state.reshape(-1, state.shape[-1])
    if isinstance(cell, nn.LSTMCell):
        h, c = functional_call(cell, weights, (u, tuple(flat.chunk(2, dim=-1))))
        after = torch.cat([h, c], dim=-1)
    else:
        after = functional_call(cell, weights, (u, flat))
    return after.reshape(*state.shape).to(given)


@final
@dataclass(frozen=True, eq=False)
class _Step:
    """state -> next state at the input u."""

    cell: nn.RNNCellBase
    u: torch.Tensor

    def __call__(self, state):
        return _apply(self.cell, self.u, state)


@final
@dataclass(frozen=True, eq=False)
class _Joint:
    """[u | state] -> next state."""

    cell: nn.RNNCellBase

    def __call__(self, joint):
        return _apply(self.cell, joint[..., : self.cell.input_size], joint[..., self.cell.input_size :])
