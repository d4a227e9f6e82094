"""Lorenz-driven tanh reservoirs over the scales of their weights: conditional exponents beside valid times.

After Storm, Gustavsson & Mehlig (arXiv 2206.02575).
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np

from cocycle.driven import Driven, beside
from cocycle.lyapunov import QRStep, Spectrum, collect, frame, qr_steps
from cocycle.maps import Map
from cocycle.networks import LINEAR, mean_field
from cocycle.reservoir import (
    Deep,
    DelayLine,
    Forecaster,
    Moments,
    MomentSum,
    Readout,
    Reservoir,
    gaussian,
    ridge_readout,
    valid_time,
)
from cocycle.sweeps import Archive, Grid
from cocycle.sweeps.contents import Contents, described
from cocycle.sweeps.sights import Sight
from cocycle.systems.references import REFERENCE

ORDINALS = ("first", "second", "third")  # what `observed` may be besides "full": one component
SETTINGS = {
    "system": "Lorenz63",  # a name in systems.references.REFERENCE
    "dt": 0.02,
    "substeps": 1,
    "unit": "raw",  # the signal as it is, or divided by its root mean square: "rms"
    "washout": 200,
    "warm_up": 300,
    "threshold": 0.3,  # of the error, in units of the fluctuations of the signal
    "ridges": [0.01],
    "bias_std": 0.0,
    "taps": 1,  # how many inputs, `spacing` steps apart, the network sees at once
    "spacing": 1,
}
SIZES: dict[str, dict[str, Any]] = {
    "small": {
        "resolution": (11, 10),
        "realisations": 3,
        "starts": 8,
        "size": 400,
        "training": 6000,
        "horizon": 8.0,
    },
    "medium": {
        "resolution": (11, 10),
        "realisations": 16,
        "starts": 8,
        "size": 400,
        "training": 6000,
        "horizon": 8.0,
    },
    "full": {
        "resolution": (41, 37),
        "realisations": 8,
        "starts": 20,
        "size": 500,
        "training": 6000,
        "horizon": 12.0,
    },
}
UNITS = {"exponent": "1/step", "exponent_error": "1/step", "mean_field": "1/step", "valid_time": "Lyapunov times"}
LONG_NAMES = {
    "weight_std": "weight scale weight_std",
    "input_std": "input scale input_std",
    "exponent": "conditional exponent λ₁",
    "exponent_error": "standard error of λ₁",
    "mean_field": "mean-field λ₁",
    "drive_variance": "variance of the local fields from outside",
    "field_variance": "variance of the local fields",
    "valid_time": "valid time",
}
BLOCK = {"weight_std": 4, "input_std": 5}
COMMON = ("weight_std", "input_std")  # axes over which one network and one series are rescaled
THEORY = 1000  # steps of the drive from which the mean-field exponent is computed
FIELDS_EVERY = 50  # steps between two samples of the local fields


def archive(path: str | os.PathLike, size: str = "small", seed: int = 1, *, independent: bool = False) -> Archive:
    """The study's archive at `path`, new or to be resumed; `size` is "small" (a minute), "medium", or "full" (hours).

    One network and one series are rescaled over the plane of the two scales, unless `independent`: then each point has
    its own, which takes several times as long, and is what statistics over networks need.  Raises as `Archive.resume`
    does.
    """
    return Archive.resumed(path, contents(size, seed, independent=independent))


def contents(
    size: str = "small", seed: int = 1, part: tuple[int, int] | None = None, *, independent: bool = False
) -> Contents:
    """What the study is, or one part (number, of how many) of it: see `archive`."""
    chosen = SIZES[size]
    rows, columns = chosen["resolution"]
    axes = {
        "observed": ["full", "second"],
        "realisation": np.arange(chosen["realisations"]),
        "weight_std": np.linspace(0.01, 2.0, rows),
        "input_std": np.geomspace(1e-3, 1.0, columns),
    }
    settings = {name: chosen[name] for name in ("size", "training", "starts", "horizon")}
    return contents_of(axes, seed, part, independent=independent, **settings)


def sweep(
    path: str | os.PathLike, axes: dict[str, Any], seed: int, *, independent: bool = False, **settings: Any
) -> Archive:
    """An archive for `measure` over `axes`, among them weight_std and input_std, with `settings` other than SETTINGS;
    `independent` as in `archive`.

    Outputs: exponent, its standard error and mean_field, its value in mean-field theory, per step; field_variance, the
    variance of the local fields, and drive_variance, the part that comes from outside, input_std² ⟨|u|²⟩; valid_time
    (ridge, start) in Lyapunov times.  Raises as `Archive.resume` does.
    """
    return Archive.resumed(path, contents_of(axes, seed, independent=independent, **settings))


def contents_of(
    axes: dict[str, Any],
    seed: int,
    part: tuple[int, int] | None = None,
    *,
    independent: bool = False,
    **settings: Any,
) -> Contents:
    """What a sweep of `measure` over axes is: see `sweep`."""
    fixed = {name: value for name, value in (SETTINGS | settings).items() if name not in axes}
    outputs: dict[str, Any] = dict.fromkeys(
        ("exponent", "exponent_error", "mean_field", "drive_variance", "field_variance"), ()
    )
    outputs["valid_time"] = {"ridge": len(fixed["ridges"]), "start": fixed["starts"]}
    grid = grid_of(axes, independent=independent)
    return described(grid.part(*part) if part else grid, outputs, seed, fixed, UNITS, LONG_NAMES)


def grid_of(axes: dict[str, Any], *, independent: bool = False) -> Grid:
    """The grid of a sweep whose blocks share one network and one series, or have one point each."""
    return Grid(axes, block=dict.fromkeys(COMMON, 1)) if independent else Grid(axes, block=BLOCK, common=COMMON)


def measure(point: dict[str, Any], rngs: Sequence[np.random.Generator]) -> dict[str, Any]:
    """The outputs at a block of points that share one network and one series and differ in the two scales.

    Their random numbers are the same: see `grid_of`.
    """
    made = trained(point, rngs[0])
    start = made.models[0].with_start_axes(1).warmed(made.warm_up)  # whatever the readout is
    predictions = [model.with_start_axes(1).continued(start, len(made.truth))[0] for model in made.models]
    drive = point["input_std"] ** 2 * _drive(point, made.training)[:, None]
    return {
        "exponent": made.conditional.exponents[:, 0],
        "exponent_error": made.conditional.standard_error[:, 0],
        "mean_field": mean_field.conditional_exponent(point["weight_std"], drive[:THEORY] + point["bias_std"] ** 2),
        "drive_variance": drive.mean(axis=0),
        "field_variance": made.field_variance,
        "valid_time": np.stack([made.valid_time(prediction) for prediction in predictions], axis=1),
    }


def look(point: dict[str, Any], rngs: Sequence[np.random.Generator]) -> list[Sight]:
    """What `cocycle explore` shows of one point: see `reservoir_look`."""
    from cocycle.studies import reservoir_look

    return reservoir_look.look(point, rngs)


@final
@dataclass(frozen=True, eq=False)
class Trained:
    """The networks of a block of points, trained with each of the ridges, and series that they were not trained on.

    training (time, m); warm_up and truth, what follows it, (time, start, m); field_variance (point,).
    """

    models: list[Forecaster]
    conditional: Spectrum
    field_variance: np.ndarray
    training: np.ndarray
    warm_up: np.ndarray
    truth: np.ndarray
    lyapunov_time: float  # in steps
    threshold: float

    def valid_time(self, prediction: np.ndarray) -> np.ndarray:
        """In Lyapunov times, (point, start)."""
        return valid_time(
            prediction,
            self.truth,
            lyapunov_time=self.lyapunov_time,
            threshold=self.threshold,
            reference=self.training,
        )


def trained(point: dict[str, Any], rng: np.random.Generator) -> Trained:
    """Series and network of a block of points, and the trained readouts."""
    lyapunov_time = 1 / (REFERENCE[point["system"]].exponents[0] * point["dt"])
    window = point["warm_up"] + round(point["horizon"] * lyapunov_time)
    series = observed_series(point, point["training"] + point["starts"] * window, rng)
    training, later = series[: point["training"]], series[point["training"] :]
    network = network_of(point, series.shape[-1], rng)
    conditional, moments, field_variance = train_with_exponent(network, training, point["washout"], rng)
    windows = later.reshape(point["starts"], window, -1).swapaxes(0, 1)
    return Trained(
        [forecaster(network, moments, ridge) for ridge in point["ridges"]],
        conditional,
        field_variance,
        training,
        windows[: point["warm_up"]],
        windows[point["warm_up"] :],
        lyapunov_time,
        point["threshold"],
    )


def observed_series(point: dict[str, Any], samples: int, rng: np.random.Generator) -> np.ndarray:
    """The observed components (time, m) of the driving system, as they are or in units of their rms."""
    system = REFERENCE[point["system"]].system
    step = {} if isinstance(system, Map) else {"dt": point["dt"], "substeps": point["substeps"]}
    series = system.series(samples, rng=rng, **step)
    if point["observed"] != "full":
        series = series[:, [ORDINALS.index(point["observed"])]]
    return series / np.sqrt((series**2).sum(axis=-1).mean()) if point["unit"] == "rms" else series


def _drive(point: dict[str, Any], series: np.ndarray) -> np.ndarray:
    """|u|² (time,) of all that the network sees at once."""
    squares, spacing, taps = (series**2).sum(axis=-1), point["spacing"], point["taps"]
    times = len(squares) - (taps - 1) * spacing
    return np.sum([squares[i * spacing : i * spacing + times] for i in range(taps)], axis=0)


def network_of(point: dict[str, Any], inputs: int, rng: np.random.Generator) -> Driven:
    """One network for all the points of a block: they share its weights and differ in their gains."""
    size, taps = point["size"], point["taps"]
    reservoir = Reservoir(
        gaussian(size, rng),
        rng.normal(size=(size, inputs * taps)),
        bias=point["bias_std"] * rng.normal(size=size),
        gain=point["weight_std"][:, None],
        input_gain=point["input_std"][:, None],
    )
    return reservoir if taps == 1 else Deep((DelayLine(inputs, taps, point["spacing"]), reservoir))


def forecaster(network: Driven, moments: Moments, ridge: float) -> Forecaster:
    """The trained network whose readout sees the reservoir alone, also behind a delay line."""
    return Forecaster(network, Readout(ridge_readout(moments, ridge), _reservoir(network)))


def _reservoir(network: Driven) -> slice:
    """Where in the state of the network the reservoir is."""
    return slice(network.layers[0].dimension, None) if isinstance(network, Deep) else slice(None)


def _fields(network: Driven) -> Driven:
    """The network whose state after a step is not g(b) but the local field b."""
    if isinstance(network, Deep):
        return Deep((network.layers[0], _fields(network.layers[1])))
    assert isinstance(network, Reservoir)
    return replace(network, activation=LINEAR)


def train_with_exponent(
    network: Driven, series: np.ndarray, washout: int, rng: np.random.Generator | int
) -> tuple[Spectrum, Moments, np.ndarray]:
    """In one pass the maximal conditional exponent, the moments, and the variance (*batch,) of the local fields.

    As `train` without normalisation does it: driven from rest by series (time, m).
    """
    r, seen, fields = network.rest(), _reservoir(network), _fields(network).joint
    moments = MomentSum(r.shape[:-1], r[..., seen].shape[-1], series.shape[-1])
    variances = []

    def accumulated(loop: Iterable[QRStep]) -> Iterator[QRStep]:
        for t, step in enumerate(loop, washout):
            moments.add(step.x[..., seen], series[t + 1])
            if t % FIELDS_EVERY == 0 and t + 2 < len(series):
                variances.append((fields(beside(series[t + 1], step.x))[..., seen] ** 2).mean(axis=-1))
            yield step

    q = np.broadcast_to(frame(np.zeros(network.dimension), 1, rng), (*r.shape, 1))  # one for all points
    loop = qr_steps(network.driven(series[:-1]), r, q)
    for _ in range(washout):
        next(loop)
    return collect(accumulated(loop)), moments.total(), np.mean(variances, axis=0)
