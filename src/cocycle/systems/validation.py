"""The Lyapunov spectrum of every system, computed and compared with the reference values.

Each is the mean over a batch of replicas; its error is their scatter over the square root of their number.
"""

from dataclasses import dataclass
from itertools import repeat
from typing import NamedTuple, final

import numpy as np

from cocycle.compiled import Compiled
from cocycle.flows import Flow
from cocycle.lyapunov import frame, lyapunov_spectrum
from cocycle.lyapunov.derived import kaplan_yorke
from cocycle.maps import Map
from cocycle.progress import progress_bar
from cocycle.results import bracketed
from cocycle.systems import ContinuousSystem
from cocycle.systems.references import REFERENCE, Kind, Reference
from cocycle.trajectories import trajectory

DISAGREES = 3.0  # standard errors
FEW = 2000  # steps, below which each is a record of growth of its own

VALUES = {
    Kind.EXACT: "exact values",
    Kind.PUBLISHED: "published values",
    Kind.COMPUTED: "independent computations",
    Kind.RECALLED: "values quoted from memory",
}


@final
@dataclass(frozen=True)
class Setting:
    """How a system is run: time step of a flow, number of replicas, steps after the transient, and the transient."""

    dt: float = 1.0
    replicas: int = 200
    steps: int = 20_000
    transient: int = 2000


MAP = Setting(steps=20_000, transient=500)
SETTINGS = {
    "CoupledMapLattice": Setting(replicas=20, steps=2000, transient=200),
    "ToralAutomorphism": Setting(replicas=20, steps=2000, transient=200),
    "Standard": Setting(steps=40_000),
    "Standard, kick 7": Setting(steps=40_000),
    "Lorenz63": Setting(0.01, steps=40_000),
    "Rossler": Setting(0.02, steps=60_000, transient=15_000),
    "HyperRossler": Setting(0.01, steps=60_000, transient=20_000),
    "Thomas": Setting(0.1, steps=60_000, transient=10_000),
    "Halvorsen": Setting(0.005, steps=40_000, transient=10_000),
    "Sprott": Setting(0.05, steps=60_000, transient=10_000),
    "Chua": Setting(0.005, steps=80_000, transient=20_000),
    "Lorenz96": Setting(0.02, replicas=100, steps=10_000, transient=8000),
    "MackeyGlass": Setting(replicas=200, steps=60_000, transient=20_000),
    "MackeyGlass, delay 23": Setting(replicas=200, steps=60_000, transient=15_000),
    # the zeros and -0.0033 are close: frames align slowly, within some thousand units of time, not faster with dt
    "KuramotoSivashinsky": Setting(replicas=25, steps=30_000, transient=60_000),
}


class Row(NamedTuple):
    """The result for one system: exponents (k,) and dimension, each with its standard error, and the deviations (k,) of
    the exponents from the reference in units of the combined errors."""

    name: str
    reference: Reference
    exponents: np.ndarray
    errors: np.ndarray
    dimension: float
    dimension_error: float
    deviation: np.ndarray

    @property
    def agrees(self) -> bool:
        return bool((abs(self.deviation) < DISAGREES).all())


def validate(names: list[str] | None = None, *, scale: float = 1.0, seed: int = 1) -> list[Row]:
    """A row for each system of `references.REFERENCE` and of `references_of_maps`, or for those named; `scale`
    multiplies the number of steps.

    Raises ValueError for an unknown name.
    """
    if not 0 < scale < np.inf:
        raise ValueError(f"scale must be a positive number; got {scale}")
    from cocycle.systems.references_of_maps import references  # which needs an optimiser, slow to import

    runs = {name: (reference, SETTINGS.get(name, MAP)) for name, reference in REFERENCE.items()}
    for name, (reference, *counts) in references().items():
        runs[name] = reference, Setting(1.0, *counts)
    spelled = {name.lower(): name for name in runs}
    names = list(runs) if names is None else [spelled.get(name.lower(), name) for name in names]
    unknown = sorted(set(names) - set(runs))
    if unknown:
        raise ValueError(f"names must be among {'; '.join(runs)}; got {'; '.join(unknown)}")
    rows = []
    with progress_bar(len(names), "systems") as advance:
        for name in names:
            rows.append(row(name, *runs[name], scale, np.random.default_rng(seed)))
            advance(1)
    return rows


