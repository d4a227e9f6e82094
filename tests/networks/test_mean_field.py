"""Mean-field theory gives its published and computed values, and what simulated wide networks do."""

import numpy as np
import pytest

from cocycle import ERF, LINEAR, RELU, TANH, Layer, Reservoir, frame, lyapunov_spectrum
from cocycle.networks import mean_field
from cocycle.systems import Lorenz63

# from scipy.integrate.quad and brentq, to all digits; a rounded table elsewhere has 2.070 for the last
CRITICAL = [(1e-3, 1.09049970), (0.01, 1.19340072), (0.1, 1.40928090), (0.5, 1.68616946), (2, 2.06552562)]


@pytest.mark.parametrize(("drive", "critical"), CRITICAL)
def test_critical_weight_scale(drive, critical):
    assert mean_field.critical_weight_std(drive) == pytest.approx(critical, abs=1e-8)


@pytest.mark.parametrize(
    ("weight_std", "bias_std", "exponent"),
    [(0.9, 0, -0.105361), (1.2, 0, 0.016476), (1.5, 0.3, 0.029597), (2.5, 0.3, 0.230363)],
)
def test_deep_random_network(weight_std, bias_std, exponent):
    assert mean_field.exponent(weight_std, bias_std) == pytest.approx(exponent, abs=1e-6)


@pytest.mark.parametrize(("squares", "q", "chi"), [((1.3, 0.05), 0.3153, 0.8802), ((2.5, 0.05), 1.0640, 1.1335)])
def test_fixed_point(squares, q, chi):
    found = mean_field.fixed_variance(squares[0] ** 0.5, squares[1])
    assert found == pytest.approx(q, abs=1e-4)
    assert mean_field.gain_factor(found, squares[0] ** 0.5) == pytest.approx(chi, abs=1e-4)


@pytest.mark.parametrize(
    ("weight_std", "drive", "exponent"), [(0.9, 0.1, -0.2637), (1.2, 0.1, -0.0759), (1.5, 0.5, -0.0690)]
)
def test_conditional_exponent_under_constant_variance(weight_std, drive, exponent):
    found = mean_field.conditional_exponent(weight_std, np.full(2000, drive), washout=500)
    assert found == pytest.approx(exponent, abs=2e-4)


def test_conditional_exponent_under_lorenz_in_one_call_for_several_scales():
    """Reference: all three components -1.145, -0.596, -0.224 at input_std = √0.002, over another series."""
    series = Lorenz63().series(6000)
    drive = 0.002 * (series**2).sum(-1)
    found = mean_field.conditional_exponent(np.array([0.5, 0.9, 2**0.5]), drive[:, None])
    np.testing.assert_allclose(found, [-1.145, -0.596, -0.224], atol=0.01)


def test_simulated_reservoir_agrees_with_the_theory(rng):
    reservoir = Reservoir.gaussian(800, 4, weight_std=1.2, input_std=0.1**0.5, rng=3)
    u = rng.normal(size=(600, 4)) / 2  # |u|² close to one: variance of the field close to 0.1
    x = reservoir.rest()
    simulated = lyapunov_spectrum(reservoir.driven(u), x, frame(x, 1), transient=100).exponents[0]
    theory = mean_field.conditional_exponent(1.2, 0.1 * (u**2).sum(-1))
    assert simulated == pytest.approx(theory, abs=0.02)  # finite size: 1/√N of a number of order 0.5


def test_erf_against_its_closed_form():
    """⟨erf²⟩ = (2/π) arcsin(2q/(1+2q)), ⟨erf'²⟩ = (4/π)/√(1+4q): Williams, Neural Comput. 10, 1203 (1998)."""
    for q in (0.1, 1.0, 7.0):
        assert mean_field.next_variance(q, 1.0, 0.0, ERF) == pytest.approx(2 / np.pi * np.arcsin(2 * q / (1 + 2 * q)))
        assert mean_field.gain_factor(q, 1.0, ERF) == pytest.approx(4 / np.pi / np.sqrt(1 + 4 * q))


