"""What `cocycle explore` shows of one point of `reservoir_constraints`: its forecast beside the truth, its exponent."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from cocycle.studies import reservoir_constraints
from cocycle.sweeps.sights import Lines, Sight


def look(point: dict[str, Any], rngs: Sequence[np.random.Generator]) -> list[Sight]:
    """Truth and closed loop of each observed component from the first start, with the first ridge, against the time in
    Lyapunov times; and the running conditional exponent per step.

    The network and the series are those of the measure at this point.
    """
    made = reservoir_constraints.trained(point, rngs[0])
    model = made.models[0].with_start_axes(1)
    predicted = model.continued(model.warmed(made.warm_up), len(made.truth))[0][:, 0, 0]
    truth, time = made.truth[:, 0], np.arange(1, len(made.truth) + 1) / made.lyapunov_time
    forecasts: list[Sight] = [
        Lines(
            f"truth and closed loop: component {i + 1}",
            time,
            {"truth": truth[:, i], "closed loop": predicted[:, i]},
            "time (Lyapunov times)",
            f"observed component {i + 1}",
        )
        for i in range(truth.shape[-1])
    ]
    steps, running, errors = (np.asarray(part) for part in made.conditional.running())
    value, error = running[:, 0, 0], errors[:, 0, 0]
    lines = {"λ₁": value, "λ₁ + standard error": value + error, "λ₁ - standard error": value - error}
    label = "conditional exponent λ₁ (per step)"
    exponent = Lines("running conditional exponent", steps, lines, "time (steps)", label)
    return [*forecasts, exponent]
