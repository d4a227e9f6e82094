"""Every map of the package keeps the contract of a map, on numpy and on torch, and agrees with autodiff."""

import numpy as np
import pytest
import torch

from cases import CASES, ONE_FOR_EACH, as_single, as_torch
from cocycle import ERF, LINEAR, RELU, TANH, Autodiff, Compiled, Flow, Map, Select, frame, orthonormalise
from cocycle.systems import Henon, Lorenz63, ToralAutomorphism
from cocycle.testing import check_map

SHARED = [name for name in CASES if name not in ONE_FOR_EACH]


def frames(x, k=2):
    return frame(x, min(k, x.shape[-1]), rng=3)


@pytest.mark.parametrize("name", SHARED)
def test_contract(name):
    f, x = CASES[name]
    check_map(f, x, frames(x))


@pytest.mark.parametrize("name", SHARED)
def test_contract_in_single_precision(name):
    f, x = CASES[name]
    x = x.astype(np.float32)
    check_map(as_single(f), x, frames(x))


@pytest.mark.parametrize("name", CASES)
def test_single_precision_agrees_with_double(name):
    """To the rounding of one step: of arguments, parameters and sums, a few hundred last digits beside the largest."""
    f, x = CASES[name]
    x = x.astype(np.float32)
    q = frames(x)
    single = as_single(f).tangent(x, q)
    exact = f.tangent(x.astype(float), q.astype(float))
    for mine, theirs in zip(single, exact, strict=True):
        assert mine.dtype == np.float32
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=3000 * np.finfo(np.float32).eps * abs(theirs).max())


@pytest.mark.parametrize("name", sorted(ONE_FOR_EACH))
def test_a_batch_of_maps_keeps_it_too(name):
    f, x = CASES[name]  # one map for each member of the batch: as if the batch were the state
    y, s = f.tangent(x, frames(x))
    step = 1e-5
    for j in range(s.shape[-1]):
        v = frames(x)[..., j]
        # error of central differences: step² f'''/6 + eps/step, both below 1e-9 for these maps of order one
        np.testing.assert_allclose(s[..., j], (f(x + step * v) - f(x - step * v)) / (2 * step), rtol=0, atol=1e-8)
    np.testing.assert_allclose(y, f(x), rtol=1e-13)


