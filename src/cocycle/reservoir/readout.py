"""The linear readout: a weight, and a constant, of functions of the state, as a map."""

from dataclasses import dataclass, field
from typing import Any, final

from cocycle.arrays import Array, in_one_piece
from cocycle.driven import beside
from cocycle.maps import Map
from cocycle.operators import linear, linear_block


@final
@dataclass(frozen=True, eq=False)
class Readout(Map):
    """z -> weight φ(z[components]) + offset + z[added]: weight (*batch, k, p), φ = `functions`, or none.

    z is the state of the network, or [input | state] if `reads_input`.  `added` are the components of the input to
    which the rest is an increment, or None.  `offset` (*batch, k) is the constant of the regression, 0 without one.
    """

    weight: Array
    components: Any = field(default_factory=lambda: slice(None))
    functions: Map | None = None
    reads_input: bool = False
    added: Any = None
    offset: Array | float = 0.0

    def __post_init__(self):
        object.__setattr__(self, "weight", in_one_piece(self.weight))

    @property
    def sees_state_alone(self) -> bool:
        """Whether it is a matrix times the state of the network, plus its offset."""
        whole = isinstance(self.components, slice) and self.components == slice(None)
        return whole and self.functions is None and not self.reads_input

    def read(self, u: Array, state: Array) -> Array:
        """z after the input u (*batch, m) that led to the state (*batch, n)."""
        return beside(u, state) if self.reads_input else state

    def features(self, z: Array) -> Array:
        """φ(z[components]) (*batch, p), in which the readout is linear."""
        seen = z[..., self.components]
        return seen if self.functions is None else self.functions(seen)

    def __call__(self, x):
        y = linear(self.weight, self.features(x)) + self.offset
        return y if self.added is None else y + x[..., self.added]

    def tangent(self, x, q):
        features, s = x[..., self.components], q[..., self.components, :]
        if self.functions is not None:
            features, s = self.functions.tangent(features, s)
        y, s = linear(self.weight, features) + self.offset, linear_block(self.weight, s)
        return (y, s) if self.added is None else (y + x[..., self.added], s + q[..., self.added, :])
