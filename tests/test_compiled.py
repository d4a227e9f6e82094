"""A traced formula stands for its map as long as that is pure: noise, clocks and parameters are never frozen."""

import itertools
import pickle
import random
import time
from dataclasses import dataclass
from itertools import repeat

import numpy as np
import pytest

from cocycle import Compiled, Flow, Map, VectorField, frame, lyapunov_spectrum, orbit
from cocycle.formulas import NotTraceable
from cocycle.formulas.libraries import FLOATS
from cocycle.formulas.program import program
from cocycle.purity import CHECKED
from cocycle.systems import Henon, Lorenz63
from cocycle.systems.series import ContinuousSystem, DiscreteSystem


class Logistic(Map):
    def __init__(self, r):
        self.r = r

    def __call__(self, x):
        return self.r * x * (1 - x)

    def tangent(self, x, q):
        return self(x), (self.r * (1 - 2 * x))[..., None] * q


def test_a_changed_attribute_counts_at_once():
    system, x = Logistic(3.2), np.array([0.3])
    compiled = Compiled(system)
    for r in (3.2, 4.0, 3.5):
        system.r = r
        np.testing.assert_array_equal(compiled(x), system(x))
        mine, theirs = (f.tangent(x, np.ones((1, 1)))[1] for f in (compiled, system))
        np.testing.assert_allclose(mine, theirs, rtol=1e-15)


class Parts(VectorField):
    """Parameters in an object, a dictionary, a list and an array."""

    def __init__(self):
        self.inner, self.table, self.numbers, self.matrix = Logistic(2.0), {"a": 1.0}, [3.0], np.array([0.5])

    def __call__(self, x):
        return self.inner(x) + self.table["a"] * x + self.numbers[0] - self.matrix[0]

    def tangent(self, x, q):
        slope = self.inner.r * (1 - 2 * x) + self.table["a"]
        return self(x), slope[..., None] * q


@pytest.mark.parametrize(
    "change",
    [
        lambda f: setattr(f.inner, "r", 1.0),
        lambda f: setattr(f, "inner", Logistic(1.0)),
        lambda f: f.table.update(a=7.0),
        lambda f: f.numbers.__setitem__(0, 4.0),
        lambda f: f.matrix.__setitem__(0, 2.0),
        lambda f: setattr(f, "matrix", np.array([2.0])),
        lambda f: setattr(f, "matrix", np.array([2.0, 3.0])),
    ],
)
def test_wherever_the_attribute_is(change):
    field, x = Parts(), np.array([0.3])
    flow = Flow(field, 0.1)
    compiled = Compiled(flow)
    before = compiled(x)
    change(field)
    np.testing.assert_array_equal(compiled(x), flow(x))
    assert (compiled(x) != before).all()


class Noisy(DiscreteSystem):
    """x/2 plus noise from wherever."""

    dimension = 1

    def __init__(self, draw):
        self.draw = draw

    def start(self, rng, batch=()):
        return np.zeros((*batch, 1))

    def __call__(self, x):
        return x / 2 + self.draw()

    def tangent(self, x, q):
        return self(x), q / 2


GENERATOR, STATE, PYTHON, COUNT = (
    np.random.default_rng(3), np.random.RandomState(3), random.Random(3), itertools.count()
)  # fmt: skip
CALLS = [0]


def _counted():
    CALLS[0] += 1
    return CALLS[0]


IMPURE = {
    "generator": GENERATOR.normal,
    "generator in a closure": lambda rng=GENERATOR: rng.normal(),
    "global generator": lambda: GENERATOR.normal(),
    "random state": STATE.normal,
    "numpy's global numbers": lambda: np.random.normal(),  # noqa: NPY002
    "python's global numbers": lambda: random.gauss(0, 1),
    "python generator": PYTHON.gauss,
    "rare": lambda: float(GENERATOR.random() < 0.2),
    "clock": lambda: time.perf_counter() * 1e5 % 1,
    "counter": lambda: float(next(COUNT)),
    "slow counter": lambda: float(next(COUNT) % 60 < 30),
    "global list": lambda: float(_counted() % 60 < 30),
}


@pytest.mark.parametrize("name", IMPURE)
def test_noise_and_clocks_are_not_traced(name):
    system = Noisy(IMPURE[name] if name != "python generator" else lambda: PYTHON.gauss(0, 1))
    with pytest.raises(NotTraceable, match=r"noise is an input|what changes is an input|these are inputs"):
        program(system, (1,))
    compiled = Compiled(system)
    values = np.array([x[0] for x in orbit(repeat(compiled, 200), np.zeros(1))])
    series = system.series(200, transient=0, rng=1)[:, 0]
    for moved in (values[1:] - values[:-1] / 2, series[1:] - series[:-1] / 2):
        assert moved.std() > 0.01


