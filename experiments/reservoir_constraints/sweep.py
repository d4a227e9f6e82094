"""The sweeps of the study of reservoir constraints: each part is an archive, made or resumed by this command.

    python experiments/reservoir_constraints/sweep.py --size small
    python experiments/reservoir_constraints/figures.py --size small

plane     exponent and valid time over both scales, Lorenz observed in full and by each component alone, three ridges
independent  the same on a coarser plane, with a network and a series of its own at every point
bias      full observation with and without a bias that differs from unit to unit
delays    the second component alone, one input at a time and six of them at once
spectra   exponents of the closed loop beside the conditional one
mirror    where closed loops that start anywhere end, as the bias grows
rossler, lorenz96, ikeda   the plane for other drivers, in full and by one component, in units of the signal's rms
"""

from itertools import repeat

import numpy as np

from cocycle import Archive, Diverged, frame, lyapunov_spectrum
from cocycle.studies import reservoir_constraints
from cocycle.studies.commands import sweeps_command

SIZES = {
    "small": {
        "rows": 11,
        "columns": 10,
        "realisations": 3,
        "starts": 8,
        "size": 300,
        "training": 6000,
        "horizon": 10.0,
        "steps": 3000,
    },
    "full": {
        "rows": 21,
        "columns": 19,
        "realisations": 8,
        "starts": 20,
        "size": 400,
        "training": 6000,
        "horizon": 12.0,
        "steps": 10_000,
    },
}
RIDGES = [1e-2, 1e-5, 1e-8]
DRIVERS = {
    "rossler": {"system": "Rossler", "dt": 0.1, "horizon": 6.0},
    "lorenz96": {"system": "Lorenz96", "dt": 0.05, "horizon": 6.0},
    "ikeda": {"system": "Ikeda", "dt": 1.0, "horizon": 10.0},
}
EXPONENTS = 4  # of the closed loop


def scales(chosen, *, coarser=1, low=1e-3, high=1.0):
    """The two axes that all parts have, every `coarser`-th value of the plane's."""
    return {
        "weight_std": np.linspace(0.01, 2.0, chosen["rows"])[::coarser],
        "input_std": np.geomspace(low, high, chosen["columns"])[::coarser],
    }


def settings(chosen, **others):
    return {name: chosen[name] for name in ("size", "starts", "horizon", "training")} | others


def plane(path, chosen, seed):
    axes = {"observed": ["full", *reservoir_constraints.ORDINALS], "realisation": np.arange(chosen["realisations"])}
    return reservoir_constraints.measure, reservoir_constraints.sweep(
        path, axes | scales(chosen), seed, **settings(chosen, ridges=RIDGES)
    )


def independent(path, chosen, seed):
    axes = {"observed": ["full", *reservoir_constraints.ORDINALS], "realisation": np.arange(chosen["realisations"])}
    fixed = settings(chosen, ridges=RIDGES)
    return reservoir_constraints.measure, reservoir_constraints.sweep(
        path, axes | scales(chosen, coarser=2), seed, independent=True, **fixed
    )


def bias(path, chosen, seed):
    axes = {"bias_std": [0.0, 0.5], "realisation": np.arange(chosen["realisations"])}
    fixed = settings(chosen, observed="full", ridges=RIDGES)
    return reservoir_constraints.measure, reservoir_constraints.sweep(
        path, axes | scales(chosen, coarser=2), seed, **fixed
    )


def delays(path, chosen, seed):
    axes = {"taps": [1, 6], "realisation": np.arange(chosen["realisations"])}
    fixed = settings(chosen, observed="second", spacing=5, ridges=RIDGES)
    return reservoir_constraints.measure, reservoir_constraints.sweep(
        path, axes | scales(chosen, coarser=2), seed, **fixed
    )


