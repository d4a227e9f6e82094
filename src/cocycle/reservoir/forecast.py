"""A trained network, and its forecast: it is driven by a warm-up, then by its own output."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import repeat
from typing import Any, final

import numpy as np

from cocycle.arrays import Array, as_numpy, like
from cocycle.driven import Driven, beside, check_inputs, closed_loop, driven_states, with_axes
from cocycle.maps import Map
from cocycle.progress import tracked
from cocycle.reservoir.normalisation import RAW, Normalisation
from cocycle.reservoir.readout import Readout
from cocycle.reservoir.reservoir import Reservoir
from cocycle.reservoir.running import RunningForecaster, started
from cocycle.reservoir.tables import check_names, labelled
from cocycle.results import html_facts
from cocycle.threads import one_thread_if_small
from cocycle.trajectories import end


@final
@dataclass(frozen=True, eq=False)
class Forecaster:
    """A network, its trained readout, and the units both work in.

    After the input u[t] the readout gives an estimate of the target: of u[t+1], unless another was learned.  The
    network's input is [external | series], with so many `external` components, 0 by default, which
    are given and not predicted.  `settings` says how it was trained.
    """

    network: Driven
    readout: Readout
    inputs: Normalisation = RAW
    outputs: Normalisation = RAW
    external: int = 0
    closable: bool = True
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self):
        width = self.network.dimension + (self.network.inputs if self.readout.reads_input else 0)
        seen = self.own(np.zeros(width))[self.readout.components]
        features = seen if self.readout.functions is None else self.readout.functions(seen)
        if self.readout.weight.shape[-1] != len(features):
            raise ValueError(
                f"readout must take the {len(features)} features of this network of dimension {self.network.dimension};"
                f" it takes {self.readout.weight.shape[-1]}: take the readout of this network"
            )

    def __repr__(self):
        features, outputs = self.readout.weight.shape[-1], self.readout.weight.shape[-2]
        learned = "the next input" if self.closable else "another target"
        return f"Forecaster of {outputs} outputs ({learned}) from {features} features of {self.network!r}"

    def _repr_html_(self):
        features, outputs = self.readout.weight.shape[-1], self.readout.weight.shape[-2]
        learned = "the next input" if self.closable else "another target"
        rows = [("network", repr(self.network)), ("features", features), ("outputs", outputs), ("has learned", learned)]
        return html_facts("Forecaster", rows)

    @property
    def closed(self) -> Map:
        """The autonomous map of the network that is fed its own output, in the network's units.

        Its state is that of the network, or [output | state] where the readout also reads the input.  Raises ValueError
        if the output is not the next input, or there is an external input: then take `closed_with`.
        """
        if self.external:
            raise ValueError(
                "the closed loop of a network with an external input is driven: take `closed_with(external)`"
            )
        self.require_closable()
        readout = self.readout
        if isinstance(self.network, Reservoir) and readout.sees_state_alone:
            return self.network.closed(readout.weight, readout.offset)
        return self._closed()

    def closed_with(self, external: Array) -> Iterator[Map]:
        """The maps of the closed loop, one for each value of the external input (time, *batch, v)."""
        self.require_closable()
        part = self.inputs.part(slice(self.external), self.network.inputs)
        external = self.own(part.applied(check_inputs("external", as_numpy(external), self.external)))
        return (self._closed(now) for now in external)

    def driven(self, series: Array, external: Array | None = None) -> Iterator[Map]:
        """The maps of the network's state, one for each value of series (time, *batch, m) in the user's units.

        For the conditional exponents of the trained network.  Raises ValueError for another shape or values that are
        not finite.
        """
        return self.network.driven(self.network_input(series, external))

    def predictions(self, series: Array, external: Array | None = None, *, state: Array | None = None) -> np.ndarray:
        """The output of the readout after each value of series (time, *batch, m): row t follows series[t].

        From rest, or from the `state` (*batch, n) of the network before series[0].

        Batch axes of the series are paired with those of the networks: for every network with every series, take
        `with_start_axes(1)` first.
        One-step predictions of series[t+1], or the estimate of the unobserved at t.  The first rows still depend on
        the state at the start.  Of a table a table, at the times that are predicted.
        """
        u = self.network_input(series, external)
        if len(u) < 1:
            raise ValueError("series must have at least one time; got an empty one")
        pairs = tracked(driven_states(self.network, u, state), "network", len(u))
        with one_thread_if_small(self.network.rest(tuple(u.shape[1:-1]))):
            rows = [as_numpy(self.readout(self.readout.read(*pair))) for pair in pairs]
        values, labels = self.outputs.undone(np.stack(rows)), labelled("series", series).labels
        if labels is None:
            return values
        names = None if self.closable else self.settings.get("outputs", ())
        return labels.table(values, first=1 - len(values) + int(self.closable), names=names)

    def warmed(self, warm_up: Array, external: Array | None = None) -> Array:
        """The state of the closed loop after series warm_up (time, *batch, m), from rest: (*batch, n).

        Batch axes of the series are paired with those of the networks: for every network from every start, take
        `with_start_axes(1)` first, as `forecast` does.
        Raises ValueError for a warm-up that is empty, of another shape, or with values that are not finite.
        """
        u = self.network_input(warm_up, external, "warm_up")
        if len(u) < 1:
            raise ValueError("warm_up must have at least one time; got an empty one")
        state = self.network.rest(tuple(u.shape[1:-1]))
        with one_thread_if_small(state):
            state = end(tracked(self.network.driven(u), "warm-up", len(u)), state)
        return self.loop_state(u[-1], state)

    def loop_state(self, last_input: Array, state: Array) -> Array:
        """The state of the closed loop after an input (*batch, v + m) in the network's units and the state after it."""
        if not self.readout.reads_input:
            return state
        return beside(self.readout(self.readout.read(last_input, state)), state)

    def start(self, series: Any, external: Array | None = None, *, gaps: str | None = None) -> RunningForecaster:
        """A running forecaster, which keeps the state after series (time, *starts, m), and takes what comes next.

        From rest.  `external` (time, ..., v) goes with the series.  With gaps="bridge" missing values (NaN), now and
        later, are replaced by the network's own one-step forecast; without, they are refused.

        Raises ValueError for a series that is empty, of another shape, not finite, or begins with a missing value.
        """
        return started(self, "series", series, external, gaps)

    def continued(self, state: Array, steps: int, external: Array | None = None) -> tuple[np.ndarray, Array]:
        """`steps` outputs (steps, *batch, m) of the closed loop from `state` on, and the state that follows them.

        An orbit that diverges is NaN from there on, without an error.  With an external input, `external`
        (steps, ..., v) are its values after the warm-up.
        """
        if not isinstance(steps, int | np.integer) or steps < 1:
            raise ValueError(f"steps must be an integer of at least 1; got {steps!r}")
        loop, outputs = self._loop(steps, external), []
        with np.errstate(over="ignore", invalid="ignore"), one_thread_if_small(state):
            for f in tracked(loop, "forecast"):
                outputs.append(as_numpy(self._output(state)))
                state = f(state)
        values = self.outputs.undone(np.stack(outputs))
        failed = np.logical_or.accumulate(~np.isfinite(values).all(axis=-1), axis=0)
        values[failed] = np.nan
        return values, state

    def with_start_axes(self, axes: int) -> "Forecaster":
        """The same forecasters with `axes` batch axes of length 1 behind their own, for a batch of starts of each."""
        weight, offset = with_axes(self.readout.weight, axes, 2), with_axes(self.readout.offset, axes, 1)
        readout = replace(self.readout, weight=weight, offset=offset)
        return replace(self, network=self.network.with_start_axes(axes), readout=readout)

    def _closed(self, external: Array | None = None) -> Map:
        outputs, reads_input = self.readout.weight.shape[-2], self.readout.reads_input
        return closed_loop(self.network, self.readout, outputs, reads_input=reads_input, external=external)

    def _output(self, state):
        return state[..., : self.readout.weight.shape[-2]] if self.readout.reads_input else self.readout(state)

    def own(self, values: np.ndarray) -> Array:
        """Values as an array of the library and precision of the network."""
        return like(values, self.network.rest())

    def network_input(self, series: Any, external: Any = None, name: str = "series") -> Array:
        """[external | series] (time, *batch, v + m) in the network's units, as an array of its library and precision.

        Raises ValueError, about a series called `name`, for another shape or values that are not finite.
        """
        return self.own(self.scaled_input(series, external, name))

    def scaled_input(self, series: Any, external: Any = None, name: str = "series") -> np.ndarray:
        """`network_input` as a numpy array in the precision of the series."""
        series, labels = labelled(name, series)
        check_names(name, self.settings.get("names"), labels)
        series = check_inputs(name, as_numpy(series), self.network.inputs - self.external)
        return self.inputs.applied(with_external(series, external, self.external))

    def require_closable(self) -> None:
        """Raise ValueError unless the output is the next input."""
        if not self.closable:
            raise ValueError(
                "a closed loop takes a network trained to give the next input; this one was trained on another target:"
                " train it without `target`, or take `predictions`"
            )

    def _loop(self, steps: int, external: Array | None) -> Iterable[Map]:
        if not self.external:
            return repeat(self.closed, steps)
        if external is None or len(external) != steps:
            got = "none" if external is None else len(external)
            raise ValueError(f"external must have a value for each of the {steps} steps; got {got}")
        return self.closed_with(external)


