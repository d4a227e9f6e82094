"""Where users come with other types, other shapes, few times, weak inputs: the same answer, or an error in words."""

import copy
import pickle

import numpy as np
import pandas
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from cocycle import LINEAR, Grid, Reservoir, forecast, networks, train, valid_time
from cocycle.networks import mean_field
from cocycle.plotting import forecast_figure, phase_portrait, result_figure
from cocycle.reservoir import (
    CrossValidated,
    Design,
    Forecaster,
    HeldOut,
    MomentSum,
    Normalisation,
    Polynomial,
    histogram_distance,
    load,
    maxima,
    memory_capacity,
    nrmse,
    power_spectrum,
    ridge_path,
    save,
    scaled,
    synchronisation,
    train_online,
    valid_times,
)
from cocycle.reservoir.ridge import chosen_readout
from cocycle.sweeps.contents import described
from cocycle.systems import Lorenz63

SERIES = Lorenz63().series(700)
CONVERSIONS = {
    "csc": sparse.csc_array,
    "coo": sparse.coo_array,
    "matrix": sparse.csr_matrix,
    "strided": lambda w: np.stack([w, w], axis=-1)[..., 0],
}


def integers(rng):
    return rng.integers(-1, 2, size=(30, 30)), rng.integers(-1, 2, size=(30, 3))


@pytest.mark.parametrize("kind", [int, bool, np.int8])
def test_integer_weights_are_numbers_like_any(rng, kind):
    w, w_in = (a.astype(kind) for a in integers(rng))
    others = {"bias": rng.normal(size=30), "gain": 0.1, "input_gain": 0.1}
    mine = train(Reservoir(w, w_in, **others), SERIES, washout=50)
    same = train(Reservoir(w.astype(float), w_in.astype(float), **others), SERIES, washout=50)
    assert Reservoir(w, w_in).rest().dtype == np.float64
    np.testing.assert_array_equal(mine.readout.weight, same.readout.weight)


def test_weights_that_are_no_numbers(rng):
    with pytest.raises(TypeError, match="weight must be an array of real numbers; got dtype complex128"):
        Reservoir(rng.normal(size=(3, 3)) + 1j, rng.normal(size=(3, 1)))


@pytest.mark.parametrize("kind", CONVERSIONS)
def test_a_model_of_any_matrix_comes_back_bit_for_bit(rng, tmp_path, kind):
    w = rng.normal(size=(30, 30)) * (rng.uniform(size=(30, 30)) < 0.2)
    model = train(Reservoir(CONVERSIONS[kind](w), rng.normal(size=(30, 3)), rng.normal(size=30), gain=0.5), SERIES)
    save(model, tmp_path / "model.h5")
    np.testing.assert_array_equal(
        forecast(load(tmp_path / "model.h5"), SERIES[:50], 20), forecast(model, SERIES[:50], 20)
    )


def test_a_model_in_float32_with_scalars_of_numpy_comes_back_bit_for_bit(rng, tmp_path):
    w, w_in = (rng.normal(size=(30, n)).astype(np.float32) for n in (30, 3))
    network = Reservoir(w, w_in, bias=np.float64(0.2), leak_rate=np.float64(0.7), gain=np.float64(0.1))
    model = train(network, SERIES, ridge=1e-2)
    assert network.joint(np.zeros(33, np.float32)).dtype == np.float32
    save(model, tmp_path / "model.h5")
    np.testing.assert_array_equal(
        forecast(load(tmp_path / "model.h5"), SERIES[:50], 20), forecast(model, SERIES[:50], 20)
    )


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_a_copy_of_a_model_can_be_saved(tmp_path, copied):
    model = copied(train(Reservoir.random(20, 3), SERIES))
    save(model, tmp_path / "model.h5")
    assert isinstance(load(tmp_path / "model.h5"), Forecaster)


def test_scaling_a_sparse_matrix_of_the_old_kind(rng):
    w = rng.normal(size=(40, 40)) * (rng.uniform(size=(40, 40)) < 0.2)
    expected = scaled(w, standard_deviation=0.7)
    np.testing.assert_allclose(scaled(sparse.csr_matrix(w), standard_deviation=0.7).toarray(), expected, rtol=1e-12)


