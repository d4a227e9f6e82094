"""Every figure of the study, and the numbers behind its claims, from the archives alone.

python experiments/network_ftle/figures.py --size small
"""

import os
from itertools import product
from pathlib import Path

os.environ.setdefault("MPLBACKEND", "Agg")

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.colors import TwoSlopeNorm
from scipy.stats import binned_statistic_2d, spearmanr

from cocycle import Archive, ftle, network_study, plane
from cocycle.experiments import figures_command
from cocycle.lyapunov.ridges import distances, interpolated, level_lines, ridges
from cocycle.networks import TANH, mean_field
from cocycle.networks.acquisition import STRATEGIES
from cocycle.networks.uncertainty import binned
from cocycle.plotting import boundary_lines, stretching_lines
from cocycle.plotting.sweeps import STYLE, signed_ticks

X = np.linspace(-1, 1, 300)
BINS = 10


def part(folder, name):
    return Archive.open(Path(folder) / f"{name}.h5")


def median(values):
    """Over realisations, the last axis; NaN where none is done."""
    return np.array([np.median(row[np.isfinite(row)]) if np.isfinite(row).any() else np.nan for row in values])


def networks(folder):
    """Width, depth, field over the square, and output, of each network that is kept."""
    archive = part(folder, "fields")
    for width, depth in product(archive.grid.axes["width"], archive.grid.axes["depth"]):
        net = network_study.network(archive, width=width, depth=depth, realisation=0)
        with torch.no_grad():
            output = net(torch.as_tensor(plane(X, X)))[..., 0].numpy()
        yield width, depth, ftle(network_study.hidden(net), plane(X, X)), output


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
    for ax, (width, depth, field, output) in zip(panels.ravel(), networks(folder), strict=True):
        mesh = ax.pcolormesh(X, X, field.log_factors, cmap="RdBu_r", norm=norm, rasterized=True)
        boundary_lines(ax, X, X, output)
        stretching_lines(ax, X, X, field.directions)
        ax.set(title=f"N = {width}, L = {depth}", aspect="equal", xticks=[-1, 0, 1], yticks=[-1, 0, 1])
        centre = interpolated(X, X, field.log_factors, np.zeros((1, 2)))[0]
        print(f"(a) N = {width}, L = {depth}: L λ₁ {centre:.2f} at the centre, at most {field.log_factors.max():.2f}")
    figure.colorbar(mesh, ax=panels, ticks=signed_ticks(norm), extend="both", label="L λ₁ = ln Λ₁", shrink=0.8)
    figure.suptitle("dashed: decision boundary; short lines: stretching directions")
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
    figure, panels = plt.subplots(1, 3, figsize=(10, 3.2), layout="constrained")
    for i, (width, depth, field, output) in enumerate(networks(folder)):
        found = ridges(X, X, field.log_factors)
        if not len(found):
            print(f"(c) N = {width}, L = {depth}: no ridge")
            continue
        away = distances(found.points, level_lines(X, X, output)) / 2
        net = network_study.network(part(folder, "fields"), width=width, depth=depth, realisation=0)
        aligned = found.alignment(ftle(network_study.hidden(net), found.points).directions)
        print(
            f"(c) N = {width}, L = {depth}, medians: ridge {np.median(away):.2%} of the domain's width from the border,"
            f" |cos(stretching, ridge normal)| {np.median(aligned):.4f}, contrast {np.median(found.contrasts):.2f};"
            f" |cos(stretching, normal)| on the boundary {network_study.ring(net)['alignment']:.4f} in the mean"
        )
        label = f"N = {width}, L = {depth}"
        for ax, values in zip(panels, (away, 1 - aligned, found.contrasts), strict=True):
            ax.plot(np.sort(values), np.linspace(0, 1, len(values)), color=f"C{i % 10}", label=label)
    panels[0].set(xscale="log", xlabel="distance from the boundary (domain's width)", ylabel="share of ridge points")
    panels[1].set(xscale="log", xlabel="1 - |cos(stretching, ridge normal)|")
    panels[2].set(xlabel="height above the background (L λ₁)")
    panels[2].legend(frameon=False, fontsize=6, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def frozen_figure(folder):
    """(d) frozen hidden weights against full training."""
    archive = part(folder, "frozen")
    widths, thresholds, trained = (archive.grid.axes[name] for name in ("width", "threshold_std", "trained"))
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
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
        ax.legend(frameon=False)
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
        ax.set(title=f"N = {archive.fixed['width']}, L = {depth}", xlabel="initial weight_std")
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


def bottleneck_figure(folder):
    """(f) the plane of the bottleneck, and a path across a border: of the first realisation whose path arrives."""
    archive = part(folder, "digits")
    classes, fixed = archive["path_class"], archive.fixed
    r = int(np.argmax(classes[:, -1] == fixed["to"]))
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(12, 3.6), layout="constrained")
    places, target, path = (archive[name][r] for name in ("plane", "target", "path_plane"))
    mixed, exponent = archive["mixed_plane"][r], archive["mixed_exponent"][r]
    for ax, values, label in (
        (left, exponent, "mean λ₁ (per layer)"),
        (middle, archive["mixed_entropy"][r], "mean entropy H of the ensemble (nats)"),
    ):
        mean, x, y, _ = binned_statistic_2d(*mixed.T, values, bins=60)
        mesh = ax.pcolormesh(x, y, mean.T, cmap="viridis", rasterized=True)
        figure.colorbar(mesh, ax=ax, label=label)
        ax.scatter(*places.T, c=target, cmap="tab10", s=3, linewidths=0)
        ax.plot(*path.T, color="white", linewidth=1.5)
        for digit in range(10):
            ax.annotate(str(digit), np.median(places[target == digit], axis=0), color="white", weight="bold")
        ax.set(xlabel="local field of unit 1", ylabel="local field of unit 2")
    walked = np.arange(len(path))
    right.plot(walked, archive["path_exponent"][r], label="λ₁ (per layer)")
    right.plot(walked, archive["path_overlap"][r], label="|cos(path, stretching)|")
    right.plot(walked, archive["path_entropy"][r], label="entropy H (nats)")
    for step in {*borders(classes[r])[:1], *borders(classes[r])[-1:]}:
        right.axvline(step, color="black", linewidth=0.8)
    right.set(xlabel=f"step from {fixed['from']} to {fixed['to']} (lines: class changes)")
    right.legend(frameon=False)
    print(f"(f) test error with the bottleneck {np.round(archive['bottleneck_error'], 3)}")
    inside, between = archive["exponent"], archive["mixed_exponent"]
    print(f"    mean λ₁ of images {np.nanmean(inside):.3f}, of mixtures of two {np.nanmean(between):.3f}")
    found = archive["overlap"]
    random = np.random.default_rng(0).normal(size=(found.size, part(folder, "widths").fixed["ends"][0]))
    random = np.median(abs(random[:, 0]) / np.linalg.norm(random, axis=1))
    print(f"    |cos(adversarial, stretching)| {np.nanmedian(found):.3f}, of a random direction {random:.3f} (medians)")
    for r, along in enumerate(archive["path_exponent"]):
        at = borders(classes[r])
        if len(at):
            print(f"    path {r}: λ₁ {along[0]:.2f} at first, {along[at[-1]]:.2f} at the border (step {at[-1]}),"
                  f" {along.max():.2f} at most (step {along.argmax()}), {along[-1]:.2f} at last, a {classes[r, -1]:.0f}")  # fmt: skip
    return figure


