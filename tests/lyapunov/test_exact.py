"""Exponents that are known exactly come out to rounding, at every length."""

import dataclasses
from itertools import repeat

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cocycle import (
    LINEAR,
    Compiled,
    Coupled,
    Flow,
    Linear,
    Reservoir,
    Select,
    VectorField,
    frame,
    lyapunov_spectrum,
    orthonormalise,
    qr_steps,
    trajectory,
)
from cocycle.systems import (
    Bernoulli,
    CoupledMapLattice,
    Halvorsen,
    Henon,
    Ikeda,
    Logistic,
    Lorenz63,
    Lorenz96,
    Lozi,
    Sprott,
    Standard,
    Tent,
    Thomas,
    ToralAutomorphism,
)
from cocycle.systems.references import exponent_sum


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 6), st.integers(1, 40), st.integers(1, 7), st.integers(0, 2**32))
def test_triangular_map_has_the_logarithms_of_its_diagonal(n, steps, every, seed):
    rng = np.random.default_rng(seed)
    a = np.triu(rng.uniform(-1, 1, size=(n, n)), 1) + np.diag(rng.uniform(0.5, 2, size=n) * rng.choice([-1, 1], n))
    result = lyapunov_spectrum(repeat(Linear(a), steps), np.zeros(n), np.eye(n), every=every)
    # each QR rounds ln r by a few eps; between QRs the off-diagonal grows by at most (2 n)^every
    np.testing.assert_allclose(result.exponents, np.log(abs(np.diag(a))), rtol=0, atol=1e-14 * max(1, every - 1) * n)


@pytest.mark.parametrize("steps", [1, 10, 1000])
def test_triangular_map_to_fourteen_digits(steps):
    a = np.array([[2.0, 1.0, -3.0], [0.0, 1.0, 5.0], [0.0, 0.0, 0.25]])
    result = lyapunov_spectrum(repeat(Linear(a), steps), np.zeros(3), np.eye(3))
    np.testing.assert_allclose(result.exponents, np.log([2.0, 1.0, 0.25]), rtol=0, atol=1e-14)


def test_orthogonal_map_has_exponent_zero(rng):
    a, _ = orthonormalise(rng.normal(size=(6, 6)))
    x = np.zeros(6)
    result = lyapunov_spectrum(repeat(Linear(a), 500), x, frame(x, 6))
    np.testing.assert_allclose(result.exponents, 0, atol=1e-15 * 6)


def test_cat_map():
    cat = ToralAutomorphism()
    x = cat.start(np.random.default_rng(1))
    result = lyapunov_spectrum(repeat(cat, 2000), x, frame(x, 2), transient=50)  # the frame aligns like exp(-1.92 t)
    exact = np.log((3 + 5**0.5) / 2)
    np.testing.assert_allclose(result.exponents, [exact, -exact], rtol=0, atol=1e-14)


@pytest.mark.parametrize("steps", [1, 7, 1000])
@pytest.mark.parametrize("system", [Henon(), Henon(b=0.1), Ikeda(), Lozi(), Standard()])
def test_sum_is_the_log_determinant_where_it_is_constant(rng, system, steps):
    x = system.start(rng, (5,))
    result = lyapunov_spectrum(repeat(system, steps), x, frame(x, 2))
    np.testing.assert_allclose(result.exponents.sum(axis=-1), exponent_sum(system), rtol=0, atol=1e-13)


@pytest.mark.parametrize(
    ("system", "coarse"),
    [(Lorenz63(), 0.01), (Lorenz96(6), 0.025), (Halvorsen(), 0.01), (Thomas(), 0.4), (Sprott(), 0.2)],
)
@pytest.mark.filterwarnings("ignore:the step dt")  # Sprott at 0.2 is too coarse, which is what is measured here
def test_sum_of_a_flow_is_its_divergence_with_an_error_of_fourth_order(system, coarse):
    x = system.series(2000, dt=0.01)[::100]  # the error at one state may change its sign with dt
    errors = []
    for dt in (coarse, coarse / 2, coarse / 4):
        steps = repeat(Flow(system, dt), round(1.0 / dt))
        total = lyapunov_spectrum(steps, x, frame(x, system.dimension)).exponents.sum(axis=-1)
        errors.append(np.sqrt(np.mean((total - exponent_sum(system)) ** 2)))
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    assert errors[0] < 1e-2
    assert (abs(orders - 4) < 0.5).all(), orders


