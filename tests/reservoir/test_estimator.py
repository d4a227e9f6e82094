"""scikit-learn's own checks pass, but for those that shuffle what has an order in time; pipelines and searches work."""

import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit
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
