"""Tables are series with names and times: the numbers are those of arrays, and what comes back continues the table."""

import sys
from types import ModuleType

import numpy as np
import pytest

from cocycle import Reservoir, forecast, train, valid_times
from cocycle.plotting import forecast_figure
from cocycle.reservoir import Deep, DelayLine, load, save, timed, train_online
from cocycle.reservoir.tables import names_of, uniform_step
from cocycle.systems import Lorenz63

VALUES = Lorenz63().series(1500, dt=0.02)
NETWORK = Reservoir.random(40, 3)
NAMES = ["x", "y", "z"]
ARRAYS = train(NETWORK, VALUES[:1000].copy(), ridge=1e-3)
EXPECTED = forecast(ARRAYS, VALUES[1000:1100], 20)


class Column:
    """A column of polars, as far as tables need one."""

    def __init__(self, values):
        self.values = np.asarray(values)

    def to_numpy(self):
        return self.values


class Frame:
    """A DataFrame of polars, as far as tables need one."""

    def __init__(self, columns):
        self.data = {name: np.asarray(values) for name, values in columns.items()}
        self.columns = list(self.data)

    def __getitem__(self, name):
        return Column(self.data[name])

    def __len__(self):
        return len(self.data[self.columns[0]])


@pytest.fixture
def polars(monkeypatch):
    """Polars itself, or a stand-in where it is not installed."""
    try:
        import polars
    except ModuleNotFoundError:
        polars = ModuleType("polars")
        polars.DataFrame, polars.Series = Frame, Column  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "polars", polars)
    return polars


def in_pandas(index):
    pandas = pytest.importorskip("pandas")
    return pandas.DataFrame(VALUES, columns=NAMES, index=index(pandas))


INDICES = {
    "dates": lambda pandas: pandas.date_range("2020-01-01", periods=1500, freq="20ms", name="when"),
    "dates of a zone": lambda pandas: pandas.date_range("2020-03-29", periods=1500, freq="1h", tz="Europe/Berlin"),
    "durations": lambda pandas: pandas.timedelta_range("0s", periods=1500, freq="20ms"),
    "numbers": lambda pandas: pandas.Index(0.02 * np.arange(1500), name="t"),
    "whole numbers": lambda pandas: pandas.RangeIndex(5, 5 + 2 * 1500, 2),
}


@pytest.mark.parametrize("index", INDICES)
def test_a_data_frame_gives_one_that_continues_it(index):
    pandas = pytest.importorskip("pandas")
    frame = in_pandas(INDICES[index])
    model = train(NETWORK, frame[:1000], ridge=1e-3)
    found = forecast(model, frame[1000:1100], 20)
    assert isinstance(found, pandas.DataFrame)
    # columns lie one after the other: other last digits of the mean, times the condition number
    np.testing.assert_allclose(found.to_numpy(), EXPECTED, rtol=1e-5, atol=1e-6)
    expected = frame[1100:1120]
    assert list(found.columns) == NAMES
    assert found.index.name == expected.index.name
    assert found.index.dtype == expected.index.dtype
    if index == "numbers":
        np.testing.assert_allclose(found.index, expected.index, rtol=1e-12)
    else:
        assert (found.index == expected.index).all()


def test_a_running_forecaster_moves_along_the_index():
    frame = in_pandas(INDICES["dates"])
    model = train(NETWORK, frame[:1000], ridge=1e-3)
    live = model.start(frame[1000:1050])
    live.update(frame[1050:1070])
    live.update(frame[1070:1071])
    for row in frame[1071:1100].to_numpy():
        live.update(row)
    whole = forecast(model, frame[1000:1100], 20)
    found = live.forecast(20)
    assert (found == whole).all(axis=None)
    assert (found.index == frame.index[1100:1120]).all()
    with pytest.raises(ValueError, match=r"observations must begin one step after .*22\.000.* it begins at"):
        live.update(frame[1101:1110])
    predicted = model.predictions(frame[1000:1100])
    assert (predicted.index == frame.index[1001:1101]).all()
    np.testing.assert_array_equal(predicted.to_numpy()[-1], whole.to_numpy()[0])


def test_a_series_of_pandas_is_one_component():
    pandas = pytest.importorskip("pandas")
    series = in_pandas(INDICES["dates"])["x"]
    model = train(Reservoir.random(40, 1), series[:1000])
    found = forecast(model, series[1000:1100], 5)
    assert isinstance(found, pandas.Series)
    assert found.name == "x"
    assert (found.index == series.index[1100:1105]).all()
    several = train(Reservoir.random(40, 1), [series[:500], series[500:1200]])
    by_hand = train(Reservoir.random(40, 1), [VALUES[:500, :1], VALUES[500:1200, :1]])
    np.testing.assert_array_equal(several.readout.weight, by_hand.readout.weight)


