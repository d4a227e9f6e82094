"""scikit-learn's own checks pass, but for those that shuffle what has an order in time; pipelines and searches work."""

import pickle

import numpy as np
import pandas
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from cocycle import reservoir
from cocycle.reservoir import ReservoirRegressor
from cocycle.systems import Lorenz63

IN_TIME = "rows are successive times"
SHUFFLED = {"check_methods_sample_order_invariance": IN_TIME, "check_methods_subset_invariance": IN_TIME}


@pytest.mark.filterwarnings("ignore")
def test_checks_of_scikit_learn():
    results = check_estimator(ReservoirRegressor(size=30), expected_failed_checks=SHUFFLED, on_fail=None)
    statuses = {result["check_name"]: result["status"] for result in results}
    assert len(statuses) > 30
    assert {name for name, status in statuses.items() if status == "failed"} == set()
    assert {name for name, status in statuses.items() if status == "xfail"} == set(SHUFFLED)


def test_a_search_in_a_pipeline_finds_the_better_memory():
    """y is x three steps ago: a leak of 1 keeps it, and so does a ridge that is not huge."""
    x = np.random.default_rng(1).normal(size=(600, 1))
    y = np.roll(x[:, 0], 3)
    pipeline = make_pipeline(StandardScaler(), ReservoirRegressor(size=60, washout=20))
    grid = {"reservoirregressor__ridge": [1e-6, 1e4]}
    search = GridSearchCV(pipeline, grid, cv=TimeSeriesSplit(3)).fit(x, y)
    assert search.best_params_ == {"reservoirregressor__ridge": 1e-6}
    assert search.best_score_ > 0.7


def test_several_targets():
    series = Lorenz63().series(1500)
    found = ReservoirRegressor(size=100, washout=100).fit(series[:1000], series[1:1001])
    assert found.predict(series[1000:1400]).shape == (400, 3)
    assert found.score(series[1000:1400], series[1001:1401]) > 0.9


def test_without_scikit_learn_the_remedy_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "cocycle.reservoir.estimator", None)
    with pytest.raises(ModuleNotFoundError, match=r'python -m pip install -e "\.\[sklearn\]"'):
        reservoir.ReservoirRegressor  # noqa: B018
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        reservoir.nothing  # noqa: B018


def product_of_two(times, seed=0):
    x = np.random.default_rng(seed).uniform(-1, 1, (times + 1, 1))
    return x[1:], (x[1:] * x[:-1])[:, 0]


@pytest.mark.parametrize("washout", [0, 100])
def test_cross_validation_scores_what_follows_and_no_transient(washout):
    """Each fold goes on from the end of its training: the score is that of a settled network."""
    x, y = product_of_two(1200)
    scores = cross_val_score(ReservoirRegressor(100, washout=washout), x, y, cv=TimeSeriesSplit(5, test_size=100))
    assert scores.min() > 0.99


def test_predictions_go_on_from_fit_and_change_nothing():
    x, y = product_of_two(900)
    found = ReservoirRegressor(60).fit(x[:600], y[:600])
    whole = found.predict(x)  # begins with the X of fit: from rest
    np.testing.assert_array_equal(whole, found.model_.predictions(x)[:, 0])
    np.testing.assert_array_equal(found.predict(x[:600]), whole[:600])
    for regressor in (found, found, pickle.loads(pickle.dumps(found))):
        np.testing.assert_array_equal(regressor.predict(x[600:]), whole[600:])
        np.testing.assert_array_equal(regressor.predict(x[600:700]), whole[600:700])
    again = clone(found).fit(x[:600], y[:600])
    np.testing.assert_array_equal(again.predict(x[600:]), whole[600:])


@pytest.mark.parametrize("which", ["X of fit", "y of fit", "X of predict"])
def test_masked_rows_are_refused(which):
    x, y = product_of_two(300)
    found = ReservoirRegressor(20).fit(x, y)
    masked_x, masked_y = np.ma.masked_less(x, -0.9), np.ma.masked_less(y, -0.5)
    call = {
        "X of fit": lambda: found.fit(masked_x, y),
        "y of fit": lambda: found.fit(x, masked_y),
        "X of predict": lambda: found.predict(masked_x),
    }[which]
    with pytest.raises(ValueError, match="must not be a masked array"):
        call()


def test_a_data_frame_is_its_numbers():
    x, y = product_of_two(300)
    frame, found = pandas.DataFrame(x, columns=["u"]), ReservoirRegressor(20)
    np.testing.assert_array_equal(found.fit(frame, y).predict(frame), found.fit(x, y).predict(x))