def borders(classes):
    """The steps at which the class changes."""
    return np.flatnonzero(np.nan_to_num(np.diff(classes))) + 1


def uncertainty_figure(folder):
    """(g) error and entropy against the exponent: in bins of each realisation, which share the images."""
    archive = part(folder, "digits")
    done = np.isfinite(archive["exponent"]).all(axis=1)
    exponent = archive["exponent"][done]
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
    for ax, names in ((left, ["wrong"]), (right, ["entropy", "aleatoric", "epistemic"])):
        for name in names:
            values = archive[name][done]
            found = [binned(*pair, bins=BINS) for pair in zip(exponent, values, strict=True)]
            centres, means = (np.mean([getattr(b, of) for b in found], axis=0) for of in ("centres", "means"))
            spread = np.std([b.means for b in found], axis=0)
            ax.errorbar(centres, means, spread, fmt="o-", markersize=3, label=name)
            single = np.mean([spearmanr(*pair)[0] for pair in zip(exponent, values, strict=True)])
            print(f"(g) {name}: {np.round(means, 3)} ± {np.round(spread, 3)} in bins of mean λ₁ {np.round(centres, 2)};"
                  f" rank correlation {spearmanr(centres, means)[0]:.3f} of bins, {single:.3f} of images")  # fmt: skip
    left.set(xlabel="λ₁ (per layer)", ylabel="share of members that are wrong")
    right.set(xlabel="λ₁ (per layer)", ylabel="uncertainty (nats)")
    right.legend(frameon=False)
    return figure


