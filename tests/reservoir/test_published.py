"""Published settings and tables that were computed independently come out within their errors; defaults work."""

import os
import subprocess
import sys

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from cocycle import Reservoir, forecast, train, valid_time
from cocycle.reservoir import DelayLine, Design, Polynomial, componentwise, scaled, sparse, valid_times
from cocycle.studies import reservoir_constraints
from cocycle.systems import Lorenz63

LAMBDA = 0.9056


def test_defaults_work():
    """Who names only the size gets at least 5 Lyapunov times, in the median over 10 seeds, at threshold 0.4."""
    medians = []
    for seed in range(10):
        series = Lorenz63().series(9000, dt=0.02, rng=seed)
        model = train(Reservoir.random(500, 3, rng=seed), series[:6000])
        found = valid_times(model, series[6000:], lyapunov_time=1 / (LAMBDA * 0.02), starts=5, threshold=0.4)
        medians.append(found.median)
    assert np.median(medians) >= 5, medians


@pytest.mark.slow
def test_platt_2022():
    """Settings of Platt et al., Neural Networks 153, 530 (2022), Lorenz, here with N = 200: 7.0 Lyapunov times.

    Computed independently, with a scatter of 1.6 over starts: a mean of 100 has a standard error of 0.16.  Those are 4
    networks of 25 starts; means of 25 scatter over networks by 0.3, as those starts do, and not by more.
    """
    means = []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        series = Lorenz63().series(10_000 + 25 * 1600, dt=0.01, rng=rng)
        places = sparse(200, 0.02, rng)
        places.data = rng.uniform(-1, 1, size=places.nnz)
        network = Reservoir(
            scaled(places, spectral_radius=0.80), rng.uniform(-0.084, 0.084, size=(200, 3)), bias=1.60, leak_rate=0.60
        )
        model = train(network, series[:10_000], ridge=8.49e-8, washout=200, normalise=False)
        windows = series[10_000:].reshape(25, 1600, 3).swapaxes(0, 1)
        times = valid_time(
            forecast(model, windows[:200], 1400),
            windows[200:],
            lyapunov_time=1 / (LAMBDA * 0.01),
            threshold=0.3,
            norm=componentwise,
            reference=series[:10_000],
        )
        means.append(times.mean())
    assert np.mean(means) == pytest.approx(7.0, abs=3 * 1.6 / 100**0.5), means


def lorenz_of_gauthier(samples, dt, transient):
    """As they integrate: scipy's RK23 with its default tolerance, whose errors are part of their data."""
    end = transient + samples * dt
    times = np.linspace(0, end, round(end / dt) + 1)

    def rate(t, y):
        d = y[0] - y[1]
        return [-10 * d, -y[0] * y[2] + 28 * y[0] - y[1], y[0] * y[1] - 8 / 3 * y[2]]

    start = [17.67715816276679, 12.931379185960404, 43.91404334248268]
    series = solve_ivp(rate, (0, end), start, t_eval=times, method="RK23").y.T
    return series[-samples:]


@pytest.mark.slow
def test_next_generation_reservoir_of_gauthier_2021():
    """Gauthier et al., Nat. Commun. 12, 5564 (2021): 28 features, 400 points, ridge 2.5e-6, increments.

    Training error 1.05e-4 of the total variance; test error over one Lyapunov time 2.1e-3 over 10 trials.  The latter
    are spread over more than a decade, their logarithms with a standard deviation of 0.9: the typical one of ten is
    known to a factor e^(0.9 √(2/10)) = 1.5 beside another ten.  With exact data this ridge is too small, and the
    closed loop runs away: the errors of the integrator do what noise in training does.
    """
    steps = round(1.1 / 0.025)
    training, testing = [], []
    for trial in range(10):
        series = lorenz_of_gauthier(402 + steps + 40 * trial, 0.025, 5.0)[40 * trial :]
        network, design = DelayLine(3, 2), Design(Polynomial(6, (0, 1, 2)), increment=True)
        model = train(network, series[:402], ridge=2.5e-6, washout=1, normalise=False, design=design)
        assert model.readout.weight.shape == (3, 28)
        total = series[:402].var()  # theirs: of all components together
        residual = model.predictions(series[:401])[1:] - series[2:402]
        training.append(np.sqrt((residual**2).mean() / total))
        error = forecast(model, series[400:402], steps) - series[402 : 402 + steps]
        testing.append(np.sqrt((error**2).mean() / total))
    assert np.mean(training) == pytest.approx(1.05e-4, rel=0.15), training
    assert abs(np.log(np.array(testing) / 2.1e-3).mean()) < 2 * 0.9 * (2 / 10) ** 0.5, testing


