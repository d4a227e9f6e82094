"""Partial differential equations as maps of a field on a grid."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import final

import numpy as np

from cocycle.arrays import like, namespace
from cocycle.maps import Composed
from cocycle.systems.series import DiscreteSystem

CONTOUR = 64  # points on the circle over which the coefficients are averaged


@final
@dataclass(frozen=True)
class KuramotoSivashinsky(DiscreteSystem):
    """u_t = -u u_x - u_xx - u_xxxx on a ring, as the time-dt map of u at `points` equidistant points.

    The linear part is solved exactly in Fourier space, the rest by a Runge-Kutta scheme of fourth order (ETDRK4, Cox &
    Matthews, J. Comput. Phys. 176, 430, 2002; coefficients after Kassam & Trefethen, SIAM J. Sci. Comput. 26, 1214,
    2005); field and tangent vectors go through the same step, so the tangent is exact.  The mean of u, which the
    equation conserves, and the shortest wave are kept at zero, which gives two exponents of -inf; two others are zero,
    for translations in time and in space.  Raises ValueError unless `points` is even and at least 8.
    """

    length: float = 22.0
    points: int = 64
    dt: float = 0.1
    order = 4

    def __post_init__(self):
        if self.points < 8 or self.points % 2:
            raise ValueError(f"points must be even and at least 8; got {self.points}")

    @property
    def dimension(self):
        return self.points

    def refined(self):
        """The same with half the time step; the error of the grid is not checked: compare with a run with more
        points."""
        half = replace(self, dt=self.dt / 2)
        return Composed((half, half))

    def start(self, rng, batch=()):
        x = 2 * np.pi * np.arange(self.points) / self.points
        phases = rng.uniform(0, 2 * np.pi, size=(*batch, 3, 1))
        return np.sin(np.array([[1], [2], [3]]) * x + phases).sum(-2)

    @cached_property
    def _coefficients(self):
        """exp(L dt), exp(L dt / 2), the weights of the stages and of the final sum, and -1/2 d/dx, for each wave
        number.

        Each coefficient is the mean of its formula over a circle, because the formula itself cancels near L = 0.
        """
        k = 2 * np.pi / self.length * np.arange(self.points // 2 + 1)
        keep = (k > 0) & (np.arange(len(k)) < self.points // 2)
        rate = k**2 - k**4
        z = self.dt * rate[:, None] + np.exp(1j * np.pi * (np.arange(CONTOUR) + 0.5) / CONTOUR)
        stage = self.dt * ((np.exp(z / 2) - 1) / z).mean(1).real
        first = self.dt * ((-4 - z + np.exp(z) * (4 - 3 * z + z**2)) / z**3).mean(1).real
        middle = self.dt * ((2 + z + np.exp(z) * (z - 2)) / z**3).mean(1).real
        last = self.dt * ((-4 - 3 * z - z**2 + np.exp(z) * (4 - z)) / z**3).mean(1).real
        whole, half = np.exp(self.dt * rate), np.exp(self.dt * rate / 2)
        return [keep * c for c in (whole, half, stage, first, 2 * middle, last)], -0.5j * k * keep

    def _advance(self, parts, products):
        """One step of the fields `parts`, whose last axis is space.

        `products` maps them to the fields whose -1/2 d/dx is their non-linear term: u² for u, 2 u v for a tangent
        vector v.
        """
        fft, n = namespace(parts[0]).fft, self.points
        real, derivative = self._coefficients
        whole, half, stage, first, middle, last = (like(c, parts[0]) for c in real)
        derivative = 1j * like(derivative.imag, parts[0])

        def force(waves):
            fields = [fft.irfft(w, n, -1) for w in waves]
            return [derivative * fft.rfft(p, n, -1) for p in products(*fields)]

        def combined(*terms):
            return [
                sum(c * w for c, w in zip(terms[::2], waves, strict=True)) for waves in zip(*terms[1::2], strict=True)
            ]

        v = [fft.rfft(u, n, -1) for u in parts]
        at_v = force(v)
        a = combined(half, v, stage, at_v)
        at_a = force(a)
        at_b = force(combined(half, v, stage, at_a))
        at_c = force(combined(half, a, 2 * stage, at_b, -stage, at_v))
        end = combined(whole, v, first, at_v, middle, at_a, middle, at_b, last, at_c)
        return [fft.irfft(w, n, -1) for w in end]

    def __call__(self, x):
        return self._advance([x], lambda u: [u * u])[0]

    def tangent(self, x, q):
        rows = q.swapaxes(-1, -2)
        y, pushed = self._advance([x, rows], lambda u, v: [u * u, 2 * u[..., None, :] * v])
        return y, pushed.swapaxes(-1, -2)
