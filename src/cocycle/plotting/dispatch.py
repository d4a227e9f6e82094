"""`plot`: the figure of a result, chosen by its type."""

from functools import partial, singledispatch
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cocycle.arrays import as_numpy
from cocycle.lyapunov import (
    EmbeddingDelay,
    EmbeddingDimension,
    Field,
    LeadingExponents,
    Plane,
    SeriesExponent,
    Spectrum,
)
from cocycle.lyapunov.ridges import ridges
from cocycle.networks import AccuracyMap
from cocycle.networks.history import History
from cocycle.orbits import BifurcationDiagram, Section
from cocycle.plotting.archives import archive_figure
from cocycle.plotting.fields import field_figure, input_points, plane_labels
from cocycle.plotting.forecasts import valid_time_histogram
from cocycle.plotting.measured import dimension_curve, divergence_curves, information_curve
from cocycle.plotting.networks import accuracy_plane, training_lines
from cocycle.plotting.orbits import bifurcation_figure, bifurcation_points, section_points
from cocycle.plotting.panels import one_panel
from cocycle.plotting.reservoirs import diagnosis_figure, forgetting_curve, synchronisation_lines
from cocycle.plotting.searches import interval_figure, search_figure
from cocycle.plotting.spectra import convergence_figure, leading_points, running_exponents
from cocycle.reservoir import Capacity, Diagnosis, ForecastIntervals, SearchResult, Synchronisation, ValidTimes
from cocycle.sweeps import Archive


@singledispatch
def plot(result: Any, *, ax: Axes | None = None, **options: Any) -> Figure:
    """The figure of a result, or its first panel on axes `ax`; `result.plot(...)` is the same.

    - a `Spectrum`: the running exponents, and the final ones; on axes `ax` only the first.  `unit=` is that of the
      exponents.
    - `LeadingExponents`: the exponents against their index, with means over many inputs.
    - a `Field` over a plane, with ridges and stretching directions; `plot(field, outputs)` adds the decision boundary
      of the network, from its outputs (rows, columns) or (rows, columns, classes).  There are no ridges with fewer than
      9 points along an axis, uneven steps, or exponents that are NaN.  Over a `Plane` the lines are the projections of
      the stretching directions on it, and the inputs through which it was laid are marked.
    - an `Archive`: one output over its axes, the first unless named, `plot(archive, "exponent")`, with coordinates that
      are fixed and axes that are averaged, `plot(archive, "exponent", leak=0.5, over="realisation")`.
    - a `BifurcationDiagram`: a `component=` of the states, and the exponents; on axes `ax` only the first.
    - a `Section`: its points.
    - a `SeriesExponent`: the mean logarithm of distances, and its linear stretch; an `EmbeddingDelay`: the mutual
      information; an `EmbeddingDimension`: E1 and E2, or the fraction of false neighbours.
    - `ForecastIntervals`: the band of each component, with the `truth` if it is given, and `names=` of components; a
      `SearchResult`: the score against each parameter; on axes `ax` only the first.
    - a `Diagnosis`, in four panels; `ValidTimes`, `Synchronisation`, `Capacity`, `History`, `AccuracyMap`, in one.

    Raises TypeError for other objects, ValueError where `ax` is given for a figure of several panels.
    """
    known = ", ".join(sorted(kind.__name__ for kind in plot.registry if kind is not object))
    raise TypeError(
        f"result must be one of {known}; got a {type(result).__name__}: arrays are drawn by the functions of"
        " cocycle.plotting"
    )


@plot.register
def _(result: Spectrum, *, unit: str | None = None, ax: Axes | None = None) -> Figure:
    if ax is None:
        return convergence_figure(result, unit=unit)
    return one_panel(running_exponents, result, ax=ax, unit=unit)


@plot.register
def _(result: Field, outputs: Any = None, *, ax: Axes | None = None) -> Figure:
    x, y = result.axes
    exponents = as_numpy(result.exponents)
    outputs = None if outputs is None else as_numpy(outputs)
    try:
        found = ridges(x, y, exponents)
    except ValueError:
        found = None
    directions, label = as_numpy(result.directions), f"maximal exponent λ₁ ({result.unit})"
    if not isinstance(result.x, Plane):
        return field_figure(x, y, exponents, directions, found, outputs, ax=ax, label=label)
    with np.errstate(invalid="ignore"):  # of a direction that has no part in the plane nothing is drawn
        directions = directions / np.linalg.norm(directions, axis=-1, keepdims=True)
    words = {"label": label, "labels": plane_labels(result.x)}
    figure = field_figure(x, y, exponents, directions, found, outputs, ax=ax, **words)
    input_points(figure.axes[0] if ax is None else ax, result.x)
    return figure


@plot.register
def _(result: Diagnosis, *, ax: Axes | None = None) -> Figure:
    if ax is not None:
        raise ValueError(
            "ax must be None for a Diagnosis, which has four panels; got axes: leave `ax` out, or plot its parts"
        )
    return diagnosis_figure(result)


@plot.register
def _(result: BifurcationDiagram, *, component: int | None = None, ax: Axes | None = None) -> Figure:
    if ax is None:
        return bifurcation_figure(result, component=component)
    return one_panel(bifurcation_points, result, ax=ax, component=component)


plot.register(Archive, archive_figure)
plot.register(ForecastIntervals, interval_figure)
plot.register(SearchResult, search_figure)

for _kind, _draw in (
    (AccuracyMap, accuracy_plane),
    (Capacity, forgetting_curve),
    (EmbeddingDelay, information_curve),
    (EmbeddingDimension, dimension_curve),
    (LeadingExponents, leading_points),
    (SeriesExponent, divergence_curves),
    (Section, section_points),
    (History, training_lines),
    (Synchronisation, synchronisation_lines),
    (ValidTimes, valid_time_histogram),
):
    plot.register(_kind, partial(one_panel, _draw))