def few_times(rng, count=20, features=60):
    states = rng.normal(size=(count, features))
    targets = states @ rng.normal(size=(features, 2)) / features**0.5 + 0.5 * rng.normal(size=(count, 2))
    moments = MomentSum((), features, 2)
    for r, y in zip(states, targets, strict=True):
        moments.add(r, y)
    return moments.total(), states, targets


def test_cross_validation_with_fewer_times_than_features_is_its_definition(rng):
    """From the hat matrix A = R (RᵀR + λ)⁻¹ Rᵀ over times: |(1 - A) y|² / T / (1 - tr A / T)²."""
    moments, states, targets = few_times(rng)
    ridges = (1e-6, 1e-3, 1.0, 30.0, 1e3)
    found = CrossValidated(ridges).scores([moments])
    gram = states @ states.T
    for ridge, score in zip(ridges, found, strict=True):
        missed = ridge * np.linalg.inv(gram + ridge * np.eye(len(gram)))
        expected = ((missed @ targets) ** 2).sum() / 20 / (np.trace(missed) / 20) ** 2
        # moments know the eigenvalues of the Gram matrix to eps times the largest
        np.testing.assert_allclose(score, expected, rtol=1e-8)


def test_a_ridge_that_is_too_small_for_all_times_is_not_chosen(rng):
    """Although each fold alone could do with it."""

    class Least(HeldOut):
        def scores(self, parts):
            return np.arange(len(self.ridges), dtype=float)  # the smaller the better

    moments, _, _ = few_times(rng)
    ridges = (0.0, 1e-14, 1e-2)
    assert np.isnan(ridge_path(moments, ridges)[0]).all()
    weight, chosen = chosen_readout(Least(ridges), [moments])
    assert np.isfinite(weight).all()
    assert chosen == 1e-2
    with pytest.raises(ValueError, match="ridges must hold at least one value"):
        chosen_readout(CrossValidated(()), [moments])


def test_errors_are_measured_against_what_fits(rng):
    truth = rng.normal(size=(30, 4, 2))
    with pytest.raises(ValueError, match=r"prediction must have shape .* like truth \(30, 4, 2\); got \(29, 4, 2\)"):
        nrmse(truth[1:], truth)
    with pytest.raises(ValueError, match="truth must be finite"):
        nrmse(truth, np.where(truth > 2, np.nan, truth))
    assert np.isnan(nrmse(np.where(truth == truth[3, 2, 1], np.nan, truth), truth)[2])


def test_one_series_with_many_external_inputs(rng):
    """Batch axes of the external input are new ones, in front of the components and not of the times."""
    network, external = Reservoir.random(20, 4, rng=1), rng.normal(size=(700, 3, 1))
    together = train(network, SERIES, external=external)
    for i in range(3):
        alone = train(network, SERIES, external=external[:, i], normalise=together.inputs)
        weight = alone.readout.weight * together.outputs.scale[:, None] ** 0
        np.testing.assert_allclose(together.readout.weight[i], weight, rtol=1e-6, atol=1e-9)
    with pytest.raises(ValueError, match=r"external must have shape \(time, \*batch, v\), .*; got \(700,\)"):
        train(network, SERIES, external=external[:, 0, 0])


def test_copies_that_meet_exactly_are_synchronised(rng):
    network = Reservoir(np.zeros((5, 5)), rng.normal(size=(5, 1)))  # no memory: they meet at the first step
    found = synchronisation(network, rng.normal(size=(20, 1)))
    assert (found.distances == 0).all()
    assert found.synchronised
    assert np.isnan(found.rate)


def test_a_long_series_in_float32_is_standardised_as_in_float64(rng):
    series = (1000 + rng.normal(size=(400_000, 1))).astype(np.float32)
    found = Normalisation.standard(series)
    np.testing.assert_allclose(found.offset, series.mean(0, dtype=np.float64), rtol=1e-12)
    np.testing.assert_allclose(found.scale, series.std(0, dtype=np.float64), rtol=1e-9)
    with pytest.raises(ValueError, match="component 0 of the series is constant"):
        Normalisation.standard(np.full((100, 1), 0.1, np.float32))


