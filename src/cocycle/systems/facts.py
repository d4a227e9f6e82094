"""What is known about the systems: published exponents, with their uncertainty and source, and exact identities."""

from dataclasses import dataclass
from typing import final

import numpy as np

from cocycle.systems.fields import Lorenz63, Lorenz96
from cocycle.systems.maps import Henon, Ikeda, ToralAutomorphism


@final
@dataclass(frozen=True)
class Published:
    """Exponents per unit time at the default parameters, largest first, how sure they are, and who says so."""

    exponents: tuple[float, ...]
    uncertainty: float
    source: str


SPROTT = "Sprott, Chaos and Time-Series Analysis, Oxford (2003)"

PUBLISHED = {
    "Lorenz63": Published((0.9056, 0.0, -14.5723), 5e-4, SPROTT),
    "Rossler": Published((0.0714, 0.0, -5.3943), 3e-4, SPROTT),
    "Henon": Published((0.41922, -1.62319), 2e-5, SPROTT),
    "Logistic": Published((float(np.log(2)),), 0.0, "exact: conjugate to the tent map"),
    "ToralAutomorphism": Published(
        (float(np.log((3 + 5**0.5) / 2)), -float(np.log((3 + 5**0.5) / 2))),
        0.0,
        "exact: ln of the eigenvalues",
    ),
}


def exponent_sum(system: Lorenz63 | Lorenz96 | Henon | Ikeda | ToralAutomorphism) -> float:
    """The sum of all exponents per unit time: the divergence, or ln|det|, where it is the same at every point."""
    match system:
        case Lorenz63():
            return -(system.sigma + 1 + system.beta)
        case Lorenz96():
            return -float(system.dimension)
        case Henon():
            return float(np.log(abs(system.b)))
        case Ikeda():
            return float(np.log(system.u**2))
        case ToralAutomorphism():
            return 0.0
