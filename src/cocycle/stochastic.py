"""Stochastic equations: the noise is an input, and each increment of it makes one map."""

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from cocycle.arrays import generator, require_count, require_finite
from cocycle.formulas.formula import Formula
from cocycle.formulas.parameters import defaults_of, name_of
from cocycle.maps import Map

NOISE = "noise"  # the parameter of the step that is new in each map


@final
class StochasticFlow:
    """The maps over the time dt of dx = drift(x) dt + diffusion(x) o dW in Stratonovich's sense, by Heun's method:

        flow = StochasticFlow(lambda x: x - x**3, lambda x: 0.3 * x, dt=0.01)
        increments = flow.increments(10_000, noises=1, rng=1)
        lyapunov_spectrum(flow.maps(increments), x, frame(x, 1))

    Both are plain functions of a state (n,) with parameters as keyword arguments.  The diffusion gives a matrix (n, m),
    the amplitude of each of m noises in each component, or a vector (n,), of one noise in all components if m = 1, or
    of one for each of m = n.  Exponents are those for this noise, per unit time: negative ones say that orbits with
    the same noise come together.  The error is of order dt^2 without noise, dt with one noise.  Kloeden & Platen,
    Numerical Solution of Stochastic Differential Equations (1992), 15.1; Rümelin, SIAM J. Numer. Anal. 19, 604 (1982).
    """

    def __init__(self, drift: Callable[..., Any], diffusion: Callable[..., Any], dt: float, **parameters: Any):
        for name, function in (("drift", drift), ("diffusion", diffusion)):
            if not callable(function):
                raise TypeError(f"{name} must be a function of a state, f(x, a=1.0); got {function!r}")
        if isinstance(dt, str) or not dt > 0:
            raise ValueError(f"dt must be a positive number; got {dt!r}")
        step = _Heun(drift, diffusion, dt)
        known = step.parameters
        unknown = sorted(set(parameters) - set(known))
        if unknown:
            raise TypeError(f"parameters must be among {', '.join(known) or 'none'}; got {', '.join(unknown)}")
        self.dt, self.step, self.parameters = dt, step, {**known, **parameters}

    def at(self, **parameters: Any) -> "StochasticFlow":
        """The same with other parameters."""
        return StochasticFlow(self.step.drift, self.step.diffusion, self.dt, **{**self.parameters, **parameters})

    def increments(
        self, steps: int, noises: int = 1, *, rng: np.random.Generator | int = 0, batch: tuple[int, ...] = ()
    ) -> np.ndarray:
        """Independent Gaussian increments (steps, *batch, noises) of variance dt."""
        require_count("steps", steps, 1)
        require_count("noises", noises, 1)
        return self.dt**0.5 * generator(rng).normal(size=(steps, *batch, noises))

    def maps(self, increments: np.ndarray) -> Iterator[Map]:
        """One map for each of the increments (steps, *batch, m) of the noises.

        Raises ValueError for increments that are not finite or of another shape.
        """
        require_finite("increments", increments)
        if np.ndim(increments) < 2:
            raise ValueError(
                f"increments must have shape (steps, *batch, m); got {np.shape(increments)}: one noise is"
                " increments[:, None]"
            )
        made = Formula(self.step, dt=self.dt, **{**self.parameters, NOISE: np.zeros(increments.shape[-1])})
        return (made.at(**{NOISE: increment}) for increment in increments)

    def __repr__(self):
        given = "".join(f", {name}={value!r:.40}" for name, value in self.parameters.items())
        return f"StochasticFlow({name_of(self.step.drift)}, {name_of(self.step.diffusion)}, dt={self.dt:g}{given})"


@final
@dataclass(frozen=True, eq=False)
class _Heun:
    """One step of Heun's method as a function of the state, the increments and the parameters of both functions."""

    drift: Callable[..., Any]
    diffusion: Callable[..., Any]
    dt: float

    @property
    def parameters(self) -> dict[str, Any]:
        """Those of both functions, with the values that they have by default."""
        found: dict[str, Any] = {}
        for function in (self.drift, self.diffusion):
            found |= {name: value for name, (value, _) in (defaults_of(function) or {}).items()}
        return found

    @property
    def __signature__(self) -> inspect.Signature:
        kind = inspect.Parameter.KEYWORD_ONLY
        own = [inspect.Parameter(name, kind, default=value) for name, value in self.parameters.items()]
        noise = inspect.Parameter(NOISE, kind)
        return inspect.Signature([inspect.Parameter("x", inspect.Parameter.POSITIONAL_ONLY), *own, noise])

    @property
    def name(self) -> str:
        return name_of(self.drift)

    def __call__(self, x: Any, *, noise: Any, **parameters: Any) -> Any:
        drift, kick = self._rates(x, noise, parameters)
        predicted, moved = self._rates(x + drift * self.dt + kick, noise, parameters)
        return x + (drift + predicted) / 2 * self.dt + (kick + moved) / 2

    def _rates(self, x: Any, noise: Any, parameters: dict[str, Any]) -> tuple[Any, Any]:
        """The drift, and what the increments add."""
        drift, amplitude = (
            _vector(function(x, **{name: parameters[name] for name in defaults_of(function) or {}}))
            for function in (self.drift, self.diffusion)
        )
        return drift, amplitude @ noise if len(np.shape(_operands(amplitude))) == 2 else amplitude * noise

    def depends_on(self) -> list[Any]:
        """What decides its values: see `cocycle.purity`."""
        return [self.drift, self.diffusion, self.dt]


def _vector(result: Any) -> Any:
    return np.stack(result) if isinstance(result, list | tuple) else result


def _operands(array: Any) -> Any:
    return getattr(array, "operands", array)
