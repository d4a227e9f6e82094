"""Pictures of results.  Nothing else in the package imports this, so that nothing else needs matplotlib."""

from cocycle.plotting.sweeps import exponent_plane, prediction_figure, valid_time_plane, zero_line

__all__ = ["exponent_plane", "prediction_figure", "valid_time_plane", "zero_line"]