@pytest.mark.parametrize("name", CASES)
def test_tangent_is_what_autodiff_finds(name):
    f, x = CASES[name]
    q = frames(x)
    twin = as_torch(f)
    y, s = Autodiff(twin.__call__).tangent(torch.as_tensor(x), torch.as_tensor(q))
    mine_y, mine_s = f.tangent(x, q)
    np.testing.assert_allclose(y.numpy(), mine_y, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(s.numpy(), mine_s, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("name", CASES)
def test_torch_gives_what_numpy_gives(name):
    f, x = CASES[name]
    q = frames(x)
    y, s = as_torch(f).tangent(torch.as_tensor(x), torch.as_tensor(q))
    mine_y, mine_s = f.tangent(x, q)
    np.testing.assert_allclose(y.numpy(), mine_y, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(s.numpy(), mine_s, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("f", [Flow(Lorenz63(), 0.02), Henon()])
def test_compiled_gives_the_same_digits(f, rng):
    x = rng.normal(size=3 if isinstance(f, Flow) else 2)
    q = frames(x)
    value, pushed = Compiled(f).tangent(x, q)
    np.testing.assert_array_equal(value, f(x))
    np.testing.assert_array_equal(Compiled(f)(x), f(x))
    np.testing.assert_allclose(pushed, f.tangent(x, q)[1], rtol=1e-15, atol=1e-15)  # sums in another order


def test_compiled_leaves_what_it_cannot_trace_to_the_map():
    class Branching(Map):
        def __call__(self, x):
            return np.where(x > 0, x, -2 * x)

        def tangent(self, x, q):
            return self(x), np.where(x > 0, 1.0, -2.0)[:, None] * q

    x = np.array([0.3, -0.4])
    np.testing.assert_array_equal(Compiled(Branching())(x), [0.3, 0.8])
    np.testing.assert_array_equal(Compiled(Branching()).tangent(x, np.eye(2))[1], [[1, 0], [0, -2]])


class Cubed(Map):
    def __call__(self, x):
        return x**3

    def tangent(self, x, q):
        return x**3, 3 * x[..., None] ** 2 * q


def test_compiled_overflows_as_the_map_does():
    with np.errstate(over="ignore"):
        np.testing.assert_array_equal(Compiled(Cubed())(np.array([1e200])), [np.inf])


class Root(Map):
    def __call__(self, x):
        return 0.9 * x**1.5 - 0.5

    def tangent(self, x, q):
        return self(x), (1.35 * x**0.5)[..., None] * q


@pytest.mark.filterwarnings("ignore:invalid")
def test_compiled_has_nan_where_the_map_has():
    """Python's own power of a negative number is complex."""
    assert np.isnan(Compiled(Root())(np.array([-0.4]))).all()
    assert np.isnan(Compiled(Root()).tangent(np.array([-0.4]), np.eye(1))[1]).all()
    np.testing.assert_array_equal(Compiled(Root())(np.array([0.4])), Root()(np.array([0.4])))


def test_parameters_that_are_not_finite_numbers_are_not_written_down():
    assert np.isnan(Compiled(Henon(a=np.nan))(np.array([0.1, 0.1]))[0])
    with pytest.raises(TypeError):
        Henon(a="1.4").series(10)
    with pytest.raises(TypeError, match="field must be a vector field or a function of a state"):
        Flow(Henon(), 0.1)


class Comparing(Map):
    def __call__(self, x):
        return np.where(x == 0.5, 7.0, x)

    def tangent(self, x, q):
        return self(x), q


def test_a_formula_that_compares_is_not_traced():
    np.testing.assert_array_equal(Compiled(Comparing())(np.array([0.5])), [7.0])
    np.testing.assert_array_equal(Compiled(Comparing())(np.array([0.25])), [0.25])


def test_compiled_takes_maps_with_lists_in_them(rng):
    np.testing.assert_array_equal(Compiled(Select([1]))(np.array([3.0, 4.0])), [4.0])
    cat = ToralAutomorphism(((2, 1), (1, 1)))
    x = rng.uniform(size=(5, 2))
    np.testing.assert_array_equal(Compiled(cat)(x), cat(x))


@pytest.mark.parametrize("f", [Flow(Lorenz63(), 0.02), Henon()])
def test_a_compiled_batch_gives_the_same_digits(f, rng):
    x = rng.normal(size=(2, 4, 3 if isinstance(f, Flow) else 2))
    value, pushed = Compiled(f).tangent(x, frames(x))
    np.testing.assert_array_equal(value, f(x))
    np.testing.assert_allclose(pushed, f.tangent(x, frames(x))[1], rtol=1e-15, atol=1e-15)


@pytest.mark.parametrize("name", ["henon", "lorenz", "standard", "lozi", "chua"])
def test_single_precision_stays_single(name):
    f, x = CASES[name]
    y, s = f.tangent(x.astype(np.float32), frames(x).astype(np.float32))
    assert y.dtype == s.dtype == np.float32
    np.testing.assert_allclose(s, f.tangent(x, frames(x))[1], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("activation", [TANH, ERF, RELU, LINEAR])
def test_activations_keep_single_precision(activation):
    field = np.linspace(-1, 1, 5, dtype=np.float32)
    assert activation.value(field).dtype == activation.slope(field).dtype == np.float32


def test_short_vectors_in_single_precision_have_their_length():
    q, r = orthonormalise(np.array([[3e-23], [4e-23]], dtype=np.float32))
    np.testing.assert_allclose(r, 5e-23, rtol=1e-6)
    np.testing.assert_allclose(q, [[0.6], [0.8]], rtol=1e-6)


class Wrong(Map):
    """A map with one clause of the contract broken."""

    def __init__(self, value=0.0, slope=1.0, scale=1.0):
        self.value, self.slope, self.scale = value, slope, scale

    def __call__(self, x):
        return self.scale * x**2

    def tangent(self, x, q):
        return self(x) + self.value, self.scale * self.slope * 2 * x[..., None] * q


class Normalising(Map):
    """x -> x, with tangent vectors brought to length one: the classic way to spoil a growth rate."""

    def __call__(self, x):
        return x + 0.0

    def tangent(self, x, q):
        return self(x), q / np.linalg.norm(q, axis=-2, keepdims=True)


class Unbatched(Map):
    """A map that takes the first component of the whole array for that of the state."""

    def __call__(self, x):
        return np.array([2 * x[0], 3 * x[1]])

    def tangent(self, x, q):
        return self(x), np.array([2 * q[0], 3 * q[1]])


class Lonely(Map):
    """A map that cannot take a batch at all."""

    def __call__(self, x):
        return np.array([float(x[0]) * 2])

    def tangent(self, x, q):
        return self(x), 2 * q


@pytest.mark.parametrize(("f", "n"), [(Unbatched(), 2), (Lonely(), 1)])
def test_check_map_makes_a_batch_of_a_single_state(f, n):
    x = 0.3 + np.arange(n) / 10
    with pytest.raises(AssertionError, match="a batch must give what its members give alone"):
        check_map(f, x, frames(x, 1))


def test_check_map_wants_a_map():
    with pytest.raises(TypeError, match=r"f must be a Map; got Lorenz63: of a vector field take its Flow\(field, dt\)"):
        check_map(Lorenz63(), np.ones(3), np.eye(3))
    check_map(Henon(), [0.1, 0.2], np.eye(2))


@pytest.mark.parametrize(
    ("wrong", "clause"),
    [
        (Wrong(value=1e-3), "value"),
        (Wrong(slope=1.001), "central differences"),
        (Wrong(slope=3, scale=1e-9), "central differences"),
        (Normalising(), "linear"),
    ],
)
def test_check_map_finds_a_wrong_one(wrong, clause):
    x = np.array([[1.0, 2.0]])
    with pytest.raises(AssertionError, match=clause):
        check_map(wrong, x, frames(x, 1))
