"""Figures of results.

Functions of (ax, result) draw on given axes and return matplotlib's artists; those whose names end in `figure` make a
whole figure.  `plot(result)` calls the function for the type of the result.
"""

from cocycle.plotting.archives import archive_figure, result_figure, table_figure
from cocycle.plotting.dispatch import plot
from cocycle.plotting.fields import (
    boundary_lines,
    field_figure,
    field_panel,
    input_points,
    plane_labels,
    ridge_figure,
    ridge_points,
    stretching_lines,
)
from cocycle.plotting.forecasts import forecast_figure, forecast_lines, valid_time_histogram
from cocycle.plotting.networks import accuracy_plane, training_lines
from cocycle.plotting.orbits import phase_portrait, return_map
from cocycle.plotting.panels import one_panel
from cocycle.plotting.paper import style
from cocycle.plotting.planes import colour_bar, exponent_plane, signed_ticks, valid_time_plane, zero_line
from cocycle.plotting.reservoirs import diagnosis_figure, forgetting_curve, synchronisation_lines
from cocycle.plotting.spectra import angle_histograms, convergence_figure, running_exponents, spectrum_points
from cocycle.plotting.studies import prediction_figure

__all__ = [
    "accuracy_plane",
    "angle_histograms",
    "archive_figure",
    "boundary_lines",
    "colour_bar",
    "convergence_figure",
    "diagnosis_figure",
    "exponent_plane",
    "field_figure",
    "field_panel",
    "forecast_figure",
    "forecast_lines",
    "forgetting_curve",
    "input_points",
    "one_panel",
    "phase_portrait",
    "plane_labels",
    "plot",
    "prediction_figure",
    "result_figure",
    "return_map",
    "ridge_figure",
    "ridge_points",
    "running_exponents",
    "signed_ticks",
    "spectrum_points",
    "stretching_lines",
    "style",
    "synchronisation_lines",
    "table_figure",
    "training_lines",
    "valid_time_histogram",
    "valid_time_plane",
    "zero_line",
]