def driver(name):
    def part(path, chosen, seed):
        axes = {"observed": ["full", "first"], "realisation": np.arange((chosen["realisations"] + 1) // 2)}
        fixed = settings(chosen, ridges=[1e-5], unit="rms") | DRIVERS[name]
        return reservoir_constraints.measure, reservoir_constraints.sweep(
            path, axes | scales(chosen, coarser=2, low=1e-2, high=10.0), seed, **fixed
        )

    return part


def spectra(path, chosen, seed):
    axes = {"realisation": np.arange(chosen["realisations"])} | scales(chosen, coarser=3, low=5e-3, high=0.5)
    fixed = reservoir_constraints.SETTINGS | settings(chosen, observed="full", ridges=[1e-8], steps=chosen["steps"])
    outputs = {
        "exponent": (),
        "closed": {"index": EXPONENTS},
        "closed_error": {"index": EXPONENTS},
        "valid_time": {"start": chosen["starts"]},
    }
    units = {"exponent": "1/time", "closed": "1/time", "closed_error": "1/time", "valid_time": "Lyapunov times"}
    grid = reservoir_constraints.grid_of(axes)
    return closed_spectra, Archive.resume(path, grid, outputs=outputs, seed=seed, fixed=fixed, units=units)


def closed_spectra(point, rngs):
    """Conditional and closed-loop exponents per unit of time, and the valid times, of the same trained networks."""
    rng = rngs[0]  # the same for all points of the block
    trained = reservoir_constraints.trained(point, rng)
    (model,) = trained.models
    start = model.with_start_axes(1).warmed(trained.warm_up)
    prediction = model.with_start_axes(1).continued(start, len(trained.truth))[0]
    closed, error = closed_exponents(model.closed, start[:, 0], point["steps"], rng)
    return {
        "exponent": trained.conditional.exponents[:, 0] / point["dt"],
        "closed": closed / point["dt"],
        "closed_error": error / point["dt"],
        "valid_time": trained.valid_time(prediction),
    }


def closed_exponents(closed, start, steps, rng):
    """The first exponents of the closed loop per step, and their errors; NaN where it leaves every bound."""
    q = np.broadcast_to(frame(start[0], EXPONENTS, rng), (*start.shape, EXPONENTS))
    with np.errstate(over="ignore", invalid="ignore"):
        try:
            found = lyapunov_spectrum(repeat(closed, steps), start, q, every="auto", transient=500)
        except Diverged as error:
            found = error.result
    if found is None:
        return (np.full((len(start), EXPONENTS), np.nan),) * 2
    return found.exponents, found.standard_error


def mirror(path, chosen, seed):
    axes = {
        "bias_std": [0.0, 0.01, 0.1, 0.3, 1.0, 3.0],
        "realisation": np.arange(chosen["realisations"]),
        "weight_std": [0.9],
        "input_std": [0.0447],
    }
    fixed = reservoir_constraints.SETTINGS | settings(chosen, observed="full", ridges=[1e-5], steps=chosen["steps"])
    fixed.pop("bias_std")
    outputs = {"mean_z": {"run": 32}}
    return ends_of_random_starts, Archive.resume(
        path, reservoir_constraints.grid_of(axes), outputs=outputs, seed=seed, fixed=fixed
    )


def ends_of_random_starts(point, rngs):
    """The mean of z over the last half of closed-loop runs from random states: negative on the mirror attractor."""
    (rng,) = rngs
    (model,) = reservoir_constraints.trained(point, rng).models
    start = rng.uniform(-1, 1, size=(1, 32, point["size"]))
    outputs = model.with_start_axes(1).continued(start, point["steps"])[0]
    return {"mean_z": outputs[len(outputs) // 2 :, ..., 2].mean(axis=0)}


PARTS = {
    "plane": plane,
    "independent": independent,
    "bias": bias,
    "delays": delays,
    "spectra": spectra,
    "mirror": mirror,
    **{name: driver(name) for name in DRIVERS},
}


def main(arguments=None):
    sweeps_command("constraints", __doc__, PARTS, SIZES, arguments)


if __name__ == "__main__":
    main()
