"""An implicit method for stiff equations."""

from dataclasses import dataclass
from typing import Any, final

import numpy as np

from cocycle.arrays import like, namespace, tolerances
from cocycle.formulas.implicit_loops import Implicit
from cocycle.integrators.adaptive import SINGLE, AdaptiveIntegrator, relative_error, tolerance
from cocycle.integrators.base import Rate, scaled

_R = 6**0.5
TIMES = np.array([(4 - _R) / 10, (4 + _R) / 10, 1.0])
WEIGHTS = np.array(
    [
        [(88 - 7 * _R) / 360, (296 - 169 * _R) / 1800, (-2 + 3 * _R) / 225],
        [(296 + 169 * _R) / 1800, (88 + 7 * _R) / 360, (-2 - 3 * _R) / 225],
        [(16 - _R) / 36, (16 + _R) / 36, 1 / 9],
    ]
)
REAL = 3 + 3 ** (2 / 3) - 3 ** (1 / 3)  # the real eigenvalue of the inverse of the weights
DIFFERENCE = np.array([-13 - 7 * _R, -13 + 7 * _R, -1]) / 3  # of the embedded formula
ITERATIONS = 10  # of Newton's method, in a step; more steps are then shorter
EPS = float(np.finfo(float).eps)
CONVERGED = 1e-3  # the last change, relative to the tolerance; the error is far smaller, by quadratic convergence


@final
@dataclass(frozen=True)
class Radau(AdaptiveIntegrator):
    """The implicit method Radau IIA of order 5, with steps chosen by its error: see `AdaptiveIntegrator`.

    For stiff equations, whose fastest rates are far from those of the solution: it is stable at any step.  What decays
    within a step decays too slowly, though: exponents of large modulus need a dt of about the inverse of theirs.  The
    three stages are solved by Newton's method with the whole Jacobian, and the tangent is that of their solution, by
    the implicit function theorem.  The error that chooses the steps is that of a formula of third order, some hundred
    times larger than that of the step.  Hairer & Wanner, Solving Ordinary Differential Equations II (1996), IV.8.
    """

    rtol: float = 1e-6
    atol: float = 1e-9
    longest: float = np.inf
    order = 5
    error_order = 4

    def attempt(self, rate, x, h, time):
        """The changes z_i of the state to the stages solve z_i = h sum_j a_ij v(x + z_j)."""
        xp = namespace(x)
        stages, found = _solved(self, rate, x, h, time)
        y = x + stages[..., 2, :]
        slope, jacobian = _with_jacobian(rate, time, x)
        past = (like(DIFFERENCE / REAL, x)[:, None] * stages).sum(-2)
        matrix = like(np.eye(x.shape[-1]), x) - scaled(h / REAL, jacobian) * jacobian

        def error(slope: Any) -> tuple[Any, Any]:
            change = _solution(matrix, (h / REAL * slope + past)[..., None])[..., 0]
            return change, relative_error(self, x, y, change)

        change, estimate = error(slope)
        again = error(rate(time, x + change)[0])[1]  # without the part that decays at once
        estimate = xp.where(estimate <= 1, estimate, again)
        return y, xp.where(found, estimate, np.nan), stages

    def pushed(self, rate, x, q, h, time, known):
        n = x.shape[-1]
        blocks = _blocks(rate, x, h, time, known)[1]
        change = _solution(_matrix(blocks), blocks.sum(-2).reshape(*x.shape[:-1], 3 * n, n) @ q)
        return q + change[..., 2 * n :, :]

    def traced(self, rate, x, h, time):
        return rate(time, x)[0]

    def scheme(self, dt, substeps, direction, timed):
        times, difference = (tuple(part.tolist()) for part in (TIMES, DIFFERENCE))
        weights = tuple(map(tuple, WEIGHTS.tolist()))
        rtol, control = max(self.rtol, SINGLE * EPS), self.control(dt, direction)
        return Implicit(
            control, times, weights, difference, REAL, ITERATIONS, CONVERGED, 4 * EPS, rtol, self.atol, timed
        )


def _solved(method: Radau, rate: Rate, x: Any, h: Any, time: Any) -> tuple[Any, Any]:
    """The changes to the stages (*batch, 3, n), and whether they were found (*batch, 1)."""
    xp, n = namespace(x), x.shape[-1]
    stages = xp.zeros_like(x)[..., None, :] * like(np.ones((3, 1)), x)
    size = CONVERGED * (method.atol + tolerance(method, x) * abs(x)) + 4 * tolerances(x.dtype).eps * abs(x)
    found = xp.zeros_like(x[..., :1]) > 0
    for _ in range(ITERATIONS):
        residual, blocks = _blocks(rate, x, h, time, stages)
        change = _solution(_matrix(blocks), -residual.reshape(*x.shape[:-1], 3 * n, 1)).reshape(stages.shape)
        stages = xp.where(found[..., None], stages, stages + change)
        found = found | (((change / size[..., None, :]) ** 2).mean((-2, -1))[..., None] <= 1)
        if found.all():
            break
    return stages, found


def _blocks(rate: Rate, x: Any, h: Any, time: Any, stages: Any) -> tuple[Any, Any]:
    """The residual of the equations of the stages (*batch, 3, n), and h a_ij Dv(x + z_j) (*batch, 3, n, 3, n)."""
    xp = namespace(x)
    found = [_with_jacobian(rate, time + float(c) * h, x + stages[..., j, :]) for j, c in enumerate(TIMES)]
    slopes, jacobians = (xp.stack(part, axis=-2) for part in zip(*found, strict=True))  # stages before components
    weights = like(WEIGHTS, x)
    residual = stages - h[..., None] * (weights @ slopes)
    return residual, scaled(h, jacobians)[..., None, :, :, :] * weights[:, None, :, None] * jacobians[
        ..., None, :, :, :
    ]


def _matrix(blocks: Any) -> Any:
    """The derivative of the residual (*batch, 3 n, 3 n)."""
    size = 3 * blocks.shape[-1]
    return like(np.eye(size), blocks) - blocks.reshape(*blocks.shape[:-4], size, size)


def _with_jacobian(rate: Rate, time: Any, x: Any) -> tuple[Any, Any]:
    n = x.shape[-1]
    return rate(time, x, namespace(x).zeros_like(x)[..., None] + like(np.eye(n), x))


def _solution(matrix: Any, right: Any) -> Any:
    """NaN where a matrix is singular: the step is then shorter."""
    xp = namespace(matrix)
    try:
        return xp.linalg.solve(matrix, right)
    except (np.linalg.LinAlgError, RuntimeError):  # of torch
        return xp.zeros_like(right) + np.nan
