"""Tangents by automatic differentiation: for maps that are not affine-then-pointwise, and as an oracle in tests."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from torch.func import jvp, vjp, vmap

from cocycle.arrays import Array, namespace
from cocycle.maps import Dual


@final
@dataclass(frozen=True, eq=False)
class Autodiff(Dual):
    """Any differentiable torch function (*batch, n) -> (*batch, p) as a map.

    The tangent costs one forward-mode product per column of the frame (`torch.func.jvp`), several times what an
    analytic one does.  numpy states come back as numpy; every member of a batch must be treated alone.
    """

    function: Callable
    dt: float = 1.0

    def __call__(self, x):
        if namespace(x) is np:
            return self.function(torch.as_tensor(x)).detach().numpy()
        return self.function(x)

    def tangent(self, x: Array, q: Array):
        if namespace(x) is np:
            y, s = self.tangent(torch.as_tensor(x), torch.as_tensor(q))
            return y.detach().numpy(), s.detach().numpy()

        def pushed(column):
            return jvp(self.function, (x,), (column,))[1]

        return self.function(x), vmap(pushed, in_dims=-1, out_dims=-1)(q)

    def cotangent(self, x: Array, p: Array):
        if namespace(x) is np:
            return self.cotangent(torch.as_tensor(x), torch.as_tensor(p)).detach().numpy()
        pulled = vjp(self.function, x)[1]
        return vmap(pulled, in_dims=-1, out_dims=-1)(p)[0]
