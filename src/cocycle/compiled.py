"""A map whose formula is traced once: straight-line code instead of array operations."""

from dataclasses import dataclass, field
from typing import Any, final

import numpy as np

from cocycle.arrays import Array
from cocycle.formulas.kernels import kernel
from cocycle.formulas.program import program
from cocycle.maps import Dual, Map, Wrapped, cotangent
from cocycle.purity import Dependencies, require_same, time_to_check


@final
@dataclass(frozen=True, eq=False)
class Compiled(Wrapped, Dual):
    """The same map, value, tangent and cotangent, some ten times faster for a low-dimensional system in numpy.

    A single state (n,) goes through straight-line python; a batch through the same lines, on one array for each
    component.  The tangent is the exact derivative of those lines.  Whatever they cannot serve, a torch tensor, a
    formula that cannot be traced or is not pure (noise, clocks), goes through `map` itself.  The results are the same
    either way, but for the last digits.  When attributes of the map change, its formula is traced again; now and then
    the result is compared with that of the map.

    Raises RuntimeError if the two differ: the map then depends on something else that has changed.
    """

    map: Map
    _traced: dict = field(default_factory=dict, init=False, repr=False)

    def refined(self):
        return self.map.refined()  # used for a few steps, for which a trace is not worth its time

    def __call__(self, x):
        code = self._code(x)
        if code is None:
            return self.map(x)
        y = code.program(x)
        code.check(x, y)
        return y

    def tangent(self, x, q):
        code = self._code(x)
        if code is None:
            return self.map.tangent(x, q)
        y, s = code.program.pushed(x, q)
        code.check(x, y, q, s)
        return y, s

    def cotangent(self, x, p):
        code = self._code(x)
        return cotangent(self.map, x, p) if code is None else code.program.pulled(x, p)

    def kernel(self, x: Array, q: Array | None, steps: int) -> Any:
        code = self._code(x)
        if code is None:
            own = self.map.kernel(x, q, steps)
            return f"{type(self.map).__name__} cannot be traced for this state" if isinstance(own, str) else own
        found = kernel(code.program, (), x, q, steps)
        if not isinstance(found, str):  # compare with the map, if it is time
            self(x) if q is None else self.tangent(x, q)
        return found

    def _code(self, x: Array) -> "_Code | None":
        """The code that serves states like x, or None."""
        if not isinstance(x, np.ndarray) or x.dtype != np.float64 or not x.ndim:
            return None
        code = self._traced.get("code")
        if code is None or code.n != x.shape[-1] or code.dependencies.changed():
            code = self._traced["code"] = _Code(self.map, x.shape[-1])
        return code if code.program is not None else None

    def __reduce__(self):
        return Compiled, (self.map,)


@final
class _Code:
    """The code of a map whose attributes are what they are now."""

    def __init__(self, f: Map, n: int):
        self.map, self.n, self.calls = f, n, 0
        try:
            self.program: Any = program(f, (n,), owner=f)
            self.dependencies = self.program.dependencies
        except TypeError:
            self.program, self.dependencies = None, Dependencies(f)

    def check(self, x: np.ndarray, y: np.ndarray, q: np.ndarray | None = None, s: np.ndarray | None = None) -> None:
        """Compare with the map, if it is time."""
        self.calls += 1
        if not time_to_check(self.calls):
            return
        name = type(self.map).__name__
        with np.errstate(all="ignore"):
            if q is None or s is None:
                require_same(y, self.map(x), name)
            else:
                value, tangent = self.map.tangent(x, q)
                require_same(y, value, name)
                require_same(s, tangent, name)
