"""A search finds the best of a known score, is continued from its archive, and does not depend on interruptions."""

import logging

import matplotlib.pyplot as plt
import numpy as np
import pytest

from cocycle import Reservoir, forecast, train
from cocycle.reservoir import MedianValidTime, Range, search
from cocycle.reservoir.space import checked_space, drawn, features, proposed, surrogate
from cocycle.sweeps import AllFail, Archive
from cocycle.systems import Lorenz63

SERIES = np.random.default_rng(0).normal(size=(50, 1))
SPACE = {"x": Range(0.0, 1.0), "rate": Range(1e-6, 1.0, log=True), "kind": ["a", "b"]}


def point_alone(training, *, rng, **point):
    return point


def hill(point, unseen):
    """Largest, 1, at x = 0.7 with kind "b"; the rate does not matter."""
    return 1 - (point["x"] - 0.7) ** 2 - 0.5 * (point["kind"] == "a")


def found(budget, **options):
    return search(point_alone, SERIES, SPACE, budget, score=hill, **options)


def test_ranges_are_drawn_uniformly_in_value_or_logarithm():
    rng = np.random.default_rng(1)
    points = [drawn(checked_space(SPACE), rng) for _ in range(4000)]
    five_sigma = 5 / np.sqrt(12 * 4000)
    assert abs(np.mean([p["x"] for p in points]) - 0.5) < five_sigma
    assert abs(np.mean([np.log10(p["rate"]) for p in points]) / -6 - 0.5) < five_sigma
    assert abs(np.mean([p["kind"] == "a" for p in points]) - 0.5) < 5 * 0.5 / np.sqrt(4000)
    np.testing.assert_allclose(features(SPACE, [{"x": 0.2, "rate": 1e-3, "kind": "b"}]), [[0.2, 0.5, 0, 1]])


def test_proposals_are_nearer_to_the_best_than_random_points():
    rng = np.random.default_rng(2)
    tried = [drawn(SPACE, rng) for _ in range(15)]
    points = proposed(SPACE, tried, np.array([hill(p, None) for p in tried]), 5, rng)
    assert len(points) == 5
    assert np.median([abs(p["x"] - 0.7) for p in points]) < np.median([abs(p["x"] - 0.7) for p in tried])
    assert [p["kind"] for p in points].count("b") >= 3


def test_the_best_of_a_hill_is_found_and_what_mattered():
    result = found(24)
    assert result.score == result.scores.max() == hill(result.point, None)
    assert result.score > 0.99
    assert result.point["kind"] == "b"
    assert result.best == result.point
    shares = {name: share for name, (_, _, share) in result.marginals().items()}
    assert shares["kind"] > shares["x"] > shares["rate"]  # variances 1/16, 0.0096, 0
    assert "Gaussian process" in repr(result)
    assert "score" in result._repr_html_()


def test_a_search_that_was_stopped_is_the_same(tmp_path):
    whole = found(16)
    calls = []

    def stops(point, unseen):
        calls.append(point)
        if len(calls) == 12:
            raise KeyboardInterrupt
        return hill(point, unseen)

    stops.__name__ = hill.__name__
    with pytest.raises(KeyboardInterrupt):
        search(point_alone, SERIES, SPACE, 16, score=stops, path=tmp_path / "a.h5")
    again = found(16, path=tmp_path / "a.h5")
    assert again.points == whole.points
    np.testing.assert_array_equal(again.scores, whole.scores)
    assert found(5, path=tmp_path / "a.h5").points == whole.points[:5]
    longer = found(20, path=tmp_path / "a.h5")
    assert longer.points[:16] == whole.points
    assert (Archive.open(tmp_path / "a.h5").status[:20] == 1).all()
    with pytest.raises(ValueError, match="holds another sweep"):
        search(point_alone, SERIES + 1, SPACE, 20, score=hill, path=tmp_path / "a.h5")


def test_workers_do_not_change_it():
    np.testing.assert_array_equal(found(6, workers=2).scores, found(6).scores)


