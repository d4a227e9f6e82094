"""Products of random matrices have the exponents that are known exactly for them."""

import numpy as np
import pytest
from scipy.special import digamma
from scipy.stats import binom

from cocycle import RELU, Layer, Linear, adjoint, finite_time_exponents, frame, lyapunov_spectrum


def newman(n):
    """½ [ln(2/n) + ψ((n - i + 1)/2)], i = 1..n: infinitely many n x n Gaussian matrices of variance 1/n.

    Newman, Commun. Math. Phys. 103, 121 (1986).
    """
    return (np.log(2 / n) + digamma((n - np.arange(n)) / 2)) / 2


def test_deep_linear_network(rng):
    n, replicas = 5, 40
    layers = (Linear(rng.normal(size=(replicas, n, n)) / n**0.5) for _ in range(1500))
    x = np.zeros((replicas, n))
    result = lyapunov_spectrum(layers, x, frame(x, n), transient=50)
    error = result.scatter / replicas**0.5
    np.testing.assert_allclose(newman(5)[[0, 1, 4]], [-0.106567, -0.246753, -1.439900], atol=1e-6)
    assert (abs(result.exponents.mean(0) - newman(n)) < 4 * error).all()


@pytest.mark.parametrize("n", [10, 50])
def test_deep_relu_network_of_finite_width(n, rng):
    """He's variance 2/n: a layer keeps K ~ Binomial(n, ½) rows, and a K x n Gaussian matrix acts on the vector:
    λ_1 = E[½ (ln(4/n) + ψ(K/2))], over K >= 1, in a network that has not died."""
    kept = np.arange(1, n + 1)
    exact = binom.pmf(kept, n, 0.5) / (1 - 0.5**n) @ (np.log(4 / n) + digamma(kept / 2)) / 2
    replicas, depth = 400 if n == 10 else 100, 120
    layers = (Layer(rng.normal(size=(replicas, n, n)) * (2 / n) ** 0.5, 0.0, RELU) for _ in range(depth))
    x = rng.normal(size=(replicas, n))
    result = lyapunov_spectrum(layers, x, frame(x, 1), transient=20)
    alive = np.isfinite(result.exponents[:, 0])  # one whose units are all off has exponent -inf
    survive = (1 - 0.5**n) ** depth
    assert alive.mean() == pytest.approx(survive, abs=4 * (survive * (1 - survive) / replicas) ** 0.5 + 1e-9)
    exponents = result.exponents[alive, 0]
    assert exponents.mean() == pytest.approx(exact, abs=4 * exponents.std(ddof=1) / len(exponents) ** 0.5)


def test_wide_linear_network(rng):
    """n → ∞ at depth L: Λ_1² = (L + 1)^(L + 1) / L^L, up to the fluctuation n^(-2/3) of the edge."""
    n = 300
    for depth in (1, 2, 4):
        layers = [Linear(rng.normal(size=(n, n)) / n**0.5) for _ in range(depth)]
        x = np.zeros(n)
        forward = finite_time_exponents(layers, x, frame(x, n)).log_factors
        assert np.exp(2 * forward[0]) == pytest.approx((depth + 1) ** (depth + 1) / depth**depth, rel=3 * n ** (-2 / 3))
        np.testing.assert_allclose(
            finite_time_exponents(adjoint(layers, x), x, frame(x, n)).log_factors, forward, rtol=0, atol=1e-9
        )
