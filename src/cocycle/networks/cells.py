"""torch's recurrent cells as driven systems."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from torch import nn
from torch.func import functional_call

from cocycle.arrays import Array
from cocycle.autodiff import Autodiff, as_tensor
from cocycle.driven import Driven, check_inputs
from cocycle.maps import Map
from cocycle.networks.modules import is_plain, require_no_backward_hooks


@final
@dataclass(frozen=True, eq=False)
class Cell(Driven):
    """A torch RNNCell, GRUCell or LSTMCell as a driven system: its state is h, that of an LSTM [h | c].

    Weights are shared with the cell, not copied: the maps follow later training and loading.  States have the precision
    of the cell; numpy inputs and states give numpy results.  Tangents are computed by automatic differentiation, with
    the slopes of saturated gates from their local fields.

    Raises TypeError for another kind of module.
    """

    cell: nn.RNNCellBase
    source: nn.RNNBase | None = None  # the module whose weights are used; None: those of the cell

    def __post_init__(self):
        if not isinstance(self.cell, nn.RNNCellBase):
            raise TypeError(f"cell must be a torch RNNCell, GRUCell or LSTMCell; got {type(self.cell).__name__}")
        require_no_backward_hooks(self.cell)

    @classmethod
    def of(cls, module: nn.RNNBase) -> "Cell":
        """The cell of an RNN, GRU or LSTM, which shares its weights: for a sequence u (time, *batch, m) take
        `driven(u)`.

        Raises TypeError for another kind of module, ValueError for a module with more than one layer, two directions,
        projections, hooks, or batch_first=True.
        """
        kind = {nn.RNN: nn.RNNCell, nn.GRU: nn.GRUCell, nn.LSTM: nn.LSTMCell}.get(type(module))
        if kind is None:
            raise TypeError(f"module must be a torch RNN, GRU or LSTM; got {type(module).__name__}")
        if module.num_layers > 1 or module.bidirectional or module.proj_size:
            raise ValueError("module must have one layer, one direction, no projection: make a module of each layer")
        if module.batch_first:
            raise ValueError(
                "module must take time first, as all inputs here are (time, *batch, m); it has batch_first=True: set"
                " module.batch_first = False and swap the axes of its inputs, u.swapaxes(0, 1)"
            )
        if not is_plain(module):
            raise ValueError("module must have no hooks and no forward of its own: its cell would ignore them")
        options = {"nonlinearity": module.nonlinearity} if isinstance(module, nn.RNN) else {}
        cell = kind(module.input_size, module.hidden_size, bias=module.bias, device="meta", **options)
        for name in dict(cell.named_parameters()):
            setattr(cell, name, getattr(module, f"{name}_l0"))
        return cls(cell, module)

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
        u = as_tensor(u) if isinstance(u, np.ndarray) else u
        return (Autodiff(_Step(self, now)) for now in u)

    def rest(self, starts: tuple[int, ...] = ()) -> Array:
        kind = next(iter(self.weights.values())).dtype
        return torch.zeros((*starts, self.dimension), dtype=kind).numpy()

    def with_start_axes(self, axes: int) -> "Cell":
        return self

    @property
    def joint(self) -> Map:
        return Autodiff(_Joint(self))

    @property
    def weights(self) -> dict[str, torch.Tensor]:
        """The present weights of the cell, by name."""
        if self.source is None:
            return {name: w.detach() for name, w in self.cell.named_parameters()}
        names = dict(self.cell.named_parameters())
        return {name: getattr(self.source, f"{name}_l0").detach() for name in names}

    def after(self, u: torch.Tensor, state: torch.Tensor) -> torch.Tensor:
        """The state (*batch, n) after `state` for the inputs u (*batch, m), in the precision of the cell."""
        weights, n = self.weights, state.shape[-1]
        own = next(iter(weights.values()))
        state = state.to(own)
        u = u.to(own).expand(*state.shape[:-1], u.shape[-1])
        # a cell takes one batch axis or none
        u, flat = u.reshape(-1, u.shape[-1]), state.reshape(-1, n)
        if isinstance(self.cell, nn.LSTMCell):
            after = torch.cat(functional_call(self.cell, weights, (u, tuple(flat.chunk(2, dim=-1)))), dim=-1)
        else:
            after = functional_call(self.cell, weights, (u, flat))
        return after.reshape(*state.shape)


@final
@dataclass(frozen=True, eq=False)
class _Step:
    """state -> next state at the input u."""

    cell: Cell
    u: torch.Tensor

    def __call__(self, state):
        return self.cell.after(self.u, state)


@final
@dataclass(frozen=True, eq=False)
class _Joint:
    """[u | state] -> next state."""

    cell: Cell

    def __call__(self, joint):
        return self.cell.after(joint[..., : self.cell.inputs], joint[..., self.cell.inputs :])