def test_the_target_gives_names_to_its_estimates():
    frame = in_pandas(INDICES["dates"])
    observer = train(Reservoir.random(40, 2), frame[["x", "y"]][:1000], target=frame[["z"]][:1000])
    found = observer.predictions(frame[["x", "y"]][1000:])
    assert list(found.columns) == ["z"]
    assert (found.index == frame.index[1000:]).all()


def test_gaps_of_a_table_are_those_of_its_numbers():
    frame = in_pandas(INDICES["dates"]).copy()
    frame.iloc[500:503] = np.nan
    model = train(NETWORK, frame[:1000], gaps="split")
    assert model.settings["gaps"] == "split"
    assert np.isfinite(forecast(model, frame[1000:1100], 5).to_numpy()).all()


@pytest.mark.parametrize("kind", ["DataArray of two axes", "DataArray with time last", "DataArray of one axis"])
def test_an_xarray_gives_one_that_continues_it(kind):
    xarray = pytest.importorskip("xarray")
    times = np.datetime64("2020-01-01", "ns") + np.timedelta64(20_000_000, "ns") * np.arange(1500)
    array = xarray.DataArray(
        VALUES, {"time": times, "feature": NAMES}, ("time", "feature"), name="lorenz", attrs={"units": "1"}
    )
    if kind == "DataArray of one axis":
        array = array.sel(feature="x", drop=True)
    train_on, warm_up = array[:1000], array[1000:1100]
    if kind == "DataArray with time last":
        train_on, warm_up = train_on.T, warm_up.T
    model = train(Reservoir.random(40, 1 if array.ndim == 1 else 3), train_on, ridge=1e-3)
    found = model.start(warm_up).forecast(20)
    assert isinstance(found, xarray.DataArray)
    assert (found.name, found.attrs, found.dims) == ("lorenz", {"units": "1"}, array.dims)
    assert (found.time.values == times[1100:1120]).all()
    if array.ndim == 2:
        assert found.feature.values.tolist() == NAMES
        np.testing.assert_allclose(found.values, EXPECTED, rtol=1e-5, atol=1e-6)


def test_a_polars_table_names_its_column_of_time(polars):
    times = 0.02 * np.arange(1500)

    def frame(begin, end):
        columns = {"t": times[begin:end]} | {n: VALUES[begin:end, i] for i, n in enumerate(NAMES)}
        return polars.DataFrame(columns)

    with pytest.raises(TypeError, match=r'timed\(series, "time"\)'):
        train(NETWORK, frame(0, 1000))
    with pytest.raises(ValueError, match="time must be one of the columns"):
        timed(frame(0, 1000), "time")
    model = train(NETWORK, timed(frame(0, 1000), "t"), ridge=1e-3)
    found = forecast(model, timed(frame(1000, 1100), "t"), 20)
    assert isinstance(found, polars.DataFrame)
    assert list(found.columns) == ["t", *NAMES]
    np.testing.assert_allclose(found["t"].to_numpy(), times[1100:1120], rtol=1e-12)
    np.testing.assert_allclose(np.stack([found[n].to_numpy() for n in NAMES], -1), EXPECTED, rtol=1e-5, atol=1e-6)
    assert model.network.joint.dt == pytest.approx(0.02)


@pytest.mark.parametrize(
    ("network", "index", "dt"),
    [
        (NETWORK, "dates", 0.02),
        (NETWORK, "dates of a zone", 3600.0),
        (NETWORK, "numbers", 0.02),
        (DelayLine(3, 2), "numbers", 0.02),
        (Deep((DelayLine(3, 2), Reservoir.random(30, 6))), "numbers", 0.02),
        (Reservoir.random(40, 3, dt=1 / 24), "dates of a zone", 1 / 24),  # in days
    ],
)
def test_the_step_is_the_dt_of_a_network_that_has_none(network, index, dt):
    model = train(network, in_pandas(INDICES[index]), ridge=1e-2, washout=100, normalise=False)
    assert model.network.joint.dt == pytest.approx(dt, rel=1e-9)


def test_names_and_step_are_in_the_settings_and_in_the_file(tmp_path):
    frame = in_pandas(INDICES["numbers"])
    model = train(NETWORK, frame)
    save(model, tmp_path / "model.h5")
    again = load(tmp_path / "model.h5")
    assert dict(again.settings) == dict(model.settings)
    assert list(again.settings["names"]) == NAMES
    assert again.settings["dt"] == pytest.approx(0.02)
    live = again.start(frame[:50])
    live.save(tmp_path / "live.h5")
    np.testing.assert_array_equal(load(tmp_path / "live.h5").forecast(3), live.forecast(3).to_numpy())
    assert list(train_online(NETWORK, frame).model.settings["names"]) == NAMES


