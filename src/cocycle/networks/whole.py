"""A torch network as one map, where it cannot be cut into layers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import nn
from torch.func import functional_call, jvp
from torch.utils import _pytree as pytree

from cocycle.autodiff import Autodiff, member_by_member
from cocycle.maps import Dual
from cocycle.networks.arguments import Inputs, output_of
from cocycle.networks.exported import first_line
from cocycle.networks.modules import (
    require_evaluation,
    require_repeatable,
    require_true_derivative,
    without_fused_attention,
)
from cocycle.networks.weights import followed


@final
@dataclass(frozen=True, eq=False)
class Whole:
    """The network as one map, for one input at a time; `reason` says why it was not cut."""

    inputs: Inputs
    reason: str

    @property
    def dimension(self) -> int:
        return self.inputs.leaves[self.inputs.state].numel()

    @property
    def elements(self) -> None:
        return None

    @property
    def operations(self) -> int:
        return 1

    def map(self, network: nn.Module) -> Dual:
        """The network as a map of torch tensors, with its present weights."""
        return Autodiff(self.applied(network))

    def applied(self, network: nn.Module) -> Callable[[torch.Tensor], torch.Tensor]:
        """The function of flat states (*batch, n), each member by itself."""
        own = {name: followed(p) for name, p in (*network.named_parameters(), *network.named_buffers())}
        shape = self.inputs.leaves[self.inputs.state].shape

        def of_one(x: torch.Tensor) -> torch.Tensor:
            given = self.inputs.with_state(x.reshape(shape))
            with without_fused_attention(network):
                return output_of(functional_call(network, own, given.args, given.kwargs))[1].reshape(-1)

        return member_by_member(of_one)

    def check(self, network: nn.Module) -> None:
        """Raise ValueError for a network that was put into training mode."""
        require_evaluation(network, "was put into training mode after feedforward")

    def describe(self, network: nn.Module) -> str:
        return f"{type(network).__name__} as one map of dimension {self.dimension}, not cut: {self.reason}"


def whole(network: nn.Module, inputs: Inputs, reason: str) -> Whole:
    """The network as one map.

    Raises ValueError for integers as inputs, a network that is random, and one whose derivative torch gets wrong;
    TypeError for one that cannot be differentiated forwards.
    """
    found, state = Whole(inputs, reason), inputs.leaves[inputs.state]
    if not state.is_floating_point():
        raise ValueError(
            f"example must be of real numbers for a network that cannot be cut ({reason}), so that the embedding of"
            f" integers is not found; got {state.dtype}: give the embedded inputs"
        )
    x, f = state.reshape(1, -1).detach(), found.applied(network)
    with torch.no_grad():
        try:
            y, again = f(x), f(x)
        except (RuntimeError, ValueError, TypeError, NotImplementedError) as error:
            raise ValueError(f"example must fit the network; it fails on it: {error}") from error
    require_repeatable(y, again, "network")
    _require_forward_derivative(f, x[0], reason)
    require_true_derivative(network, lambda twin: Autodiff(_in_double(found).applied(twin)), x, "the network")
    return found


def _in_double(found: Whole) -> Whole:
    def double(a: Any) -> Any:
        return a.double() if isinstance(a, torch.Tensor) and a.is_floating_point() else a

    args, kwargs = pytree.tree_map(double, (found.inputs.args, found.inputs.kwargs))
    return Whole(Inputs(args, kwargs, found.inputs.state), found.reason)


def _require_forward_derivative(f: Callable, x: torch.Tensor, reason: str) -> None:
    try:
        with torch.no_grad():
            jvp(f, (x,), (torch.ones_like(x),))
    except Exception as error:  # of any kind: what torch cannot differentiate
        raise TypeError(
            f"network must be differentiable forwards; it is not ({first_line(error)}), and cannot be cut ({reason}):"
            " of a differential equation take a solver with fixed steps, without an adjoint of its own"
        ) from error