@pytest.mark.parametrize(
    ("system", "slope"), [(Tent(), 1.99), (Tent(1.3), 1.3), (Bernoulli(), 3.0), (Bernoulli(5.5), 5.5)]
)
def test_constant_slope(system, slope):
    x = system.start(np.random.default_rng(2), (3,))
    result = lyapunov_spectrum(repeat(system, 1000), x, frame(x, 1))
    np.testing.assert_allclose(result.exponents, np.log(slope), rtol=0, atol=1e-13)
    assert abs(result.x).min() > 0  # it has not fallen on 0, as with a slope of two


def test_lattice_of_bernoulli_maps():
    """ln s + ln|1 - ε (1 - cos(2πk/n))|: the coupling is diagonal in waves, the slope the same everywhere."""
    n, coupling = 9, 0.3
    lattice = CoupledMapLattice(Bernoulli(3.0), n, coupling)
    x = lattice.start(np.random.default_rng(2))
    exact = np.sort(np.log(3) + np.log(abs(1 - coupling * (1 - np.cos(2 * np.pi * np.arange(n) / n)))))[::-1]
    result = lyapunov_spectrum(repeat(lattice, 4000), x, frame(x, n), transient=2000)
    np.testing.assert_allclose(result.exponents, exact, rtol=0, atol=1e-3)
    np.testing.assert_allclose(np.sum(result.exponents), np.sum(exact), rtol=1e-12)


def test_logistic_map_at_its_end():
    x = Logistic().start(np.random.default_rng(3))
    result = lyapunov_spectrum(repeat(Compiled(Logistic()), 50_000), x, np.ones((1, 1)))
    # the error of a conjugacy to the tent map falls as 1/T: ln of one end's density over T
    np.testing.assert_allclose(result.exponents, np.log(2), rtol=0, atol=20 / 50_000)


def test_drive_and_response_have_the_exponents_of_both():
    """A linear response of known exponents under a linear drive: the union, whatever couples them."""
    drive = Linear(np.diag([1.5, 0.9]))
    response = Reservoir(np.diag([0.5, 0.2, 0.05]), np.ones((3, 1)), activation=LINEAR)
    x = np.zeros(5)
    result = lyapunov_spectrum(repeat(Coupled(drive, response, Select((0,))), 400), x, frame(x, 5), transient=200)
    np.testing.assert_allclose(result.exponents, np.log([1.5, 0.9, 0.5, 0.2, 0.05]), rtol=0, atol=1e-12)


class LorenzAndCopy(VectorField):
    """Lorenz, and a copy of two of its components that is driven by the third: Pecora and Carroll's experiment."""

    def __init__(self, drive):
        self.drive = drive  # 1: y drives a copy of (x, z); 2: z drives a copy of (x, y)

    def __call__(self, x):
        return np.concatenate([Lorenz63()(x[..., :3]), self._copy(Lorenz63(), x)], axis=-1)

    def _copy(self, lorenz, x):
        whole = lorenz(self._whole(x))
        return whole[..., [0, 3 - self.drive]]

    def _whole(self, x):
        """The state in which the copy lives: its own components and the drive's."""
        order = [3, 1, 4] if self.drive == 1 else [3, 4, 2]
        return x[..., order]

    def tangent(self, x, q):
        order = [3, 1, 4] if self.drive == 1 else [3, 4, 2]
        rate, own = Lorenz63().tangent(x[..., :3], q[..., :3, :])
        copied, moved = Lorenz63().tangent(self._whole(x), q[..., order, :])
        keep = [0, 3 - self.drive]
        return np.concatenate([rate, copied[..., keep]], axis=-1), np.concatenate([own, moved[..., keep, :]], axis=-2)


@pytest.mark.parametrize(("drive", "conditional"), [(1, (-8 / 3, -10)), (2, (0.0, -11.0))])
def test_lorenz_driven_by_one_of_its_components(drive, conditional, rng):
    """Conditional on y exactly -8/3 and -10; on z exactly 0 and -11: in the union with Lorenz' own three."""
    x = Lorenz63().series(1, dt=0.01)[0]
    x = np.concatenate([x, x[[0, 3 - drive]] + (0.1 if drive == 1 else 0.0)])
    result = lyapunov_spectrum(repeat(Flow(LorenzAndCopy(drive), 0.01), 6000), x, frame(x, 5), every=5, transient=2000)
    union = np.sort([0.9056, 0.0, -14.5723, *conditional])[::-1]
    # Lorenz' own have their error bars; zeros approach like 1/T
    tolerance = 4 * result.standard_error + 4 / (4000 * 0.01)
    assert (abs(np.sort(result.exponents)[::-1] - union) < tolerance).all(), result
    assert abs(result.exponents.sum() - (-41 / 3 + sum(conditional))) < 1e-3


