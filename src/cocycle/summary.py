"""What came out of the built-in study: its planes, and in words."""

import numpy as np

from cocycle.sweeps import Archive


def planes(results: Archive) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """For each observation the planes (weight_std, input_std) of the mean exponent and the median valid time.

    Over the realisations, and the starts, that are done; NaN where none is.  Of several ridges, with the first.
    """
    exponent, times = results["exponent"], results["valid_time"][..., 0, :]
    observed = results.grid.axes["observed"]
    return {str(name): (_mean(exponent[i]), _median(times[i])) for i, name in enumerate(observed)}


def _mean(values):  # over realisations; numpy's own warns about planes that are not done yet
    done = ~np.isnan(values)  # an exponent of -inf is a result
    count = done.sum(axis=0)
    with np.errstate(invalid="ignore"):
        return np.where(count > 0, np.where(done, values, 0).sum(axis=0) / np.maximum(count, 1), np.nan)


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
    return (
        f"Networks whose exponent is clearly positive (by two standard errors): {positive.sum()}, of which "
        f"{(times[positive] > 1).sum()} predict for more than one Lyapunov time.\n"
        f"Networks whose exponent is clearly negative: {negative.sum()}, of which {(times[negative] > 1).sum()} do: "
        "a negative exponent is necessary, not sufficient."
    )