@pytest.mark.slow
def test_inference_of_gauthier_2021():
    """z from x and y: dt 0.05, 4 taps every 5 steps, ridge 0.05; errors 1.2e-2 in training, 2.0e-2 in the test.

    Those come from the authors' code, for one stretch of a series.  Over 25 stretches each of ours scatters by 0.34e-2.
    """
    series = lorenz_of_gauthier(400 + 15 + 900, 0.05, 5.0)
    model = train(
        DelayLine(2, 4, 5),
        series[:415, :2],
        target=series[:415, 2:],
        ridge=0.05,
        washout=15,
        normalise=False,
        design=Polynomial(8, (0, 1, 2)),
    )
    total = series[:415, 2].var()
    inferred = model.predictions(series[:, :2])
    errors = np.sqrt((inferred - series[:, 2:])[:, 0] ** 2 / total)
    assert np.sqrt((errors[15:415] ** 2).mean()) == pytest.approx(1.2e-2, rel=0.3)
    assert np.sqrt((errors[415:] ** 2).mean()) == pytest.approx(2.0e-2, rel=0.5)


FULL = {  # weight_std: valid times at the input scales below, ridge 1e-2, scatter 30 %, computed independently
    0.01: (0.05, 1.01, 2.33, 1.89, 1.69, 0.38),
    0.9: (0.17, 1.53, 2.17, 2.15, 1.36, 0.43),
    1.1: (0.09, 2.20, 3.27, 2.36, 1.16, 0.29),
    1.41: (0.00, 0.17, 1.44, 2.62, 0.69, 0.25),
    2.0: (0.00, 0.01, 0.05, 0.55, 0.99, 0.20),
}
SECOND = {
    0.01: (0.10, 0.16, 0.19, 0.19, 0.19, 0.16),
    0.3: (0.09, 0.25, 0.37, 0.49, 0.53, 0.38),
    0.9: (0.17, 0.60, 0.97, 1.39, 0.68, 0.38),
    1.1: (0.07, 0.29, 0.75, 1.51, 0.54, 0.30),
    1.41: (0.00, 0.09, 0.09, 0.36, 0.24, 0.19),
    2.0: (0.02, 0.04, 0.06, 0.08, 0.19, 0.18),
}
INPUT_STD = np.array([1e-3, 0.01, 0.02, 0.0447, 0.2, 1.0])


@pytest.mark.slow
@pytest.mark.parametrize(("observed", "table"), [("full", FULL), ("second", SECOND)])
def test_tables_of_valid_times(observed, table):
    """Mean over 8 starts x 4 networks against an independent one over 8 x 2, each with a scatter of 30 %.

    The table's and ours together: 30 % · √(1 + 1/2) = 37 % for one standard deviation, and 0.05 for its digits and the
    steepest cells.  Of the 30 or 36 cells 95 % must lie within two, all within four.  Cells share their networks: where
    digits matter little, the mean of the logarithms must lie within one.
    """
    rows = np.array(list(table))
    weight_std, input_std = (a.ravel() for a in np.meshgrid(rows, INPUT_STD, indexing="ij"))
    fixed = reservoir_constraints.SETTINGS | {
        "size": 400,
        "training": 6000,
        "starts": 8,
        "horizon": 8.0,
        "observed": observed,
    }
    found = np.zeros(len(weight_std))
    for seed in range(4):
        point = fixed | {"weight_std": weight_std, "input_std": input_std}
        found += (
            reservoir_constraints.measure(point, [np.random.default_rng(seed)])["valid_time"][:, 0].mean(axis=-1) / 4
        )
    expected = np.array(list(table.values())).ravel()
    deviation = abs(found - expected) / (0.37 * expected + 0.05)
    report = np.stack([weight_std, input_std, expected, found, deviation], axis=-1).round(3)
    assert (deviation < 2).mean() >= 0.95, report
    assert deviation.max() < 4, report
    long = expected >= 0.2
    assert abs(np.log(found[long] / expected[long]).mean()) < 0.37, report


FIT = """
import resource
import numpy as np
from cocycle import Reservoir, train
from cocycle.systems import Lorenz63
series = Lorenz63().series({times}, dt=0.02)
network = Reservoir.random(500, 3)
train(network, series[:2000])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
train(network, series)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in kilobytes on Linux only")
@pytest.mark.parametrize("times", [200_000, 1_000_000])
def test_memory_does_not_grow_with_the_length_of_the_series(times):
    """Beyond the series itself and its copy in the network's units (48 bytes a time) less than 50 MB at any length."""
    found = subprocess.run(
        [sys.executable, "-c", FIT.format(times=times)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    )
    assert float(found.stdout) * 1e3 < 50e6 + 100 * times * (times > 200_000)
