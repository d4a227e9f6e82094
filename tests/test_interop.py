"""Reservoirs of other packages, taken over, give the same outputs and closed loops, or are refused with the difference.

The other packages' recursion is written out here in numpy, in their layouts; reservoirpy itself is compared where it is
installed.  Exponents of what was taken over are those of the maps written out, by finite differences and by products of
Jacobians.
"""

import importlib
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.sparse import csr_array

from cocycle import TANH, Activation, forecast
from cocycle.interop import Arrays, from_arrays, from_estimator, from_reservoirpy
from cocycle.reservoir import closed_loop_exponents, conditional_exponents, load, save
from cocycle.systems import Lorenz63

SIZE, LEAK = 40, 0.6


def driven(u, w, w_in, bias, leak, g=np.tanh):
    """States (time, n) after each input, from r = 0."""
    r, rows = np.zeros(len(w)), []
    for now in u:
        r = (1 - leak) * r + leak * g(w @ r + w_in @ now + bias)
        rows.append(r)
    return np.array(rows)


@pytest.fixture(scope="module")
def trained():
    """A reservoir trained by hand on the Lorenz equation: series, arrays, outputs."""
    rng = np.random.default_rng(1)
    u = Lorenz63().series(3000, dt=0.02)
    u = (u - u.mean(axis=0)) / u.std(axis=0)
    w, w_in = rng.normal(scale=0.9 / np.sqrt(SIZE), size=(SIZE, SIZE)), rng.uniform(-0.3, 0.3, size=(SIZE, 3))
    bias = rng.uniform(-0.5, 0.5, size=SIZE)
    states = driven(u, w, w_in, bias, LEAK)
    a = np.column_stack([states[200:-1], np.ones(len(u) - 201)])
    solved = np.linalg.solve(a.T @ a + 1e-6 * np.eye(SIZE + 1), a.T @ u[201:])
    arrays = Arrays(w, w_in, solved[:-1].T, bias=bias, leak=LEAK, intercept=solved[-1], dt=0.02)
    return u, arrays, states @ solved[:-1] + solved[-1]


class Node(SimpleNamespace):
    """A node with the attributes of reservoirpy's."""


class Model:
    """A model that keeps the state of its last run, as reservoirpy's do."""

    def __init__(self, reservoir, readout):
        self.nodes, self._state = [reservoir, readout], np.ones(SIZE)

    def reset(self):
        self._state = np.zeros(SIZE)

    def run(self, u):
        reservoir, readout = self.nodes
        rows = []
        for now in u:
            field = reservoir.W @ self._state + reservoir.Win @ now + np.ravel(reservoir.bias)
            self._state = (1 - reservoir.lr) * self._state + reservoir.lr * reservoir.activation(field)
            rows.append(self._state @ readout.Wout + np.ravel(readout.bias))
        return np.array(rows)


def reservoirpy_like(arrays, **changes):
    """The layout of reservoirpy 0.4, W and Win sparse, Wout transposed; of 0.3 biases are matrices."""
    reservoir = {"W": csr_array(arrays.W), "Win": csr_array(arrays.W_in), "bias": arrays.bias, "lr": arrays.leak,
                 "activation": np.tanh, "units": SIZE} | changes  # fmt: skip
    return Model(Node(**reservoir), Node(Wout=arrays.W_out.T, bias=arrays.intercept[None]))


def closed_by_hand(arrays, r, steps):
    rows = []
    for _ in range(steps):
        y = arrays.W_out @ r + arrays.intercept
        r = (1 - arrays.leak) * r + arrays.leak * np.tanh(arrays.W @ r + arrays.W_in @ y + arrays.bias)
        rows.append(y)
    return np.array(rows)


def test_outputs_and_closed_loop_are_those_of_the_recursion(trained):
    u, arrays, outputs = trained
    model = from_arrays(arrays, u, outputs)
    assert abs(model.predictions(u) - outputs).max() < 1e-11
    r = driven(u[:300], arrays.W, arrays.W_in, arrays.bias, arrays.leak)[-1]
    assert abs(forecast(model, u[:300], 50) - closed_by_hand(arrays, r, 50)).max() < 1e-9  # e^(0.9 · 0.02 · 50) is 2.5


def test_the_three_ways_in_give_one_model(trained):
    u, arrays, outputs = trained
    estimator = SimpleNamespace(W_=arrays.W, W_in_=arrays.W_in, coef_=arrays.W_out, bias_=arrays.bias, leak_rate=LEAK,
                                intercept_=arrays.intercept, activation="tanh", predict=lambda u: outputs)  # fmt: skip
    nodes = reservoirpy_like(arrays)
    models = [
        from_arrays(arrays, u, outputs),
        from_estimator(estimator, u, dt=0.02),
        from_reservoirpy(nodes, u, dt=0.02),
    ]
    spectra = [closed_loop_exponents(model, u[:300], steps=500) for model in models]
    for model, spectrum in zip(models, spectra, strict=True):
        assert abs(model.predictions(u) - outputs).max() < 1e-11
        np.testing.assert_allclose(spectrum.exponents, spectra[0].exponents, rtol=0, atol=1e-6)
    assert (nodes._state == 1).all()  # the model that was given is as it was


