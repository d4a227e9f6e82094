"""Exponents and Jacobians as losses: functions of the maps of a network and its inputs, differentiable in its weights.

    value = task_loss + strength * Flossing(4)(feedforward(network), x)
    value.backward()

Every loss is called as loss(steps, x), with any maps of torch tensors and states or inputs x (*batch, n), and returns a
number.  Gradients are those of the value where it is differentiable; where a largest singular value is degenerate,
those along one of its singular vectors, an element of the generalised gradient.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
import torch

from cocycle.arrays import as_numpy, constant, like, require_count, tolerances
from cocycle.lyapunov.fields import ftle
from cocycle.lyapunov.qr import as_map, check_steps, frame, qr_steps
from cocycle.lyapunov.spread import log_diagonal, spread_of
from cocycle.maps import Composed, Map, orbit

Tensor = torch.Tensor


class Loss(ABC):
    """A number from the tangent maps of `steps` along the orbit of x (*batch, n), a torch tensor.

    Raises TypeError for numpy arrays and for what are no maps; ValueError for no steps, no inputs, and where gradients
    are enabled but neither a weight nor x requires one; ArithmeticError where the value is not finite.
    """

    def __call__(self, steps: Iterable[Map], x: Tensor) -> Tensor:
        check_steps(steps)
        if not isinstance(x, Tensor) or not x.is_floating_point():
            what = x.dtype if isinstance(x, Tensor) else type(x).__name__
            raise TypeError(f"x must be a torch tensor of real numbers; got {what}: take torch.as_tensor(x)")
        maps = tuple(map(as_map, steps))
        if not maps or x.ndim < 1 or not x.numel():
            raise ValueError(
                f"steps must hold at least one map, x at least one input (*batch, n); got {len(maps)} maps and shape"
                f" {tuple(x.shape)}"
            )
        value = self.of(maps, x)
        if torch.is_grad_enabled() and not value.requires_grad:
            raise ValueError(
                "the weights or x must require gradients; got none that does: network.requires_grad_(), and maps of"
                " tensors that require them"
            )
        if not value.isfinite():
            raise ArithmeticError(f"the loss must be finite; got {value.item()}: check the weights and x")
        return value

    @abstractmethod
    def of(self, steps: Sequence[Map], x: Tensor) -> Tensor:
        """The value for maps and inputs that were checked."""


@final
@dataclass(frozen=True)
class Flossing(Loss):
    """Mean over inputs and i = 1..k of (λ_i - target)²: gradient flossing (Engelken, NeurIPS 2023), with target 0.

    λ_i are the exponents of the QR loop, per step, that `lyapunov_spectrum` computes, without the first `transient`
    maps.  Maps may change the dimension, but not to less than k.

    Raises ValueError unless 1 <= k <= n for all maps and there are maps after the transient; ArithmeticError for
    exponents that are -inf (dead units) or rounding errors, for which there is no gradient.
    """

    k: int
    target: float = 0.0
    transient: int = 0

    def __post_init__(self):
        require_count("k", self.k, 1)
        require_count("transient", self.transient, 0)

    def of(self, steps: Sequence[Map], x: Tensor) -> Tensor:
        return ((_exponents(steps, x, self.k, self.transient) - self.target) ** 2).mean()


@final
@dataclass(frozen=True)
class EdgeOfChaos(Loss):
    """⟨λ⟩², with ⟨λ⟩ the mean over inputs of the exponent λ = ln(|J v| / |v|) / time of a random tangent vector v.

    Zero at the edge of chaos.  For a long orbit λ is its maximal exponent; for the layers of a wide random network
    ½ ln χ of mean-field theory (Poole et al., NIPS 29, 2016).  The first `transient` maps are not counted.  Raises as
    `Flossing`.
    """

    transient: int = 0

    def __post_init__(self):
        require_count("transient", self.transient, 0)

    def of(self, steps: Sequence[Map], x: Tensor) -> Tensor:
        return _exponents(steps, x, 1, self.transient).mean() ** 2


@final
@dataclass(frozen=True)
class EarlyStretching(Loss):
    """Mean over inputs of max(λ_1, floor), with λ_1 = ln Λ_1 / time the maximal finite-time exponent after the first
    `layers` maps.

    Its minimisation suppresses positive exponents of early layers; floor = -inf takes the exponents of all inputs.
    After Wöhrer & Kuehn, arXiv 2602.09613, who suppress early exponents far from zero of neural ODEs.  Inputs at or
    below the floor have no gradient.  Maps must take any part of a batch, as those of `feedforward` do.

    Raises ValueError unless there are so many maps; ArithmeticError for a Λ_1 of zero (dead units) and no floor.
    """

    layers: int
    floor: float = 0.0

    def __post_init__(self):
        require_count("layers", self.layers, 1)

    def of(self, steps: Sequence[Map], x: Tensor) -> Tensor:
        if self.layers > len(steps):
            raise ValueError(f"layers must be in 1..{len(steps)}, the number of maps; got {self.layers}")
        early = steps[: self.layers]
        return (_log_largest(early, x) / _time(early)).clamp(min=self.floor).mean()


@final
@dataclass(frozen=True)
class Misalignment(Loss):
    """Mean over inputs of (Σ_l ln Λ_1(J_l) - ln Λ_1(J_L ... J_1)) / L: minus the `jacobian_alignment`, not negative.

    Zero where each layer stretches most the direction into which the layer before it maps its own most stretched one.
    Maps must take any part of a batch, as those of `feedforward` do.  Raises ArithmeticError where a Jacobian is zero.
    """

    def of(self, steps: Sequence[Map], x: Tensor) -> Tensor:
        states = [x, *orbit(steps[:-1], x)]
        apart = sum(_log_largest([f], state) for f, state in zip(steps, states, strict=True))
        return ((apart - _log_largest(steps, x)) / len(steps)).mean()


@final
@dataclass(frozen=True, eq=False)
class JacobianNorm(Loss):
    """Mean over inputs of ‖J‖²_F, the sum of the squares of all elements of the Jacobian J (p, n) of all maps together.

    Exact at the cost of min(n, p) vectors; or, with `projections` m <= p, p/m Σ_i |Jᵀ e_i|² for m orthonormal covectors
    e_i at each input, drawn from `rng` at every call: an unbiased estimate (random projections of Hoffman, Roberts &
    Yaida, arXiv 1908.02729), without error for m = p.

    Raises ValueError for projections without a generator or a generator without projections, and for m > p.
    """

    projections: int | None = None
    rng: np.random.Generator | None = None

    def __post_init__(self):
        if self.projections is not None:
            require_count("projections", self.projections, 1)
        if (self.projections is None) != (self.rng is None):
            raise ValueError(
                "projections and rng must be given together: JacobianNorm(1, np.random.default_rng(0)) draws one"
                f" covector at each call, JacobianNorm() is exact; got projections={self.projections}, rng={self.rng}"
            )

    def of(self, steps: Sequence[Map], x: Tensor) -> Tensor:
        whole, n = Composed(steps), x.shape[-1]
        with torch.no_grad():
            y = whole(x)
        p = y.shape[-1]
        if self.projections is not None and self.rng is not None:
            if self.projections > p:
                raise ValueError(f"projections must be in 1..{p}, the number of outputs; got {self.projections}")
            q = frame(y, self.projections, self.rng) * (p / self.projections) ** 0.5
            vectors = whole.cotangent(x, q)
        elif p <= n:
            vectors = whole.cotangent(x, _identity(y))
        else:
            _, vectors = whole.tangent(x, _identity(x))
        return (vectors**2).sum((-2, -1)).mean()


def _identity(x: Tensor) -> Tensor:
    """The unit vectors at x, a frame (*batch, n, n)."""
    return like(np.eye(x.shape[-1]), x) + 0 * constant(x)[..., None]


def _time(steps: Sequence[Map]) -> float:
    return float(sum(f.dt for f in steps))


def _exponents(steps: Sequence[Map], x: Tensor, k: int, transient: int) -> Tensor:
    """The first k exponents (*batch, k) of the QR loop over the maps after the transient."""
    if transient >= len(steps):
        raise ValueError(f"steps must hold maps after the transient; got {len(steps)} maps and transient={transient}")
    q = frame(x, k)
    for step in qr_steps(steps[:transient], x, q, every="auto"):
        x, q = step.x, step.q
    factors = [step.r for step in qr_steps(steps[transient:], x, q, every="auto")]
    narrowest = min(r.shape[-2] for r in factors)
    if narrowest < k:
        raise ValueError(f"k must be in 1..{narrowest} for maps to dimension {narrowest}; got k={k}")
    logs = torch.stack([log_diagonal(r) for r in factors])
    limit = np.log(tolerances(factors[0].dtype).lost_spread)
    if not logs.isfinite().all() or spread_of(as_numpy(logs)).max() > limit:
        raise ArithmeticError(
            "exponents must be finite and above rounding errors to have gradients; a map takes vectors to zero (dead or"
            " saturated units), or values are not finite: take a smaller k, or other initial weights"
        )
    return logs.sum(0) / _time(steps[transient:])


def _log_largest(steps: Sequence[Map], x: Tensor) -> Tensor:
    """ln Λ_1 (*batch,) of the product J of the maps; -inf, without a gradient, where it is zero.

    v being the right singular vector, Λ_1 = |J v|, and its derivative is that at constant v, because |J v| is maximal
    there: no singular vector is differentiated, whose derivative is infinite where singular values coincide.
    """
    with torch.no_grad():
        found = ftle(steps, x.detach())
        logs, v = found.log_factors.to(x.device), found.directions.to(x)
        if logs.isnan().any():
            raise ArithmeticError("tangent vectors must stay finite; got NaN at an input: check the weights and x")
        dead = logs == -torch.inf
        v = torch.where(dead[..., None], 0.0, v * torch.exp(-logs)[..., None].to(v))  # |J v| = 1
    _, pushed = Composed(steps).tangent(x, v[..., None])
    half = (pushed**2).sum((-2, -1)) / 2  # its derivative is that of ln |J v|
    return logs + (half - half.detach())
