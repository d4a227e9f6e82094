"""What a driven network remembers and computes, whatever it will be trained for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import final

import numpy as np
import scipy

from cocycle.arrays import as_numpy, generator, like, require_finite, tolerances
from cocycle.driven import Driven
from cocycle.maps import end, orbit
from cocycle.progress import tracked
from cocycle.reservoir.moments import Moments, MomentSum, check_moments
from cocycle.results import Plotted

Task = tuple[tuple[int, int], ...]  # (delay, degree) of each factor


@final
@dataclass(frozen=True, eq=False)
class Capacity(Plotted):
    """How well linear readouts give functions of past inputs: 1 perfectly, 0 not at all.

    `tasks` names each function by the (delay, degree) of its factors, `values` (tasks,) are the capacities, those that
    chance can explain set to 0.  `bound` is the number of independent functions of the state: no sum exceeds it.
    """

    tasks: Sequence[Task]
    values: np.ndarray
    bound: int

    @property
    def total(self) -> float:
        return float(self.values.sum())

    @property
    def by_degree(self) -> Mapping[int, float]:
        """The sum of the capacities for each total degree: 1 is linear memory."""
        degrees = np.array([sum(degree for _, degree in task) for task in self.tasks])
        return {int(d): float(self.values[degrees == d].sum()) for d in np.unique(degrees)}

    @property
    def by_delay(self) -> np.ndarray:
        """(delays,): the linear memory of the input 0, 1, 2, ... steps ago."""
        linear = {task[0][0]: value for task, value in zip(self.tasks, self.values, strict=True) if _degree(task) == 1}
        return np.array([linear[delay] for delay in sorted(linear)])

    def __repr__(self):
        parts = ", ".join(f"degree {d}: {c:.2f}" for d, c in self.by_degree.items())
        return f"capacity {self.total:.2f} of at most {self.bound} ({parts})"


def memory_capacity(
    network: Driven, *, delays: int = 50, times: int = 20_000, washout: int = 500, rng: np.random.Generator | int = 0
) -> Capacity:
    """How well the inputs 0, 1, ..., delays-1 steps ago can be read from the state linearly; at most n in all.

    The input is noise, independent and uniform on [-1, 1]: input_scaling sets its strength.  `by_delay` is the
    forgetting curve.  Jaeger, GMD Report 152 (2001).  Raises ValueError unless the network takes one input.
    """
    if delays < 1:
        raise ValueError(f"delays must be at least 1; got {delays}")
    tasks: list[Task] = [((delay, 1),) for delay in range(delays)]
    return _capacity(network, tasks, times, washout, rng)


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
        raise ValueError(f"delays must be numbers of at least 1, at least one; got {delays}")
    tasks = [task for degree, depth in enumerate(delays, 1) for task in _tasks(degree, depth)]
    return _capacity(network, tasks, times, washout, rng)


def _degree(task: Task) -> int:
    return sum(degree for _, degree in task)


def _tasks(degree: int, depth: int) -> list[Task]:
    """All products of that degree of polynomials of the inputs fewer than `depth` steps ago."""
    choices = combinations_with_replacement(range(depth), degree)
    return [tuple((delay, chosen.count(delay)) for delay in sorted(set(chosen))) for chosen in choices]


def _capacity(network: Driven, tasks: list[Task], times: int, washout: int, rng) -> Capacity:
    if network.inputs != 1 or network.batch:
        raise ValueError(f"capacities are those of one network with one input; this has {network.inputs}")
    reach = 1 + max(delay for task in tasks for delay, _ in task)
    if not times > 0 or washout < reach:
        raise ValueError(f"washout must be at least the longest delay, {reach}, and times positive; got {washout}")
    u = generator(rng).uniform(-1, 1, size=(washout + times, 1))
    states = orbit(network.driven(like(u, network.rest())), network.rest())
    longest = max(len(task) for task in tasks)
    padded = np.array([[*task, *[(0, 0)] * (longest - len(task))] for task in tasks])  # of degree 0: a factor of 1
    back, degree = padded[..., 0], padded[..., 1]
    orders = np.arange(degree.max() + 1)
    factors = np.sqrt(2 * orders + 1) * scipy.special.eval_legendre(orders, u)  # (time, degree), of variance 1
    moments = MomentSum((), network.dimension + 1, len(tasks))
    reference = None  # near the mean: the variance of a weakly driven network would be lost in its squares
    with np.errstate(over="ignore", invalid="ignore"):  # of a network that diverges: its moments say so
        for t, state in enumerate(tracked(states, "capacity", len(u))):
            if t >= washout:
                reference = as_numpy(state) if reference is None else reference
                moments.add(np.append(as_numpy(state) - reference, 1.0), factors[t - back, degree].prod(axis=-1))
    return _explained(moments.total(), tasks)


def _explained(moments: Moments, tasks: list[Task]) -> Capacity:
    """The share of the variance of each target that the states explain, beyond what chance does."""
    times = moments.count
    check_moments(moments)
    mean = moments.states[-1, :-1] / times
    covariance = moments.states[:-1, :-1] / times - np.outer(mean, mean)
    target_mean = moments.targets[:, -1] / times
    cross = moments.targets[:, :-1] / times - np.outer(target_mean, mean)
    sizes, vectors = np.linalg.eigh(covariance)
    used = sizes > 1e-12 * max(sizes[-1], np.finfo(float).tiny)
    rotated = cross @ vectors[:, used]
    values = (rotated**2 / sizes[used]).sum(1) / (moments.squares / times - target_mean**2)
    rank = int(used.sum())
    # of a target that has nothing to do with the states, times · capacity is distributed as chi squared
    chance = scipy.special.chdtri(rank, 1e-4) / times
    return Capacity(tasks, np.where(values > chance, values, 0.0), rank)


def kernel_rank(
    network: Driven,
    *,
    streams: int | None = None,
    length: int = 100,
    common: int = 0,
    threshold: float = 0.01,
    rng: np.random.Generator | int = 0,
) -> int:
    """The number of directions in which states differ after different inputs: how well they can be told apart.

    The rank of the states (streams, n), their mean taken away, after `streams` (n by default) independent noises,
    uniform on [-1, 1], of that length; singular values below `threshold` times the largest do not count.  With
    `common` > 0 the last inputs of all streams are the same: the generalisation rank, which ought to be low.
    Legenstein & Maass, Neural Networks 20, 323 (2007).  Raises ValueError for a batch of networks.
    """
    if network.batch:
        raise ValueError("the kernel rank is that of one network; got a batch")
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