def with_external(series: np.ndarray, external: Array | None, width: int) -> np.ndarray:
    """[external | series] (time, *batch, v + m).  Raises ValueError if external does not fit."""
    if external is None and width == 0:
        return series
    if external is None:
        raise ValueError(f"the network takes an external input of {width} components; got none")
    external = as_numpy(check_inputs("external", labelled("external", external).values, width))
    if len(external) != len(series):
        raise ValueError(f"external must have as many times as the series, {len(series)}; got {len(external)} times")
    axes = max(series.ndim, external.ndim)
    return beside(*(a.reshape(len(a), *[1] * (axes - a.ndim), *a.shape[1:]) for a in (external, series)))


def forecast(model: Forecaster, warm_up: Any, steps: int, external: Any = None, *, gaps: str | None = None) -> Any:
    """The `steps` values that follow the series warm_up (time, *starts, m): shape (steps, *networks, *starts, m).

    The network is driven from rest by the warm-up, then by its own output: row 0 is the first value after the warm-up.
    An orbit that diverges is NaN from there on, without an error.  `external` (len(warm_up) + steps, ...,
    v) goes with the warm-up, then with the steps.  Of a table (pandas, xarray, polars by `timed`) the forecast is a
    table of the same kind, with its names, at the times that follow.  With gaps="bridge" missing values (NaN) of the
    warm-up are replaced by the network's own one-step forecast; without, they are refused.

    Raises ValueError for a warm-up of another shape, an empty one, or with values that are not finite.
    """
    if not isinstance(model, Forecaster):
        raise TypeError(f"model must be a Forecaster, which `train` makes; got {type(model).__name__}")
    external = labelled("external", external).values
    before, after = (None, None) if external is None else (external[: len(warm_up)], external[len(warm_up) :])
    return started(model, "warm_up", warm_up, before, gaps).forecast(steps, after)
