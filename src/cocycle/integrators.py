"""One step of an integrator for x' = v(x), of the state alone or of state and frame together.

Arrays and symbols alike: of a plain function the whole step is traced, and its tangent follows from the trace.  State
and frame are parts of one system, `rate(x, q) = (v(x), Dv(x) q)`, so that the tangent is the exact derivative of the
numerical step, not an approximation to the derivative of the true flow.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from cocycle.arrays import as_numpy, constant, like, namespace

Rate = Callable[..., tuple]  # of the parts, the rates of change of all


class Integrator(ABC):
    """A rule for one step."""

    order: Any  # int: the error over a given time is of order dt^order

    @abstractmethod
    def step(self, rate: Rate, parts: tuple, dt: Any) -> tuple:
        """The parts after the time dt: the state (*batch, n), and the frame (*batch, n, k) if it is there."""

    @abstractmethod
    def check(self, field: Any, x: Any) -> None:
        """Raise ValueError unless the field is one for this integrator, judged near the states x."""


def rk4(rate: Rate, x: tuple, dt: Any) -> tuple:
    """One step of the classical Runge–Kutta method for x' = rate(*x), where x is a tuple of arrays."""

    def shifted(h, k):
        return tuple(a + h * b for a, b in zip(x, k, strict=True))

    k1 = rate(*x)
    k2 = rate(*shifted(dt / 2, k1))
    k3 = rate(*shifted(dt / 2, k2))
    k4 = rate(*shifted(dt, k3))
    return shifted(dt / 6, tuple(a + 2 * (b + c) + d for a, b, c, d in zip(k1, k2, k3, k4, strict=True)))


@final
@dataclass(frozen=True)
class RungeKutta(Integrator):
    """The classical Runge–Kutta method of fourth order, for any field."""

    order = 4

    def step(self, rate, parts, dt):
        return rk4(rate, parts, dt)

    def check(self, field, x):
        pass


@final
@dataclass(frozen=True)
class Symplectic(Integrator):
    """A symplectic method of fourth order for separable Hamiltonians H = T(p) + V(q), with the state (q, p).

    Positions and momenta are moved in turn, which conserves volume and symplectic form exactly, so that exponents come
    in pairs of opposite sign to rounding, and the energy error stays bounded: five leapfrog steps of the lengths s, s,
    1 - 4 s, s, s with s = 1 / (4 - 4^(1/3)).  Suzuki, Phys. Lett. A 146, 319 (1990); Hairer, Lubich & Wanner, Geometric
    Numerical Integration (2006), II.4.
    """

    order = 4
    _S = 1 / (4 - 4 ** (1 / 3))
    KICKS = (_S, _S, 1 - 4 * _S, _S, _S)
    DRIFTS = (_S / 2, _S, (1 - 3 * _S) / 2, (1 - 3 * _S) / 2, _S, _S / 2)

    def step(self, rate, parts, dt):
        for drift, kick in zip(self.DRIFTS, (*self.KICKS, None), strict=True):
            parts = _half_moved(rate, parts, drift * dt, momenta=False)
            if kick is not None:
                parts = _half_moved(rate, parts, kick * dt, momenta=True)
        return parts

    def check(self, field, x):
        n = x.shape[-1]
        if n % 2:
            raise ValueError(f"the state of a symplectic integrator must be (q, p), of even dimension; got n={n}")
        # at other numbers, since a derivative may vanish at special ones
        places = x + like(np.random.default_rng(0).uniform(0.1, 0.2, size=n), x) * (1 + abs(x))
        identity = like(np.broadcast_to(np.eye(n), (*x.shape, n)).copy(), x)
        jacobian = as_numpy(constant(field.tangent(places, identity)[1]))
        m = n // 2
        for name, block in (("q", jacobian[..., :m, :m]), ("p", jacobian[..., m:, m:])):
            if block.any():
                raise ValueError(
                    f"the equation must be that of a Hamiltonian T(p) + V(q) for a symplectic integrator: the rate of"
                    f" {name} must not depend on {name}, with the state (q, p); it does: take RungeKutta()"
                )


def _half_moved(rate: Rate, parts: tuple, dt: Any, *, momenta: bool) -> tuple:
    """The parts after a step of the positions, or of the momenta, alone."""
    rates = rate(*parts)
    return tuple(_moved(a, b, dt, -1 - i, momenta) for i, (a, b) in enumerate(zip(parts, rates, strict=True)))


def _moved(a: Any, rate: Any, dt: Any, axis: int, momenta: bool) -> Any:
    half = a.shape[axis] // 2
    behind = (slice(None),) * (-1 - axis)
    first, second = (..., slice(None, half), *behind), (..., slice(half, None), *behind)
    parts = [a[first], a[second] + dt * rate[second]] if momenta else [a[first] + dt * rate[first], a[second]]
    return namespace(a).concatenate(parts, axis=axis)
