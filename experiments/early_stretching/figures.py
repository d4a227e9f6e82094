"""Numbers and figure of the study of suppressed early exponents, from its archives; means and standard errors over
networks.

    python experiments/early_stretching/figures.py
"""

import json
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sweep import METHODS, SETTINGS, TASKS

from cocycle import Archive

LABELS = {
    "none": "cross-entropy",
    "early 0.1": "+ 0.1 early exponent",
    "early 1": "+ 1 early exponent",
    "Jacobian 0.001": "+ 0.001 Jacobian norm",
    "Jacobian 0.01": "+ 0.01 Jacobian norm",
}


def mean_and_error(values):
    return np.stack([values.mean(-1), values.std(-1, ddof=1) / values.shape[-1] ** 0.5], -1).round(4).tolist()


def numbers(archive, radii):
    accuracy = np.moveaxis(archive["accuracy"], 1, -1)  # (method, radius, realisation)
    # the radius to which a test input is right, averaged over inputs: the area below the curve, up to the last radius
    margin = np.trapezoid(accuracy, radii, axis=1)
    return {
        "methods": list(METHODS),
        "radii": radii,
        "accuracy": mean_and_error(accuracy),
        "gain": mean_and_error(accuracy - accuracy[:1]),
        "margin": mean_and_error(margin),
        "margin_gain": mean_and_error(margin - margin[:1]),
        **{name: mean_and_error(archive[name]) for name in ("training_accuracy", "early_exponent", "exponent")},
    }


def draw(axes, found, task):
    for i, method in enumerate(METHODS):
        mean, error = np.array(found["accuracy"][i]).T
        line = "--" if method.startswith("Jacobian") else "-"
        axes.errorbar(found["radii"], mean, error, fmt=f"o{line}", markersize=3, capsize=3, label=LABELS[method])
    axes.set(xlabel="size of the perturbation (Euclidean)", ylabel="accuracy under attack", title=task)


def main(settings=SETTINGS, folder=None):
    folder, whole = folder or Path(__file__).parent, {}
    figure, panels = plt.subplots(1, len(settings["tasks"]), figsize=(9, 3.4), layout="constrained", squeeze=False)
    for axes, task in zip(panels[0], settings["tasks"], strict=True):
        archive = Archive.open(Path(settings["folder"]) / f"early_stretching_{task}.h5")
        found = whole[task] = numbers(archive, TASKS[task]["radii"])
        draw(axes, found, task)
        print(task, "accuracy at radii", found["radii"])
        for i, method in enumerate(METHODS):
            row = "  ".join(f"{mean:.3f}±{error:.3f}" for mean, error in found["accuracy"][i])
            print(f"  {method:<15} {row}")
            for name in ("margin", "margin_gain", "early_exponent", "exponent", "training_accuracy"):
                print(f"    {name:<18} {found[name][i][0]:.3f} ± {found[name][i][1]:.3f}")
    panels[0, -1].legend(fontsize=7)
    figure.savefig(folder / "robustness.png", dpi=150)
    (folder / "results.json").write_text(json.dumps(whole, indent=1) + "\n")


if __name__ == "__main__":
    main()
