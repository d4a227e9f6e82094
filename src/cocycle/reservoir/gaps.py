"""What a network is to learn from, as lists of arrays: tables and masks taken apart, gaps split, bridged or refused."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np

from cocycle.arrays import as_numpy, floating
from cocycle.driven import Driven, check_inputs
from cocycle.reservoir.forecast import Forecaster
from cocycle.reservoir.layered import Deep, DelayLine
from cocycle.reservoir.reservoir import Reservoir
from cocycle.reservoir.running import BRIDGE, SPLIT, check_gaps
from cocycle.reservoir.tables import TOLERANCE, Labels, Series, labelled


@final
@dataclass(frozen=True, eq=False)
class Given:
    """Series (time, *batch, m), what is to be learned after each value, and inputs beside it; lists of equal lengths.

    `observed` is series as it came, with NaN where a value is missing.  A target is None where it is the next value,
    and NaN where it is missing; an external input is None where there is none.
    """

    series: list[np.ndarray]
    observed: list[np.ndarray]
    targets: list[np.ndarray | None]
    external: list[np.ndarray | None]
    labels: Labels | None
    settings: dict[str, Any]  # what tables and gaps add to those of the model

    @property
    def has_gaps(self) -> bool:
        """Whether a value of a series or of an external input is missing."""
        return any(_incomplete(s, v).any() for s, v in zip(self.series, self.external, strict=True))

    def split(self, washout: int) -> "Given":
        """The parts between the gaps that are longer than the washout, each a series of its own.

        Raises ValueError if there are none.
        """
        parts: tuple[list, ...] = ([], [], [], [])
        longest = 0
        for several in zip(self.series, self.observed, self.targets, self.external, strict=True):
            for begin, end in _runs(~_incomplete(several[0], several[3])):
                longest = max(longest, end - begin)
                if end - begin > washout + 1:
                    for kept, each in zip(parts, several, strict=True):
                        kept.append(None if each is None else each[begin:end])
        if not parts[0]:
            raise ValueError(
                f"series must have a part without gaps that is longer than the washout of {washout} and one time; the"
                f" longest has {longest} times: take a smaller washout"
            )
        series, observed, targets, external = parts
        return replace(self, series=series, observed=observed, targets=targets, external=external)

    def bridged(self, model: Forecaster) -> "Given":
        """The series with every missing value replaced by the one-step forecast of the model, which is driven by what
        came before.  Incomplete times at the beginning are left out."""
        series, starts = [], []
        for s, v in zip(self.series, self.external, strict=True):
            begin = int(_incomplete(s, None).argmin())
            starts.append(begin)
            now, later = slice(begin, begin + 1), slice(begin + 1, None)
            live = model.start(s[now], None if v is None else v[now], gaps=BRIDGE)
            filled = live.update(s[later], None if v is None else v[later])
            first = np.broadcast_to(s[now], (1, *filled.shape[1:]))
            series.append(np.concatenate([first, filled]))
        observed, targets, external = (
            [None if each is None else each[begin:] for each, begin in zip(several, starts, strict=True)]
            for several in (self.observed, self.targets, self.external)
        )
        return replace(self, series=series, observed=observed, targets=targets, external=external)


def given(network: Driven, series: Any, target: Any, external: Any, *, gaps: str | None, washout: int) -> Given:
    """`Given` from arrays, masked arrays and tables, or lists of them.

    Raises ValueError for what does not fit, is infinite or has a component without any value, for missing values
    without `gaps`, and for gaps at the beginning that are longer than the washout if they are to be bridged.
    """
    check_gaps(gaps, SPLIT, BRIDGE)
    if not isinstance(washout, int | np.integer):
        raise TypeError(f"washout must be an integer; got {washout!r}")
    width = _width(external)
    m = network.inputs - width
    count = len(series) if _is_list(series, m) else None
    sources = [
        [_in_columns(labelled(name, each), count) for each in _as_list(part, count)]
        for name, part in (("series", series), ("target", target), ("external", external))
    ]
    labels, names = _common("series", sources[0]), _common("target", sources[1])
    for name, several in (("target", sources[1]), ("external", sources[2])):
        for each, beside in zip(several, sources[0], strict=True):
            _check_times(name, each.labels, beside.labels)
    missing = gaps is not None
    values = [_array("series", each.values, m, missing) for each in sources[0]]
    targets = [None if y.values is None else _array("target", y.values, None, True) for y in sources[1]]
    sides = [None if v.values is None else _array("external", v.values, width, missing) for v in sources[2]]
    for name, several in (("series", values), ("target", targets), ("external", sides)):
        _refuse_empty_components(name, several)
    if gaps == BRIDGE:
        _check_bridge(values, sides, washout)
    return Given(values, values, targets, sides, labels, _settings(gaps, labels, names))


def with_dt(network: Driven, labels: Labels | None) -> Driven:
    """The network with the step of a table as its dt, in seconds for dates, unless it has one.

    A step of 1 of numbers says nothing.  Raises ValueError if the network's dt is another one than that of numbers.
    """
    dt = None if labels is None else labels.dt
    if labels is None or dt is None or (dt == 1 and not isinstance(labels.step, np.timedelta64)):
        return network
    if isinstance(network, Deep):
        return replace(network, layers=tuple(with_dt(layer, labels) for layer in network.layers))
    if not isinstance(network, Reservoir | DelayLine):
        return network
    if network.dt == 1:
        return replace(network, dt=dt)
    if not isinstance(labels.step, np.timedelta64) and abs(network.dt / dt - 1) > TOLERANCE:
        raise ValueError(f"dt of the network must be the step of the table, {dt:g}; got {network.dt:g}: leave it out")
    return network


def _width(external: Any) -> int:
    """The number of components of an external input, 0 without."""
    if external is None:
        return 0
    first = external[0] if isinstance(external, list | tuple) and len(external) else external
    first = labelled("external", first).values
    if np.ndim(first) < 2 and not (first is not external and np.ndim(first) == 1):
        raise ValueError(f"external must have shape (time, *batch, v), external[:, None]; got {np.shape(first)}")
    return 1 if np.ndim(first) < 2 else np.shape(first)[-1]


def _is_list(series: Any, m: int) -> bool:
    """Whether it is a list of series: of tables, of arrays with two axes or more, of one-dimensional ones for m = 1."""
    if not isinstance(series, list | tuple) or not len(series):
        return False
    first = labelled("series", series[0])
    axes = np.ndim(first.values)
    return axes >= 2 or (axes == m == 1 and len(first.values) > 1)


def _as_list(part: Any, count: int | None) -> list:
    """What belongs to each of `count` series, or to the only one, which is not in a list."""
    if count is None:
        return [part]
    if part is None:
        return [None] * count
    if len(part) != count:
        raise ValueError(
            f"target and external must be lists with one array for each of the {count} series; got {len(part)}"
        )
    return list(part)


def _in_columns(source: Series, count: int | None) -> Series:
    """A one-dimensional series of a list as one component."""
    one = count is not None and source.values is not None and np.ndim(source.values) == 1
    if not one:
        return source
    values: Any = source.values if np.ma.isMaskedArray(source.values) else np.asarray(source.values)
    return Series(values[:, None], source.labels)


def _array(name: str, x: Any, components: int | None, missing: bool) -> np.ndarray:
    """x (time, *batch, components) as an array, with NaN for the values that are missing, if they may be.

    Raises ValueError for another shape, and what is not finite.
    """
    if missing and np.ma.is_masked(x):
        x = np.ma.filled(np.ma.asarray(x).astype(np.float64), np.nan)
    x = as_numpy(floating(name, x))
    if x.ndim < 2 and components is None:
        raise ValueError(f"{name} must have shape (time, *batch, k), {name}[:, None]; got {x.shape}")
    gaps = np.isnan(x)
    if not missing and gaps.any():
        first = tuple(int(i[0]) for i in gaps.nonzero())
        remedy = 'gaps="split" takes the parts between, gaps="bridge" the network\'s own forecast of them'
        raise ValueError(
            f"{name} must be finite; got {int(gaps.sum())} missing values (NaN), the first at index {first}: {remedy}"
        )
    check_inputs(name, np.where(gaps, 0.0, x), x.shape[-1] if components is None else components)
    return x


def _incomplete(series: np.ndarray, external: np.ndarray | None) -> np.ndarray:
    """Whether a value is missing, at each time."""
    missing = np.any(np.isnan(series).reshape(len(series), -1), axis=1)
    if external is None or len(external) != len(series):  # which is refused where they are joined
        return missing
    return missing | np.any(np.isnan(external).reshape(len(external), -1), axis=1)


def _runs(true: np.ndarray) -> list[tuple[int, int]]:
    """The first time of each run of True, and the first after it."""
    changes = np.flatnonzero(np.diff(np.concatenate([[False], true, [False]]).astype(int)))
    return [(int(a), int(b)) for a, b in changes.reshape(-1, 2)]


def _common(name: str, sources: Sequence[Series]) -> Labels | None:
    """The labels of the first of several series; None unless it is a table.

    Raises ValueError if the others have other names or another step.
    """
    first = sources[0].labels
    for i, each in enumerate(sources):
        other = each.labels
        if (first is None) != (other is None) or (
            first is not None and other is not None and first.names != other.names
        ):
            names = [None if labels is None else labels.names for labels in (first, other)]
            raise ValueError(f"{name} must all have the same columns; {name}[0] has {names[0]}, {name}[{i}] {names[1]}")
        steps = [labels.dt for labels in (first, other) if labels is not None and labels.dt is not None]
        if len(steps) == 2 and abs(steps[1] / steps[0] - 1) > TOLERANCE:
            raise ValueError(
                f"{name} must all have the same step; {name}[0] has {steps[0]:g}, {name}[{i}] {steps[1]:g}"
            )
    return first


def _check_times(name: str, labels: Labels | None, series: Labels | None) -> None:
    if labels is None or series is None or series.step is None:
        return
    if abs((labels.last - series.last) / series.step) > TOLERANCE:
        raise ValueError(f"{name} must have the times of series, which end at {series.last}; it ends at {labels.last}")


def _refuse_empty_components(name: str, several: Sequence[np.ndarray | None]) -> None:
    present = [np.any(np.isfinite(x).reshape(-1, x.shape[-1]), axis=0) for x in several if x is not None]
    empty = ~np.any(present, axis=0) if len({len(each) for each in present}) == 1 else np.zeros(1, dtype=bool)
    if empty.any():
        raise ValueError(f"component {int(empty.argmax())} of the {name} has no value at all: leave it out")


def _check_bridge(series: Sequence[np.ndarray], external: Sequence[np.ndarray | None], washout: int) -> None:
    """Raise ValueError unless the gaps can be bridged."""
    for s, v in zip(series, external, strict=True):
        if s.ndim > 2:
            raise ValueError(f'gaps="bridge" takes series of shape (time, m); got {s.shape}: take gaps="split"')
        if v is not None and np.isnan(v).any():
            raise ValueError('external must be finite with gaps="bridge": nothing predicts it; take gaps="split"')
        missing = _incomplete(s, None)
        begin = len(s) if missing.all() else int(missing.argmin())
        if begin > washout:
            raise ValueError(
                f"series must have no gap at its start that is longer than the washout of {washout}; its first {begin}"
                " times are incomplete: leave them out"
            )


def _settings(gaps: str | None, labels: Labels | None, outputs: Labels | None) -> dict[str, Any]:
    found: dict[str, Any] = {} if gaps is None else {"gaps": gaps}
    for name, each in (("names", labels), ("outputs", outputs)):
        if each is not None and each.names is not None:
            found[name] = [str(column) for column in each.names]
    if labels is not None and labels.dt is not None:
        found["dt"] = labels.dt
    return found
