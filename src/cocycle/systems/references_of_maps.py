"""Reference exponents of maps that are no systems: other integrators, forcing, impacts, delays, synchrony.

Apart from the other references, because flows with events need an optimiser, which takes long to import.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple, final

import numpy as np
from scipy.special import lambertw

from cocycle.events import Event, HybridFlow
from cocycle.flows import Flow
from cocycle.forced import ForcedFlow
from cocycle.formulas.formula import Formula
from cocycle.integrators import DormandPrince, Radau
from cocycle.invariant_subspaces import Transversal, synchronised
from cocycle.maps import Map, Wrapped
from cocycle.return_map import ReturnMap
from cocycle.systems.delay import DelayEquation
from cocycle.systems.references import SPROTT, Kind, Reference
from cocycle.systems.series import DiscreteSystem
from cocycle.systems.vector_fields import Lorenz63

TURN = 2 * np.pi
RESTITUTION, KICK, GRAVITY = 0.9, 1.0, 9.81
COUPLING = 0.4


@final
@dataclass(frozen=True, eq=False)
class Started(Wrapped, DiscreteSystem):
    """A map with random states to start from: centre + width times uniform numbers in (-1, 1)."""

    name: str
    map: Map
    centre: tuple[float, ...]
    width: float

    @property
    def dimension(self):
        return len(self.centre)

    def start(self, rng, batch=()):
        return np.array(self.centre) + self.width * rng.uniform(-1, 1, size=(*batch, len(self.centre)))

    def __call__(self, x):
        return self.map(x)

    def tangent(self, x, q):
        return self.map.tangent(x, q)

    def refined(self):
        return self.map.refined()

    def kernel(self, x, q, steps):
        return self.map.kernel(x, q, steps)

    def __repr__(self):
        return self.name


class Run(NamedTuple):
    """A reference, and how it is computed: replicas, steps, transient."""

    reference: Reference
    replicas: int
    steps: int
    transient: int


def duffing(t: Any, state: Any, damping: float = 0.05, force: float = 7.5) -> Any:
    x, v = state
    return v, -damping * v - x**3 + force * np.cos(t)


def van_der_pol(state: Any, mu: float = 100.0) -> Any:
    x, v = state
    return v, mu * (1 - x**2) * v - x


def falling(state: Any) -> Any:
    return state[1], -GRAVITY + 0 * state[0]


def height(state: Any) -> Any:
    return state[0]


def bounced(state: Any) -> Any:
    return np.stack([0 * state[0], KICK - RESTITUTION * state[1]])


def damped(x: Any, delayed: Any) -> Any:
    return -x + 0.5 * delayed


def coupled(x: Any) -> Any:
    y = 4 * x * (1 - x)
    return y + COUPLING * (y[::-1] - y)


BALL = ReturnMap(HybridFlow(Flow(falling, 0.05), Event(height, bounced)))
LORENZ = ((0.9056, 0.0, -14.5723), 5e-4, Kind.PUBLISHED, SPROTT, 1)
ON_LORENZ = (-6.0, -8.5, 20.0)


def _lorenz(method: Any, dt: float) -> Reference:
    flow = Flow(_lorenz_rates, dt, integrator=method)
    return Reference(Started(f"Lorenz63(), {method}, dt={dt}", flow, ON_LORENZ, 1.0), *LORENZ)


def _lorenz_rates(state: Any) -> Any:
    """As a plain function, of which integrators that choose their steps have compiled loops."""
    return Lorenz63()(state)


def _exact(system: Started, exponent: float, uncertainty: float, source: str) -> Reference:
    return Reference(system, (exponent,), uncertainty, Kind.EXACT, source)


def references() -> dict[str, Run]:
    """The references by name."""
    return _of_flows() | _exactly_known()


def _of_flows() -> dict[str, Run]:
    stroboscopic = ForcedFlow(duffing, TURN / 200).stroboscopic(TURN)
    forced = Started("Duffing's equation, Ueda's force, over a period", stroboscopic, (1.0, 0.5), 0.3)
    relaxing = Flow(van_der_pol, 0.004, integrator=Radau())
    stiff = Started("van der Pol, mu=100, Radau()", relaxing, (2.0, 0.0), 0.01)
    ueda = Reference(forced, (0.1034, -0.1534), 3e-4, Kind.RECALLED, SPROTT)
    cycle = Reference(stiff, (0.0, -178.08), (0.0, 1.0), Kind.COMPUTED, "scipy's Radau", 1)
    return {
        "Duffing": Run(ueda, 64, 2000, 100),
        "van der Pol, stiff": Run(cycle, 4, 203_450, 40_000),
        "Lorenz63, DormandPrince": Run(_lorenz(DormandPrince(), 0.05), 100, 8000, 500),
        "Lorenz63, Radau": Run(_lorenz(Radau(), 0.05), 40, 4000, 500),
    }


def _exactly_known() -> dict[str, Run]:
    equation = DelayEquation(damped, 1.0, points=50)
    ball = Started("a ball with a kick, from impact to impact", BALL, (0.0, 5.0), 0.5)
    delayed = Started("x' = -x + x(t - 1) / 2", equation, (1.0,) * equation.dimension, 0.1)
    across = Transversal(Formula(coupled), synchronised(2, 1))
    pair = Started("two coupled logistic maps, transversal", across, (0.3, 0.3), 0.0)
    slope = float(lambertw(0.5 * np.exp(1.0)).real - 1)
    mean = float(np.log(2) + np.log(1 - 2 * COUPLING))
    return {
        "impacts": Run(_exact(ball, float(np.log(RESTITUTION)), 0.0, "ln of the restitution"), 5, 200, 5),
        "linear delay": Run(_exact(delayed, slope, 1e-6, "Lambert's W"), 5, 1000, 400),
        "synchrony": Run(_exact(pair, mean, 0.0, "ln 2 + ln(1 - 2 coupling)"), 50, 4000, 200),
    }
