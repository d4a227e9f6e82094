"""The sweeps of the study of deep networks: each part is an archive, made or resumed by this command.

    python experiments/network_ftle/sweep.py --size small

fields    networks whose fields are drawn, with all their parameters
plane     boundary and centre of the circle's field over width and depth
frozen    random hidden weights that stay as they are against full training, with and without hidden thresholds
scales    exponents before and after training against the initial scale of the weights
widths    networks that read digits: mean and spread of the exponent over width
digits    their ensembles: uncertainty, a two-unit bottleneck, a path across a border
acquisition   which digits to have labelled next
"""

import digits
import numpy as np

from cocycle.studies import network_ftle
from cocycle.studies.commands import sweeps_command

SIZES = {
    "small": {
        "widths": [10, 20, 40, 80],
        "depths": [2, 8],
        "fields": [10, 50],
        "frozen": [5, 22, 100],
        "readers": [10, 20, 40, 80],
        "realisations": 2,
        "epochs": 60,
        "members": 4,
        "mixtures": 4000,
        "rounds": 3,
    },
    "full": {
        "widths": [5, 10, 20, 40, 80, 150],
        "depths": [2, 4, 8, 12],
        "fields": [10, 50, 250],
        "frozen": [5, 10, 22, 48, 100],
        "readers": [10, 20, 40, 80, 160],
        "realisations": 5,
        "epochs": 200,
        "members": 10,
        "mixtures": 40_000,
        "rounds": 12,
    },
}


def part(checkpoints=False, **axes_and_settings):
    """A sweep of the circle task; lists of values are axes."""

    def made(path, chosen, seed):
        said = {name: value(chosen) if callable(value) else value for name, value in axes_and_settings.items()}
        axes = {name: value for name, value in said.items() if isinstance(value, list)}
        axes["realisation"] = np.arange(1 if checkpoints else chosen["realisations"])
        settings = {"epochs": chosen["epochs"]} | {k: v for k, v in said.items() if k not in axes}
        return network_ftle.measure, network_ftle.sweep(path, axes, seed, checkpoints=checkpoints, **settings)

    return made


PARTS = {
    "fields": part(True, width=lambda size: size["fields"], depth=lambda size: size["depths"]),
    "plane": part(width=lambda size: size["widths"], depth=lambda size: size["depths"]),
    "frozen": part(
        trained=["all", "readout"],
        threshold_std=[0.0, 0.5],
        width=lambda size: size["frozen"],
        depth=2,
        epochs=lambda size: size["epochs"] // 2,
        stop_at=0.995,
    ),
    "scales": part(weight_std=[0.5, 0.7, 1.0, 1.4, 2.0], width=50, depth=lambda size: size["depths"][::2]),
    "widths": part(
        task=digits.NAME,
        data_seed=digits.SEED,
        width=lambda size: size["readers"],
        depth=4,
        stop_at=None,
        loss=digits.RECIPE.loss,
        learning_rate=digits.RECIPE.learning_rate,
        options=digits.RECIPE.options,
        epochs=lambda size: min(size["epochs"], digits.RECIPE.epochs),
    ),
    "digits": digits.uncertainties,
    "acquisition": digits.acquisition,
}


def main(arguments=None):
    sweeps_command("ftle", __doc__, PARTS, SIZES, arguments)


if __name__ == "__main__":
    main()
