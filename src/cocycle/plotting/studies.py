"""The figure of the study `reservoir_constraints`: conditional exponents and valid times."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from cocycle.plotting.panels import STYLE
from cocycle.plotting.planes import exponent_plane, extended, signed_ticks, valid_time_plane, zero_line


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
    with plt.style.context(STYLE):
        figure, axes = plt.subplots(
            len(planes),
            2,
            figsize=(8, 3.1 * len(planes)),
            sharex=True,
            sharey=True,
            squeeze=False,
            layout="constrained",
        )
        for row, (name, (exponent, times)) in zip(axes, planes.items(), strict=True):
            mesh = exponent_plane(row[0], input_std, weight_std, exponent)
            figure.colorbar(
                mesh,
                ax=row[0],
                extend="both" if np.isposinf(exponent).any() else "min",
                ticks=signed_ticks(mesh.norm),
                label="conditional exponent λ₁ (per step)",
            )
            mesh = valid_time_plane(row[1], input_std, weight_std, times)
            figure.colorbar(mesh, ax=row[1], extend=extended(times), label="median valid time (Lyapunov times)")
            zero_line(row[0], input_std, weight_std, exponent, color="black")
            zero_line(row[1], input_std, weight_std, exponent, color="white")
            row[0].set_ylabel(f"observed: {name}\nweight scale weight_std")
        for ax in axes[-1]:
            ax.set_xlabel("input scale input_std (per unit of the signal)")
        figure.suptitle(title)
    return figure
