"""Online training: the readout is corrected after every input, also while its output is the network's input."""

import warnings
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from cocycle.arrays import Array, as_numpy, like
from cocycle.driven import Driven, driven_states
from cocycle.maps import Map
from cocycle.operators import linear
from cocycle.progress import tracked
from cocycle.reservoir.design import Design, Untrained, untrained
from cocycle.reservoir.forecast import Forecaster
from cocycle.reservoir.gaps import given, with_dt
from cocycle.reservoir.normalisation import Normalisation
from cocycle.reservoir.online_rules import OnlineRule, RecursiveLeastSquares
from cocycle.reservoir.problem import Piece, Problem, read_and_wanted, regression
from cocycle.reservoir.symmetry import warn_if_odd

LOST = 1e6  # an error this many times the largest target ends the training,
TAUGHT = 2  # washouts for which the readout is corrected before its output becomes the input
BURST = 10  # this many times, after the first half of the corrections, is warned of
MISSED = 0.5  # of the fluctuations, or of the change in a time step: a loop with larger late errors has not learned


class Online(NamedTuple):
    """The trained forecaster, and the error (time, k) before each correction, in the units of the target."""

    model: Forecaster
    errors: np.ndarray


def train_online(
    network: Driven,
    series: np.ndarray | Sequence[np.ndarray],
    rule: OnlineRule | None = None,
    *,
    own_output: bool = False,
    target: np.ndarray | Sequence[np.ndarray] | None = None,
    external: np.ndarray | Sequence[np.ndarray] | None = None,
    washout: int = 200,
    normalise: bool | Normalisation = True,
    design: Design | Map | None = None,
) -> Online:
    """Correct the readout after every input by `rule`, `RecursiveLeastSquares()` by default.

    With `own_output` the network's input is the output of its readout and not the series, after the washout and twice
    its length of corrections: from then on the corrections have to keep the closed loop near the series (FORCE
    learning; Sussillo & Abbott, Neuron 63, 544, 2009).  Its conditions: the memory of the network, longer for a smaller
    leak_rate and a larger spectral_radius, is not much shorter than the slowest change of the series; the output drives
    the network strongly enough to suppress activity of its own, so that a larger spectral_radius needs a larger
    input_scaling; and the ridge is so small that corrections follow what the loop does.  The defaults learn a sine of 6
    to 60 samples a period to a percent of its period; forgetting=0.995 follows slower ones better.  The other arguments
    are those of `train`; one network, no batch.  There is no correction at a time at which a component of the target is
    missing (NaN or masked).

    Warns if the errors of the second half exceed ten times the largest target, and if a loop has not learned the
    series: if the errors of its last quarter exceed half of the standard deviation of the targets, or of their change
    in a time step.  Raises ValueError for a batch of networks or series, for own_output with another target or a series
    that ends before the loop is closed, when an error exceeds a million times the largest target, and as `train` does.
    """
    rule = rule or RecursiveLeastSquares()
    if not isinstance(rule, OnlineRule):
        raise TypeError(f"rule must be an OnlineRule, such as RecursiveLeastSquares(); got {rule!r}")
    learned = given(network, series, target, external, gaps=None, washout=washout)
    network = with_dt(network, learned.labels)
    problem = regression(network, learned, washout, normalise)
    _check(network, problem, washout if own_output else None)
    fitted = untrained(network, design, problem.width, problem.closable)
    warn_if_odd(network, fitted.readout, problem, fitted.constant)
    times = _Times(washout, (1 + TAUGHT) * washout if own_output else np.inf)
    weight, errors, in_loop = _corrected(network, problem, fitted, rule, times)
    settings = {"rule": repr(rule), "washout": washout, "own_output": own_output} | learned.settings
    if not _bursts(errors, _largest(problem)) and own_output:
        _warn_of_a_lost_loop(errors[in_loop], [piece.targets for piece in problem.pieces])
    weight, offset = (weight[:, :-1], weight[:, -1]) if fitted.constant else (weight, 0.0)
    model = problem.forecaster(network, fitted.readout, fitted.weight(weight), offset, settings)
    return Online(model, errors * problem.outputs.scale)


class _Times(NamedTuple):
    """When in each series corrections begin, and when the output becomes the input, infinity for never."""

    washout: int
    closed: float


