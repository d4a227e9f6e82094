"""Every figure of the study, and the numbers behind its claims, from the archives alone.

python experiments/reservoir_constraints/figures.py --size small
"""

import os
from pathlib import Path

os.environ.setdefault("MPLBACKEND", "Agg")

import matplotlib.pyplot as plt
import numpy as np

from cocycle import Archive
from cocycle.labels import words
from cocycle.plotting import colour_bar, exponent_plane, valid_time_plane, zero_line
from cocycle.plotting.paper import STYLE
from cocycle.plotting.planes import diverging
from cocycle.studies.commands import figures_command
from cocycle.studies.summary import share_interval
from cocycle.systems.references import REFERENCE

TRUE = REFERENCE["Lorenz63"].exponents
PREDICTS = 1.0  # Lyapunov times: what counts as a prediction
OBSERVED = {"full": "x, y, z", "first": "x alone", "second": "y alone", "third": "z alone"}
DRIVERS = {"rossler": "Rössler", "lorenz96": "Lorenz 96, n = 10", "ikeda": "Ikeda"}


class Plane:
    """What a part of the study found, the realisations and starts taken together."""

    def __init__(self, archive):
        self.archive, self.axes = archive, archive.grid.axes
        self.x, self.y = self.axes["input_std"], self.axes["weight_std"]

    def networks(self, name, *index):
        """(realisation, weight_std, input_std, ...) of an output, at one place along the first axis."""
        return self.archive[name][index]

    def exponent(self, *index, name="exponent"):
        return np.nanmean(self.networks(name, *index), axis=0)

    def valid(self, *index, ridge=-1):
        """Median over realisations and starts, (weight_std, input_std)."""
        times = self.networks("valid_time", *index)[..., ridge, :]
        return np.nanmedian(np.moveaxis(times, 0, -2).reshape(*times.shape[1:3], -1), axis=-1)


def part(folder, name):
    return Archive.open(Path(folder) / f"{name}.h5")


def per_network(times):
    """The median over starts (..., start)."""
    return np.median(times, axis=-1)


def mean(values):
    """NaN of nothing, without a word about it."""
    return np.mean(values) if len(values) else np.nan


def place(plane, index):
    return f"weight_std {plane.y[index[0]]:.2f}, input_std {plane.x[index[1]]:.4f}"


def labelled(ax, title, *, left=True, bottom=True):
    ax.set_title(title)
    if left:
        ax.set_ylabel(words("weight_std"))
    if bottom:
        ax.set_xlabel(words("input_std"))


def exponents_figure(folder):
    """(a) the conditional exponent, its zero line and the mean field's, full and each component."""
    plane = Plane(part(folder, "plane"))
    figure, axes = plt.subplots(1, 4, figsize=(12, 3.2), sharey=True, sharex=True, layout="constrained")
    every = np.array([plane.exponent(i) for i in range(len(plane.axes["observed"]))])
    norm = diverging(-2.0, max(float(np.nanmax(every)), 0.1))
    for i, (ax, name) in enumerate(zip(axes, plane.axes["observed"], strict=True)):
        found, theory = every[i], plane.exponent(i, name="mean_field")
        mesh = exponent_plane(ax, plane.x, plane.y, found)
        mesh.set_norm(norm)  # of all panels, which share a colour bar
        zero_line(ax, plane.x, plane.y, found, color="black")
        line = zero_line(ax, plane.x, plane.y, theory, color="tab:green")
        if line is not None:
            line.set_linestyle("dashed")
        labelled(ax, OBSERVED[str(name)], left=i == 0)
        gap = abs(found - theory)
        weak = np.nanmean(plane.networks("drive_variance", i), axis=0) < 1
        print(
            f"(a) {name}: exponent against mean field, median difference {np.median(gap):.3f} per step,"
            f" {np.median(gap[weak]):.3f} where the drive's variance is below 1, largest {gap.max():.2f};"
            f" {(found < 0).mean():.0%} of the plane is negative"
        )
    colour_bar(mesh, axes.tolist(), every, label="conditional exponent λ₁ (per step)")
    figure.suptitle("λ₁ = 0: black measured, green dashed mean field")
    return figure


