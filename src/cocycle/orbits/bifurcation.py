"""Bifurcation diagrams: the long-time states of a map, or of a section of an equation, against a parameter, and their
exponents."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import repeat
from typing import Any, final

import numpy as np

from cocycle.arrays import as_numpy, floating, require_count
from cocycle.flows import Flow
from cocycle.formulas.formula import Formula
from cocycle.formulas.of_time import depends_on_time
from cocycle.lyapunov.exponents import Diverged, Spectrum
from cocycle.lyapunov.qr import frame
from cocycle.lyapunov.spectrum import lyapunov_spectrum
from cocycle.orbits.section import crossing_blocks
from cocycle.results import Plotted, html_facts
from cocycle.trajectories import end, trajectory

FEW = 10  # crossings, of which fewer are said


@final
@dataclass(frozen=True, eq=False)
class BifurcationDiagram(Plotted):
    """States and exponents at m values of a parameter.

    `values` (m,) of the parameter `name`; `states` (m, samples, n), NaN where an orbit diverged, or had fewer crossings
    of the surface; `spectrum` is that of all orbits, its `exponents` and `standard_error` (m, k), NaN where one
    diverged.
    """

    name: str
    values: np.ndarray
    states: np.ndarray
    spectrum: Spectrum

    @property
    def exponents(self) -> np.ndarray:
        """(m, k), in the unit of the spectrum."""
        return as_numpy(self.spectrum.exponents)

    def __repr__(self):
        above = int((self.exponents[:, 0] > 2 * as_numpy(self.spectrum.standard_error)[:, 0]).sum())
        return (
            f"BifurcationDiagram of {self.name} at {len(self.values)} values from {self.values.min():g} to"
            f" {self.values.max():g}: λ1 > 0 by two standard errors at {above} of them"
        )

    def _repr_html_(self):
        above = int((self.exponents[:, 0] > 2 * as_numpy(self.spectrum.standard_error)[:, 0]).sum())
        rows = [(self.name, f"{len(self.values)} values, {self.values.min():g} to {self.values.max():g}")]
        rows += [
            ("states at each value", self.states.shape[1]),
            ("λ₁ > 0 by two standard errors", f"at {above} values"),
        ]
        return html_facts("BifurcationDiagram", rows)


def bifurcation_diagram(
    f: Formula | Flow,
    x: Any,
    *,
    surface: Callable[[Any], Any] | None = None,
    direction: int = 1,
    steps: int | None = None,
    transient: int | None = None,
    samples: int = 200,
    k: int = 1,
    threads: int = 1,
    **parameter: Any,
) -> BifurcationDiagram:
    """The states in which orbits of a map end, for an array of values of one parameter, with their exponents:

        bifurcation_diagram(Formula(logistic), np.array([0.3]), r=np.linspace(2.8, 4, 1000)).plot()

    All orbits start at x, (n,) or one for each value (m, n), and are computed together.  After `transient` steps, 1000
    unless given, the first k exponents are averaged over `steps` steps, 2000, and the last `samples` states are kept.
    The stroboscopic map of a forced equation is a map like any other.  Of a flow, `Flow(f, dt)` of a plain function,
    these are the last crossings of a `surface` during the steps, see
    `poincare_section`; its transient is 10,000 steps of dt and its run 50,000.  `threads` divides the values.  Warns of
    values at which orbits diverge, and of those with fewer crossings.

    Raises TypeError for another kind of map, and unless exactly one parameter is an array; ValueError for numbers that
    are not allowed, and a flow without a surface.
    """
    name, values = _varied(f, parameter)
    by_section = isinstance(f, Flow) and not depends_on_time(f.equation)
    if by_section and surface is None:
        raise ValueError(
            "surface must be a function of a state that is zero where states are recorded, lambda u: u[0]; a flow has"
            " no states of its own that stand for all"
        )
    steps = steps if steps is not None else 50_000 if by_section else 2000
    transient = transient if transient is not None else 10_000 if by_section else 1000
    for option, value, least in (("steps", steps, 10), ("transient", transient, 0), ("samples", samples, 1)):
        require_count(option, value, least)
    varied, x = f.at(**parameter), _starts(x, len(values))
    with np.errstate(over="ignore", invalid="ignore"):
        x = end(repeat(varied, transient), x, threads=threads)
        alive = np.flatnonzero(np.isfinite(x).all(-1))
        varied, x = varied.of_members(alive), x[alive]
        spectrum = _spectrum(varied, x, k, steps, threads)
        if surface is None:
            found = _last_states(varied, x, steps, samples, threads)
        else:
            blocks = crossing_blocks(varied, x, surface, direction, steps, threads=threads)
            found = _last_crossings(blocks, len(x), x.shape[-1], samples)
    states, spectrum = _with_lost(found, alive, 0, len(values)), _whole(spectrum, alive, len(values))
    lost = np.isnan(as_numpy(spectrum.exponents)).any(-1)  # a superstable orbit has -inf
    states[lost] = np.nan
    few = (np.isfinite(states[..., 0]).sum(-1) < min(samples, FEW)) & ~lost
    _warn(name, values[lost], len(values), "orbits diverge")
    _warn(name, values[few], len(values), f"orbits cross the surface fewer than {FEW} times in {steps} steps")
    return BifurcationDiagram(name, values, states, spectrum)


def _starts(x: Any, members: int) -> np.ndarray:
    """A start for each value (members, n)."""
    x = floating("x", x)
    if x.ndim not in (1, 2) or (x.ndim == 2 and len(x) != members):
        raise ValueError(f"x must be a state (n,), or one for each value, ({members}, n); got shape {x.shape}")
    return np.array(np.broadcast_to(x, (members, x.shape[-1])))


def _warn(name: str, values: np.ndarray, members: int, what: str) -> None:
    """Warn of the values of the parameter at which this is so, if there are any."""
    if len(values):
        some = ", ".join(f"{value:.6g}" for value in values[:3])
        warnings.warn(f"{what} at {len(values)} of {members} values of {name}, {some}...: states are NaN", stacklevel=3)


def _varied(f: Any, parameter: dict[str, Any]) -> tuple[str, np.ndarray]:
    """Name and values of the parameter that is an array."""
    if not isinstance(f, Formula | Flow):
        raise TypeError(
            f"f must be Formula(function), Flow(function, dt) or ForcedFlow(...).stroboscopic(period); got"
            f" {type(f).__name__}"
        )
    arrays = {name: np.asarray(value, dtype=float) for name, value in parameter.items() if np.ndim(value)}
    if len(arrays) != 1 or any(values.ndim != 1 or not len(values) for values in arrays.values()):
        given = ", ".join(f"{name} of shape {np.shape(value)}" for name, value in parameter.items()) or "none"
        raise TypeError(f"one parameter must be an array of values (m,), r=np.linspace(2.8, 4, 1000); got {given}")
    return next(iter(arrays.items()))


def _spectrum(f: Formula | Flow, x: np.ndarray, k: int, steps: int, threads: int) -> Spectrum:
    """The spectrum of all orbits, with NaN for those that diverge."""
    if not len(x):
        raise ArithmeticError("all orbits diverge during the transient: start elsewhere, or take other values")
    try:
        return lyapunov_spectrum(repeat(f, steps), x, frame(x, k), every="auto", threads=threads)
    except Diverged as error:
        if error.result is None:
            raise
        return error.result


def _with_lost(part: np.ndarray, alive: np.ndarray, axis: int, members: int) -> np.ndarray:
    """An array of the members that are alive, along an axis, as one of all; the others are NaN."""
    made = np.full((*part.shape[:axis], members, *part.shape[axis + 1 :]), np.nan)
    made[(slice(None),) * axis + (alive,)] = part
    return made


def _whole(spectrum: Spectrum, alive: np.ndarray, members: int) -> Spectrum:
    """The spectrum of all members, from that of those alive."""
    places = {"growth": 1, "x": 0, "q": 0}
    parts = {name: _with_lost(getattr(spectrum, name), alive, axis, members) for name, axis in places.items()}
    return replace(spectrum, **parts)


def _last_states(f: Formula | Flow, x: np.ndarray, steps: int, samples: int, threads: int) -> np.ndarray:
    """The last states (members, samples, n) of so many steps."""
    first = end(repeat(f, max(0, steps - samples)), x, threads=threads)
    return np.moveaxis(trajectory(repeat(f, min(samples, steps)), first, threads=threads), 0, 1)


def _last_crossings(blocks: Any, members: int, n: int, samples: int) -> np.ndarray:
    """The last crossings (members, samples, n) of each orbit, NaN before the first."""
    kept = np.full((members, samples, n), np.nan)
    for states, _, member in blocks:
        for m in np.unique(member):
            own = states[np.flatnonzero(member == m)[-samples:]]
            kept[m] = np.concatenate([kept[m], own])[-samples:]
    return kept
