"""Covectors pulled back are the transpose of vectors pushed forward, and see the same exponents."""

from itertools import pairwise, repeat

import numpy as np
import pytest

from cases import CASES
from cocycle import (
    Composed,
    Layer,
    Linear,
    Reservoir,
    adjoint,
    finite_time_exponents,
    frame,
    lyapunov_spectrum,
    orbit,
    qr_steps,
)
from cocycle.adjoint_maps import Transposed
from cocycle.maps import cotangent
from cocycle.systems import Henon
from cocycle.testing import check_map


@pytest.mark.parametrize("name", CASES)
def test_cotangent_is_the_transpose_of_tangent(name, rng):
    f, x = CASES[name]
    q = frame(x, 2) if x.shape[-1] > 1 else frame(x, 1)
    y, pushed = f.tangent(x, q)
    p = rng.normal(size=(*y.shape, 3))
    np.testing.assert_allclose(
        cotangent(f, x, p).swapaxes(-1, -2) @ q,
        p.swapaxes(-1, -2) @ pushed,
        rtol=0,
        atol=1e-12 * (1 + abs(pushed).max()),
    )


def test_the_transposed_map_keeps_the_contract_of_a_map(rng):
    f, x = CASES["composed"]
    p = rng.normal(size=f(x).shape)
    check_map(Transposed(f, x[0]), p[0], frame(p[0], 2))


def layers(rng, *widths):
    return [Layer(1.3 * rng.normal(size=(p, n)) / n**0.5, 0.1) for n, p in pairwise(widths)]


def test_many_inputs_and_few_outputs_have_the_same_factors_from_both_sides(rng):
    network, x = layers(rng, 40, 30, 20, 3), rng.normal(size=(5, 40))
    *_, y = orbit(network, x)
    forward = finite_time_exponents(network, x, frame(x, 40)).log_factors
    backward = finite_time_exponents(adjoint(network, x), 0 * y, frame(y, 3)).log_factors
    assert forward.shape == backward.shape == (5, 3)
    np.testing.assert_allclose(forward, backward, rtol=0, atol=1e-12)


def test_exponents_from_the_output_side(rng):
    """λ of Mᵀ in reverse order are those of M; over T steps the QR averages differ by (ln of angles)/T."""
    x, steps = np.zeros(2), list(repeat(Henon(), 20_000))
    forward = lyapunov_spectrum(steps, x, frame(x, 2), transient=1000)
    backward = lyapunov_spectrum(adjoint(steps, x), x, frame(x, 2), transient=1000)
    np.testing.assert_allclose(backward.exponents, forward.exponents, rtol=0, atol=20 / 19_000 * 2)
    np.testing.assert_allclose(backward.exponents.sum(), np.log(0.3), atol=1e-12)


def test_the_transposes_in_forward_order_have_other_exponents():
    """The classic mistake: for non-normal matrices the order of the product matters."""
    a, b, c = np.array([[1.0, 5.0], [0.0, 0.5]]), np.array([[0.3, 0.0], [4.0, 1.0]]), np.diag([3.0, 0.1])
    steps, x = [Linear(a), Linear(b), Linear(c)], np.zeros(2)
    forward = finite_time_exponents(steps, x, np.eye(2)).log_factors
    np.testing.assert_allclose(finite_time_exponents(adjoint(steps, x), x, np.eye(2)).log_factors, forward, atol=1e-13)
    wrong = finite_time_exponents([Linear(m.T) for m in (a, b, c)], x, np.eye(2)).log_factors
    assert abs(wrong - forward).max() > 1


def test_driven_reservoir_from_the_output_side(rng):
    reservoir = Reservoir.gaussian(50, 1, rng=3)
    steps = list(reservoir.driven(rng.normal(size=(400, 1))))
    x = reservoir.rest()
    forward = lyapunov_spectrum(steps, x, frame(x, 5), transient=100)
    backward = lyapunov_spectrum(adjoint(steps, x), x, frame(x, 5), transient=100)
    # the first 100 maps of each are not the same, so the two averages are over different, overlapping spans
    error = np.hypot(forward.standard_error, backward.standard_error)
    assert (abs(forward.exponents - backward.exponents) < 4 * error + 5 / 300).all()


def test_the_pulled_frame_spans_the_directions_that_the_product_sees(rng):
    network, x = layers(rng, 4, 6, 2), rng.normal(size=4)
    *_, last = qr_steps(adjoint(network, x), np.zeros(2), np.eye(2))
    product = Composed(network).tangent(x, np.eye(4))[1]
    np.testing.assert_allclose(product @ last.q @ last.q.T, product, atol=1e-13)
