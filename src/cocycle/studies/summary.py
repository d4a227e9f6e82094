"""What came out of the built-in study: its planes, and in words."""

import numpy as np
import scipy

from cocycle.sweeps import Archive
from cocycle.sweeps.means import mean_over


def planes(results: Archive) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """For each observation the planes (weight_std, input_std) of the mean exponent and the median valid time.

    Over the realisations, and the starts, that are done; NaN where none is.  Of several ridges, with the first.
    """
    exponent, times = results["exponent"], results["valid_time"][..., 0, :]
    observed = results.grid.axes["observed"]
    return {str(name): (mean_over(exponent[i], (0,)), _median(times[i])) for i, name in enumerate(observed)}


def _median(times):  # over realisations and starts
    flat = np.moveaxis(times, 0, -2).reshape(*times.shape[1:3], -1)
    started = ~np.isnan(flat).all(axis=-1)
    result = np.full(started.shape, np.nan)
    result[started] = np.nanmedian(flat[started], axis=-1)
    return result


def in_words(results: Archive) -> str:
    """What came out: a row for each observation, over the points of the plane (mean exponent over the networks, median
    valid time over networks and starts), and what the exponent says about single networks."""
    axes = results.grid.axes
    heads = ("observed", "points", "exponent < 0", "predict > 1 Lyapunov time", "longest prediction (Lyapunov times)")
    lines = ["   ".join(heads)]
    for name, (exponent, times) in planes(results).items():
        done, longest = ~np.isnan(times), "-"
        if done.any():
            i, j = np.unravel_index(np.nanargmax(times), times.shape)
            where = f"weight_std {axes['weight_std'][i]:.3g}, input_std {axes['input_std'][j]:.3g}"
            longest = f"{times[i, j]:.2f} at {where}"
        cells = (name, done.sum(), (exponent < 0).sum(), (times > 1).sum(), longest)
        lines.append("   ".join(f"{cell!s:<{len(head)}}" for cell, head in zip(cells, heads, strict=True)))
    return "\n".join([*lines, "", _verdict(results)])


def _verdict(results: Archive) -> str:
    exponent, error = results["exponent"], results["exponent_error"]
    times = np.median(results["valid_time"][..., 0, :], axis=-1)  # over the starts
    positive, negative = exponent > 2 * error, exponent < -2 * error
    draws = results.grid.independent
    whose = "" if draws == len(results.grid) else f" They are {draws} independent draws of a network, rescaled."
    return (
        f"Networks whose exponent is clearly positive (by two standard errors): {positive.sum()}, of which "
        f"{_share(times[positive] > 1, whose)} predict for more than one Lyapunov time.\n"
        f"Networks whose exponent is clearly negative: {negative.sum()}, of which {_share(times[negative] > 1, whose)} "
        f"do: a negative exponent is necessary, not sufficient.{whose}"
    )


def _share(which: np.ndarray, rescaled: str) -> str:
    """How many, and, of independent draws, the share with its exact binomial interval."""
    if rescaled or not which.size:
        return str(which.sum())
    low, high = share_interval(int(which.sum()), which.size)
    return f"{which.sum()} ({which.mean():.1%}; {low:.1%} to {high:.1%} with 95 % confidence)"


def share_interval(count: int, draws: int) -> tuple[float, float]:
    """The 95 % confidence interval of a share of which `count` of `draws` independent draws were found.

    Clopper and Pearson's, which is exact: Biometrika 26, 404 (1934).
    """
    found = scipy.stats.binomtest(count, draws).proportion_ci(method="exact")
    return float(found.low), float(found.high)