def test_models_that_fail_have_no_score(caplog):
    def fails_for_a(point, unseen):
        if point["kind"] == "a":
            raise RuntimeError("a is not possible")
        return hill(point, unseen)

    with caplog.at_level(logging.ERROR):
        result = search(point_alone, SERIES, SPACE, 15, score=fails_for_a)
    assert np.isnan(result.scores).any()
    assert result.point["kind"] == "b"
    assert "a is not possible" in next(iter(result.archive.messages().values()))


@pytest.mark.parametrize("budget", [3, 30])
def test_if_all_fail_the_first_message_is_raised(budget):
    def broken(training, *, rng, **point):
        raise RuntimeError("out of order")

    with pytest.raises(AllFail, match="out of order"):
        search(broken, SERIES, SPACE, budget, score=hill)


def test_scores_must_be_finite():
    with pytest.raises(AllFail, match="score of a model must be finite; got nan"):
        search(point_alone, SERIES, SPACE, 2, score=lambda point, unseen: float("nan"))


def test_without_scikit_learn_it_is_random_and_says_so(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "sklearn.gaussian_process", None)
    with pytest.warns(UserWarning, match="all points of a search are random"):
        result = found(12)
    assert result.method == "random"
    assert result.marginals() == {}
    assert surrogate(np.zeros((2, 1)), np.zeros(2)) is None
    plt.close(result.plot())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"budget": 0}, "budget must be an integer in 1..1000"),
        ({"budget": 2.5}, "budget must be an integer"),
        ({"space": {"kind": ["a", "b"]}, "budget": 3}, r"in 1..2, the points there can be"),
        ({"space": {}}, "space must map names"),
        ({"space": {"x": 0.5}}, "must be a Range or a list"),
        ({"space": {"x": "ab"}}, "must be a Range or a list"),
        ({"space": {"x": [0.5, 0.5]}}, "at least two choices"),
        ({"series": np.zeros(50)}, r"series must have shape \(time, m\)"),
        ({"series": np.full((50, 1), np.nan)}, "series"),
    ],
)
def test_what_cannot_be_searched_is_refused(change, message):
    arguments = {"series": SERIES, "space": SPACE, "budget": 4, **change}
    with pytest.raises(ValueError, match=message):
        search(point_alone, score=hill, **arguments)
    with pytest.raises(TypeError, match="model_of must be a function"):
        search(None, SERIES, SPACE, 4)  # type: ignore[arg-type]


@pytest.mark.parametrize("limits", [(1.0, 1.0), (2.0, 1.0), (0.0, np.inf), ("a", "b")])
def test_a_range_without_volume_is_refused(limits):
    with pytest.raises(ValueError, match="low < high"):
        Range(*limits)
    with pytest.raises(ValueError, match="0 < low"):
        Range(0.0, 1.0, log=True)


def test_the_best_forecaster_is_the_one_that_was_scored():
    series = Lorenz63().series(2400, dt=0.02)

    def model_of(training, *, rng, spectral_radius):
        return train(Reservoir.random(60, 3, spectral_radius=spectral_radius, rng=rng), training)

    score = MedianValidTime(starts=5, warm_up=100)
    result = search(model_of, series, {"spectral_radius": Range(0.1, 1.5)}, 4, score=score)
    assert score(result.best, series[1680:]) == result.score
    assert forecast(result.best, series[:100], 5).shape == (5, 3)
    with pytest.raises(ValueError, match="longer than the warm-up"):
        score(result.best, series[:100])


def test_the_figure_has_a_panel_for_each_parameter():
    result = found(14)
    figure = result.plot()
    assert [ax.get_xlabel() for ax in figure.axes if ax.get_visible()] == ["x", "rate", "kind"]
    assert figure.axes[1].get_xscale() == "log"
    assert all("of the variance" in ax.get_title() for ax in figure.axes)
    plt.close(figure)
    own, ax = plt.subplots()
    assert result.plot(ax=ax) is own
    plt.close(own)
