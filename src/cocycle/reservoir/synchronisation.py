"""Generalised synchronisation: whether copies of a driven network, started at different states, converge."""

from dataclasses import dataclass
from typing import final

import numpy as np

from cocycle.arrays import Array, as_numpy, generator, like, tolerances
from cocycle.driven import Driven, check_inputs
from cocycle.maps import orbit
from cocycle.progress import tracked
from cocycle.results import Plotted, html_facts
from cocycle.threads import one_thread_if_small


@final
@dataclass(frozen=True, eq=False)
class Synchronisation(Plotted):
    """The distance (time, copies - 1) of copies of a network from the first one, all with the same input."""

    distances: np.ndarray
    dt: float

    @property
    def rate(self) -> float:
        """The mean growth rate of the distances, per unit time, while they are between 1e-3 of the first and rounding,
        1e-12 in double precision.

        For close copies the maximal conditional exponent; NaN if they do not come that close.
        """
        relative = self.distances[:, self.distances[0] > 0] / self.distances[0, self.distances[0] > 0]
        rates, rounding = [], max(1e-12, 100 * tolerances(self.distances.dtype).eps)
        for column in relative.T:
            inside = np.flatnonzero((column < 1e-3) & (column > rounding))
            if len(inside) > 1 and (column[inside[0] : inside[-1] + 1] > 0).all():
                first, last = inside[0], inside[-1]
                rates.append(np.log(column[last] / column[first]) / ((last - first) * self.dt))
        return float(np.mean(rates)) if rates else float("nan")

    @property
    def synchronised(self) -> bool:
        """Whether all copies ended within 1e-6 of the distance they started with, 1e-5 in single precision."""
        met = max(1e-6, 100 * tolerances(self.distances.dtype).eps)
        return bool((self.distances[-1] <= met * self.distances[0]).all())

    @property
    def unit(self) -> str:
        """The unit of the rate."""
        return "per step" if self.dt == 1 else "per unit time"

    def __repr__(self):
        copies, steps, rate = self.distances.shape[1] + 1, self.distances.shape[0], self.rate
        verdict = "synchronised" if self.synchronised else "not synchronised"
        words = f", rate {rate:.4g} {self.unit}" if np.isfinite(rate) else ""
        return f"Synchronisation of {copies} copies over {steps} steps: {verdict}{words}"

    def _repr_html_(self):
        rows = [("copies", self.distances.shape[1] + 1), ("steps", len(self.distances))]
        rows += [("synchronised", "yes" if self.synchronised else "no"), (f"rate ({self.unit})", f"{self.rate:.4g}")]
        return html_facts("Synchronisation", rows)


def synchronisation(
    network: Driven, u: Array, *, copies: int = 4, amplitude: float = 1.0, rng: np.random.Generator | int = 0
) -> Synchronisation:
    """Drive copies of the network, from random states in [-amplitude, amplitude], with the same inputs u (time, m).

    The auxiliary-system test: Abarbanel, Rulkov & Sushchik, Phys. Rev. E 53, 4528 (1996).  For a trained model take
    `model.network` and its inputs in the network's units.  Raises ValueError for fewer than two copies or bad inputs.
    """
    states = tracked(_responses(network, u, copies, amplitude, rng), "synchronisation", len(u))
    with one_thread_if_small(network.rest((copies,))):
        distances = [np.linalg.norm(as_numpy(x)[1:] - as_numpy(x)[:1], axis=-1) for x in states]
    return Synchronisation(np.array(distances), network.joint.dt)


def consistency(
    network: Driven,
    u: Array,
    *,
    copies: int = 2,
    washout: int = 500,
    noise: float = 0.0,
    rng: np.random.Generator | int = 0,
) -> float:
    """The squared correlation between the responses of copies to the same drive u (time, m), averaged over the units.

    1 for a network that synchronises, below where its own dynamics, or `noise` (of that standard deviation, another for
    each copy) on its inputs, decides too.  Uchida, McAllister & Roy, Phys. Rev. Lett. 93, 244102 (2004).  Raises
    ValueError for inputs not longer than the washout.
    """
    if not 0 <= washout < len(u) - 1:
        raise ValueError(f"washout must be in 0..{len(u) - 2} for {len(u)} inputs; got {washout}")
    rng = generator(rng)
    u = check_inputs("u", u, network.inputs)
    given = as_numpy(u)[:, None] + noise * rng.normal(size=(len(u), copies, network.inputs))
    sums = _Correlation()
    states = tracked(_responses(network, given, copies, 1.0, rng), "consistency", len(u))
    for t, x in enumerate(states):
        if t >= washout:
            sums.add(as_numpy(x).astype(np.float64, copy=False))
    return sums.mean_square()


def _responses(network: Driven, u: Array, copies: int, amplitude: float, rng):
    if copies < 2:
        raise ValueError(f"copies must be at least 2; got {copies}")
    if network.batch:
        raise ValueError(f"network must be a single one, not a batch; got a batch of shape {network.batch}")
    u = check_inputs("u", u, network.inputs)
    start = generator(rng).uniform(-amplitude, amplitude, size=(copies, network.dimension))
    u = u if u.ndim == 3 else u[:, None]
    return orbit(network.driven(like(as_numpy(u), network.rest())), like(start, network.rest()))


class _Correlation:
    """Correlations of each unit between the first copy and the others, from sums over time."""

    def __init__(self):
        self.count, self.sums = 0, np.zeros(())

    def add(self, x: np.ndarray) -> None:
        first, others = x[:1], x[1:]
        terms = (first + 0 * others, others, first**2 + 0 * others, others**2, first * others)
        self.count, self.sums = self.count + 1, self.sums + np.stack(terms)

    def mean_square(self) -> float:
        a, b, aa, bb, ab = self.sums / self.count
        variances = np.maximum((aa - a * a) * (bb - b * b), 0.0)
        moving = variances > 1e-24
        return float(((ab - a * b)[moving] ** 2 / variances[moving]).mean()) if moving.any() else float("nan")
