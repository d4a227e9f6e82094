"""A step that is too long is reported, with what it does to the exponents; one that is fine is not."""

import warnings
from itertools import repeat

import numpy as np
import pytest
import torch

from benchmark_modules import error_bars
from cocycle import (
    Compiled,
    Composed,
    Coupled,
    Flow,
    Linear,
    Reservoir,
    Select,
    Spectrum,
    VectorField,
    frame,
    lyapunov_spectrum,
)
from cocycle.systems import HyperRossler, KuramotoSivashinsky, Lorenz63, Lorenz96, MackeyGlass, Rossler, Thomas
from cocycle.systems.references import exponent_sum

COARSE = {
    "Lorenz 0.12": (Lorenz63(), 0.12),
    "Lorenz 0.05": (Lorenz63(), 0.05),
    "Rössler 0.2": (Rossler(), 0.2),
    "hyper-Rössler 0.02": (HyperRossler(), 0.02),
}
FINE = {
    "Lorenz": (Lorenz63(), 0.02),
    "Rössler": (Rossler(), 0.05),
    "Thomas": (Thomas(), 0.2),
    "Lorenz96": (Lorenz96(10), 0.02),
}


def on_attractor(system):
    return system.series(1, dt=0.01)[0]


@pytest.mark.parametrize("k", [1, 2, 3])
@pytest.mark.parametrize("name", COARSE)
def test_too_long_a_step_warns_however_many_exponents_are_asked_for(name, k):
    system, dt = COARSE[name]
    x = on_attractor(system)
    with pytest.warns(UserWarning, match=r"the step dt=.* is too coarse: the sum of the exponents is off by about"):
        result = lyapunov_spectrum(repeat(Compiled(Flow(system, dt)), 4000), x, frame(x, k), transient=500)
    assert result.step_error.coarse
    assert "too coarse" in repr(result)
    assert "unknown: repeat at dt/2" in str(result.step_error)
    assert result.step_error.states >= 200
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # what it suggests is fine
        dt = result.step_error.suggested
        lyapunov_spectrum(repeat(Compiled(Flow(system, dt)), 4000), x, frame(x, k), transient=500)


@pytest.mark.parametrize("name", FINE)
def test_usual_steps_do_not_warn(name):
    system, dt = FINE[name]
    x = on_attractor(system)
    result = lyapunov_spectrum(repeat(Compiled(Flow(system, dt)), 4000), x, frame(x, 3), transient=500)
    assert not result.step_error.coarse
    assert result.step_error.suggested == result.step_error.dt == dt


@pytest.mark.filterwarnings("ignore:the step dt")
@pytest.mark.parametrize("dt", [0.02, 0.05, 0.08])
def test_the_error_of_the_sum_is_predicted(dt):
    """Of Lorenz the sum is known; at states spread over the run, with the scatter that 200 of them have."""
    x = on_attractor(Lorenz63())
    result = lyapunov_spectrum(repeat(Compiled(Flow(Lorenz63(), dt)), 20_000), x, frame(x, 3), transient=500)
    truth = result.exponents.sum() - exponent_sum(Lorenz63())
    assert float(result.step_error.total) == pytest.approx(truth, rel=0.3)
    assert float(result.step_error.last) == pytest.approx(truth, rel=0.4)


@pytest.mark.parametrize(("dt", "coarse"), [(0.001, False), (0.005, True)])
def test_a_stiff_relaxation_oscillator(dt, coarse):
    """Van der Pol at mu = 100: at 0.005 the exponents are 0.03 and -170 for 0 and -178: chaos that is not there.

    Over one period, 162.84, the mean growth is the exponent itself.  The last digit of the period changes it by 0.004,
    that of -178.08 by 0.005, the step 0.001 by less than 0.01.
    """
    x, transient, period = np.array([2.0, 0.0]), round(20 / dt), round(162.84 / dt)
    flow = Compiled(Flow(error_bars.VanDerPol(100.0), dt))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = lyapunov_spectrum(repeat(flow, transient + period), x, frame(x, 2), every=5, transient=transient)
    assert bool(caught) == coarse == result.step_error.coarse
    if coarse:
        assert result.exponents[0] > 0.02
        assert result.exponents[1] > -172
    else:
        np.testing.assert_allclose(result.exponents, [0, -178.08], rtol=0, atol=0.02)