def test_exponents_of_what_was_taken_over(trained):
    """Beside the growth of a product of Jacobians that are written out here."""
    u, arrays, outputs = trained
    model = from_arrays(arrays, u, outputs)
    states = driven(u, arrays.W, arrays.W_in, arrays.bias, arrays.leak)
    growth, v = 0.0, np.ones(SIZE) / np.sqrt(SIZE)
    for t in range(len(u)):
        before = states[t - 1] if t else np.zeros(SIZE)
        slope = 1 - np.tanh(arrays.W @ before + arrays.W_in @ u[t] + arrays.bias) ** 2
        v = (1 - LEAK) * v + LEAK * slope * (arrays.W @ v)
        growth += np.log(np.linalg.norm(v)) * (t >= 400)
        v /= np.linalg.norm(v)
    ours = conditional_exponents(model, u)
    assert ours.exponents[0] < -3 * ours.standard_error[0]  # it synchronises
    assert abs(ours.exponents[0] - growth / (2600 * 0.02)) < 5 * ours.standard_error[0]
    closed = closed_loop_exponents(model, u[:300], k=2, steps=8000)
    assert closed.exponents[0] > 0  # the trained loop is chaotic, as the Lorenz equation is
    assert closed.unit == "per unit time"


def test_a_readout_of_input_and_state(trained):
    u, arrays, _ = trained
    rng = np.random.default_rng(2)
    w_out = rng.normal(scale=0.1, size=(3, 3 + SIZE))  # [u | r]
    states = driven(u, arrays.W, arrays.W_in, arrays.bias, LEAK)
    outputs = u @ w_out[:, :3].T + states @ w_out[:, 3:].T
    mixed = Arrays(arrays.W, arrays.W_in, w_out, bias=arrays.bias, leak=LEAK)
    assert abs(from_arrays(mixed, u, outputs).predictions(u) - outputs).max() < 1e-11


def test_saved_and_loaded(trained, tmp_path):
    u, arrays, outputs = trained
    model = from_arrays(arrays, u, outputs)
    save(model, tmp_path / "taken.h5")
    np.testing.assert_array_equal(load(tmp_path / "taken.h5").predictions(u[:50]), model.predictions(u[:50]))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"activation": "relu"}, r"they differ by .*, first in row 0"),
        ({"leak": 0.5}, "they differ by"),
        ({"W": np.eye(SIZE)}, "they differ by .*, first in row 1 "),
        ({"W_out": np.zeros((SIZE, 3))}, "W_out must have shape .* other packages have its transpose"),
        ({"leak": np.linspace(0.1, 0.9, SIZE)}, "leak must be the same for all units"),
        ({"activation": "mish"}, "activation must be one of tanh, .*; got mish"),
        ({"activation": np.sin}, "got sin: give an Activation"),
        ({"bias": "normal"}, "bias must be an array of numbers"),
    ],
)
def test_another_network_is_refused_with_the_difference(trained, changes, words):
    u, arrays, outputs = trained
    with pytest.raises(ValueError, match=words):
        from_arrays(Arrays(**{**vars(arrays), **changes}), u, outputs)


def test_outputs_that_belong_to_other_rows_are_refused(trained):
    u, arrays, outputs = trained
    with pytest.raises(ValueError, match="row t is the output after series"):
        from_arrays(arrays, u, np.roll(outputs, 1, axis=0))
    with pytest.raises(ValueError, match=r"predictions must have shape \(3000, 3\).*; got \(2999, 3\)"):
        from_arrays(arrays, u, outputs[1:])


def test_models_of_other_kinds_are_refused(trained):
    u, arrays, _ = trained
    model = reservoirpy_like(arrays)
    model.nodes.append(model.nodes[0])
    with pytest.raises(ValueError, match="model must have a Reservoir, one node with W; got 2"):
        from_reservoirpy(model, u)
    with pytest.raises(ValueError, match="call its `fit` first"):
        from_reservoirpy(reservoirpy_like(arrays, W=np.random.normal), u)
    with pytest.raises(ValueError, match=r"SimpleNamespace has no W_in .*; no W_out .*: train it"):
        from_estimator(SimpleNamespace(W=arrays.W), u)


def test_activations_of_ones_own(trained):
    u, arrays, outputs = trained
    own = Activation("mine", TANH.value, TANH.slope)
    for given in (own, np.tanh, "TANH"):
        assert from_arrays(Arrays(**{**vars(arrays), "activation": given}), u, outputs).closable


def test_reservoirpy_itself():
    reservoirpy = pytest.importorskip("reservoirpy")
    nodes = importlib.import_module("reservoirpy.nodes")
    u = Lorenz63().series(2000, dt=0.02)
    u = (u - u.mean(axis=0)) / u.std(axis=0)
    for settings in ({}, {"lr": 0.5}, {"activation": "sigmoid"}):
        model = nodes.Reservoir(100, sr=0.9, input_scaling=0.3, seed=1, **settings) >> nodes.Ridge(ridge=1e-6)
        model.fit(u[:-1], u[1:], warmup=200)
        model.reset()
        outputs = np.asarray(model.run(u))
        mine = from_reservoirpy(model, u, dt=0.02)
        assert abs(mine.predictions(u) - outputs).max() < 1e-10, (reservoirpy.__version__, settings)
        assert conditional_exponents(mine, u).exponents[0] < 0
        assert np.isfinite(closed_loop_exponents(mine, u[:200], steps=1000).exponents).all()
