"""Pictures of results.  Imported only where a picture is asked for: matplotlib takes its time."""

from cocycle.plotting.forecasts import forecast_figure
from cocycle.plotting.results import result_figure
from cocycle.plotting.spectra import convergence_figure, spectrum_points
from cocycle.plotting.sweeps import exponent_plane, prediction_figure, valid_time_plane, zero_line

__all__ = [
    "convergence_figure",
    "exponent_plane",
    "forecast_figure",
    "prediction_figure",
    "result_figure",
    "spectrum_points",
    "valid_time_plane",
    "zero_line",
]
