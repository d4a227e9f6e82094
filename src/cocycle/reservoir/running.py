"""A trained network in operation: it takes observations as they come, and forecasts from where it is."""

import os
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np

from cocycle.arrays import Array, as_numpy, like
from cocycle.driven import check_inputs
from cocycle.progress import tracked
from cocycle.reservoir.tables import Labels, check_names, labelled
from cocycle.threads import one_thread_if_small

BLOCK = 100  # observations from which on a block has a progress bar, which takes longer than a step
BRIDGE, SPLIT = "bridge", "split"


@final
@dataclass(eq=False, repr=False)
class RunningForecaster:
    """A trained forecaster, the state of its network after the observations so far, and the last input.

    `Forecaster.start` makes it.  It is the only object of the package that changes, and `update` is the only call that
    changes it: forecasts leave it where it is, and neither its model nor its arrays are ever written to, so that
    copies and other running forecasters share them.  All results equal those of the calls for whole series, bit for
    bit: `forecast(model, series, steps)` is `model.start(series).forecast(steps)`, however series is divided among
    updates.

    state (*networks, *starts, n) and last_input (*starts, v + m) are in the network's units, `times` counts the
    observations.  With gaps="bridge" a component that is missing (NaN) is replaced by the network's own one-step
    forecast of it; without, it is refused.
    """

    model: Any  # Forecaster, with axes for the starts
    state: Array
    last_input: Array
    starts: int = 0  # the number of axes of starts
    times: int = 0
    gaps: str | None = None
    labels: Labels | None = None

    def __post_init__(self):
        network = self.model.network
        widths = {"state": network.dimension, "last_input": network.inputs}
        for name, width in widths.items():
            found = tuple(getattr(self, name).shape)
            if not found or found[-1] != width:
                raise ValueError(f"{name} must have shape (*batch, {width}); got {found}")
        if not 0 <= self.starts < self.last_input.ndim or self.times < 0:
            raise ValueError(f"starts must count axes of last_input, and times observations; got {self.starts}")
        check_gaps(self.gaps, BRIDGE)

    def __repr__(self):
        return f"RunningForecaster after {self.times} observations: {self.model!r}"

    def update(self, observations: Any, external: Array | None = None) -> np.ndarray:
        """Drive the network by one observation (*starts, m), or by a block (time, *starts, m), in the user's units.

        `external` (v,) or (time, ..., v) goes with them.  Returns what the network was driven by: the observations,
        missing ones replaced if gaps="bridge".  A table has to follow the one before.  Raises ValueError, and changes
        nothing, for another number of components, for values that are not finite, and for a missing value without
        gaps="bridge", in the external input, or in the very first observation.
        """
        return self._taken("observations", observations, external)

    def _taken(self, name: str, observations: Any, external: Any) -> np.ndarray:
        values, labels = labelled(name, observations)
        if values is None:
            raise TypeError(f"{name} must be an observation or a block of them; got None: NaN is a missing value")
        values = np.ma.filled(values, np.nan) if self.gaps and np.ma.is_masked(values) else values
        values = as_numpy(values if hasattr(values, "ndim") else np.asarray(values))
        one = values.ndim == self.starts + 1
        if one:
            values, external = values[None], None if external is None else np.asarray(external)[None]
        if not len(values):
            raise ValueError(f"{name} must have at least one time; got an empty one")
        check_names(name, self.model.settings.get("names"), labels)
        if labels is not None and self.labels is not None:
            labels = self.labels.followed_by(name, labels, len(values))
        elif self.labels is not None:
            labels = self.labels.moved(len(values))
        take = self._bridged if self.gaps and _any_missing(values) else self._advance
        try:
            values = take(name, values, external)
        except ValueError as error:
            refused = str(error).startswith(f"{name} must be finite")
            if self.gaps or not refused or not self.model.closable or not _any_missing(values):
                raise
            remedy = (
                'start(series, gaps="bridge") replaces missing values (NaN) by the network\'s own one-step forecast'
            )
            raise ValueError(f"{error}: {remedy}") from None
        self.labels = labels
        return values[0] if one else values

    @property
    def one_step(self) -> np.ndarray:
        """The output (*networks, *starts, m) after the last observation, in the user's units: the forecast of the next
        one, or the estimate of another target."""
        readout = self.model.readout
        with one_thread_if_small(self.state):
            output = as_numpy(readout(readout.read(self.last_input, self.state)))
        return self.model.outputs.undone(output)

    def forecast(self, steps: int, external: Array | None = None) -> Any:
        """The next `steps` values (steps, *networks, *starts, m), of the network that is fed its own output.

        Row 0 is `one_step`.  With an external input, `external` (steps, ..., v) are its values from now on.  After a
        table of one forecast it is a table of the same kind that continues it.  An orbit that diverges is NaN from
        there on, without an error.
        """
        external = None if external is None else labelled("external", external).values
        start = self.model.loop_state(self.last_input, self.state)
        values = self.model.continued(start, steps, external)[0]
        return values if self.labels is None else self.labels.table(values)

    def predictions(self, series: Any, external: Array | None = None) -> Any:
        """`Forecaster.predictions` from this state, which stays: row t is the output after series[t]."""
        return self.model.predictions(series, external, state=self.state)

    def copy(self) -> "RunningForecaster":
        """Another one in the same state, which goes its own way."""
        return replace(self)

    def save(self, path: str | os.PathLike) -> None:
        """`cocycle.reservoir.save`, after which `load` gives it back; labels of tables are left out."""
        from cocycle.reservoir.persistence import save  # which knows this class

        save(self, path)

    def _advance(self, name: str, values: np.ndarray, external: Any) -> np.ndarray:
        state = self.state
        u = like(self.model.scaled_input(values, external, name), state)
        steps = self.model.network.driven(u)
        with one_thread_if_small(state):
            for f in tracked(steps, "warm-up", len(u)) if len(u) > BLOCK else steps:
                state = f(state)
        last = u[-1]
        self.state = state
        self.last_input = last.copy() if isinstance(last, np.ndarray) else last.clone()
        self.times += len(u)
        return values

    def _bridged(self, name: str, values: np.ndarray, external: Any) -> np.ndarray:
        """Advance with every missing value replaced by the output before it; all or nothing."""
        self.model.require_closable()
        if self.times == 0 and np.isnan(values[0]).any():
            raise ValueError(
                f"{name} must begin with a complete value, for a gap is bridged by a forecast: leave the incomplete"
                " first ones out"
            )
        external = None if external is None else np.asarray(labelled("external", external).values)
        trial, rows = self.copy(), []
        for t in tracked(range(len(values)), "bridging", len(values)) if len(values) > BLOCK else range(len(values)):
            missing = np.isnan(values[t])
            row = np.where(missing, trial.one_step, values[t]) if missing.any() else values[t]
            trial._advance(name, row[None], None if external is None else external[t : t + 1])
            rows.append(row)
        self.state, self.last_input, self.times = trial.state, trial.last_input, trial.times
        return np.stack(np.broadcast_arrays(*rows))


def started(model: Any, name: str, series: Any, external: Any, gaps: str | None) -> RunningForecaster:
    """A running forecaster after `series`, which errors call `name`."""
    values, _ = labelled(name, series)
    if np.ndim(values) < 2:  # one observation is no series: refused
        check_inputs(name, as_numpy(np.asarray(values)), model.network.inputs - model.external)
    starts = tuple(np.shape(values)[1:-1])
    model = model.with_start_axes(len(starts))
    rest, nothing = model.network.rest(starts), model.own(np.zeros((*starts, model.network.inputs)))
    live = RunningForecaster(model, rest, nothing, len(starts), gaps=gaps)
    live._taken(name, series, external)
    return live


def _any_missing(values: np.ndarray) -> bool:
    return values.dtype.kind == "f" and bool(np.isnan(values).any())


def check_gaps(gaps: Any, *allowed: str) -> str | None:
    """`gaps`.  Raises ValueError unless it is None or one of `allowed`."""
    if gaps is not None and gaps not in allowed:
        raise ValueError(f"gaps must be {' or '.join(map(repr, allowed))}, or None to refuse them; got {gaps!r}")
    return gaps