def test_a_batch_of_which_one_member_is_too_fast():
    """Each member is judged: dt fits the time of the others."""

    class Fast(VectorField):
        rates = np.array([[1.0], [1.0], [40.0]])

        def __call__(self, x):
            return -self.rates * x

        def tangent(self, x, q):
            return self(x), -self.rates[..., None] * q

    x = np.ones((3, 1))
    with pytest.warns(UserWarning, match="too coarse"):
        result = lyapunov_spectrum(repeat(Flow(Fast(), 0.05), 300), x, np.ones((3, 1, 1)))
    assert abs(result.step_error.total[:2]).max() < 1e-3 < abs(result.step_error.total[2])


def test_maps_that_are_exact_have_no_step():
    x = np.array([0.1, 0.1])
    assert lyapunov_spectrum(repeat(Linear(np.eye(2)), 20), x, np.eye(2)).step_error is None
    reservoir = Reservoir.gaussian(20, 1)
    driven = reservoir.driven(np.ones((50, 1)))
    assert lyapunov_spectrum(driven, reservoir.rest(), frame(reservoir.rest(), 1)).step_error is None


def test_undamped_oscillations_are_no_chaos_and_no_warning():
    """All exponents are zero: the error is judged beside the rate at which vectors turn."""

    class Oscillator(VectorField):
        def __call__(self, x):
            return np.stack([x[..., 1], -x[..., 0]], axis=-1)

        def tangent(self, x, q):
            return self(x), np.stack([q[..., 1, :], -q[..., 0, :]], axis=-2)

    x = np.array([1.0, 0.0])
    result = lyapunov_spectrum(repeat(Flow(Oscillator(), 0.1), 5000), x, frame(x, 2))
    assert not result.step_error.coarse
    with pytest.warns(UserWarning, match="too coarse"):
        lyapunov_spectrum(repeat(Flow(Oscillator(), 1.0), 500), x, frame(x, 2))


def test_what_is_made_of_flows_is_looked_at_too():
    flow, x = Flow(Lorenz63(), 0.12), on_attractor(Lorenz63())
    network = Reservoir.gaussian(10, 1, weight_std=0.5, input_std=0.01, rng=1)
    both = np.concatenate([x, np.zeros(10)])
    for f, start in ((Composed((flow, Linear(np.eye(3), dt=0.0))), x), (Coupled(flow, network, Select((0,))), both)):
        with pytest.warns(UserWarning, match="too coarse"):
            lyapunov_spectrum(repeat(f, 1000), start, frame(start, 3))


@pytest.mark.parametrize("system", [MackeyGlass(), KuramotoSivashinsky()])
def test_delay_equations_and_fields_know_their_step(system):
    """The refined map goes the same way in two steps; the error of one falls as dt to the fifth."""
    x = system.start(np.random.default_rng(0))
    for _ in range(1500):
        x = system(x)
    finer = system.refined().maps[0] if isinstance(system, KuramotoSivashinsky) else system.refined()
    errors = [np.abs(f(x) - f.refined()(x)).max() for f in (system, finer)]
    assert errors[1] < errors[0] / 8
    result = lyapunov_spectrum(repeat(system, 300), x, frame(x, 3))
    assert not result.step_error.coarse
    assert system.refined().dt == pytest.approx(system.dt)


def test_a_coarse_history_is_reported():
    system = MackeyGlass(points=5, delay=100.0)
    x = system.start(np.random.default_rng(0))
    with pytest.warns(UserWarning, match="too coarse"):
        lyapunov_spectrum(repeat(system, 400), x, frame(x, 2), transient=200)


def test_maps_for_single_states_are_looked_at_one_after_the_other():
    class Lonely(VectorField):
        def __call__(self, x):
            return np.array([10 * (x[1] - x[0]), x[0] * (28 - x[2]) - x[1], x[0] * x[1] - 8 / 3 * x[2]])

        def tangent(self, x, q):
            a, b, c = x
            return self(x), np.array([[-10, 10, 0], [28 - c, -1, -a], [b, a, -8 / 3]]) @ q

    x = on_attractor(Lorenz63())
    found = [lyapunov_spectrum(repeat(Flow(f, 0.02), 600), x, frame(x, 2)).step_error for f in (Lonely(), Lorenz63())]
    np.testing.assert_allclose(found[0].total, found[1].total, rtol=1e-6)


