"""Numbers and figure of the study of gradient flossing, from its archive; with means and standard errors over networks.

python experiments/gradient_flossing/figures.py
"""

import json
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sweep import METHODS, SETTINGS

from cocycle import Archive

LABELS = {"none": "not flossed", "before": "flossed before", "before and during": "flossed before and during"}
LAST = 20  # training steps over which the final loss is averaged


def mean_and_error(values):
    """Mean and standard error over the last axis, as lists."""
    return np.stack([values.mean(-1), values.std(-1, ddof=1) / values.shape[-1] ** 0.5], -1).round(4).tolist()


def numbers(archive, delays):
    count = len(delays)
    loss = archive["losses"][:count, ..., -LAST:].mean(-1)
    found = {name: archive[name][:count] for name in ("accuracy", "decades_before", "decades_after")} | {"loss": loss}
    paired = {  # differences to the same networks, not flossed
        f"{name}_gained": (found[name] - found[name][:, :1])[:, 1:] for name in ("accuracy", "loss")
    }
    table = {name: mean_and_error(values) for name, values in (found | paired).items()}
    exponents = {name: archive[name][:count].mean((0, 2)).round(4).tolist() for name in ("before", "after")}
    return {"delays": list(delays), "methods": list(METHODS), **table, "exponents": exponents}


def draw(archive, found, path):
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(11, 3.2), layout="constrained")
    index = np.arange(1, len(found["exponents"]["before"][0]) + 1)
    left.axhline(0, color="black", linewidth=0.8)
    for i, method in enumerate(METHODS):
        if i < 2:
            left.plot(index, found["exponents"]["before"][i], color=f"C{i}", label=f"{LABELS[method]}: initially")
        left.plot(index, found["exponents"]["after"][i], "--", color=f"C{i}", label=f"{LABELS[method]}: trained")
        mean, error = np.array(found["loss"])[:, i].T
        middle.errorbar(found["delays"], mean, error, fmt="o-", capsize=3, label=LABELS[method])
        losses = archive["losses"][len(found["delays"]) - 1, i]
        right.semilogy(losses.mean(0), color=f"C{i}", linewidth=1)
    left.set(xlabel="index i", ylabel="exponent λᵢ (per step)", ylim=(-2.1, 0.1))
    left.legend(fontsize=7, loc="lower left")
    middle.set(xlabel="delay (steps)", ylabel="final squared error", xticks=found["delays"])
    middle.legend(fontsize=7)
    right.set(xlabel="step of training", ylabel=f"squared error, delay {found['delays'][-1]}")
    figure.savefig(path, dpi=150)


def main(settings=SETTINGS, folder=None):
    folder = folder or Path(__file__).parent
    archive = Archive.open(settings["file"])
    found = numbers(archive, settings["delays"])
    (folder / "results.json").write_text(json.dumps(found, indent=1) + "\n")
    draw(archive, found, folder / "flossing.png")
    for name in ("loss", "accuracy", "loss_gained", "accuracy_gained", "decades_before", "decades_after"):
        print(name)
        for delay, row in zip(found["delays"], found[name], strict=True):
            print(f"  delay {delay:>3}: " + "   ".join(f"{mean:8.3f} ± {error:.3f}" for mean, error in row))
    for name, rows in found["exponents"].items():
        print("exponents 1, 11, 21, ... and the last", name, "training:", [[*row[::10], row[-1]] for row in rows])


if __name__ == "__main__":
    main()
