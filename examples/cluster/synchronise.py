"""The measure of study.toml."""

from cocycle import Reservoir, frame, lyapunov_spectrum
from cocycle.systems import Rossler


def measure(point, rng):
    u = Rossler().series(point["steps"], dt=0.1, rng=rng)
    scales = {name: point[name] for name in ("weight_std", "input_std")}
    reservoir = Reservoir.gaussian(point["size"], 3, **scales, rng=rng)
    r = reservoir.rest()
    return {"exponent": lyapunov_spectrum(reservoir.driven(u), r, frame(r, 1), transient=200).exponents[0]}
