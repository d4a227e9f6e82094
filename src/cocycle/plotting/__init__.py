"""Pictures of results.  Imported only where a picture is asked for: matplotlib takes its time.

Functions of (ax, result) draw on any axes and return what they drew; those whose names end in `figure` make a whole
figure.  Results have a `plot()` that calls them.
"""

from cocycle.plotting.fields import boundary_lines, field_figure, ridge_figure, ridge_points, stretching_lines
from cocycle.plotting.forecasts import forecast_figure, forecast_lines, valid_time_histogram
from cocycle.plotting.networks import accuracy_plane, training_lines
from cocycle.plotting.orbits import phase_portrait, return_map
from cocycle.plotting.reservoirs import diagnosis_figure, forgetting_curve, synchronisation_lines
from cocycle.plotting.results import result_figure, table_figure
from cocycle.plotting.spectra import angle_histograms, convergence_figure, running_exponents, spectrum_points
from cocycle.plotting.sweeps import (
    exponent_plane,
    one_panel,
    prediction_figure,
    signed_ticks,
    valid_time_plane,
    zero_line,
)

__all__ = [
    "accuracy_plane",
    "angle_histograms",
    "boundary_lines",
    "convergence_figure",
    "diagnosis_figure",
    "exponent_plane",
    "field_figure",
    "forecast_figure",
    "forecast_lines",
    "forgetting_curve",
    "one_panel",
    "phase_portrait",
    "prediction_figure",
    "result_figure",
    "return_map",
    "ridge_figure",
    "ridge_points",
    "running_exponents",
    "signed_ticks",
    "spectrum_points",
    "stretching_lines",
    "synchronisation_lines",
    "table_figure",
    "training_lines",
    "valid_time_histogram",
    "valid_time_plane",
    "zero_line",
]
