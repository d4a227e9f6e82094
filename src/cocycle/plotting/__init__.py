"""Pictures of results.  Nothing else in the package imports this, so that nothing else needs matplotlib."""

from cocycle.plotting.forecasts import forecast_figure
from cocycle.plotting.spectra import convergence_figure, spectrum_points
from cocycle.plotting.sweeps import exponent_plane, prediction_figure, valid_time_plane, zero_line

__all__ = [
    "convergence_figure",
    "exponent_plane",
    "forecast_figure",
    "prediction_figure",
    "spectrum_points",
    "valid_time_plane",
    "zero_line",
]