def test_plots_take_the_names():
    frame = in_pandas(INDICES["dates"])
    model = train(NETWORK, frame[:1000])
    found = forecast(model, frame[1000:1100], 50)
    figure = forecast_figure(found, frame[1100:1150], lyapunov_time=55.0)
    assert [ax.get_ylabel() for ax in figure.axes] == NAMES
    assert names_of(found) == NAMES
    assert names_of(VALUES) is None


def test_valid_times_of_a_table_are_those_of_its_numbers():
    frame = in_pandas(INDICES["numbers"])
    found = [valid_times(ARRAYS, series, lyapunov_time=55.0, horizon=5.0, starts=4) for series in (frame, VALUES)]
    np.testing.assert_array_equal(found[0].times, found[1].times)


@pytest.mark.parametrize(
    ("times", "step"),
    [
        (np.arange(5), 1),
        (0.1 * np.arange(1000), 0.1),
        (1e9 + 0.1 * np.arange(1000), 0.1),  # seconds since 1970, whose rounding is 1e-7
        (np.round(np.arange(100) / 30, 6), 1 / 30),
        (np.arange(3).astype("timedelta64[s]").astype("timedelta64[ns]"), np.timedelta64(10**9, "ns")),
    ],
)
def test_steps_are_uniform_to_rounding(times, step):
    found = uniform_step("t", times)
    assert abs(found - step) <= 1e-6 * abs(step)
    assert uniform_step("t", times[:1]) is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.drop(f.index[700]), r"uniform step; between rows 699 and 700, .* it is 0\.04 s and not 0\.02 s"),
        (lambda f: f[::-1], "times that increase"),
        (lambda f: f.set_index(f.index[:1].append(f.index[:-1])), "between rows 0 and 1"),
        (lambda f: f[["x", "y"]], r"series must have shape \(time, \*batch, m=3\)"),
        (lambda f: f[:0], "must have at least one time"),
        (lambda f: [f[:700], f[700:].rename(columns={"x": "u"})], "must all have the same columns"),
        (lambda f: [f[:700], f[700::2]], "must all have the same step"),
        (lambda f: [f[:700], VALUES[700:]], "must all have the same columns"),
    ],
)
def test_tables_that_are_no_series_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        train(NETWORK, change(in_pandas(INDICES["dates"])))


def test_what_does_not_fit_the_table_of_training_is_refused():
    frame = in_pandas(INDICES["numbers"])
    model = train(NETWORK, frame[:1000])
    other = frame[["y", "x", "z"]]
    for call in (
        lambda: forecast(model, other[1000:1100], 5),
        lambda: model.predictions(other),
        lambda: model.start(frame[:50]).update(other[50:60]),
        lambda: valid_times(model, other, lyapunov_time=55.0, horizon=5.0, starts=4),
    ):
        with pytest.raises(ValueError, match=r"must have the columns \['x', 'y', 'z'\], as in training; got \['y'"):
            call()
    with pytest.raises(ValueError, match="target must have the times of series"):
        train(NETWORK, frame[:1000], target=frame[["z"]][1:1001])
    with pytest.raises(ValueError, match=r"dt of the network must be the step of the table, 0\.02; got 0\.05"):
        train(Reservoir.random(40, 3, dt=0.05), frame)
    with pytest.raises(ValueError, match="at least two times"):
        forecast(model, frame[:1], 5)


def test_kinds_that_are_no_series_are_refused():
    pandas, xarray = pytest.importorskip("pandas"), pytest.importorskip("xarray")
    frame = in_pandas(INDICES["dates"])
    for bad, message in (
        (frame.assign(x="a"), "columns of real numbers"),
        (frame.set_axis([str(i) for i in range(1500)]), "an index of dates or numbers"),
        (frame.set_axis(pandas.period_range("2000", periods=1500, freq="h")), "an index of dates or numbers"),
        (xarray.Dataset({"x": ("time", VALUES[:, 0])}), "must be a DataArray of xarray; got a Dataset"),
    ):
        with pytest.raises(TypeError, match=message):
            train(NETWORK, bad)
    with pytest.raises(ValueError, match="a coordinate of time"):
        train(NETWORK, xarray.DataArray(VALUES, dims=("time", "feature")))


def test_no_library_of_tables_is_imported():
    import subprocess

    code = "import sys, cocycle.reservoir.tables; print({'pandas', 'xarray', 'polars'} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"
