"""Online training: the readout is corrected after every input, also while the network hears its own output."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, final

import numpy as np

from cocycle.arrays import Array, as_numpy, like, linear
from cocycle.maps import Driven, Map, beside
from cocycle.progress import tracked
from cocycle.reservoir.forecast import Forecaster
from cocycle.reservoir.normalisation import Normalisation
from cocycle.reservoir.readout import Readout
from cocycle.reservoir.task import Design, Piece, make_task, read_and_wanted, untrained


class OnlineRule(ABC):
    """How a weight (k, p) is corrected by features (p,) and what was wanted of them (k,)."""

    @abstractmethod
    def start(self, k: int, p: int) -> tuple[np.ndarray, Any]:
        """The weight (k, p) before any input, and what else the rule remembers."""

    @abstractmethod
    def corrected(
        self, weight: np.ndarray, memory: Any, features: np.ndarray, error: np.ndarray
    ) -> tuple[np.ndarray, Any]:
        """(weight, memory) after features whose weighted sum missed by `error` = wanted - weight features."""


@final
@dataclass(frozen=True)
class RecursiveLeastSquares(OnlineRule):
    """After T inputs the ridge regression with weights forgetting^(T-t) and the ridge ridge · forgetting^T, exactly.

    With forgetting < 1 the last 1 / (1 - forgetting) inputs count; the memory then grows without bound along directions
    that the features no longer explore.  Price: p² a step.  Raises ValueError unless ridge > 0, 0 < forgetting <= 1.
    """

    ridge: float = 1.0
    forgetting: float = 1.0

    def __post_init__(self):
        if not 0 < self.ridge < np.inf:
            raise ValueError(f"ridge must be a positive number; got {self.ridge}")
        if not 0 < self.forgetting <= 1:
            raise ValueError(f"forgetting must be in (0, 1]; got {self.forgetting}")

    def start(self, k: int, p: int) -> tuple[np.ndarray, Any]:
        return np.zeros((k, p)), np.eye(p) / self.ridge

    def corrected(self, weight, memory, features, error):
        gained = memory @ features
        scale = self.forgetting + features @ gained
        # a memory that is not symmetric to the last bit blows up when it forgets
        memory = (memory - np.outer(gained, gained) / scale) / self.forgetting
        return weight + np.outer(error, gained / scale), memory


@final
@dataclass(frozen=True)
class LeastMeanSquares(OnlineRule):
    """A step of size `rate` down the gradient of the squared error: weight + rate error featuresᵀ.

    Stable for rate < 2 / |features|².  Raises ValueError unless rate > 0.  Widrow & Hoff (1960).
    """

    rate: float = 1e-3

    def __post_init__(self):
        if not 0 < self.rate < np.inf:
            raise ValueError(f"rate must be a positive number; got {self.rate}")

    def start(self, k: int, p: int) -> tuple[np.ndarray, Any]:
        return np.zeros((k, p)), None

    def corrected(self, weight, memory, features, error):
        return weight + self.rate * np.outer(error, features), memory


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

    With `own_output` the network hears, once the washout is over, what its readout said and not the series: the
    corrections have to keep the closed loop on its way (FORCE learning; Sussillo & Abbott, Neuron 63, 544, 2009).  The
    other arguments are those of `train`; one network, no batch.

    Raises ValueError for a batch of networks or series, for own_output with another target, when the error leaves every
    bound, and as `train` does.
    """
    rule = rule or RecursiveLeastSquares()
    if not isinstance(rule, OnlineRule):
        raise TypeError(f"rule must be an OnlineRule, such as RecursiveLeastSquares(); got {rule!r}")
    task = make_task(network, series, target, external, washout, normalise)
    if network.batch or task.pieces[0].inputs.ndim > 2:
        raise ValueError("online training takes one network and series of shape (time, m), no batch")
    if own_output and not task.closable:
        raise ValueError("own_output is for the next value of the series, not for another target")
    readout, errors = untrained(network, design, task), []
    weight, memory = np.zeros((0, 0)), None
    for piece in task.pieces:
        heard: Any = _Ear(network, readout, piece, task.external) if own_output else None
        pairs = read_and_wanted(network, readout, piece) if heard is None else iter(heard)
        for t, (z, wanted) in enumerate(tracked(pairs, "training", len(piece.inputs))):
            features = as_numpy(readout.features(z))
            if not errors:
                weight, memory = rule.start(task.width, len(features))
            if t < washout:
                continue
            said = linear(weight, features)
            errors.append(wanted - said)
            if not np.isfinite(errors[-1]).all():
                raise ValueError(f"the error left every bound after {len(errors)} corrections: take a smaller step")
            if heard is not None:
                heard.said = said if readout.added is None else said + as_numpy(z[..., readout.added])
            weight, memory = rule.corrected(weight, memory, features, errors[-1])
    settings = {"rule": repr(rule), "washout": washout, "own_output": own_output}
    return Online(task.forecaster(network, readout, weight, settings), np.stack(errors) * task.outputs.scale)


class _Ear:
    """`read_and_wanted` for a network that hears `said`, once that is set, in place of the series."""

    def __init__(self, network: Driven, readout: Readout, piece: Piece, external: int):
        self.network, self.readout, self.piece, self.external = network, readout, piece, external
        self.said: np.ndarray | None = None

    def __iter__(self) -> Iterator[tuple[Array, np.ndarray]]:
        state = self.network.rest()
        for u, target in zip(self.piece.inputs, self.piece.targets, strict=True):
            now = u if self.said is None else np.concatenate([u[: self.external], self.said])
            now = like(now, state)
            state = self.network.joint(beside(now, state))
            z = beside(now, state) if self.readout.reads_input else state
            yield z, target if self.readout.added is None else target - as_numpy(now[..., self.readout.added])
