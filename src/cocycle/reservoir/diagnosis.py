"""Why does a reservoir work, or not?  Its exponents, its memory and its forecasts in one answer."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import final

import numpy as np

from cocycle.arrays import Array, as_numpy
from cocycle.lyapunov import Diverged, Spectrum
from cocycle.maps import orbit
from cocycle.networks import LINEAR
from cocycle.progress import tracked
from cocycle.reservoir.climate import histogram_distance
from cocycle.reservoir.exponents import WASHOUT, closed_loop_exponents, conditional_exponents
from cocycle.reservoir.forecast import Forecaster
from cocycle.reservoir.metrics import ValidTimes, nrmse, valid_times
from cocycle.reservoir.reservoir import Reservoir
from cocycle.results import Plotted, html_table

SATURATED = 2.0  # a local field beyond it: tanh' is below 0.07
FIELDS_EVERY = 10  # steps between two samples of the local fields
LARGE = 0.1  # NRMSE of one step: series that are sampled finely enough to be predicted have far less
LINEAR_BELOW = 0.2  # standard deviation of local fields: there tanh differs from the identity by 1 %


@final
@dataclass(frozen=True, eq=False)
class Diagnosis(Plotted):
    """What `diagnose` found, to be printed or used part by part.

    conditional, closed: the exponents of the driven network and of its closed loop, per unit of the network's dt
    (closed is None for a loop that diverges).  memory: steps in which a perturbation of the driven network decays to
    1/e.  field_std, saturated: the standard deviation of the local fields, and the share beyond ±2; NaN for other
    networks than reservoirs.  one_step: NRMSE of one-step predictions.  valid: valid times of forecasts.  climate:
    histogram distance of each component, long run against truth.  true_exponents: those of the system.  lyapunov_time:
    that of the system, in steps of dt.
    """

    conditional: Spectrum
    closed: Spectrum | None
    memory: float
    field_std: float
    saturated: float
    one_step: float
    valid: ValidTimes
    climate: np.ndarray
    true_exponents: np.ndarray | None
    lyapunov_time: float
    dt: float

    @property
    def findings(self) -> list[str]:
        """In words: what holds the forecasts back, or that none of the known obstacles does."""
        first, error = float(self.conditional.exponents[0]), float(self.conditional.standard_error[0])
        found = []
        if first > -2 * error:
            found.append("the network does not synchronise with its drive: make its recurrent weights smaller")
        if self.field_std < LINEAR_BELOW and self.valid.median < 1:
            found.append("the local fields are small and the network nearly linear: increase the input scaling or bias")
        if self.saturated > 0.5:
            found.append("most units are saturated: decrease the input scaling")
        if self.lyapunov_time < self.memory < np.inf:
            found.append(
                f"the memory, {self.memory:.3g} steps, is longer than the Lyapunov time, {self.lyapunov_time:.3g}:"
                " increase the leak rate, or make the recurrent weights smaller"
            )
        if self.one_step > LARGE:
            found.append(
                f"one-step errors are large, NRMSE {self.one_step:.2g}: decrease the ridge, take more units or data"
            )
        if self.closed is None:
            found.append("the closed loop diverges: increase the ridge")
        elif self.true_exponents is not None:
            found += self._spectrum_findings(first)
        else:
            found += self._largest_finding(float(self.closed.exponents[0]), float(self.closed.standard_error[0]))
        if self.valid.median < 1 and not found:
            found.append("forecasts fail although the network synchronises: it may lack memory, units or data")
        return found or ["no obstacle found"]

    def _largest_finding(self, mine: float, error: float) -> list[str]:
        assert self.closed is not None
        true = 1 / (self.lyapunov_time * self.dt)
        if abs(mine - true) <= 3 * error + 0.25 * true:
            return []
        return [
            f"the closed loop has the largest exponent {mine:.3g}, the system {true:.3g} {self.closed.unit}, the"
            f" inverse of its Lyapunov time of {self.lyapunov_time:.3g} steps"
        ]

    def _spectrum_findings(self, conditional: float) -> list[str]:
        assert self.closed is not None
        assert self.true_exponents is not None
        missed = [
            i + 1
            for i, (mine, error, true) in enumerate(
                zip(self.closed.exponents, self.closed.standard_error, self.true_exponents, strict=False)
            )
            if abs(mine - true) > 3 * error + 0.1 * max(abs(true), self.true_exponents[0])
        ]
        if not missed:
            return []
        lowest = float(self.true_exponents[missed[-1] - 1])
        why = (
            f": the conditional exponent {conditional:.3g} is not well below {lowest:.3g}"
            if conditional > 2 * lowest and lowest < 0
            else ""
        )
        return [f"the closed loop misses exponent {', '.join(map(str, missed))} of the system{why}"]

    def __repr__(self):
        return "\n".join(f"{name + ':':<23}{text}" for name, text in self._rows().items())

    def _repr_html_(self):
        return html_table("Diagnosis", ("", ""), self._rows().items())

    def _rows(self) -> dict[str, str]:
        closed = "diverges" if self.closed is None else _numbers(self.closed)
        true = "" if self.true_exponents is None else f"   (true {', '.join(f'{x:.4g}' for x in self.true_exponents)})"
        return {
            "conditional exponent": _numbers(self.conditional),
            "memory": f"{self.memory:.3g} steps" if np.isfinite(self.memory) else "infinite",
            "local fields": f"standard deviation {self.field_std:.3g}, {self.saturated:.0%} beyond ±{SATURATED:g}",
            "one step": f"NRMSE {self.one_step:.2g}",
            "forecasts": repr(self.valid),
            "closed-loop exponents": closed + true,
            "climate": "histograms differ by " + ", ".join(f"{d:.2f}" for d in self.climate),
            "finding": "; ".join(self.findings),
        }


def _numbers(result: Spectrum) -> str:
    pairs = zip(result.exponents, result.standard_error, strict=True)
    return ", ".join(f"{value:.4g} ± {error:.1g}" for value, error in pairs) + f" {result.unit}"


def diagnose(
    model: Forecaster,
    series: np.ndarray,
    *,
    lyapunov_time: float,
    true_exponents: Sequence[float] | Array | None = None,
    starts: int = 20,
    steps: int = 10_000,
    threshold: float = 0.3,
    rng: np.random.Generator | int = 0,
) -> Diagnosis:
    """Exponents, memory and forecasts of a trained network, from a series (time, m) that it was not trained on.

    `lyapunov_time` in steps; `true_exponents` are those of the system per unit of the network's dt, so many of the
    closed loop are computed over `steps` (three without them).  `starts`, `threshold`: see `valid_times`.

    Raises ValueError for a batch of networks, one that was not trained to predict the series, and a series of fewer
    than 1000 values.
    """
    if model.network.batch:
        raise ValueError(
            f"model must be of a single network, not of a batch; got a batch of shape {model.network.batch}"
        )
    if len(series) < 1000:
        raise ValueError(f"series must have at least 1000 times, which `model` was not trained on; got {len(series)}")
    model.closed  # noqa: B018  # refused before anything is computed
    true = None if true_exponents is None else np.asarray(true_exponents, dtype=float)
    conditional = conditional_exponents(model, series, rng=rng)
    start = model.warmed(series[:WASHOUT])
    k = min(3 if true is None else len(true), start.shape[-1])
    try:
        closed = closed_loop_exponents(model, series[:WASHOUT], k=k, steps=steps, rng=rng)
    except Diverged:
        closed = None
    field_std, saturated = _fields(model, series)
    dt = model.network.joint.dt
    exponent = float(conditional.exponents[0]) * dt
    predictions = model.predictions(series)
    run, _ = model.continued(start, len(series))
    climate = histogram_distance(run, series) if np.isfinite(run).all() else np.ones(series.shape[1])
    return Diagnosis(
        conditional,
        closed,
        -1 / exponent if exponent < 0 else np.inf,
        field_std,
        saturated,
        float(nrmse(predictions[WASHOUT:-1], series[WASHOUT + 1 :])),
        valid_times(model, series, lyapunov_time=lyapunov_time, starts=starts, threshold=threshold),
        climate,
        true,
        lyapunov_time,
        dt,
    )


def _fields(model: Forecaster, series: np.ndarray) -> tuple[float, float]:
    """The standard deviation of the local fields along the driven orbit, and the share of them that saturate.

    NaN for other networks than reservoirs.
    """
    network, seen = model.network, []
    if not isinstance(network, Reservoir):
        return np.nan, np.nan
    fields = replace(network, activation=LINEAR, leak_rate=1.0)
    field_maps = replace(model, network=fields).driven(series)
    states = chain([network.rest()], orbit(model.driven(series), network.rest()))
    for t, (field, state) in enumerate(zip(field_maps, tracked(states, "local fields", len(series)), strict=False)):
        if t >= WASHOUT and t % FIELDS_EVERY == 0:
            seen.append(as_numpy(field(state)))
    b = np.stack(seen)
    return float(b.std()), float((abs(b) > SATURATED).mean())