def valid_figure(folder):
    """(b, c) the median valid time for every observation and ridge."""
    archive = part(folder, "plane")
    plane, ridges = Plane(archive), archive.fixed["ridges"]
    names = plane.axes["observed"]
    figure, axes = plt.subplots(
        len(names), len(ridges), figsize=(10, 2.7 * len(names)), sharex=True, sharey=True, layout="constrained"
    )
    for i, name in enumerate(names):
        for j, ridge in enumerate(ridges):
            ax, times = axes[i, j], plane.valid(i, ridge=j)
            mesh = valid_time_plane(ax, plane.x, plane.y, times)
            figure.colorbar(mesh, ax=ax)
            zero_line(ax, plane.x, plane.y, plane.exponent(i), color="white")
            labelled(ax, f"{OBSERVED[str(name)]}, ridge {ridge:g}", left=j == 0, bottom=i == len(names) - 1)
            best = np.unravel_index(np.nanargmax(times), times.shape)
            everywhere = per_network(plane.networks("valid_time", i)[..., j, :])[:, *best]
            print(
                f"(b, c) {name}, ridge {ridge:g}: predicts > {PREDICTS:g} in {(times > PREDICTS).mean():.0%} of the"
                f" plane; best {times[best]:.2f} at {place(plane, best)},"
                f" where networks have medians from {everywhere.min():.2f} to {everywhere.max():.2f}"
            )
    figure.suptitle("median valid time (Lyapunov times); white: λ₁ = 0")
    return figure


def scatter_figure(folder):
    """(d) valid time against exponent; (e) the same in the plane of exponent and local-field variance."""
    archive = part(folder, "plane")
    names = archive.grid.axes["observed"]
    figure, axes = plt.subplots(1, 3, figsize=(12, 4.2), layout="constrained")
    for i, name in enumerate(names):
        exponent, times = archive["exponent"][i], per_network(archive["valid_time"][i][..., -1, :])
        axes[0].plot(exponent.ravel(), times.ravel(), ".", markersize=2, label=OBSERVED[str(name)])
    axes[0].axvline(0, color="black", linewidth=0.8)
    axes[0].set(
        xlim=(-3, 0.4), xlabel="conditional exponent λ₁ (per step)", ylabel="median valid time (Lyapunov times)"
    )
    axes[0].legend(markerscale=4, ncols=2, loc="lower left", bbox_to_anchor=(0, 1))
    for ax, name in zip(axes[1:], ("full", "second"), strict=True):
        i = list(names).index(name)
        exponent, field = archive["exponent"][i], archive["field_variance"][i]
        times = per_network(archive["valid_time"][i][..., -1, :])
        order = times.ravel().argsort()
        points = ax.scatter(
            exponent.ravel()[order], field.ravel()[order], c=times.ravel()[order], s=3, cmap="viridis", vmin=0
        )
        figure.colorbar(points, ax=ax, label="median valid time (Lyapunov times)", location="top")
        ax.axvline(0, color="black", linewidth=0.8)
        ax.set(xlim=(-3, 0.4), yscale="log", title=OBSERVED[name])
        ax.set(xlabel="conditional exponent λ₁ (per step)", ylabel="variance of the local fields")
    _counts(part(folder, "independent"))
    _collapse(archive)
    return figure


def _counts(archive):
    """(d) how many networks predict, each drawn on its own: only so are shares of networks what they are taken for."""
    exponent, error = archive["exponent"], archive["exponent_error"]
    times = per_network(archive["valid_time"][..., -1, :])
    for name, i in [*((str(name), i) for i, name in enumerate(archive.grid.axes["observed"])), ("all", slice(None))]:
        own, signs = times[i], {"positive": exponent[i] > 2 * error[i], "negative": exponent[i] < -2 * error[i]}
        for sign, chosen in signs.items():
            predict = int((own[chosen] > PREDICTS).sum())
            low, high = share_interval(predict, max(int(chosen.sum()), 1))
            print(
                f"(d) {name}: of {chosen.sum()} independent networks with a clearly {sign} exponent {predict} predict"
                f" (95 %: {low:.1%} to {high:.1%}), the longest for {own[chosen].max(initial=0):.2f}"
            )


