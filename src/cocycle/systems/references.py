"""Reference exponents of the systems, with their uncertainties and sources, and exact sums of exponents."""

from dataclasses import dataclass
from enum import StrEnum
from typing import final

import numpy as np

from cocycle.systems.delay import MackeyGlass
from cocycle.systems.maps import (
    Bernoulli,
    CoupledMapLattice,
    Henon,
    Ikeda,
    Logistic,
    Lozi,
    Standard,
    Tent,
    ToralAutomorphism,
)
from cocycle.systems.series import ContinuousSystem, DiscreteSystem, System
from cocycle.systems.spatial import KuramotoSivashinsky
from cocycle.systems.vector_fields import (
    Chua,
    Halvorsen,
    HyperRossler,
    Lorenz63,
    Lorenz96,
    Rossler,
    Sprott,
    Thomas,
)


class Kind(StrEnum):
    """How far a reference value can be trusted."""

    EXACT = "exact"  # derived in closed form
    PUBLISHED = "published"  # read in the source that is named
    COMPUTED = "computed independently"  # by another program, with the error of its own average
    RECALLED = "quoted from memory"  # of the source that is named, and not looked up there


@final
@dataclass(frozen=True)
class Reference:
    """Reference exponents of a system per unit time, in descending order and perhaps not all, with their uncertainty,
    source, and how far that can be trusted.

    `uncertainty` is one standard deviation, for all exponents or for each; exponents given as 0 are exactly zero, by a
    continuous symmetry in time or space: their number is `neutral`.
    """

    system: DiscreteSystem | ContinuousSystem
    exponents: tuple[float, ...]
    uncertainty: float | tuple[float, ...]
    kind: Kind
    source: str = ""
    neutral: int = 0

    @property
    def errors(self) -> np.ndarray:
        """(k,): the standard deviation of each of the exponents."""
        return np.where(np.array(self.exponents) == 0, 0.0, self.uncertainty)


SPROTT = "Sprott, Chaos and Time-Series Analysis, Oxford (2003)"

GOLDEN = float(np.log((3 + 5**0.5) / 2))
LATTICE = CoupledMapLattice(Bernoulli(), 8, 0.1)


def _lattice_exponents(lattice: CoupledMapLattice, slope: float) -> tuple[float, ...]:
    """ln slope + ln|1 - coupling (1 - cos(2πk/n))|, largest first."""
    waves = np.cos(2 * np.pi * np.arange(lattice.dimension) / lattice.dimension)
    return tuple(sorted(np.log(slope) + np.log(abs(1 - lattice.coupling * (1 - waves))), reverse=True))


def _exact(system: DiscreteSystem, exponents: tuple[float, ...], source: str = "") -> Reference:
    return Reference(system, exponents, 0.0, Kind.EXACT, source)


REFERENCE = {
    "Logistic": _exact(Logistic(), (float(np.log(2)),), "conjugate to the tent map"),
    "Tent": _exact(Tent(), (float(np.log(1.99)),)),
    "Bernoulli": _exact(Bernoulli(), (float(np.log(3)),)),
    "CoupledMapLattice": _exact(LATTICE, _lattice_exponents(LATTICE, 3.0)),
    "ToralAutomorphism": _exact(ToralAutomorphism(), (GOLDEN, -GOLDEN), "ln of the eigenvalues"),
    "Henon": Reference(Henon(), (0.419217, -1.623189), 1.2e-5, Kind.COMPUTED, "agrees with " + SPROTT),
    "Lozi": Reference(Lozi(), (0.193996, float(np.log(0.3)) - 0.193996), 1.2e-5, Kind.COMPUTED),
    "Ikeda": Reference(Ikeda(), (0.5076, -0.7183), 5e-4, Kind.RECALLED, SPROTT),
    "Standard": Reference(Standard(5.0), (0.97473, -0.97473), 2e-4, Kind.COMPUTED),
    "Standard, kick 7": Reference(Standard(7.0), (1.27685, -1.27685), 8e-5, Kind.COMPUTED),
    "Lorenz63": Reference(Lorenz63(), (0.9056, 0.0, -14.5723), 5e-4, Kind.PUBLISHED, SPROTT, 1),
    "Rossler": Reference(Rossler(), (0.0714, 0.0, -5.3943), 3e-4, Kind.PUBLISHED, SPROTT, 1),
    "HyperRossler": Reference(
        HyperRossler(), (0.112, 0.019, 0.0, -25.188), (0.002, 0.002, 0.0, 0.3), Kind.RECALLED, SPROTT, 1
    ),
    "Thomas": Reference(Thomas(), (0.03447, 0.0, -0.57447), 2.5e-4, Kind.COMPUTED, neutral=1),
    "Halvorsen": Reference(Halvorsen(), (0.7899, 0.0, -4.5999), 1e-3, Kind.RECALLED, SPROTT, 1),
    "Sprott": Reference(
        Sprott(), (0.0551, 0.0, -2.0721), 3e-4, Kind.PUBLISHED, "Sprott, Phys. Lett. A 228, 271 (1997)", 1
    ),
    "Chua": Reference(Chua(), (0.3271, 0.0, -2.5197), 1e-3, Kind.RECALLED, SPROTT, 1),
    "Lorenz96": Reference(
        Lorenz96(10),
        (1.175, 0.6945, 0.0934, 0.0, -0.4294, -0.8768, -1.3187, -1.9395, -2.8017, -4.5970),
        0.004,
        Kind.COMPUTED,
        neutral=1,
    ),
    "MackeyGlass": Reference(
        MackeyGlass(), (0.00514, 0.0, -0.03874, -0.05274), (2e-5, 2e-5, 3e-5, 3e-5), Kind.COMPUTED, neutral=1
    ),
    "MackeyGlass, delay 23": Reference(
        MackeyGlass(delay=23.0), (0.00944, 0.0, -0.01184, -0.03443), (2e-5, 2e-5, 4e-5, 4e-5), Kind.COMPUTED, neutral=1
    ),
    "KuramotoSivashinsky": Reference(
        KuramotoSivashinsky(),
        (0.0486, 0.0, 0.0, -0.0033, -0.1889, -0.2568, -0.2907, -0.3110, -1.963, -1.967),
        (8e-4, 8e-4, 8e-4, 8e-4, 1.4e-3, 1e-3, 8e-4, 9e-4, 1e-3, 1e-3),
        Kind.COMPUTED,
        "agrees with Ding et al., Phys. Rev. Lett. 117, 024101 (2016)",
        2,
    ),
}


def exponent_sum(system: System) -> float:
    """The sum of all exponents per unit time: the divergence, or ln|det|, if it is the same at every point.

    Raises ValueError for other systems.
    """
    match system:
        case Lorenz63():
            return -(system.sigma + 1 + system.beta)
        case Lorenz96():
            return -float(system.dimension)
        case Thomas():
            return -3 * system.b
        case Halvorsen():
            return -3 * system.a
        case Sprott():
            return -system.a
        case Henon() | Lozi():
            return float(np.log(abs(system.b)))
        case Ikeda():
            return float(np.log(system.u**2))
        case ToralAutomorphism() | Standard():
            return 0.0
    raise ValueError(f"system must have the same volume growth at every point; that of {system} varies")
