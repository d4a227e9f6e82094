"""How good a forecast is."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np

from cocycle.arrays import as_numpy, floating, require_finite
from cocycle.reservoir.forecast import Forecaster, forecast
from cocycle.reservoir.tables import check_names, labelled
from cocycle.results import Plotted, html_facts


def euclidean(error: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """|error| over the root mean square fluctuation |y - mean y| of the reference series, all components together."""
    return np.linalg.norm(error, axis=-1) / _positive(np.sqrt(reference.var(axis=0).sum(axis=-1)))


def componentwise(error: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """√mean_i (error_i / std_i)², each component in units of its own standard deviation in the reference series.

    The norm of Platt et al., Neural Networks 153, 530 (2022).
    """
    return np.sqrt(((error / _positive(reference.std(axis=0))) ** 2).mean(axis=-1))


def _positive(fluctuation: np.ndarray) -> np.ndarray:
    if not (fluctuation > 0).all():
        raise ValueError(
            "reference must fluctuate in every component by whose fluctuations errors are measured: leave constant ones"
            " out, or give another reference"
        )
    return fluctuation


def valid_time(
    prediction: np.ndarray,
    truth: np.ndarray,
    *,
    lyapunov_time: float,
    threshold: float = 0.3,
    norm: Callable[[np.ndarray, np.ndarray], np.ndarray] = euclidean,
    reference: np.ndarray | None = None,
) -> np.ndarray:
    """How long each forecast stays within `threshold` of the truth, in Lyapunov times: shape (*networks, *starts).

    prediction (time, *networks, *starts, m), truth (time, *starts, m); `lyapunov_time` is that of the true system
    in steps, 1 / (λ_1 dt).  The error is `norm(prediction - truth, reference)`: `euclidean` or `componentwise`, in
    units of the fluctuations of `reference` (time, m), by default of the truth itself.  The valid time is that of
    the first step whose error is not below the threshold, where NaN is not; a forecast that holds to the end gets
    the full length, a lower bound.

    Raises ValueError for shapes that do not fit, a truth or reference that is not finite, a threshold or
    lyapunov_time that is not positive.
    """
    prediction, truth, scale = _fitting(prediction, truth, reference)
    for name, value in {"threshold": threshold, "lyapunov_time": lyapunov_time}.items():
        if not value > 0:
            raise ValueError(f"{name} must be positive; got {value}")
    aligned = _beside_networks(truth, prediction.ndim)
    with np.errstate(over="ignore", invalid="ignore"):  # a forecast may have diverged
        failed = ~(norm(prediction - aligned, scale) < threshold)
    steps = np.where(failed.any(axis=0), failed.argmax(axis=0), len(truth))
    return steps / lyapunov_time


def nrmse(prediction: np.ndarray, truth: np.ndarray, *, reference: np.ndarray | None = None) -> np.ndarray:
    """The root mean square, over times and components, of the error in units of each component's standard deviation.

    prediction (time, *networks, *starts, m), truth (time, *starts, m); the standard deviation is that of `reference`
    (time, m), by default of the truth.  Shape (*networks, *starts).  1 is what the mean would score, NaN is for a
    forecast that diverged.

    Raises ValueError for shapes that do not fit, a truth or reference that is not finite, a component of the reference
    that is constant.
    """
    prediction, truth, scale = _fitting(prediction, truth, reference)
    error = prediction - _beside_networks(truth, prediction.ndim)
    return np.sqrt((componentwise(error, scale) ** 2).mean(axis=0))


def _fitting(prediction, truth, reference) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Prediction, truth, and the reference, the truth if there is none.  Raises ValueError if they do not fit."""
    prediction, truth = as_numpy(floating("prediction", prediction)), as_numpy(floating("truth", truth))
    tail = truth.shape[1:]
    if len(prediction) != len(truth) or truth.ndim < 2 or prediction.shape[prediction.ndim - len(tail) :] != tail:
        raise ValueError(
            f"prediction must have shape (time, ..., *starts, m) like truth {truth.shape}; got {prediction.shape}"
        )
    require_finite("truth", truth)
    scale = truth if reference is None else as_numpy(floating("reference", reference))
    require_finite("reference", scale)
    if scale.shape[-1:] != tail[-1:] or scale.ndim not in (2, truth.ndim):
        raise ValueError(f"reference must have shape (time, m={tail[-1]}); got {scale.shape}")
    return prediction, truth, scale


