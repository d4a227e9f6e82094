"""The figure of the study `reservoir_constraints`: conditional exponents and valid times."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from cocycle.labels import OF_INPUTS, with_unit, words
from cocycle.plotting.panels import figure_and_axes
from cocycle.plotting.paper import own_style
from cocycle.plotting.planes import colour_bar, exponent_plane, valid_time_plane, zero_line


def prediction_figure(
    input_std: np.ndarray,
    weight_std: np.ndarray,
    planes: Mapping[str, tuple[np.ndarray, np.ndarray]],
    title: str = "",
) -> Figure:
    """One row for each observation: conditional exponent, median valid time, the exponent's zero line on both.

    `planes` maps the name of the observation to (exponent per step, valid time in Lyapunov times), each of shape
    (len(weight_std), len(input_std)).
    """
    with own_style():
        figure, axes = figure_and_axes(len(planes), 2, size=(8, 3.4 * len(planes)), sharex=True, sharey=True)
        for row, (name, (exponent, times)) in zip(axes, planes.items(), strict=True):
            mesh = exponent_plane(row[0], input_std, weight_std, exponent)
            colour_bar(mesh, row[0], exponent, label="conditional exponent λ₁ (per step)", location="top")
            mesh = valid_time_plane(row[1], input_std, weight_std, times)
            colour_bar(mesh, row[1], times, label="median valid time (Lyapunov times)", location="top")
            zero_line(row[0], input_std, weight_std, exponent, color="black")
            zero_line(row[1], input_std, weight_std, exponent, color="white")
            row[0].set_ylabel(f"observed: {name}\n{words('weight_std')}")
        for ax in axes[-1]:
            ax.set_xlabel(with_unit(words("input_std"), OF_INPUTS))
        figure.suptitle(title)
    return figure
