"""Series with labels: tables of pandas, xarray and polars as arrays, and arrays as tables that continue them.

None of the three is imported here: a table can only come from a library that is imported already.
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, final

import numpy as np

TOLERANCE = 1e-3  # of the step, by which one between two times may differ from the others


@final
@dataclass(frozen=True, eq=False)
class Labels:
    """The names of the components of a table, its last time, its step, None of one time, and `made`, which makes a
    table of the same kind from values (time, m), their times (time,) and names.

    Times are numbers, or of numpy's datetime64 or timedelta64 in nanoseconds.
    """

    names: tuple[Any, ...] | None
    last: Any
    step: Any
    made: Callable[[np.ndarray, np.ndarray, Sequence[Any] | None], Any]

    @property
    def dt(self) -> float | None:
        """The step as a number, that between dates in seconds; None of a table of one time."""
        if isinstance(self.step, np.timedelta64):
            return float(self.step / np.timedelta64(1, "s"))
        return None if self.step is None else float(self.step)

    def table(self, values: np.ndarray, *, first: int = 1, names: Sequence[Any] | None = None) -> Any:
        """Values (time, m) as a table, row 0 being `first` steps after the last time; of other axes as they are."""
        if values.ndim != 2:
            return values
        if self.step is None:
            raise ValueError("a table must have at least two times, from which those of a forecast follow; got one")
        known = self.names if names is None else tuple(names)
        if known is not None and len(known) != values.shape[-1]:
            known = None
        return self.made(values, self.last + self.step * np.arange(first, first + len(values)), known)

    def moved(self, steps: int) -> "Labels":
        """Those after so many steps without a table."""
        return self if self.step is None else replace(self, last=self.last + self.step * steps)

    def followed_by(self, name: str, later: "Labels", times: int) -> "Labels":
        """Those of a table of so many times that has to follow this one.  Raises ValueError unless it does."""
        if self.step is None:
            return later
        first = later.last if later.step is None else later.last - later.step * (times - 1)
        if abs((first - self.last) / self.step - 1) > TOLERANCE:
            raise ValueError(
                f"{name} must begin one step after {self.last}, at {self.last + self.step}; it begins at {first}"
            )
        return replace(later, step=self.step)


class Series(NamedTuple):
    """The values (time, *batch, m) of a series, and the labels if it came in a table."""

    values: Any
    labels: Labels | None


@final
@dataclass(frozen=True, eq=False)
class Timed:
    """A table whose times are in its column `time`, as those of polars have them."""

    frame: Any
    time: str

    def __post_init__(self):
        if self.time not in list(self.frame.columns):
            raise ValueError(f"time must be one of the columns {list(self.frame.columns)}; got {self.time!r}")

    def __len__(self):
        return len(self.frame)


def timed(frame: Any, time: str) -> Timed:
    """A polars DataFrame, whose times are in the column of that name, as a series for `train`, `forecast` and others.

    Its other columns are the components.  Forecasts are polars DataFrames with the times continued in that column.
    Raises ValueError if there is no such column.
    """
    return Timed(frame, time)


def labelled(name: str, x: Any) -> Series:
    """The values of a table and its labels; all else as it is, without labels.

    Recognised are pandas.DataFrame and Series with an index of dates or numbers, xarray.DataArray with a coordinate of
    its first dimension (`time`, if there is one of that name), and polars.DataFrame by `timed`.  Raises ValueError for
    times that are not uniform, with the first place, TypeError for columns or times of another kind.
    """
    if type(x) is np.ndarray:  # at once: a running forecaster asks at every observation
        return Series(x, None)
    if isinstance(x, Timed):
        return _from_polars(name, x)
    if _is_a(x, "pandas", "DataFrame", "Series"):
        return _from_pandas(name, x)
    if _is_a(x, "xarray", "DataArray"):
        return _from_xarray(name, x)
    if _is_a(x, "polars", "DataFrame", "Series"):
        raise TypeError(f'{name} must say which column of a polars table is the time: timed({name}, "time")')
    if _is_a(x, "xarray", "Dataset"):
        raise TypeError(f"{name} must be a DataArray of xarray; got a Dataset: take {name}.to_dataarray().T")
    return Series(x, None)


def names_of(x: Any) -> list[str] | None:
    """The names of the components of a table, None of all else."""
    labels = labelled("series", x).labels
    return None if labels is None or labels.names is None else [str(name) for name in labels.names]


def check_names(name: str, trained: Sequence[str] | None, labels: Labels | None) -> None:
    """Raise ValueError if the columns of a table are not those of the table that was trained on, in their order."""
    found = None if labels is None or labels.names is None else [str(each) for each in labels.names]
    if trained is not None and found is not None and list(trained) != found:
        raise ValueError(f"{name} must have the columns {list(trained)}, as in training; got {found}")


def uniform_step(name: str, times: np.ndarray) -> Any:
    """The step between times (time,), None of fewer than two; integers if they are and it is.

    Raises ValueError where a step differs from their median by more than 1e-3 of it, and unless it is positive.
    """
    if len(times) < 2:
        return None
    steps = np.diff(times)
    median = np.median(steps.astype(np.int64)) if steps.dtype.kind == "m" else np.median(steps)
    numbers = steps.astype(np.int64) if steps.dtype.kind == "m" else steps
    rounding = 4 * np.finfo(float).eps * float(abs(times).max()) if times.dtype.kind == "f" else 0.0
    uneven = ~(abs(numbers - median) <= TOLERANCE * abs(median) + rounding)
    if uneven.any():
        i = int(uneven.argmax())
        usual = median if steps.dtype.kind != "m" else np.timedelta64(round(median), "ns")
        raise ValueError(
            f"{name} must have a uniform step; between rows {i} and {i + 1}, {times[i]} and {times[i + 1]}, it is"
            f" {_in_words(steps[i])} and not {_in_words(usual)}: resample, or insert the missing times with NaN and say"
            " what to do with gaps"
        )
    if not median > 0:
        raise ValueError(f"{name} must have times that increase; the step is {_in_words(steps[0])}")
    if (steps == steps[0]).all():
        return steps[0]
    return (times[-1] - times[0]) / (len(times) - 1)


def _in_words(step: Any) -> str:
    return f"{step / np.timedelta64(1, 's'):g} s" if isinstance(step, np.timedelta64) else f"{step:g}"


def _is_a(x: Any, library: str, *kinds: str) -> bool:
    module = sys.modules.get(library)
    found = tuple(kind for name in kinds if isinstance(kind := getattr(module, name, None), type))
    return isinstance(x, found)


def _floats(name: str, x: Any) -> np.ndarray:
    try:
        return np.asarray(x, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{name} must have columns of real numbers only: {error}") from None


def _times(name: str, times: np.ndarray) -> np.ndarray:
    """Times as numbers or in nanoseconds.  Raises TypeError for others, ValueError for those that are missing."""
    if times.dtype.kind in "Mm":
        times = times.astype(f"{'datetime' if times.dtype.kind == 'M' else 'timedelta'}64[ns]")
        missing = np.isnat(times)
    elif times.dtype.kind in "iuf":
        times = times if times.dtype.kind != "u" else times.astype(np.int64)
        missing = ~np.isfinite(times)
    else:
        raise TypeError(f"{name} must have times that are dates or numbers; got {times.dtype}")
    if missing.any():
        raise ValueError(f"{name} must have a time in every row; row {int(missing.argmax())} has none")
    return times


def _from_pandas(name: str, x: Any) -> Series:
    pandas = sys.modules["pandas"]
    index, one = x.index, x.ndim == 1
    try:
        values = x.to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{name} must have columns of real numbers only: {error}") from None
    zone = getattr(index, "tz", None)
    naive = index if zone is None else index.tz_convert("UTC").tz_localize(None)
    dates = isinstance(index, pandas.DatetimeIndex | pandas.TimedeltaIndex)
    if not dates and index.dtype.kind not in "iuf":
        raise TypeError(f"{name} must have an index of dates or numbers; got a {type(index).__name__} of {index.dtype}")
    times = _times(f"the index of {name}", naive.to_numpy())

    def made(values: np.ndarray, times: np.ndarray, names: Sequence[Any] | None) -> Any:
        after = pandas.Index(times, name=index.name)
        if dates:
            after = after.as_unit(index.unit) if zone is None else after.tz_localize("UTC").tz_convert(zone)
            after = after.as_unit(index.unit)
        if one and values.shape[1] == 1:
            return pandas.Series(values[:, 0], index=after, name=None if names is None else names[0])
        same = not one and names is not None and tuple(x.columns) == tuple(names)
        return pandas.DataFrame(values, index=after, columns=x.columns if same else names)

    return _series(name, values, times, (x.name,) if one else tuple(x.columns), made)


def _from_xarray(name: str, x: Any) -> Series:
    xarray = sys.modules["xarray"]
    axis = "time" if "time" in x.dims else x.dims[0]
    if x.ndim > 2 or axis not in x.coords:
        raise ValueError(
            f"{name} must have the dimensions (time, component) and a coordinate of time; got dimensions {x.dims} with"
            f" the coordinates {list(x.coords)}"
        )
    x = x.transpose(axis, ...)
    other = x.dims[1] if x.ndim == 2 else None
    times, names = _times(f"the coordinate {axis!r} of {name}", x[axis].values), None
    if other is not None and other in x.coords:
        names = tuple(x[other].values.tolist())
    elif other is None and x.name is not None:
        names = (x.name,)

    def made(values: np.ndarray, times: np.ndarray, names: Sequence[Any] | None) -> Any:
        coords = {axis: (axis, times, x[axis].attrs)}
        if other is None and values.shape[1] == 1:
            return xarray.DataArray(values[:, 0], coords, (axis,), x.name, x.attrs)
        beside = other or "component"
        coords |= {} if names is None else {beside: (beside, list(names), {})}
        return xarray.DataArray(values, coords, (axis, beside), x.name, x.attrs)

    return _series(name, _floats(name, x.values), times, names, made)


def _from_polars(name: str, x: Timed) -> Series:
    frame, time = x.frame, x.time
    columns = [column for column in frame.columns if column != time]
    values = np.stack([_floats(name, frame[column].to_numpy()) for column in columns], axis=-1)
    times = _times(f"the column {time!r} of {name}", np.asarray(frame[time].to_numpy()))

    def made(values: np.ndarray, times: np.ndarray, names: Sequence[Any] | None) -> Any:
        names = names or [f"component {i + 1}" for i in range(values.shape[1])]
        return type(frame)({time: times} | {str(name): values[:, i] for i, name in enumerate(names)})

    return _series(name, values, times, tuple(columns), made)


def _series(name: str, values: np.ndarray, times: np.ndarray, names: tuple[Any, ...] | None, made: Any) -> Series:
    if not len(times):
        raise ValueError(f"{name} must have at least one time; got an empty one")
    step = uniform_step(name, times)
    return Series(values.reshape(len(times), -1), Labels(names, times[-1], step, made))