def _beside_networks(truth: np.ndarray, ndim: int) -> np.ndarray:
    """truth (time, *starts, m) with axes of length 1 for the networks of a prediction with `ndim` axes."""
    return np.expand_dims(truth, tuple(range(1, 1 + ndim - truth.ndim)))


@final
@dataclass(frozen=True, eq=False)
class ValidTimes(Plotted):
    """Valid times (*networks, starts) in Lyapunov times, from starts all over an attractor, up to `horizon`."""

    times: np.ndarray
    horizon: float

    @property
    def median(self) -> np.ndarray:
        """(*networks,), over the starts."""
        return np.median(self.times, axis=-1)

    @property
    def quartiles(self) -> np.ndarray:
        """(2, *networks): a quarter of the starts lies below, a quarter above."""
        return np.quantile(self.times, [0.25, 0.75], axis=-1)

    @property
    def reached_end(self) -> np.ndarray:
        """(*networks,): how many forecasts were still valid at the horizon."""
        return (self.times >= self.horizon).sum(axis=-1)

    def __repr__(self):
        networks = f" and {self.times[..., 0].size} networks" if self.times.ndim > 1 else ""
        low, high = np.quantile(self.times, [0.25, 0.75])
        text = f"valid time {np.median(self.times):.2f} Lyapunov times, quartiles {low:.2f} to {high:.2f}"
        ended = (
            f"; {self.reached_end.sum()} reached the horizon of {self.horizon:.3g}" if self.reached_end.any() else ""
        )
        return f"{text} over {self.times.shape[-1]} starts{networks}{ended}"

    def _repr_html_(self):
        low, median, high = np.quantile(self.times, [0.25, 0.5, 0.75])
        rows = [("median", f"{median:.2f}"), ("quartiles", f"{low:.2f} to {high:.2f}")]
        rows += [
            ("forecasts", self.times.size),
            (f"valid at the horizon of {self.horizon:.3g}", self.reached_end.sum()),
        ]
        return html_facts("Valid times (Lyapunov times)", rows)


def valid_times(
    model: Forecaster,
    series: np.ndarray,
    *,
    lyapunov_time: float,
    starts: int = 20,
    warm_up: int = 200,
    horizon: float = 10.0,
    threshold: float = 0.3,
    norm: Callable[[np.ndarray, np.ndarray], np.ndarray] = euclidean,
) -> ValidTimes:
    """The valid times of forecasts from `starts` places spread evenly over series (time, m), which should be unseen.

    At each the network is driven by `warm_up` values from rest, then runs alone for `horizon` Lyapunov times.  The
    other arguments are those of `valid_time`; errors are in units of the fluctuations of the whole series.

    Raises ValueError for a series that is shorter than one warm-up and one horizon, and as `valid_time` does.
    """
    series, labels = labelled("series", series)
    check_names("series", model.settings.get("names"), labels)
    series = floating("series", series)
    steps = round(horizon * lyapunov_time)
    room = len(series) - warm_up - steps
    if starts < 1:
        raise ValueError(f"starts must be at least 1; got {starts}")
    if steps < 1:
        raise ValueError(f"horizon must be at least one step, {1 / lyapunov_time:.2g} Lyapunov times; got {horizon}")
    if room < 0:
        most = max(0.0, (len(series) - warm_up) / lyapunov_time)
        raise ValueError(
            f"series must hold the warm-up and the horizon, {warm_up} + {steps} times; it has {len(series)}: take a"
            f" horizon of at most {np.floor(100 * most) / 100:.2f} Lyapunov times, or a longer series"
        )
    begins = np.linspace(0, room, starts).round().astype(int)
    windows = np.stack([series[i : i + warm_up + steps] for i in begins], axis=1)
    prediction = forecast(model, windows[:warm_up], steps)
    times = valid_time(
        prediction,
        windows[warm_up:],
        lyapunov_time=lyapunov_time,
        threshold=threshold,
        norm=norm,
        reference=series,
    )
    return ValidTimes(times, steps / lyapunov_time)
