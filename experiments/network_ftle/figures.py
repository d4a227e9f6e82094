"""Every figure of the study, and the numbers behind its claims, from the archives alone.

python experiments/network_ftle/figures.py --size small
"""

import os
from itertools import product

os.environ.setdefault("MPLBACKEND", "Agg")

import digits_figures
import matplotlib.pyplot as plt
import numpy as np
from digits_figures import part
from matplotlib.colors import TwoSlopeNorm

from cocycle import feedforward, ftle, plane
from cocycle.lyapunov.ridges import distances, interpolated, level_lines, ridges
from cocycle.networks import TANH, mean_field
from cocycle.plotting import boundary_lines, stretching_lines
from cocycle.plotting.paper import STYLE
from cocycle.plotting.planes import signed_ticks
from cocycle.studies import network_ftle
from cocycle.studies.commands import figures_command
from cocycle.trajectories import end

X = np.linspace(-1, 1, 300)


def median(values):
    """Over realisations, the last axis; NaN where none is done."""
    return np.array([np.median(row[np.isfinite(row)]) if np.isfinite(row).any() else np.nan for row in values])


def networks(folder):
    """Width, depth, the network, field of the hidden ones over the square, and output, of each network that is kept."""
    archive = part(folder, "fields")
    for width, depth in product(archive.grid.axes["width"], archive.grid.axes["depth"]):
        net = network_ftle.network(archive, width=width, depth=depth, realisation=0)
        output = end(feedforward(net), plane(X, X))[..., 0]
        yield width, depth, net, ftle(network_ftle.hidden(net), plane(X, X)), output