def test_relu_is_critical_at_he_initialisation():
    assert mean_field.fixed_variance(2**0.5, 0.0, RELU) == 1.0
    assert mean_field.exponent(2**0.5, 0.0, RELU) == pytest.approx(0, abs=1e-12)
    assert mean_field.critical_weight_std(0.0, TANH) == pytest.approx(1, abs=1e-5)
    with pytest.raises(ValueError, match="grows without bound"):
        mean_field.fixed_variance(1.5, 0.1, RELU)


@pytest.mark.parametrize("weight_std", [1.1, 1.9])
def test_depth_scale_is_how_fast_two_inputs_correlate(weight_std, rng):
    """Two inputs through 12 wide layers: c* - c shrinks as exp(-depth/ξ), below and above the critical point."""
    n, bias_std = 3000, 0.3
    q = mean_field.fixed_variance(weight_std, bias_std**2)
    a, b = rng.normal(size=(2, n))
    start = 0.9 if weight_std < 1.3 else 0.6
    x = np.tanh(np.sqrt(q) * np.stack([a, start * a + np.sqrt(1 - start**2) * b]))
    gaps = []
    for _ in range(12):
        field = x @ (weight_std * rng.normal(size=(n, n)).T / n**0.5) + bias_std * rng.normal(size=n)
        x = np.tanh(field)
        gaps.append(np.corrcoef(field)[0, 1])
    gaps = np.array(gaps)
    if weight_std < 1.3:
        rate = np.polyfit(np.arange(8), np.log(1 - gaps[:8]), 1)[0]
        assert -1 / rate == pytest.approx(mean_field.depth_scale(weight_std, bias_std), rel=0.1)
    else:
        later = gaps[-3:].mean()
        rate = np.polyfit(np.arange(4), np.log(abs(gaps[:4] - later)), 1)[0]
        assert -1 / rate == pytest.approx(mean_field.depth_scale(weight_std, bias_std), rel=0.35)


def test_bad_input():
    with pytest.raises(ValueError, match="more than washout=100 steps"):
        mean_field.conditional_exponent(1.0, np.ones(50))
    with pytest.raises(ValueError, match="not negative"):
        mean_field.conditional_exponent(1.0, -np.ones(500))
    with pytest.raises(ValueError, match="must not be negative"):
        mean_field.fixed_variance(-1.0, 0.0)


def test_wide_layers_reach_the_exponent_of_the_theory(rng):
    """Reference, (σ_w², σ_b²) = (2.5, 0.05), 400 layers of 100: 0.057 against ½ ln χ = 0.0627 at infinite width."""
    layers = [Layer(2.5**0.5 * rng.normal(size=(100, 100)) / 10, 0.05**0.5 * rng.normal(size=100)) for _ in range(400)]
    x = rng.normal(size=100)
    found = lyapunov_spectrum(layers, x, frame(x, 1), transient=20)
    assert found.exponents[0] == pytest.approx(0.057, abs=3 * found.standard_error[0] + 0.004)


@pytest.mark.parametrize(
    ("activation", "critical"), [(TANH, 1.0), (ERF, np.pi**0.5 / 2), (LINEAR, 1.0), (RELU, 2**0.5)]
)
def test_critical_weight_scale_without_drive(activation, critical):
    """1 / g'(0) where that exists: χ = weight_std² g'(0)².  Of a relu half the units pass: χ = weight_std² / 2."""
    assert mean_field.critical_weight_std(0, activation) == pytest.approx(critical, rel=1e-10)


@pytest.mark.parametrize(("activation", "critical"), [(LINEAR, 1.0), (RELU, 2**0.5)])
@pytest.mark.parametrize("drive", [1e-6, 0.1, 10.0])
def test_the_critical_scale_of_a_homogeneous_activation_ignores_the_drive(activation, critical, drive):
    """Its slopes do not depend on the variance, which grows without bound from the critical scale on."""
    assert mean_field.critical_weight_std(drive, activation) == pytest.approx(critical, rel=1e-10)


@pytest.mark.parametrize("weight_std", [0.3, 0.9, 1.4])
def test_the_exponent_of_a_relu_network_without_drive(weight_std):
    assert mean_field.exponent(weight_std, 0.0, RELU) == pytest.approx(np.log(weight_std**2 / 2) / 2, rel=1e-10)


def test_a_negative_drive_is_refused():
    with pytest.raises(ValueError, match="drive must be a variance, not negative nor NaN; got -1"):
        mean_field.critical_weight_std(-1.0)
