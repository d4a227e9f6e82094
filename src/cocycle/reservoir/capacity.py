"""How much of its past inputs a driven network retains, and which functions of them: its capacities."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import final

import numpy as np
import scipy

from cocycle.arrays import as_numpy, generator, like, require_finite, tolerances
from cocycle.driven import Driven
from cocycle.maps import orbit
from cocycle.progress import tracked
from cocycle.reservoir.moments import Moments, MomentSum, check_moments
from cocycle.results import Plotted, html_facts
from cocycle.trajectories import end

Product = tuple[tuple[int, int], ...]  # (delay, degree) of each factor


@final
@dataclass(frozen=True, eq=False)
class Capacity(Plotted):
    """How well linear readouts give functions of past inputs: 1 perfectly, 0 not at all.

    `functions` names each by the (delay, degree) of its factors, `values` (functions,) are the capacities, those that
    chance can explain set to 0.  `bound` is the number of independent functions of the state: no sum exceeds it.
    """

    functions: Sequence[Product]
    values: np.ndarray
    bound: int

    @property
    def total(self) -> float:
        return float(self.values.sum())

    @property
    def by_degree(self) -> Mapping[int, float]:
        """The sum of the capacities for each total degree: 1 is linear memory."""
        degrees = np.array([sum(degree for _, degree in function) for function in self.functions])
        return {int(d): float(self.values[degrees == d].sum()) for d in np.unique(degrees)}

    @property
    def by_delay(self) -> np.ndarray:
        """(delays,): the linear memory of the input 0, 1, 2, ... steps ago."""
        linear = {
            function[0][0]: value
            for function, value in zip(self.functions, self.values, strict=True)
            if _degree(function) == 1
        }
        return np.array([linear[delay] for delay in sorted(linear)])

    def __repr__(self):
        parts = ", ".join(f"degree {d}: {c:.2f}" for d, c in self.by_degree.items())
        return f"capacity {self.total:.2f} of at most {self.bound} ({parts})"

    def _repr_html_(self):
        rows = [(f"degree {degree}", f"{capacity:.2f}") for degree, capacity in self.by_degree.items()]
        return html_facts("Capacity", [*rows, ("total", f"{self.total:.2f}"), ("at most", self.bound)])


def memory_capacity(
    network: Driven, *, delays: int = 50, times: int = 20_000, washout: int = 500, rng: np.random.Generator | int = 0
) -> Capacity:
    """How well the inputs 0, 1, ..., delays-1 steps ago can be read from the state linearly; at most n in all.

    The input is noise, independent and uniform on [-1, 1]: input_scaling sets its strength.  `by_delay` is the
    forgetting curve.  Jaeger, GMD Report 152 (2001).  Raises ValueError unless the network takes one input.
    """
    if delays < 1:
        raise ValueError(f"delays must be at least 1; got {delays}")
    functions: list[Product] = [((delay, 1),) for delay in range(delays)]
    return _capacity(network, functions, times, washout, rng)


def information_capacity(
    network: Driven,
    *,
    delays: Sequence[int] = (50, 15, 8),
    times: int = 20_000,
    washout: int = 500,
    rng: np.random.Generator | int = 0,
) -> Capacity:
    """How well products of Legendre polynomials of past inputs can be read from the state.

    All products of total degree 1, 2, ..., len(delays), those of degree d with delays below delays[d-1].  The functions
    are orthogonal, so that the capacities of all of them, had one infinitely many, sum to n for a network with fading
    memory and independent states.  Dambre et al., Sci. Rep. 2, 514 (2012).  Raises ValueError unless the network takes
    one input.
    """
    if not len(delays) or min(delays) < 1:
        raise ValueError(f"delays must hold at least one number, each at least 1; got {delays}")
    functions = [function for degree, depth in enumerate(delays, 1) for function in _products(degree, depth)]
    return _capacity(network, functions, times, washout, rng)


def _degree(function: Product) -> int:
    return sum(degree for _, degree in function)


def _products(degree: int, depth: int) -> list[Product]:
    """All products of that degree of polynomials of the inputs fewer than `depth` steps ago."""
    choices = combinations_with_replacement(range(depth), degree)
    return [tuple((delay, chosen.count(delay)) for delay in sorted(set(chosen))) for chosen in choices]


def _capacity(network: Driven, functions: list[Product], times: int, washout: int, rng) -> Capacity:
    if network.inputs != 1 or network.batch:
        shape = f"a batch of shape {network.batch}" if network.batch else f"a network with {network.inputs} inputs"
        raise ValueError(f"network must be a single one with one input, Reservoir.random(n, 1); got {shape}")
    reach = 1 + max(delay for function in functions for delay, _ in function)
    if not times > 0:
        raise ValueError(f"times must be at least 1; got {times}")
    if washout < reach:
        raise ValueError(f"washout must be at least the number of delays, {reach}; got {washout}")
    u = generator(rng).uniform(-1, 1, size=(washout + times, 1))
    states = orbit(network.driven(like(u, network.rest())), network.rest())
    longest = max(len(function) for function in functions)
    padded = np.array(
        [[*function, *[(0, 0)] * (longest - len(function))] for function in functions]
    )  # of degree 0: a factor of 1
    back, degree = padded[..., 0], padded[..., 1]
    orders = np.arange(degree.max() + 1)
    factors = np.sqrt(2 * orders + 1) * scipy.special.eval_legendre(orders, u)  # (time, degree), of variance 1
    moments = MomentSum((), network.dimension, len(functions), constant=True)
    with np.errstate(over="ignore", invalid="ignore"):  # of a network that diverges: check_moments raises
        for t, state in enumerate(tracked(states, "capacity", len(u))):
            if t >= washout:
                moments.add(as_numpy(state), factors[t - back, degree].prod(axis=-1))
    return _explained(moments.total(), functions)


def _explained(moments: Moments, functions: list[Product]) -> Capacity:
    """The share of the variance of each target that the states explain, beyond what chance does."""
    times = moments.count
    check_moments(moments)
    moments = moments.about(moments.means)
    sizes, vectors = np.linalg.eigh(moments.states / times)
    used = sizes > 1e-12 * max(sizes[-1], np.finfo(float).tiny)
    rotated = moments.targets / times @ vectors[:, used]
    values = (rotated**2 / sizes[used]).sum(1) / (moments.squares / times)
    rank = int(used.sum())
    # of a target that has nothing to do with the states, times · capacity is distributed as chi squared
    chance = scipy.special.chdtri(rank, 1e-4) / times
    return Capacity(functions, np.where(values > chance, values, 0.0), rank)


def kernel_rank(
    network: Driven,
    *,
    streams: int | None = None,
    length: int = 100,
    common: int = 0,
    threshold: float = 0.01,
    rng: np.random.Generator | int = 0,
) -> int:
    """The number of directions in which states differ after different inputs: how well the state distinguishes inputs.

    The rank of the states (streams, n), their mean taken away, after `streams` (n by default) independent noises,
    uniform on [-1, 1], of that length; singular values below `threshold` times the largest do not count.  With
    `common` > 0 the last inputs of all streams are the same: the generalisation rank, which ought to be low.
    Legenstein & Maass, Neural Networks 20, 323 (2007).  Raises ValueError for a batch of networks.
    """
    if network.batch:
        raise ValueError(f"network must be a single one, not a batch; got a batch of shape {network.batch}")
    count, rng = streams or network.dimension, generator(rng)
    u = rng.uniform(-1, 1, size=(length, count, network.inputs))
    if common:
        u[-common:] = u[-common:, :1]
    rest = network.rest((count,))
    with np.errstate(over="ignore", invalid="ignore"):
        values = as_numpy(end(network.driven(like(u, rest)), rest))
    require_finite("the network diverged: its states", values)
    sizes = np.linalg.svd(values - values.mean(axis=0), compute_uv=False)
    rounding = 5000 * tolerances(values.dtype).eps * np.linalg.norm(values)
    return int((sizes > max(threshold * sizes[0], rounding)).sum())