def fields_figure(folder):
    """(a) L λ₁ over the square."""
    axes = part(folder, "fields").grid.axes
    shape = len(axes["width"]), len(axes["depth"])
    figure, panels = plt.subplots(
        *shape,
        figsize=(1 + 2.4 * shape[1], 2.3 * shape[0]),
        sharex=True,
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    norm, mesh = TwoSlopeNorm(0.0, -4.0, 4.0), None
    for ax, (width, depth, _, field, output) in zip(panels.ravel(), networks(folder), strict=True):
        mesh = ax.pcolormesh(X, X, field.log_factors, cmap="RdBu_r", norm=norm, rasterized=True)
        boundary_lines(ax, X, X, output)
        stretching_lines(ax, X, X, field.directions)
        ax.set(title=f"N = {width}, L = {depth}", aspect="equal", xticks=[-1, 0, 1], yticks=[-1, 0, 1])
        centre = interpolated(X, X, field.log_factors, np.zeros((1, 2)))[0]
        print(f"(a) N = {width}, L = {depth}: L λ₁ {centre:.2f} at the centre, at most {field.log_factors.max():.2f}")
    figure.colorbar(mesh, ax=panels, ticks=signed_ticks(norm), extend="both", label="L λ₁ = ln Λ₁", shrink=0.8)
    figure.suptitle("dashed: decision boundary; short lines: stretching directions")
    figure.supxlabel("input x₁", fontsize="medium")
    figure.supylabel("input x₂", fontsize="medium")
    return figure


def averages_figure(folder):
    """(b) boundary and centre against width."""
    archive = part(folder, "plane")
    widths, depths = (archive.grid.axes[name] for name in ("width", "depth"))
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    for j, depth in enumerate(depths):
        ring, centre = (archive[name][:, j] for name in ("boundary", "centre"))
        colour = f"C{j}"
        for values, style in ((ring, "o-"), (centre, "s--")):
            spread = np.nanstd(values, axis=1)
            left.errorbar(widths, np.nanmean(values, axis=1), spread, fmt=style, color=colour, markersize=3)
        left.plot([], [], color=colour, label=f"L = {depth}")
        contrast = median(ring - centre)
        right.plot(widths, contrast, "o-", color=colour, markersize=3, label=f"L = {depth}")
        print(
            f"(b) L = {depth}: on the boundary {np.round(median(ring), 2)}, at the centre {np.round(median(centre), 2)}"
        )
        print(f"    contrast {np.round(contrast, 2)} at N = {widths}; {slopes(widths, centre)}")
        print(f"    the two meet at N_c = {crossover(widths, ring, centre)}")
    left.set(xscale="log", xlabel="width N", ylabel="mean of L λ₁")
    left.set_title("circles: on the boundary; squares: at the centre")
    right.set(xscale="log", xlabel="width N", ylabel="contrast, boundary minus centre (median)")
    right.axhline(0, color="black", linewidth=0.8)
    for ax in (left, right):
        ax.legend(frameon=False)
    return figure


def slopes(widths, centre):
    """Of the centre value in ln N, with the standard error of a straight line through all realisations."""
    words = []
    for first in sorted({widths[0], 10}):
        at = np.flatnonzero(widths >= first)
        x, y = np.repeat(np.log(widths[at]), centre.shape[1]), centre[at].ravel()
        done = np.isfinite(y)
        (slope, _), covariance = np.polyfit(x[done], y[done], 1, cov=True)
        words.append(f"{slope:.2f} ± {np.sqrt(covariance[0, 0]):.2f} from N = {first}")
    return "slope of the centre in ln N " + ", ".join(words)


def crossover(widths, ring, centre):
    """Where straight lines in ln N through boundary and centre meet, from N = 10."""
    at = widths >= 10
    lines = [np.polyfit(np.log(widths[at]), np.nanmean(values[at], axis=1), 1) for values in (ring, centre)]
    return f"{np.exp(np.roots(lines[0] - lines[1])[0]):.3g}"


def ridges_figure(folder):
    """(c) ridges against decision boundaries."""
    depths = len(part(folder, "fields").grid.axes["depth"])
    figure, panels = plt.subplots(1, 3, figsize=(10, 3.2), layout="constrained")
    for i, (width, depth, net, field, output) in enumerate(networks(folder)):
        found = ridges(X, X, field.log_factors)
        if not len(found):
            print(f"(c) N = {width}, L = {depth}: no ridge")
            continue
        away = distances(found.points, level_lines(X, X, output)) / 2
        aligned = found.alignment(ftle(network_ftle.hidden(net), found.points).directions)
        print(
            f"(c) N = {width}, L = {depth}, medians: ridge {np.median(away):.2%} of the domain's width from the border,"
            f" |cos(stretching, ridge normal)| {np.median(aligned):.4f}, contrast {np.median(found.contrasts):.2f};"
            f" |cos(stretching, normal)| on the boundary {network_ftle.ring(net)['alignment']:.4f} in the mean"
        )
        label = f"N = {width}, L = {depth}"
        row, column = divmod(i, depths)  # colours for widths, dashes for depths
        look = {"color": f"C{row}", "linestyle": ("-", "--", "-.", ":")[column % 4]}
        for ax, values in zip(panels, (away, 1 - aligned, found.contrasts), strict=True):
            ax.plot(np.sort(values), np.linspace(0, 1, len(values)), label=label, **look)
    panels[0].set(xscale="log", xlabel="distance from the boundary (domain's width)", ylabel="share of ridge points")
    panels[1].set(xscale="log", xlabel="1 - |cos(stretching, ridge normal)|")
    panels[2].set(xlabel="height above the background (L λ₁)")
    panels[2].legend(frameon=False, fontsize=6, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def frozen_figure(folder):
    """(d) frozen hidden weights against full training."""
    archive = part(folder, "frozen")
    widths, thresholds, trained = (archive.grid.axes[name] for name in ("width", "threshold_std", "trained"))
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
    for (i, kind), (j, std) in product(enumerate(trained), enumerate(thresholds)):
        error, moved = archive["error"][i, j], archive["movement"][i, j]
        label = f"{'fully trained' if kind == 'all' else 'frozen'}, thresholds of std {std:g}"
        style = ("o-" if kind == "all" else "s--") + "k"[: int(std == 0)]
        left.plot(widths, np.nanmean(error, axis=1), style, label=label, markersize=3)
        print(f"(d) {label}: error {np.round(100 * np.nanmean(error, axis=1), 2)} % at N = {widths}")
        if kind == "all":
            right.plot(widths, np.nanmean(moved, axis=1), style, label=label, markersize=3)
            fit = np.polyfit(np.log(widths), np.log(np.nanmean(moved, axis=1)), 1)
            print(f"    the hidden weights move by {np.round(np.nanmean(moved, axis=1), 3)}: as N^{fit[0]:.2f}")
    left.set(xscale="log", yscale="log", xlabel="width N, L = 2", ylabel="test error")
    right.set(xscale="log", yscale="log", xlabel="width N, L = 2", ylabel="relative change of the hidden weights")
    for ax in (left, right):
        ax.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1))
    return figure