def test_noise_has_the_size_it_was_given():
    rng = np.random.default_rng(1)
    values = np.array([x[0] for x in orbit(repeat(Compiled(Noisy(rng.normal)), 4000), np.zeros(1))])
    assert (values[1:] - values[:-1] / 2).std() == pytest.approx(1, abs=0.06)  # five standard errors


def test_tracing_leaves_random_numbers_where_they_were():
    a, b = (np.random.default_rng(5) for _ in range(2))
    with pytest.raises(TypeError):
        program(Noisy(a.normal), (1,))
    assert a.normal() == b.normal()
    before = np.random.get_state()[2]  # noqa: NPY002
    program(Henon(), (2,))
    assert np.random.get_state()[2] == before  # noqa: NPY002


class Counting(Map):
    """It remembers how often it was called."""

    def __init__(self):
        self.calls = 0

    def __call__(self, x):
        self.calls += 1
        return x * (1 + 0 * self.calls)

    def tangent(self, x, q):
        return self(x), q


def test_a_map_that_changes_itself_is_not_traced():
    with pytest.raises(TypeError, match="differs from one call to the next"):
        program(Counting(), (1,))


class Caching(Map):
    """A parameter that is computed when it is first needed: no change of what the map is."""

    def __init__(self):
        self.known = None

    def __call__(self, x):
        if self.known is None:
            self.known = 0.7
        return self.known * x

    def tangent(self, x, q):
        return self(x), self.known * q


def test_a_cache_is_no_impurity():
    step = program(Caching(), (1,)).value(FLOATS)
    assert step(2.0) == (1.4,)
    compiled = Compiled(Caching())
    assert compiled(np.array([2.0]))[0] == 1.4


FACTOR = 1.1


class Global(Map):
    def __call__(self, x):
        return FACTOR * x

    def tangent(self, x, q):
        return self(x), FACTOR * q


def test_what_is_no_attribute_is_compared_now_and_then():
    """A global that changes: at the next comparison there is an error, not before, and never a wrong end in silence."""
    global FACTOR
    compiled, x = Compiled(Global()), np.full(1, 1e-300)
    compiled.tangent(x, np.ones((1, 1)))
    FACTOR = 1.2
    try:
        with pytest.raises(RuntimeError, match="the traced formula of Global must give the values of Global itself"):
            lyapunov_spectrum(repeat(compiled, CHECKED), x, np.ones((1, 1)))
    finally:
        FACTOR = 1.1


def test_a_formula_that_only_looks_like_another_on_symbols_is_caught_at_once():
    class Typed(Map):
        def __call__(self, x):
            return 2 * x if type(x) is np.ndarray else 3 * x

        def tangent(self, x, q):
            return self(x), 2 * q

    with pytest.raises(RuntimeError, match="must give the values of"):
        Compiled(Typed())(np.array([1.0]))

    class TypedSystem(ContinuousSystem):
        dimension = 1

        def start(self, rng, batch=()):
            return np.ones((*batch, 1))

        def __call__(self, x):
            return -x if type(x) is np.ndarray else -2 * x

        def tangent(self, x, q):
            return self(x), -q

    with pytest.raises(RuntimeError, match="must give the values of"):
        TypedSystem().series(10)


@dataclass(frozen=True)
class Frozen(Map):
    weight: np.ndarray

    def __call__(self, x):
        return self.weight[0] * x

    def tangent(self, x, q):
        return self(x), self.weight[0] * q


def test_an_array_that_is_changed_in_place_counts_also_in_a_frozen_map():
    f = Frozen(np.array([2.0]))
    compiled = Compiled(f)
    assert compiled(np.ones(1)) == 2
    f.weight[0] = 5
    assert compiled(np.ones(1)) == 5


def test_systems_of_the_package_keep_their_trace():
    """They cannot change: their formula is traced once for each shape."""
    compiled = Compiled(Flow(Lorenz63(), 0.02))
    x = np.ones(3)
    compiled(x)
    code = compiled._traced["code"]
    for _ in range(10):
        x = compiled(x)
    assert compiled._traced["code"] is code
    assert pickle.loads(pickle.dumps(compiled))(x).shape == (3,)


def test_exponents_are_those_of_the_map_after_a_change():
    system, x = Logistic(3.2), np.array([0.3])
    compiled = Compiled(system)
    lyapunov_spectrum(repeat(compiled, 100), x, frame(x, 1))
    system.r = 4.0
    found, exact = (lyapunov_spectrum(repeat(f, 2000), x, frame(x, 1)).exponents for f in (compiled, system))
    np.testing.assert_array_equal(found, exact)


SCALE = np.array(2.0)


class Scaled(Map):
    """With a global array without axes."""

    def __call__(self, x):
        return SCALE * x

    def tangent(self, x, q):
        return self(x), SCALE * q


def test_a_global_array_counts_at_once_when_it_is_changed():
    compiled, x = Compiled(Scaled()), np.ones(1)
    assert compiled(x) == 2
    SCALE[...] = 3.0
    try:
        assert compiled(x) == 3
    finally:
        SCALE[...] = 2.0