def row(name: str, reference: Reference, setting: Setting, scale: float, rng: np.random.Generator) -> Row:
    """The spectrum of one system, as many exponents as the reference has."""
    system = reference.system
    plain: Map = Flow(system, setting.dt) if isinstance(system, ContinuousSystem) else system
    step = plain if name not in REFERENCE else Compiled(plain)
    x = _starts_on_attractor(step, system.start(rng), setting, rng)
    k, steps = len(reference.exponents), setting.transient + int(scale * setting.steps)
    every = "auto" if steps >= FEW else 1
    result = lyapunov_spectrum(repeat(step, steps), x, frame(x, k, rng), every=every, transient=setting.transient)
    dimension = kaplan_yorke(result, reference.neutral).value
    exponents, errors = result.exponents.mean(0), result.scatter / np.sqrt(setting.replicas)
    expected, both = np.array(reference.exponents), np.hypot(errors, reference.errors)
    with np.errstate(divide="ignore", invalid="ignore"):
        # exponents of maps with constant slopes are exact to rounding and have no scatter
        deviation = np.where(abs(exponents - expected) < 1e-9, 0.0, (exponents - expected) / both)
    dimension_error = dimension.std(ddof=1) / np.sqrt(len(dimension))
    return Row(name, reference, exponents, errors, float(dimension.mean()), float(dimension_error), deviation)


def _starts_on_attractor(step: Map, x: np.ndarray, setting: Setting, rng: np.random.Generator) -> np.ndarray:
    """Replicas at random times of one orbit on the attractor, moved by a millionth of the distance to its mean.

    Other starts may lie outside a small basin.  Chaos separates the replicas within the transient; the random times
    give them different phases where the attractor is close to a limit cycle.
    """
    visited = trajectory(repeat(step, 2 * setting.transient), x)[setting.transient :]
    x = visited[rng.integers(len(visited), size=setting.replicas)]
    return x + 1e-6 * rng.uniform(size=x.shape) * (visited.mean(0) - x)


def in_words(rows: list[Row]) -> str:
    """The rows as a markdown table; below it how many agree with each kind of reference, and what disagrees."""
    lines = [
        "| system | exponents, per unit time | reference | Kaplan-Yorke dimension | source of the reference |",
        "| --- | --- | --- | --- | --- |",
    ]
    for r in rows:
        mine = ", ".join(bracketed(v, e, ".6f") for v, e in zip(r.exponents, r.errors, strict=True))
        theirs = ", ".join(f"{v:.6g}" for v in r.reference.exponents)
        dimension = "" if np.isnan(r.dimension) else bracketed(r.dimension, r.dimension_error, ".6f")
        source = ": ".join(filter(None, (r.reference.kind, r.reference.source)))
        lines.append(
            f"| `{r.reference.system}`{'' if r.agrees else ' (!)'} | {mine} | {theirs} | {dimension} | {source} |"
        )
    lines += ["", f"Systems that agree with their reference within {DISAGREES:g} standard errors of both:", ""]
    for kind, values in VALUES.items():
        agree = [r.agrees for r in rows if r.reference.kind is kind]
        if agree:
            lines.append(f"- {sum(agree)} of {len(agree)} with {values}")
    wrong = [r for r in rows if not r.agrees]
    if wrong:
        lines.append("")
    for r in wrong:
        numbers = ", ".join(f"{d:+.1f}" for d in r.deviation)
        lines.append(f"(!) {r.name} does not: deviations {numbers} standard errors.")
    return "\n".join(lines)
