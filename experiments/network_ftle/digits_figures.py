"""The figures of the study that are about digits."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import binned_statistic_2d, spearmanr

from cocycle import Archive
from cocycle.networks.acquisition import STRATEGIES
from cocycle.networks.uncertainty import binned

BINS = 10


def part(folder, name):
    return Archive.open(Path(folder) / f"{name}.h5")


def bottleneck_figure(folder):
    """(f) the plane of the bottleneck, and a path across a border: of the first realisation whose path arrives."""
    archive = part(folder, "digits")
    classes, fixed = archive["path_class"], archive.fixed
    r = int(np.argmax(classes[:, -1] == fixed["to"]))
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(12, 4.4), layout="constrained")
    places, target, path = (archive[name][r] for name in ("plane", "target", "path_plane"))
    mixed, exponent = archive["mixed_plane"][r], archive["mixed_exponent"][r]
    for ax, values, label in (
        (left, exponent, "mean λ₁ (per layer)"),
        (middle, archive["mixed_entropy"][r], "mean entropy H of the ensemble (nats)"),
    ):
        mean, x, y, _ = binned_statistic_2d(*mixed.T, values, bins=60)
        mesh = ax.pcolormesh(x, y, mean.T, cmap="viridis", rasterized=True)
        figure.colorbar(mesh, ax=ax, label=label, location="top")
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
    right.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1))
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
            end = f"{along[-1]:.2f} at last, a {classes[r, -1]:.0f}"
            print(f"    path {r}: λ₁ {along[0]:.2f} at first, {along[at[-1]]:.2f} at the border (step {at[-1]}),"
                  f" {along.max():.2f} at most (step {along.argmax()}), {end}")  # fmt: skip
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
    right.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1))
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
    ax.set(xlabel="number of labels", ylabel="accuracy on test digits")
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
