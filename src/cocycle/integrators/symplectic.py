"""Methods that conserve the volume and the symplectic form of Hamilton's equations."""

from dataclasses import dataclass
from typing import Any, final

import numpy as np

from cocycle.arrays import as_numpy, constant, like, namespace
from cocycle.integrators.base import Rate, scaled
from cocycle.integrators.fixed import FixedIntegrator


@final
@dataclass(frozen=True)
class Symplectic(FixedIntegrator):
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

    def step(self, rate, parts, dt, time=0.0):
        drifted, kicked = time, time  # forces act at the time of the positions, and velocities at that of the momenta
        for drift, kick in zip(self.DRIFTS, (*self.KICKS, None), strict=True):
            parts = _half_moved(rate, parts, drift * dt, kicked, momenta=False)
            drifted = drifted + drift * dt
            if kick is not None:
                parts = _half_moved(rate, parts, kick * dt, drifted, momenta=True)
                kicked = kicked + kick * dt
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
        for name, block in (("q", jacobian[..., :m, m:]), ("p", jacobian[..., m:, :m])):
            if (abs(block - block.swapaxes(-1, -2)) > 1e-4 * abs(block).max()).any():
                raise ValueError(
                    f"the equation must be that of a Hamiltonian T(p) + V(q) for a symplectic integrator: the rate of"
                    f" {name} must be a gradient; its derivative is not symmetric: take RungeKutta()"
                )


def _half_moved(rate: Rate, parts: tuple, dt: Any, time: Any, *, momenta: bool) -> tuple:
    """The parts after a step of the positions, or of the momenta, alone."""
    rates = rate(time, *parts)
    return tuple(
        _moved(a, b, scaled(dt, a), -1 - i, momenta) for i, (a, b) in enumerate(zip(parts, rates, strict=True))
    )


def _moved(a: Any, rate: Any, dt: Any, axis: int, momenta: bool) -> Any:
    half = a.shape[axis] // 2
    behind = (slice(None),) * (-1 - axis)
    first, second = (..., slice(None, half), *behind), (..., slice(half, None), *behind)
    parts = [a[first], a[second] + dt * rate[second]] if momenta else [a[first] + dt * rate[first], a[second]]
    return namespace(a).concatenate(parts, axis=axis)