def _corrected(
    network: Driven, problem: Problem, fitted: Untrained, rule: OnlineRule, times: _Times
) -> tuple[np.ndarray, np.ndarray, list[bool]]:
    """The weight after all corrections, the error before each, and whether the network was fed its output there."""
    readout, largest = fitted.readout, _largest(problem)
    weight, memory, errors, in_loop = np.zeros((0, 0)), None, [], []
    for piece in problem.pieces:
        fed_back: list[np.ndarray] = []  # the last output
        states = _with_feedback(network, piece, problem.external, fed_back) if times.closed < np.inf else None
        pairs = tracked(read_and_wanted(network, readout, piece, states), "training", len(piece.inputs))
        complete = piece.complete
        for t, (z, wanted) in enumerate(pairs):
            features = fitted.features(z)
            if fitted.constant:
                features = np.append(features, 1.0)
            if not weight.size:
                weight, memory = rule.start(problem.width, len(features), fitted.constant)
            if t < times.washout:
                continue
            output = linear(weight, features)
            if t >= times.closed:
                fed_back[:] = [output if readout.added is None else output + as_numpy(z[..., readout.added])]
            if not complete[t]:
                continue
            errors.append(wanted - output)
            in_loop.append(t > times.closed)
            _require_bounded(errors, LOST * largest)
            weight, memory = rule.corrected(weight, memory, features, errors[-1])
    return weight, np.stack(errors), in_loop


def _largest(problem: Problem) -> float:
    return max(float(np.nanmax(abs(piece.targets), initial=0.0)) for piece in problem.pieces)


def _check(network: Driven, problem: Problem, washout: int | None) -> None:
    """Raise ValueError for what cannot be trained; `washout` is that of a network that is fed its own output."""
    if network.batch or problem.pieces[0].inputs.ndim > 2:
        raise ValueError("online training takes a single network and series of shape (time, m); got a batch")
    if washout is None:
        return
    if not problem.closable:
        raise ValueError(
            "own_output=True is for the next value of the series: with a target of another kind leave it out"
        )
    shortest, needed = min(len(piece.inputs) for piece in problem.pieces), (1 + TAUGHT) * washout + 1
    if shortest <= needed:
        raise ValueError(
            f"own_output=True needs series of more than {needed + 1} times, for the loop is closed after {1 + TAUGHT}"
            f" washouts; got one of {shortest + 1}: take a smaller washout or longer series"
        )


def _with_feedback(
    network: Driven, piece: Piece, external: int, fed_back: Sequence[np.ndarray]
) -> Iterator[tuple[Array, Array]]:
    """`driven_states` of a network whose input is, once there is one, the output in `fed_back` and not the series."""
    state = network.rest()
    for u in piece.inputs:
        u = np.concatenate([u[:external], *fed_back]) if fed_back else u
        ((now, state),) = driven_states(network, like(u[None], state), state)
        yield now, state


def _require_bounded(errors: Sequence[np.ndarray], largest: float) -> None:
    if not (abs(errors[-1]) <= largest).all():
        raise ValueError(
            f"training diverged: after {len(errors)} corrections the error is more than {LOST:.0e} times the largest"
            " target; take a larger ridge, forgetting closer to 1, or a smaller rate"
        )


def _bursts(errors: np.ndarray, target: float) -> bool:
    """Whether an error of the second half is by far larger than the target, which is warned of."""
    late = float(abs(errors[len(errors) // 2 :]).max())
    if bursts := late > BURST * target:
        warnings.warn(
            f"the readout did not converge: in the second half of the corrections an error is {late / target:.2g} times"
            " the largest target; take a larger ridge, forgetting closer to 1, or a smaller rate",
            stacklevel=3,
        )
    return bursts


def _warn_of_a_lost_loop(errors: np.ndarray, targets: Sequence[np.ndarray]) -> None:
    """Compare the late errors of the loop with the series' fluctuations and with its changes from time to time: the
    corrections keep a loop that has learned nothing near a slow series."""
    size = _rms(errors[-max(1, len(errors) // 4) :])
    spread = _rms(np.concatenate([part - np.nanmean(part, axis=0) for part in targets]))
    change = _rms(np.concatenate([np.diff(part, axis=0) for part in targets]))
    if size > MISSED * min(spread, change):
        what = f"{size / spread:.2g} of its standard deviation, {size / change:.2g} of its change in a time step"
        warnings.warn(
            f"the closed loop has not learned the series: the errors of the last quarter are {what}; take a network"
            " with more memory (a larger spectral_radius, a smaller leak_rate) or a larger input_scaling, a smaller"
            " ridge, forgetting=0.995, or a longer series; `train` learns without the loop",
            stacklevel=3,
        )


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.nanmean(values**2)))
