"""Labels of series: features are means of states over windows, weights solve the ridge regression of indicators."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_score
from sklearn.utils.estimator_checks import check_estimator

from cocycle import Reservoir
from cocycle.maps import orbit
from cocycle.reservoir import (
    CrossValidated,
    DelayLine,
    HeldOut,
    Normalisation,
    ReservoirClassifier,
    train_classifier,
)
from cocycle.reservoir.classification import _interleaved, states_of_windows


def waves(samples, seed=0, *, longest=60):
    """Two-component oscillations of three frequencies, with random phases and lengths, and their labels."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(samples) % 3)
    series = []
    for label in labels:
        phase = (0.3 + 0.2 * label) * np.arange(rng.integers(longest // 2, longest)) + rng.uniform(0, 6)
        series.append(np.stack([np.sin(phase), np.cos(2 * phase)], axis=1) + 0.1 * rng.normal(size=(len(phase), 2)))
    return series, np.array(["slow", "middle", "fast"])[labels]


@pytest.mark.parametrize("windows", [None, 1, 3])
def test_features_are_means_of_the_states_of_each_series_alone(windows):
    """Series of unequal lengths are driven together: none sees another, nor what comes after its end."""
    network, (series, _) = Reservoir.random(20, 2), waves(7)
    found = states_of_windows(network, series, windows)
    for row, own in zip(found, series, strict=True):
        states = np.array(list(orbit(network.driven(own), network.rest())))
        part = np.arange(len(own)) * (windows or 1) // len(own)
        expected = states[-1] if windows is None else [states[part == j].mean(axis=0) for j in range(windows)]
        np.testing.assert_allclose(row, np.ravel(expected), rtol=0, atol=1e-13)


def test_the_last_state_of_a_delay_line_is_the_end_of_the_series():
    series = [np.arange(5.0)[:, None], np.arange(10.0, 17)[:, None]]
    np.testing.assert_array_equal(states_of_windows(DelayLine(1, 2), series, None), [[4, 3], [16, 15]])


@pytest.mark.parametrize("ridge", [0.1, 10.0])
def test_weights_are_those_of_scikit_learn(ridge):
    network, (series, labels) = Reservoir.random(15, 2), waves(60)
    found = train_classifier(network, series, labels, windows=2, ridge=ridge)
    features = states_of_windows(network, [found.inputs.applied(s) for s in series], 2)
    indicators = (labels[:, None] == found.labels).astype(float)
    expected = Ridge(alpha=ridge).fit(features, indicators)
    np.testing.assert_allclose(found.weight, expected.coef_, rtol=0, atol=1e-10)
    np.testing.assert_allclose(found.offset, expected.intercept_, rtol=0, atol=1e-10)
    np.testing.assert_allclose(found.scores(series), expected.predict(features), rtol=0, atol=1e-10)


@pytest.mark.parametrize("windows", [None, 1, 4])
@pytest.mark.parametrize(
    "ridge", [CrossValidated(tuple(10.0 ** np.arange(-9, 6))), HeldOut(tuple(10.0 ** np.arange(-9, 6)))]
)
def test_frequencies_are_told_apart(windows, ridge):
    (series, labels), (unseen, truth) = waves(150), waves(90, 1)
    model = train_classifier(Reservoir.random(60, 2, rng=1), series, labels, windows=windows, ridge=ridge)
    assert model.accuracy(unseen, truth) > (0.8 if windows is None else 0.95)  # the last state sees fewer periods
    assert set(model.labels) == set(labels)


def test_scores_of_a_series_do_not_depend_on_the_others():
    series, labels = waves(40)
    model = train_classifier(Reservoir.random(30, 2), series, labels)
    alone = np.concatenate([model.scores([s]) for s in series])
    np.testing.assert_allclose(model.scores(series), alone, rtol=0, atol=1e-10)


def test_an_array_is_the_list_of_its_series():
    series, labels = waves(40, longest=40)
    array = np.stack([s[:20] for s in series])
    first, second = (train_classifier(Reservoir.random(30, 2), x, labels) for x in (array, list(array)))
    np.testing.assert_array_equal(first.scores(array), second.scores(list(array)))
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(first)).scores(array), first.scores(array))


