"""Series with a label each: a network is driven by a series, and a linear function of its states scores the labels."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any, final

import numpy as np

from cocycle.arrays import as_numpy, like, refuse_masked
from cocycle.driven import Driven, check_inputs, driven_states
from cocycle.progress import tracked
from cocycle.reservoir.moments import Moments, MomentSum
from cocycle.reservoir.normalisation import RAW, Normalisation
from cocycle.reservoir.ridge import CrossValidated, RidgeChoice, check_ridge, regressed
from cocycle.threads import one_thread_if_small

NUMBERS = 2**24  # of inputs and features, about, that are in memory at once
BY_VALIDATION = CrossValidated(tuple(10.0 ** np.arange(-9, 6)))  # few samples may need much


@final
@dataclass(frozen=True, eq=False)
class SeriesClassifier:
    """score = weight [s_1 | ... | s_w] + offset: weight (classes, w n), offset (classes,), s_j (n,) from states.

    s_j is the mean state over the j-th of w = `windows` consecutive parts of the series, as equal as can be; with
    windows=None there is one s, the state after the last input.  The label with the largest score is taken.
    `labels` (classes,), in increasing order; `ridge` is that of the readout.
    """

    network: Driven
    weight: np.ndarray
    offset: np.ndarray
    labels: np.ndarray
    windows: int | None
    inputs: Normalisation
    ridge: float

    def __repr__(self):
        what = "the last state" if self.windows is None else f"the mean states of {self.windows} windows"
        return f"SeriesClassifier of {len(self.labels)} labels from {what} of {self.network!r}"

    def scores(self, series: np.ndarray | Sequence[np.ndarray]) -> np.ndarray:
        """The scores (samples, classes) of series (samples, time, m), or of a list of series (time, m) of any lengths.

        They estimate the indicator of each class, 1 or 0, by least squares: they are not probabilities, and may be
        negative.  Raises ValueError for series of other components, without times or with fewer than `windows`, or with
        values that are not finite.
        """
        series = [self.inputs.applied(s) for s in checked_series(series, self.network, self.windows)]
        parts = [
            states_of_windows(self.network, some, self.windows)
            for some in _in_chunks(series, self.network, self.windows)
        ]
        return np.concatenate(parts) @ self.weight.T + self.offset

    def predict(self, series: np.ndarray | Sequence[np.ndarray]) -> np.ndarray:
        """The label (samples,) of each series, which are those of `scores`."""
        return self.labels[self.scores(series).argmax(axis=-1)]

    def accuracy(self, series: np.ndarray | Sequence[np.ndarray], labels: Sequence[Any] | np.ndarray) -> float:
        """The share of the series whose label is found.  Raises ValueError unless there is a label for each."""
        found, labels = self.predict(series), np.asarray(labels)
        if found.shape != labels.shape:
            raise ValueError(f"labels must be one for each of the {len(found)} series; got shape {labels.shape}")
        return float((found == labels).mean())


def train_classifier(
    network: Driven,
    series: np.ndarray | Sequence[np.ndarray],
    labels: Sequence[Any] | np.ndarray,
    *,
    windows: int | None = 5,
    ridge: float | RidgeChoice = BY_VALIDATION,
    normalise: bool | Normalisation = True,
) -> SeriesClassifier:
    """Train a readout to give the labels (samples,) of series (samples, time, m), or of a list of series (time, m).

    The network is driven by each series from rest.  The readout is linear in the means of its states over `windows`
    consecutive parts of the series: 1 is the mean state, None the state after the last input.  Its weight solves the
    ridge regression of the indicator of each class, 1 or 0, with a constant without ridge; `ridge` is added to the sum
    over samples.  `CrossValidated`, the default from 1e-9 to 1e5, or `HeldOut` chooses it; the parts held out have
    every class in proportion.  `normalise` is that of `train`.

    Raises ValueError for fewer than two classes, a label seen once, series of unequal numbers of components, without
    times or with fewer than `windows`, values that are not finite, a constant component, an ensemble of networks.
    Jaeger et al., Neural Networks 20, 335 (2007); Bianchi et al., IEEE Trans. Neural Netw. Learn. Syst. 32, 2169
    (2021).
    """
    if not isinstance(network, Driven) or network.batch:
        raise TypeError(f"network must be a single driven network, such as Reservoir.random(200, 12); got {network!r}")
    series = checked_series(series, network, windows)
    classes, members = _classes(labels, len(series))
    if not isinstance(ridge, RidgeChoice):
        check_ridge(ridge)
    units = _units(normalise, series)
    order = _interleaved(members)
    inputs, targets = [units.applied(series[i]) for i in order], np.eye(len(classes))[members[order]]
    folds = ridge.folds if isinstance(ridge, RidgeChoice) else 1
    parts = _moments(network, inputs, targets, windows, folds)
    weight, chosen = regressed(ridge, parts)
    offset = np.asarray(reduce(add, parts).constant(weight))
    windows = None if windows is None else int(windows)
    return SeriesClassifier(network, weight, offset, classes, windows, units, float(chosen))


def checked_series(series: Any, network: Driven, windows: int | None) -> list[np.ndarray]:
    """The series (time, m), one for each sample.  Raises as `train_classifier` does."""
    if windows is not None and (isinstance(windows, bool) or not isinstance(windows, int | np.integer) or windows < 1):
        raise ValueError(f"windows must be an integer of at least 1, or None for the last state; got {windows!r}")
    refuse_masked("series", series)
    if len(series) == 0 or any(np.ndim(s) != 2 for s in series):
        shapes = sorted({np.shape(s) for s in series})[:3]
        raise ValueError(
            f"series must have shape (samples, time, m), or be a list of series (time, m); got {len(series)} of shapes"
            f" {shapes}: one component is series[..., None]"
        )
    widths = [np.shape(s)[1] for s in series]
    other = next((i for i, width in enumerate(widths) if width != network.inputs), None)
    if other is not None:
        raise ValueError(
            f"each series must have the {network.inputs} components that the network takes; series[{other}] has"
            f" {widths[other]}"
        )
    found = [as_numpy(check_inputs(f"series[{i}]", s, network.inputs)) for i, s in enumerate(series)]
    shortest = min(range(len(found)), key=lambda i: len(found[i]))
    if len(found[shortest]) < (windows or 1):
        raise ValueError(
            f"each series must have at least a time for each of {windows or 1} windows; series[{shortest}] has"
            f" {len(found[shortest])} times: take fewer windows, or leave it out"
        )
    return found


def states_of_windows(network: Driven, series: Sequence[np.ndarray], windows: int | None) -> np.ndarray:
    """The mean states over windows, or the last states, (samples, w n) of series (time, m) in the network's units.

    Time t of T belongs to window ⌊w t / T⌋.  All series are driven together; after its end one no longer counts.
    """
    lengths, count = np.array([len(s) for s in series]), windows or 1
    u = np.zeros((lengths.max(), len(series), network.inputs))
    for i, s in enumerate(series):
        u[: len(s), i] = s
    seen = np.arange(network.dimension)[network.seen]
    sums, times = np.zeros((len(series), count, len(seen))), np.zeros((len(series), count, 1))
    with np.errstate(over="ignore", invalid="ignore"), one_thread_if_small(network.rest((len(series),))):
        pairs = tracked(driven_states(network, like(u, network.rest())), "network", len(u))
        for t, (_, state) in enumerate(pairs):
            counted = np.flatnonzero(lengths > t if windows else lengths == t + 1)
            place = t * count // lengths[counted] if windows else 0
            sums[counted, place] += as_numpy(state)[counted[:, None], seen]
            times[counted, place] += 1
    return (sums / times).reshape(len(series), -1)


def _classes(labels, samples: int) -> tuple[np.ndarray, np.ndarray]:
    """The classes in increasing order, and the position among them of each label."""
    refuse_masked("labels", labels)
    labels = np.asarray(labels)
    if labels.shape != (samples,):
        raise ValueError(f"labels must be one for each of the {samples} series; got shape {labels.shape}")
    if labels.dtype.kind == "f" and not np.isfinite(labels).all():
        raise ValueError(f"labels must be finite; labels[{int(np.argmin(np.isfinite(labels)))}] is not")
    classes, members, counts = np.unique(labels, return_inverse=True, return_counts=True)
    if len(classes) < 2:
        raise ValueError(f"labels must be of at least two classes; got one class, {classes[0]!r}")
    if counts.min() < 2:
        raise ValueError(
            f"each label must be seen at least twice; {classes[counts.argmin()]!r} is seen once: give more series of"
            " that class, or leave it out"
        )
    return classes, members


def _interleaved(members: np.ndarray) -> np.ndarray:
    """An order in which every consecutive part has the classes in about equal proportions."""
    place = np.empty(len(members))
    for own in np.unique(members):
        of_class = np.flatnonzero(members == own)
        place[of_class] = (np.arange(len(of_class)) + 0.5) / len(of_class)
    return np.argsort(place, kind="stable")


def _units(normalise: bool | Normalisation, series: list[np.ndarray]) -> Normalisation:
    if isinstance(normalise, Normalisation):
        return normalise
    if normalise not in (True, False):
        raise TypeError(f"normalise must be True, False or a Normalisation; got {normalise!r}")
    return Normalisation.standard(*series) if normalise else RAW


def _in_chunks(series: list[np.ndarray], network: Driven, windows: int | None):
    longest = max(len(s) for s in series)
    size = max(1, NUMBERS // (longest * network.inputs + (windows or 1) * network.dimension))
    return (series[i : i + size] for i in range(0, len(series), size))


def _moments(network: Driven, inputs: list[np.ndarray], targets: np.ndarray, windows, folds: int) -> list[Moments]:
    """The moments of features and indicators in each of `folds` consecutive parts of the samples."""
    if len(inputs) < folds:
        raise ValueError(f"folds must be at most the {len(inputs)} samples; got {folds}")
    borders = {len(inputs) * (i + 1) // folds for i in range(folds)}
    parts, moments, count = [], None, 0
    for some in _in_chunks(inputs, network, windows):
        for row in states_of_windows(network, some, windows):
            moments = moments or MomentSum((), len(row), targets.shape[1], constant=True)
            moments.add(row, targets[count])
            count += 1
            if count in borders:
                parts.append(moments.segment())
    return parts