def test_memory_does_not_depend_on_how_weak_the_input_is():
    """A chain of ten linear units remembers ten inputs exactly, whatever their strength; a bias shifts nothing."""
    chain = np.diag(np.ones(9), -1)
    first = np.eye(10)[:, :1]
    for strength in (1.0, 1e-4, 1e-6):
        network = Reservoir(chain, strength * first, bias=0.3, activation=LINEAR)
        found = memory_capacity(network, delays=15, times=2000, washout=50)
        np.testing.assert_allclose(found.by_delay, np.arange(15) < 10, rtol=0, atol=1e-6)


def test_a_network_that_diverges_has_no_memory():
    network = Reservoir(3 * np.eye(4), np.ones((4, 1)), activation=LINEAR)
    with pytest.raises(ValueError, match="the network diverged"):
        memory_capacity(network, delays=5, times=2000, washout=50)


def test_torch_series_train_numpy_networks():
    network = Reservoir.random(20, 3)
    mine, theirs = train(network, torch.as_tensor(SERIES)), train(network, SERIES)
    np.testing.assert_array_equal(mine.readout.weight, theirs.readout.weight)
    tensor = Reservoir(torch.as_tensor(np.diag([0.5, 0.25])), torch.ones(2, 1, dtype=torch.float64), gain=0.5)
    assert tensor.effective_spectral_radius == pytest.approx(0.25)


def test_words_for_what_does_not_fit(rng):
    network = Reservoir.random(20, 3)
    with pytest.raises(ValueError, match="component 0 of the target is constant"):
        train(network, SERIES, target=np.ones((700, 1)))
    with pytest.raises(
        ValueError, match=r"normalise must be of the 3 components of the input; got shapes \(\(2,\), \(2,\)\)"
    ):
        train(network, SERIES, normalise=Normalisation(np.zeros(2), np.ones(2)))
    with pytest.raises(ValueError, match="series must have at least one time; got an empty one"):
        train(network, SERIES).predictions(SERIES[:0])
    with pytest.raises(ValueError, match="delays must be at least 1; got 0"):
        memory_capacity(Reservoir.random(20, 1), delays=0)
    assert Polynomial(3, np.array([1, 2]))(np.ones(3)).shape == (9,)


HIDDEN = np.ma.masked_greater(SERIES, 40.0)
TAKES_A_SERIES = {
    "series": lambda s: train(Reservoir.random(20, 3), s),
    "a list of series": lambda s: train(Reservoir.random(20, 3), [SERIES, s]),
    "rows": lambda s: train(Reservoir.random(20, 3), list(s)),
    "external": lambda s: train(Reservoir.random(20, 6), SERIES, external=s),
    "online": lambda s: train_online(Reservoir.random(20, 3), s),
    "warm-up": lambda s: forecast(train(Reservoir.random(20, 3), SERIES), s, 5),
    "predictions": lambda s: train(Reservoir.random(20, 3), SERIES).predictions(s),
    "driven": lambda s: Reservoir.random(20, 3).driven(s),
    "units": lambda s: Normalisation.standard(s),
    "offset": lambda s: Normalisation(s[:, 2], 1.0),
    "scale": lambda s: Normalisation(0.0, abs(s[:, 2])),
    "weight": lambda s: Reservoir(np.ma.masked_greater(np.eye(3), 0.5), np.ones((3, 1))),
    "bias": lambda s: Reservoir(np.eye(3), np.ones((3, 1)), bias=np.ma.array([0.1, 0.2, 0.3], mask=[0, 1, 0])),
    "ridge": lambda s: train(Reservoir.random(20, 3), SERIES, ridge=np.ma.masked),
    "ridges": lambda s: train(
        Reservoir.random(20, 3), SERIES, ridge=CrossValidated(np.ma.array([1e-6, 1e-3, 1.0], mask=[0, 1, 0]))
    ),
    "prediction": lambda s: nrmse(s, SERIES),
    "truth": lambda s: valid_time(SERIES, s, lyapunov_time=50.0),
    "reference": lambda s: valid_time(SERIES, SERIES, lyapunov_time=50.0, reference=s),
    "valid times": lambda s: valid_times(train(Reservoir.random(20, 3), SERIES), s, lyapunov_time=5.0),
    "histogram": lambda s: histogram_distance(s, SERIES),
    "maxima": lambda s: maxima(s[:, 2]),
    "power": lambda s: power_spectrum(s),
    "drive": lambda s: mean_field.conditional_exponent(0.9, abs(s[:, 2])),
    "inputs": lambda s: networks.Labelled(s, np.zeros(len(s), dtype=int)),
    "classes": lambda s: networks.Labelled(SERIES, np.ma.array(np.zeros(len(s), dtype=int), mask=s.mask[:, 2])),
    "right": lambda s: networks.accuracy_map(
        networks.uncertainty(np.full((2, 3, 2), 0.5)), np.ma.array([True, True, False], mask=[0, 1, 0])
    ),
    "patterns": lambda s: networks.hopfield(np.ma.array([[1.0, -1.0]], mask=[[0, 1]])),
    "axis": lambda s: Grid({"x": np.ma.array([1.0, 2.0, 3.0], mask=[0, 1, 0])}),
    "fixed": lambda s: described(Grid({"x": [1.0]}), {"y": ()}, 0, {"a": np.ma.array([1.0, 2.0], mask=[0, 1])}),
    "portrait": lambda s: phase_portrait(None, s),
    "plane": lambda s: result_figure(s, {"a": np.arange(700.0), "b": np.arange(3.0)}, "label"),
    "forecast lines": lambda s: forecast_figure(SERIES, s, lyapunov_time=50.0),
}


