"""Pictures of results.  Imported only where a picture is asked for: matplotlib takes its time."""

from cocycle.plotting.fields import boundary_lines, field_figure, ridge_figure, ridge_points, stretching_lines
from cocycle.plotting.forecasts import forecast_figure
from cocycle.plotting.results import result_figure
from cocycle.plotting.spectra import convergence_figure, spectrum_points
from cocycle.plotting.sweeps import exponent_plane, prediction_figure, valid_time_plane, zero_line

__all__ = [
    "boundary_lines",
    "convergence_figure",
    "exponent_plane",
    "field_figure",
    "forecast_figure",
    "prediction_figure",
    "result_figure",
    "ridge_figure",
    "ridge_points",
    "spectrum_points",
    "stretching_lines",
    "valid_time_plane",
    "zero_line",
]
