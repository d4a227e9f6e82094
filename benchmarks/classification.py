"""How often is a reservoir right about the label of a series?  Medians and quartiles over seeds.

    python -m pip download --no-deps aeon -d /tmp/aeon
    unzip -j /tmp/aeon/aeon-*.whl '*/JapaneseVowels_T*.ts' -d /tmp/vowels
    python benchmarks/classification.py /tmp/vowels

JapaneseVowels (Kudo, Toyama & Shimbo, Pattern Recognit. Lett. 20, 1103, 1999): nine speakers, 270 series of 12
components to train and 370 to test, of 7 to 29 times.  Its files are in the wheel of aeon; without their folder it is
skipped.  The digits of scikit-learn: images of 8 × 8 as sequences of eight rows, 1,297 to train and 500 to test.  The
settings are the best of 48 by five-fold cross-validation on the training series of both sets: `python
benchmarks/classification.py /tmp/vowels choice` prints the best ten of each.
"""

import sys
from itertools import product
from pathlib import Path

import numpy as np

from cocycle import Reservoir
from cocycle.reservoir import train_classifier

SEEDS = range(100, 120)
SIZES = (100, 200)
SETTINGS = {"spectral_radius": 0.6, "input_scaling": 0.3, "bias_scaling": 1.0, "leak_rate": 1.0}  # by `choice`
READOUTS = {"last state": None, "mean state": 1, "5 windows": 5}
HOW = "give the folder of JapaneseVowels_TRAIN.ts and _TEST.ts, from the wheel of aeon: see the top of this file"


def from_ts(path):
    """The series (time, m) and labels of a file in the format of sktime: components are separated by colons."""
    _, _, body = path.read_text().partition("@data\n")
    series, labels = [], []
    for line in body.splitlines():
        *components, label = line.split(":")
        series.append(np.array([component.split(",") for component in components], dtype=float).T)
        labels.append(label)
    return series, np.array(labels)


def vowels(folder):
    return from_ts(folder / "JapaneseVowels_TRAIN.ts"), from_ts(folder / "JapaneseVowels_TEST.ts")


def digits():
    """Images as eight successive rows of eight pixels."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    images = images.reshape(-1, 8, 8)
    return (images[:1297], labels[:1297]), (images[1297:], labels[1297:])


def accuracies(data, size, windows):
    """The share of test series whose label is found, for each seed."""
    (series, labels), (unseen, truth) = data
    return [
        train_classifier(
            Reservoir.random(size, np.shape(series[0])[1], rng=seed, **SETTINGS), series, labels, windows=windows
        ).accuracy(unseen, truth)
        for seed in SEEDS
    ]


def of_mean_input(data):
    """The accuracy of a ridge regression on the mean of the input alone, without a network."""
    from sklearn.linear_model import RidgeClassifierCV

    (series, labels), (unseen, truth) = data
    means, others = (np.array([np.mean(s, axis=0) for s in some]) for some in (series, unseen))
    return RidgeClassifierCV(10.0 ** np.arange(-9, 3)).fit(means, labels).score(others, truth)


def table(name, data):
    print(f"{name}: accuracy in %, median (quartiles) over {len(SEEDS)} seeds; mean input {of_mean_input(data):.1%}")
    for readout, windows in READOUTS.items():
        cells = []
        for size in SIZES:
            low, median, high = 100 * np.quantile(accuracies(data, size, windows), [0.25, 0.5, 0.75])
            cells.append(f"{median:.2f} ({low:.2f} to {high:.2f})")
        print(
            f"    {readout:<12}" + "".join(f"{size:>5} units {cell}" for size, cell in zip(SIZES, cells, strict=True))
        )


def choice(name, data):
    """The mean accuracy of five-fold cross-validation on the training series (500 at most), of settings on a grid."""
    from sklearn.model_selection import StratifiedKFold

    series, labels = list(data[0][0][:500]), np.asarray(data[0][1][:500])
    folds = list(StratifiedKFold(5, shuffle=True, random_state=0).split(labels, labels))
    found = []
    for point in product((0.3, 0.6, 0.9), (0.3, 0.6, 1.2, 2.4), (0.3, 1.0), (0.5, 1.0)):
        settings = dict(zip(SETTINGS, point, strict=True))
        right = []
        for seed, (learned, tested) in product((0, 1), folds):
            network = Reservoir.random(SIZES[0], np.shape(series[0])[1], rng=seed, **settings)
            model = train_classifier(network, [series[i] for i in learned], labels[learned], windows=5)
            right.append(model.accuracy([series[i] for i in tested], labels[tested]))
        found.append((float(np.mean(right)), settings))
    print(name, *sorted(found, key=lambda row: -row[0])[:10], sep="\n    ")


def main(folder=None, what="table"):
    doing = {"table": table, "choice": choice}[what]
    if folder is None:
        print(f"JapaneseVowels is skipped: {HOW}")
    else:
        doing("JapaneseVowels", vowels(Path(folder)))
    doing("digits, row by row", digits())


if __name__ == "__main__":
    main(*sys.argv[1:])