@pytest.mark.parametrize("name", TAKES_A_SERIES)
def test_masked_arrays_are_refused(name):
    """Their fill values would be taken for data, here where z > 40."""
    with pytest.raises(ValueError, match="mask"):
        TAKES_A_SERIES[name](HIDDEN)


def test_a_masked_array_without_anything_hidden_is_its_numbers():
    whole = np.ma.array(SERIES)
    mine, theirs = train(Reservoir.random(20, 3), whole), train(Reservoir.random(20, 3), SERIES)
    assert type(mine.readout.weight) is np.ndarray
    np.testing.assert_array_equal(mine.readout.weight, theirs.readout.weight)


def test_a_data_frame_is_a_series_of_its_numbers():
    frame = pandas.DataFrame(SERIES, columns=["x", "y", "z"])
    mine, theirs = train(Reservoir.random(20, 3), frame), train(Reservoir.random(20, 3), SERIES)
    # its columns lie one after the other: other last digits of the mean, times the condition number
    np.testing.assert_allclose(mine.readout.weight, theirs.readout.weight, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(forecast(mine, frame[:100], 5), forecast(theirs, SERIES[:100], 5), rtol=1e-6)
    with pytest.raises((TypeError, ValueError), match=r"real numbers|finite"):
        train(Reservoir.random(20, 3), frame.where(frame < 40))


@settings(max_examples=20, deadline=None)
@given(width=st.integers(1, 3), inputs=st.integers(1, 3), data=st.data())
def test_the_constant_component_is_named_in_its_own_array(width, inputs, data):
    rng = np.random.default_rng(0)
    series, external = rng.normal(size=(300, inputs)), rng.normal(size=(300, width))
    where = data.draw(st.sampled_from(["external input", "series"]))
    array = external if where == "external input" else series
    component = data.draw(st.integers(0, array.shape[1] - 1))
    array[:, component] = 3.0
    with pytest.raises(ValueError, match=f"component {component} of the {where} is constant"):
        train(Reservoir.random(10, inputs + width), series, external=external)


def test_inputs_that_say_the_same_twice_are_no_obstacle(rng):
    v = rng.normal(size=(500, 1))
    model = train(Reservoir.random(20, 3), v, external=np.c_[v, v], ridge=1e-6)
    assert np.isfinite(model.predictions(v, np.c_[v, v])).all()
    with pytest.raises(ValueError, match=r"the states span fewer than .* take a ridge above"):
        train(Reservoir.random(20, 3), v, external=np.c_[v, v], design=Design(direct=True), ridge=0.0)