def _collapse(archive):
    """How far exponent and field variance decide by themselves: full observation against one component."""
    names = list(archive.grid.axes["observed"])
    edges = np.linspace(-3, 0.3, 12), np.linspace(-3, 3, 13)
    shares = {}
    for name in ("full", "second"):
        i = names.index(name)
        exponent, field = archive["exponent"][i].ravel(), np.log10(archive["field_variance"][i]).ravel()
        works = per_network(archive["valid_time"][i][..., -1, :]).ravel() > PREDICTS
        count, *_ = np.histogram2d(exponent, field, edges)
        good, *_ = np.histogram2d(exponent[works], field[works], edges)
        shares[name] = np.where(count >= 3, good / np.maximum(count, 1), np.nan)
    both = np.isfinite(shares["full"]) & np.isfinite(shares["second"])
    agree = abs(shares["full"] - shares["second"])[both]
    slow = np.repeat((edges[0][:-1] > -1)[:, None], both.shape[1], axis=1)[both]
    for name in ("full", "second"):
        i = names.index(name)
        exponent, field = archive["exponent"][i], archive["field_variance"][i]
        times = per_network(archive["valid_time"][i][..., -1, :])
        low, high = np.quantile(field[times > PREDICTS], (0.05, 0.95)) if (times > PREDICTS).any() else (np.nan, np.nan)
        print(
            f"(e) {name}: networks that predict have field variances from {low:.2g} to {high:.2g} (5 and 95 %); longest"
            f" {times[exponent < -1].max(initial=0):.2f} where λ₁ < -1 per step, {times[exponent > -1].max():.2f} above"
        )
    print(
        f"(e) cells of the (exponent, log field variance) plane that both visit: {both.sum()}; the share of networks"
        f" that predict differs by {mean(agree):.2f} on average: by {mean(agree[slow]):.2f} where λ₁ > -1 per step, by"
        f" {mean(agree[~slow]):.2f} where it is below"
    )


def controls_figure(folder):
    """(f) what each edge is made of: a bias, delays, the ridge."""
    figure, axes = plt.subplots(1, 3, figsize=(12, 3.4), layout="constrained")
    bias, delays, plane = (Plane(part(folder, name)) for name in ("bias", "delays", "plane"))
    row = abs(bias.y - 0.8).argmin()
    for i, value in enumerate(bias.axes["bias_std"]):
        axes[0].semilogx(bias.x, bias.valid(i)[row], "o-", label=f"{words('bias_std')} = {value:g}")
    axes[0].set(title=f"full, {words('weight_std')} = {bias.y[row]:.2f}", xlabel=words("input_std"))
    small = bias.x < 5e-3
    print(
        f"(f) bias, the smallest ridge: input_std < 0.005, weight_std {bias.y[row]:.2f}: median valid times"
        f" {np.round(bias.valid(0)[row][small], 2)} without, {np.round(bias.valid(1)[row][small], 2)} with"
    )
    column = abs(np.log(delays.x / 0.03)).argmin()
    for i, value in enumerate(delays.axes["taps"]):
        axes[1].plot(
            delays.y, delays.valid(i)[:, column], "o-", label=f"{value} input{'s' if value > 1 else ''} at once"
        )
    axes[1].set(title=f"y alone, {words('input_std')} = {delays.x[column]:.3f}", xlabel=words("weight_std"))
    print(
        f"(f) delays, the smallest ridge: y alone, weight_std {delays.y[0]:g}, input_std {delays.x[column]:.3f}:"
        f" {delays.valid(0)[0, column]:.2f} with one input at a time, {delays.valid(1)[0, column]:.2f} with six;"
        f" best of the plane {np.nanmax(delays.valid(0)):.2f} and {np.nanmax(delays.valid(1)):.2f}"
    )
    row = abs(plane.y - 0.8).argmin()
    for j, ridge in enumerate(plane.archive.fixed["ridges"]):
        times = plane.valid(0, ridge=j)
        axes[2].semilogx(plane.x, times[row], "o-", label=f"ridge {ridge:g}")
        half = np.flatnonzero(times[row] > np.nanmax(times[row]) / 2)
        print(
            f"(f) ridge {ridge:g}: full, weight_std {plane.y[row]:.2f}: longest {np.nanmax(times[row]):.2f}, more than"
            f" half of it for input_std from {plane.x[half[0]]:.4f} to {plane.x[half[-1]]:.4f}"
        )
    axes[2].set(title=f"full, {words('weight_std')} = {plane.y[row]:.2f}", xlabel=words("input_std"))
    for ax in axes:
        ax.set_ylabel("median valid time (Lyapunov times)")
        ax.legend()
    return figure


