"""The unit of finite-time exponents, from the maps of a product."""

from collections.abc import Sequence

from cocycle.maps import Map


def unit_of(steps: Sequence[Map]) -> str:
    """ "per unit time" of maps that take another time than 1, "per step" of one map that is repeated, "per layer" of
    maps that differ, as the layers of a network do, and of a single one; maps with dt=0, as `Select`, do not count."""
    counted = [f for f in steps if float(getattr(f, "dt", 1.0)) != 0]
    if any(float(getattr(f, "dt", 1.0)) != 1 for f in counted):
        return "per unit time"
    repeated = len(counted) > 1 and len({id(f) for f in counted}) < len(counted)
    return "per step" if repeated else "per layer"