def scales_figure(folder):
    """(e) exponents before and after training."""
    archive = part(folder, "scales")
    stds, depths = (archive.grid.axes[name] for name in ("weight_std", "depth"))
    shape = {"figsize": (4.5 * len(depths), 3.3), "sharey": True, "squeeze": False, "layout": "constrained"}
    figure, (panels,) = plt.subplots(1, len(depths), **shape)
    for j, (ax, depth) in enumerate(zip(panels, depths, strict=True)):
        for name, colour, label in (("initial_exponent", "0.5", "before"), ("exponent", "C0", "after training")):
            quantiles = np.nanmean(archive[name][:, j], axis=1)
            ax.plot(stds, quantiles[:, 2], "o-", color=colour, label=f"{label}, median", markersize=3)
            ax.fill_between(stds, quantiles[:, 0], quantiles[:, -1], color=colour, alpha=0.2, linewidth=0)
            print(f"(e) L = {depth}, {label}: medians {np.round(quantiles[:, 2], 3)} at weight_std {stds}")
        theory = [initial_theory(std, archive.fixed["width"], depth) for std in stds]
        learned = np.nanmean(archive["error"][:, j], axis=1)
        print(f"    mean field before training {np.round(theory, 3)}; test errors {np.round(learned, 3)}")
        ax.plot(stds, theory, "k:", label="mean field, before")
        ax.axhline(0, color="black", linewidth=0.8)
        ax.set(title=f"N = {archive.fixed['width']}, L = {depth}", xlabel="initial weight scale $σ_w$")
    panels[0].set_ylabel("λ₁ (per layer), 5 to 95 %")
    panels[0].legend(frameon=False)
    return figure


def initial_theory(std, width, depth):
    """Mean growth of a vector through `depth` wide random layers, per layer, over the square.

    The first layer takes 2 inputs to N units with variance std²/2: a vector grows by N/2 more there.
    """
    q = std**2 * (plane(X[::10], X[::10]) ** 2).sum(-1) / 2
    growth = 0.5 * np.log(width / 2)
    for _ in range(depth):
        growth = growth + 0.5 * np.log(mean_field.gain_factor(q, std, TANH))
        q = mean_field.next_variance(q, std, 0.0, TANH)
    return np.mean(growth) / depth


FIGURES = {
    "fields": fields_figure,
    "averages": averages_figure,
    "ridges": ridges_figure,
    "frozen": frozen_figure,
    "scales": scales_figure,
    "bottleneck": digits_figures.bottleneck_figure,
    "uncertainty": digits_figures.uncertainty_figure,
    "widths": digits_figures.widths_figure,
    "acquisition": digits_figures.acquisition_figure,
}


def main(arguments=None):
    with plt.style.context(STYLE):
        figures_command("ftle", __doc__, FIGURES, arguments)


if __name__ == "__main__":
    main()