def spectra_figure(folder):
    """(g) the exponents of the closed loop against the conditional one."""
    archive = part(folder, "spectra")
    exponent, closed, error = (archive[name] for name in ("exponent", "closed", "closed_error"))
    times = per_network(archive["valid_time"])
    works = times > PREDICTS
    figure, axes = plt.subplots(1, 3, figsize=(12, 3.4), layout="constrained")
    for i, ax in enumerate(axes):
        ax.axhline(TRUE[i], color="black", linewidth=0.8)
        ax.axvline(TRUE[2], color="black", linewidth=0.8, linestyle="dotted")
        points = ax.scatter(exponent[works], closed[works][:, i], c=times[works], s=8, cmap="viridis", vmin=0)
        ax.set(xlabel="conditional exponent (per unit time)", ylabel=f"closed-loop exponent {i + 1} (per unit time)")
        ax.set(xscale="symlog", ylim=[(-1, 2), (-3, 1), (-30, 2)][i])
    figure.colorbar(points, ax=axes, label="median valid time (Lyapunov times)")
    near = [abs(closed[..., i] - TRUE[i]) < 3 * error[..., i] + [0.1, 0.1, 1.0][i] for i in range(3)]
    long = times > 3
    far = exponent < 2 * TRUE[2]
    for name, group in {f"predict > {PREDICTS:g}": works, "predict > 3": long}.items():
        print(
            f"(g) of {group.sum()} points that {name}, rescalings of {len(times)} networks: λ₁ right in"
            f" {mean(near[0][group]):.0%}, λ₂ in"
            f" {mean(near[1][group]):.0%}, λ₃ in {mean(near[2][group]):.0%}: in {mean(near[2][group & far]):.0%} of"
            f" those with conditional exponents below {2 * TRUE[2]:.0f}, in {mean(near[2][group & ~far]):.0%} of others"
        )
    return figure


def mirror_figure(folder):
    """(h) where closed loops from random states end: the mean of z, for each bias."""
    archive = part(folder, "mirror")
    biases = archive.grid.axes["bias_std"]
    figure, ax = plt.subplots(figsize=(6, 3.4), layout="constrained")
    for i, (bias, means) in enumerate(zip(biases, archive["mean_z"], strict=True)):
        means = means.ravel()
        ax.plot(means, i + np.linspace(-0.3, 0.3, len(means)), ".", markersize=3)
        print(
            f"(h) bias_std {bias:g}: of {len(means)} runs from random states {(means > 15).mean():.0%} end with"
            f" ⟨z⟩ > 15, {(means < -15).mean():.0%} on the mirror side, ⟨z⟩ < -15"
        )
    ax.set_yticks(range(len(biases)), [f"{bias:g}" for bias in biases])
    ax.set(xlabel="mean of z over the last half of the run", ylabel=words("bias_std"))
    return figure


def drivers_figure(folder):
    """(i) the planes of other drivers, full and one component."""
    figure, axes = plt.subplots(2, len(DRIVERS), figsize=(10, 5.6), sharex=True, sharey=True, layout="constrained")
    for column, (name, title) in zip(axes.T, DRIVERS.items(), strict=True):
        plane = Plane(part(folder, name))
        for i, (ax, observed) in enumerate(zip(column, plane.axes["observed"], strict=True)):
            times, exponent = plane.valid(i), plane.exponent(i)
            figure.colorbar(valid_time_plane(ax, plane.x, plane.y, times), ax=ax)
            zero_line(ax, plane.x, plane.y, exponent, color="white")
            labelled(ax, f"{title}, {observed}", left=name == "rossler", bottom=i == 1)
            networks = per_network(plane.networks("valid_time", i)[..., -1, :])
            positive = plane.networks("exponent", i) > 2 * plane.networks("exponent_error", i)
            best = np.unravel_index(np.nanargmax(times), times.shape)
            print(
                f"(i) {name}, {observed}: best {times[best]:.2f} at {place(plane, best)}; of"
                f" {positive.sum()} points with a clearly positive exponent {(networks[positive] > 1).sum()} predict"
                f" (rescalings of {len(networks)} networks)"
            )
    figure.suptitle("median valid time (Lyapunov times), input scale in units of the signal's rms; white: λ₁ = 0")
    return figure


FIGURES = {
    "exponents": exponents_figure,
    "valid_times": valid_figure,
    "collapse": scatter_figure,
    "controls": controls_figure,
    "spectra": spectra_figure,
    "mirror": mirror_figure,
    "drivers": drivers_figure,
}


def main(arguments=None):
    with plt.style.context(STYLE):
        figures_command("constraints", __doc__, FIGURES, arguments)


if __name__ == "__main__":
    main()