def test_parts_held_out_have_all_classes():
    """Samples sorted by class, as files often are, would otherwise be held out class by class."""
    members = np.repeat([0, 1, 2], [50, 20, 10])
    parts = np.split(members[_interleaved(members)], 5)
    assert [np.bincount(part).tolist() for part in parts] == [[10, 4, 2]] * 5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": ["a"] * 30}, "at least two classes; got one class"),
        ({"labels": ["b"] * 29 + ["a"]}, r"'a'\) is seen once|'a' is seen once"),
        ({"labels": ["a", "b"] * 10}, "one for each of the 30 series"),
        ({"labels": [np.nan] + [1.0] * 29}, r"labels\[0\] is not"),
        (
            {"series": [np.ones((9, 2))] * 29 + [np.ones((9, 3))]},
            r"2 components that the network takes; series\[29\] has 3",
        ),
        ({"series": np.ones((30, 9))}, r"series\[..., None\]"),
        ({"series": []}, "got 0 of shapes"),
        ({"series": [np.random.default_rng(0).normal(size=(9 - i // 29 * 7, 2)) for i in range(30)]}, "fewer windows"),
        ({"series": [np.full((9, 2), np.nan)] * 30}, r"series\[0\]"),
        ({"series": [np.ones((9, 2))] * 30}, "constant"),
        ({"windows": 0}, "windows must be an integer of at least 1"),
        ({"windows": 2.0}, "windows must be an integer of at least 1"),
        ({"ridge": -1.0}, "ridge must be"),
        ({"ridge": HeldOut(folds=31)}, "folds must be at most the 30 samples"),
    ],
)
def test_what_does_not_fit_is_refused(change, message):
    series, _ = waves(30)
    arguments = {"series": series, "labels": ["a", "b"] * 15, **change}
    with pytest.raises(ValueError, match=message):
        train_classifier(Reservoir.random(10, 2), **arguments)


def test_other_kinds_are_refused():
    series, labels = waves(30)
    for network in (Reservoir, Reservoir.ensemble([Reservoir.random(10, 2, rng=i) for i in range(2)])):
        with pytest.raises(TypeError, match="single driven network"):
            train_classifier(network, series, labels)
    with pytest.raises(TypeError, match="normalise must be"):
        train_classifier(Reservoir.random(10, 2), series, labels, normalise="yes")
    model = train_classifier(Reservoir.random(10, 2), series, labels, normalise=Normalisation(0.0, 2.0))
    assert model.inputs.scale == 2
    assert "3 labels" in repr(model)
    with pytest.raises(ValueError, match="labels must be one for each"):
        model.accuracy(series, labels[:3])


@pytest.mark.filterwarnings("ignore")
def test_checks_of_scikit_learn():
    """A table holds series of one component: all checks apply to it."""
    results = check_estimator(ReservoirClassifier(size=30, windows=1), on_fail=None)
    assert len(results) > 40
    assert [result["check_name"] for result in results if result["status"] == "failed"] == []


def test_scikit_learn_searches_and_calibrates_over_series():
    series, labels = waves(90, longest=40)
    array = np.stack([s[:20] for s in series])
    classifier, folds = ReservoirClassifier(40, windows=1), StratifiedKFold(3)  # the phase is random
    assert cross_val_score(classifier, array, labels, cv=folds).min() > 0.8
    search = GridSearchCV(classifier, {"windows": [None, 1, 4]}, cv=folds).fit(series, labels)  # of unequal lengths
    assert search.best_score_ > 0.9
    probabilities = CalibratedClassifierCV(classifier, cv=folds).fit(array, labels).predict_proba(array)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert (search.classes_[probabilities.argmax(axis=1)] == labels).mean() > 0.9


def test_the_face_is_the_classifier():
    series, labels = waves(60)
    face = clone(ReservoirClassifier(30, windows=2, random_state=3)).fit(series, labels)
    names = ("spectral_radius", "input_scaling", "bias_scaling", "leak_rate")
    network = Reservoir.random(30, 2, **{name: getattr(face, name) for name in names}, rng=3)
    model = train_classifier(network, series, labels, windows=2)
    np.testing.assert_array_equal(face.decision_function(series), model.scores(series))
    np.testing.assert_array_equal(face.predict(series), model.predict(series))
    assert face.score(series, labels) == model.accuracy(series, labels)
    assert face.n_features_in_ == 2
    two = ReservoirClassifier(30).fit(series, labels == "fast")
    np.testing.assert_array_equal(two.predict(series), two.decision_function(series) > 0)
    with pytest.raises(ValueError, match="X must be series, as in `fit`"):
        face.predict(np.ones((4, 20)))