def widths_figure(folder):
    """(h) mean and spread over width."""
    archive = part(folder, "widths")
    widths = archive.grid.axes["width"]
    figure, axes = plt.subplots(1, 2, figsize=(8, 3), layout="constrained")
    for ax, name, label in zip(axes, ("exponent_mean", "exponent_std"), ("mean of λ₁", "spread of λ₁"), strict=True):
        values = archive[name]
        ax.errorbar(widths, np.nanmean(values, axis=1), np.nanstd(values, axis=1), fmt="o-", markersize=3)
        ax.set(xscale="log", xlabel="width N", ylabel=f"{label} over test digits (per layer)")
        print(f"(h) {label} {np.round(np.nanmean(values, axis=1), 3)} at N = {widths}")
    print(f"    test error {np.round(np.nanmean(archive['error'], axis=1), 3)}")
    return figure


def acquisition_figure(folder):
    """Which digits to label next."""
    archive = part(folder, "acquisition")
    accuracy, fixed = archive["accuracy"], archive.fixed
    labels = fixed["start"] + fixed["batch"] * np.arange(fixed["rounds"] + 1)
    figure, ax = plt.subplots(figsize=(5, 3.3), layout="constrained")
    for i, name in enumerate(STRATEGIES):
        mean = np.nanmean(accuracy[:, i], axis=0)
        error = np.nanstd(accuracy[:, i], axis=0, ddof=1) / np.sqrt(np.isfinite(accuracy[:, i, 0]).sum())
        ax.errorbar(labels, mean, error, fmt="o-", markersize=3, label=name)
        print(f"acquisition, {name}: accuracy {np.round(mean, 3)}, ± {error[-1]:.3f} at last; {cost(labels, mean)}")
    ax.set(xlabel="labels", ylabel="accuracy on test digits")
    ax.legend(frameon=False)
    return figure


def cost(labels, accuracy, wanted=0.9):
    """The labels that an accuracy takes, interpolated."""
    if not (accuracy > wanted).any():
        return f"below {wanted:.0%} throughout"
    first = int(np.argmax(accuracy > wanted))
    if first == 0:
        return f"{wanted:.0%} from the start"
    found = np.interp(wanted, accuracy[first - 1 : first + 1], labels[first - 1 : first + 1])
    return f"{wanted:.0%} with {found:.0f} labels"


FIGURES = {
    "fields": fields_figure,
    "averages": averages_figure,
    "ridges": ridges_figure,
    "frozen": frozen_figure,
    "scales": scales_figure,
    "bottleneck": bottleneck_figure,
    "uncertainty": uncertainty_figure,
    "widths": widths_figure,
    "acquisition": acquisition_figure,
}


def main(arguments=None):
    with plt.style.context(STYLE):
        figures_command("ftle", __doc__, FIGURES, arguments)


if __name__ == "__main__":
    main()