def test_drive_and_reservoir_have_the_exponents_of_lorenz_and_the_conditional_ones():
    flow = Flow(Lorenz63(), 0.02)
    reservoir = dataclasses.replace(Reservoir.gaussian(20, 1, weight_std=0.9, input_std=0.1, rng=5), dt=0.02)
    joint, steps = Coupled(flow, reservoir, Select((1,))), 6000
    x = np.concatenate([Lorenz63().series(1)[0], reservoir.rest()])
    whole = lyapunov_spectrum(repeat(joint, steps), x, frame(x, 23), transient=1000)
    drive = trajectory(repeat(flow, steps), x[:3])
    conditional = lyapunov_spectrum(
        reservoir.driven(np.concatenate([x[None, 1:2], drive[:-1, 1:2]])), x[3:], frame(x[3:], 20), transient=1000
    )
    own = lyapunov_spectrum(repeat(flow, steps), x[:3], frame(x[:3], 3), transient=1000)
    union = np.sort(np.concatenate([own.exponents, conditional.exponents]))[::-1]
    # the same orbit in all three: what differs is the end terms, ln of angles between the subspaces over the time
    np.testing.assert_allclose(np.sort(whole.exponents)[::-1], union, rtol=0, atol=5 / (5000 * 0.02))
    np.testing.assert_allclose(whole.exponents.sum(), union.sum(), atol=1e-9)


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 5), st.integers(1, 5), st.integers(0, 2**32))
def test_qr_factors(n, k, seed):
    q = np.random.default_rng(seed).normal(size=(2, max(n, k), min(n, k)))
    basis, r = orthonormalise(q)
    np.testing.assert_allclose(basis @ r, q, atol=1e-14)
    np.testing.assert_allclose(basis.swapaxes(-1, -2) @ basis, np.eye(min(n, k)) + np.zeros((2, 1, 1)), atol=1e-14)
    assert (np.diagonal(r, axis1=-2, axis2=-1) >= 0).all()
    assert (np.tril(r, -1) == 0).all()


@pytest.mark.parametrize("k", [1, 2, 3, 4])
@pytest.mark.parametrize("condition", [1.0, 1e6, 1e11])
def test_qr_of_a_batch_of_small_frames_is_that_of_lapack(k, condition, rng):
    """Gram and Schmidt for many members at once, as good as Householder up to nearly dependent vectors."""
    q = rng.normal(size=(20, 6, 1)) + rng.normal(size=(20, 6, k)) / condition
    basis, r = orthonormalise(q)
    one_by_one = [orthonormalise(member) for member in q]
    np.testing.assert_allclose(basis.swapaxes(-1, -2) @ basis, np.eye(k) + np.zeros((20, 1, 1)), atol=1e-14)
    np.testing.assert_allclose(basis @ r, q, atol=1e-14 * abs(q).max() * 10)
    np.testing.assert_allclose(r, [b for _, b in one_by_one], rtol=0, atol=1e-14 * abs(q).max() * 10)
    assert (np.diagonal(r, axis1=-2, axis2=-1) >= 0).all()


def test_qr_of_a_batch_can_be_differentiated(rng):
    q = torch.tensor(rng.normal(size=(8, 4, 3)), requires_grad=True)
    torch.autograd.gradcheck(lambda a: orthonormalise(a), q)


@pytest.mark.parametrize("scale", [1e-300, 1e-160, 1.0, 1e160, 1e300])
def test_one_vector_of_any_length(scale):
    q, r = orthonormalise(scale * np.array([[3.0], [-4.0]]))
    np.testing.assert_allclose(q, [[0.6], [-0.8]], rtol=1e-14)
    np.testing.assert_allclose(r, [[5.0 * scale]], rtol=1e-14)


def test_chain_rule(rng):
    """The factors of the loop multiply to the tangent of the composition, however they are grouped."""
    x = Henon().start(rng)
    q = frame(x, 2)
    pushed = q
    y = x
    for _ in range(12):
        y, pushed = Henon().tangent(y, pushed)
    for every in (1, 5, 12):
        product = np.eye(2)
        for step in qr_steps(repeat(Henon(), 12), x, q, every=every):
            product = step.r @ product
        np.testing.assert_allclose(step.q @ product, pushed, rtol=1e-11)
        np.testing.assert_allclose(step.x, y, rtol=1e-14)
        assert step.time == (12 % every or every)
