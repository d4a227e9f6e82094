"""torch's recurrent cells and layers as driven systems."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, final

import numpy as np
import torch
from torch import nn
from torch.func import functional_call

from cocycle.arrays import Array, namespace
from cocycle.autodiff import Autodiff, as_tensor
from cocycle.driven import Driven, check_inputs
from cocycle.maps import Map
from cocycle.networks.activations import RELU, TANH
from cocycle.networks.gates import GRUGates, LSTMGates, RNNGates
from cocycle.networks.modules import is_plain, require_no_backward_hooks
from cocycle.networks.recurrence import Recurrence, RecurrentLayer
from cocycle.networks.weights import require_weights

SEQUENCES = (nn.RNN, nn.GRU, nn.LSTM)
CELLS = (nn.RNNCell, nn.GRUCell, nn.LSTMCell)
NAMES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


@final
@dataclass(frozen=True, eq=False)
class Cell(Driven):
    """A torch RNN, GRU or LSTM, or one of their cells, as a driven system.

    The state of a layer is its h, that of an LSTM [h | c]; the state of several layers has theirs one after the other,
    from the first.  Inputs are (time, *batch, m), also of a module with batch_first=True, which is about the input of
    torch's own call alone.

    `driven` and `joint` take the weights that the module has when they are called.  States have the precision of the
    module; numpy states are computed in numpy, on the CPU, and give numpy results.  From torch inputs, values and
    tangents are differentiable with respect to weights that require gradients, unless within torch.no_grad().

    Tangents are formulas (`cocycle.networks.gates`), with slopes from local fields.  A cell that is a subclass, has
    hooks, or is parametrised is differentiated automatically.

    Raises TypeError for another kind of module; ValueError for two directions, projections, hooks of a sequence module,
    and for backward hooks.
    """

    cell: Any  # nn.RNNCellBase | nn.RNNBase

    def __post_init__(self):
        module = self.cell
        if not isinstance(module, (nn.RNNCellBase, *SEQUENCES)):
            raise TypeError(
                f"cell must be a torch RNN, GRU or LSTM, or one of their cells; got {type(module).__name__}"
            )
        require_no_backward_hooks(module)
        if isinstance(module, nn.RNNCellBase):
            return
        if type(module) not in SEQUENCES or not is_plain(module):
            raise ValueError(
                "module must have no hooks, no parametrisation and no forward of its own: its steps would ignore them"
            )
        if module.bidirectional:
            raise ValueError(
                "module must have one direction: the backward one starts at the end of the sequence, so that there is"
                " no map from one time to the next; got bidirectional=True"
            )
        if module.proj_size:
            raise ValueError(f"module must have no projection, proj_size=0; got proj_size={module.proj_size}")

    @classmethod
    def of(cls, module: nn.RNNBase) -> "Cell":
        """The driven system of an RNN, GRU or LSTM with any number of layers.

        Raises TypeError for another kind of module, and what `Cell` raises.
        """
        if not isinstance(module, SEQUENCES):
            raise TypeError(f"module must be a torch RNN, GRU or LSTM; got {type(module).__name__}")
        return cls(module)

    @property
    def dimension(self) -> int:
        return self._layers * self._components

    @property
    def inputs(self) -> int:
        return self.cell.input_size

    @property
    def hidden(self) -> slice:
        """The components of the state that are h of the last layer, the output of torch's module."""
        start = self.dimension - self._components
        return slice(start, start + self.cell.hidden_size)

    def driven(self, u: Array) -> Iterator[Map]:
        """The maps of the state, one for each of the inputs u (time, *batch, m).

        Raises ValueError for another shape, inputs or weights that are not finite, weights in half precision, and for a
        module in training mode whose layers have dropout between them.
        """
        u = check_inputs("u", u, self.inputs)
        numpy = namespace(u) is np
        if not self._has_formula:
            self._require_usable()
            u = as_tensor(u) if numpy else u
            return (Autodiff(_Step(self, now)) for now in u)
        layers = self._bound(numpy)
        u = as_tensor(u).to(self._kind) if numpy else u.to(layers[0].weight)
        u = u.numpy() if numpy else u
        return (Recurrence(layers, layers[0].given(now)) for now in u)

    def rest(self, starts: tuple[int, ...] = ()) -> Array:
        self._require_usable()
        return torch.zeros((*starts, self.dimension), dtype=self._kind).numpy()

    def with_start_axes(self, axes: int) -> "Cell":
        return self

    @property
    def joint(self) -> Map:
        if not self._has_formula:
            self._require_usable()
            return Autodiff(_Joint(self))
        return Recurrence(self._bound(numpy=False))

    def after(self, u: torch.Tensor, state: torch.Tensor) -> torch.Tensor:
        """The state (*batch, n) after `state` for the inputs u (*batch, m) by the cell's own forward."""
        names, n = dict(self.cell.named_parameters()), state.shape[-1]
        state = state.to(next(iter(names.values())).detach())
        u = u.to(state).expand(*state.shape[:-1], u.shape[-1])
        # a cell takes one batch axis or none
        u, flat = u.reshape(-1, u.shape[-1]), state.reshape(-1, n)
        if isinstance(self.cell, nn.LSTMCell):
            after = torch.cat(functional_call(self.cell, names, (u, tuple(flat.chunk(2, dim=-1)))), dim=-1)
        else:
            after = functional_call(self.cell, names, (u, flat))
        return after.reshape(*state.shape)

    @property
    def _layers(self) -> int:
        return 1 if isinstance(self.cell, nn.RNNCellBase) else self.cell.num_layers

    @property
    def _components(self) -> int:
        """Of the state of one layer."""
        return self.cell.hidden_size * (2 if isinstance(self.cell, nn.LSTMCell | nn.LSTM) else 1)

    @property
    def _kind(self) -> torch.dtype:
        return next(self.cell.parameters()).dtype

    @property
    def _has_formula(self) -> bool:
        return type(self.cell) in (*SEQUENCES, *CELLS) and is_plain(self.cell)

    def _require_usable(self) -> None:
        """Raise ValueError for weights that are not finite or in half precision, and for dropout that is active."""
        require_weights(self.cell, "cell")
        if self._layers > 1 and self.cell.dropout and self.cell.training:
            raise ValueError(
                f"module must be in evaluation mode, module.eval(): it has dropout={self.cell.dropout} between layers"
            )

    def _bound(self, numpy: bool) -> tuple[RecurrentLayer, ...]:
        """The layers with the present weights, in numpy or in torch."""
        self._require_usable()

        def present(name: str) -> Any:
            weight = getattr(self.cell, name, None)
            if weight is None:
                return 0.0
            if numpy:
                return weight.detach().cpu().numpy().copy()
            return weight.clone()

        endings = [""] if isinstance(self.cell, nn.RNNCellBase) else [f"_l{i}" for i in range(self._layers)]
        gates, size = _gates(self.cell), self._components
        return tuple(RecurrentLayer(gates, size, *(present(name + end) for name in NAMES)) for end in endings)


def _gates(module: Any) -> Any:
    if isinstance(module, nn.LSTM | nn.LSTMCell):
        return LSTMGates
    if isinstance(module, nn.GRU | nn.GRUCell):
        return GRUGates
    return partial(RNNGates, activation=RELU if module.nonlinearity == "relu" else TANH)


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