def test_torch_states_and_single_precision():
    x = torch.tensor(on_attractor(Lorenz63()), dtype=torch.float32)
    result = lyapunov_spectrum(repeat(Flow(Lorenz63(), 0.02), 400), x, frame(x, 3))
    assert not result.step_error.coarse
    with pytest.warns(UserWarning, match="too coarse"):
        lyapunov_spectrum(repeat(Flow(Lorenz63(), 0.1), 400), x, frame(x, 3))


def test_two_runs_as_one_carry_what_was_found():
    x = on_attractor(Lorenz63())
    first = lyapunov_spectrum(repeat(Flow(Lorenz63(), 0.02), 300), x, frame(x, 2))
    whole = first + lyapunov_spectrum(repeat(Flow(Lorenz63(), 0.02), 300), first.x, first.q)
    assert whole.step_error.states == 2 * first.step_error.states
    assert (first + Spectrum(first.growth, first.times, first.x, first.q, 300)).step_error is not None


def test_a_series_of_another_system_warns():
    with pytest.warns(UserWarning, match=r"the step dt=0.12 is too coarse: .* the series is that of another system"):
        Lorenz63().series(2000, dt=0.12)
    with pytest.warns(UserWarning, match="or substeps=2, should do"):
        Lorenz63().series(25_000, dt=0.1)
    Lorenz63().series(2000, dt=0.12, substeps=6)


def test_two_fine_runs_of_different_steps_are_fine_together():
    x = on_attractor(Lorenz63())
    runs = [lyapunov_spectrum(repeat(Flow(Lorenz63(), dt), 300), x, frame(x, 2)) for dt in (0.01, 0.005)]
    assert not (runs[0] + runs[1]).step_error.coarse


def test_composed_maps_that_are_exact_have_an_order_all_the_same():
    assert Composed((Linear(np.eye(2)), Linear(np.eye(2)))).order == 1


@pytest.mark.parametrize("rate", [0.0, -1.0])
def test_a_system_at_rest_is_not_coarse(rate):
    class Decay(VectorField):
        def __call__(self, x):
            return rate * x

        def tangent(self, x, q):
            return self(x), rate * q

    for x in (np.zeros(2), np.full((3, 2), 1e-3)):
        assert not lyapunov_spectrum(repeat(Flow(Decay(), 0.1), 300), x, frame(x, 2)).step_error.coarse


def test_an_exponent_that_the_step_makes_another_is_told_beside_a_strong_contraction():
    """A spiral that grows slowly: at dt 0.1 the scheme makes it shrink, by a small part of the third exponent."""

    class Spiral(VectorField):
        matrix = np.array([[5e-4, 5.0, 0.0], [-5.0, 5e-4, 0.0], [0.0, 0.0, -5.0]])

        def __call__(self, x):
            return x @ self.matrix.T

        def tangent(self, x, q):
            return self(x), self.matrix @ q

    x = np.array([1.0, 0.0, 1.0])
    with pytest.warns(UserWarning, match="too coarse"):
        lyapunov_spectrum(repeat(Flow(Spiral(), 0.1), 2000), x, frame(x, 3), transient=400)
    assert not lyapunov_spectrum(repeat(Flow(Spiral(), 0.02), 2000), x, frame(x, 3), transient=400).step_error.coarse


def henon_heiles(u):
    x, y, p, q = u
    return p, q, -x - 2 * x * y, -y - x * x + y * y


def test_a_step_that_loses_energy_over_the_run_warns():
    """Hénon-Heiles conserves volume; what a step loses adds up: at T = 400 it is small, at T = 40,000 not."""
    x, flow = np.array([0.1, -0.1, 0.3, 0.3]), Flow(henon_heiles, 0.2)
    short = lyapunov_spectrum(repeat(flow, 2000), x, frame(x, 4), every="auto")
    assert abs(short.step_error.drift) < 0.05
    with pytest.warns(UserWarning, match=r"too coarse.*volumes, which the equation conserves, by a factor of 0\.4"):
        long = lyapunov_spectrum(repeat(flow, 200_000), x, frame(x, 4), every="auto")
    assert long.step_error.drift == pytest.approx(long.step_error.total * 40_000)
    fine = lyapunov_spectrum(repeat(Flow(henon_heiles, 0.05), 200_000), x, frame(x, 4), every="auto")
    assert abs(fine.step_error.drift) < 1e-3


def test_volume_that_is_not_conserved_has_no_drift():
    x = Lorenz63().series(1, dt=0.01)[0]
    assert lyapunov_spectrum(repeat(Flow(Lorenz63(), 0.01), 300), x, frame(x, 3)).step_error.drift == 0.0
