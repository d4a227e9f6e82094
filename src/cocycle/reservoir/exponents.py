"""The two spectra of a trained network, which are often confused, in one call each."""

from itertools import repeat

import numpy as np

from cocycle.arrays import Array
from cocycle.lyapunov import Spectrum, frame, lyapunov_spectrum
from cocycle.reservoir.forecast import Forecaster

WASHOUT = 200  # steps after which the state no longer depends on its start


def conditional_exponents(
    model: Forecaster, series: Array, *, k: int = 1, rng: np.random.Generator | int = 0
) -> Spectrum:
    """The k largest Lyapunov exponents of the network while series (time, *batch, m) drives it.

    They are those of r -> f(r, u[t]) with u given: if the first is negative, states from different starts converge, and
    the network synchronises with its input.  From rest; the first 200 inputs are a washout.  Raises ValueError as
    `Forecaster.driven` and `lyapunov_spectrum` do.
    """
    start = model.network.rest(tuple(np.shape(series)[1:-1]))
    return lyapunov_spectrum(model.driven(series), start, frame(start, k, rng), transient=WASHOUT)


def closed_loop_exponents(
    model: Forecaster, warm_up: Array, *, k: int = 3, steps: int = 10_000, rng: np.random.Generator | int = 0
) -> Spectrum:
    """The k largest Lyapunov exponents of the network that is fed its own output, after series warm_up (time, m).

    A network that has learned an attractor has its exponents; the first is then positive where that is chaotic.  Over
    `steps`, the first 200 of which are a transient.  Raises `Diverged` for a loop that diverges, ValueError as
    `Forecaster.warmed` and `Forecaster.closed` do.
    """
    start = model.warmed(warm_up)
    loop = repeat(model.closed, steps)
    with np.errstate(over="ignore", invalid="ignore"):
        return lyapunov_spectrum(loop, start, frame(start, k, rng), every="auto", transient=WASHOUT)
