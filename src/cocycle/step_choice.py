"""The step of an equation chosen for a wanted accuracy, and whether it is stiff."""

import warnings
from collections.abc import Callable
from itertools import repeat
from typing import Any

import numpy as np

from cocycle.arrays import as_numpy, constant, like, namespace
from cocycle.maps import Map, rounded_down
from cocycle.refinement import at_all_times, extrapolation, state_error
from cocycle.trajectories import trajectory

STEPS, ROUNDS = 3000, 8  # of a trial run, and trial runs
PART = 0.1  # of a trial step, of the shortest time in which a perturbation changes
STIFF = 100.0  # times faster than the state changes, a perturbation may decay
LARGEST = 300  # dimension up to which eigenvalues are computed
GROWTH = 1.0  # of tangent vectors, as a logarithm, in a step of an integrator that chooses its own steps


def chosen_step(flow_of: Callable[[float], Map], field: Any, x: Any, accuracy: float) -> float:
    """The dt for which the error of one step of flow_of(dt), along an orbit that begins at the state x (n,), is at most
    `accuracy`, relative to the fluctuation of the state.

    Warns where the equation is stiff.  Raises ArithmeticError if the orbit is not finite at any step.
    """
    states, dt = _visited(flow_of, field, np.asarray(x, dtype=float))
    fastest, slow = rates(field, states)
    if fastest > STIFF * slow:
        warnings.warn(
            f"{stiffness(fastest, slow)}, and dt is limited by the first: integrator=Radau() needs fewer steps",
            stacklevel=3,
        )
    for _ in range(ROUNDS):
        error = _error(flow_of(dt), states)
        if not np.isfinite(error):
            dt /= 4
            continue
        order = flow_of(dt).order + 1
        factor = (accuracy / max(error, accuracy / 1e6)) ** (1 / order)
        if 0.8 <= factor <= 1.3:
            break
        dt *= float(np.clip(factor, 0.1, 4.0))
    return rounded_down(min(dt, 1 / fastest if fastest else dt))


def stiffness(fastest: float, slow: float) -> str:
    """In words, that an equation is stiff."""
    return (
        f"the equation is stiff: perturbations change at rates of up to {fastest:.2g} per unit time, the velocity at"
        f" about {slow:.2g}"
    )


def growth_time(flow_of: Callable[[float], Map], field: Any, x: Any) -> float:
    """The time in which tangent vectors grow or shrink at most by a factor of about 3."""
    states, dt = _visited(flow_of, field, np.asarray(x, dtype=float))
    fastest, _ = rates(field, states)
    return rounded_down(GROWTH / fastest if fastest else dt)


def rates(field: Any, states: Any) -> tuple[float, float]:
    """The fastest rate at which perturbations change, the largest modulus of an eigenvalue of Dv at states (times,
    *batch, n), and the median rate at which the velocity v does, |Dv v| / |v|; both per unit time.

    Of a stiff equation the first is much larger: the velocity has no part in the directions that decay fast.
    """
    n = states.shape[-1]
    x = states[-1:] if n > LARGEST else states
    identity = namespace(x).zeros_like(x)[..., None] + like(np.eye(n), x)
    with np.errstate(all="ignore"):
        speed, jacobian = (as_numpy(constant(part)) for part in at_all_times(field.tangent, x, identity))
    speed, jacobian = speed.reshape(-1, n), jacobian.reshape(-1, n, n)
    fine = np.isfinite(jacobian).all((-2, -1)) & np.isfinite(speed).all(-1)
    speed, jacobian = speed[fine], jacobian[fine]
    if not len(speed):
        return 0.0, 0.0
    fastest = float(abs(np.linalg.eigvals(jacobian)).max())
    size = np.linalg.norm(speed, axis=-1)
    change = np.linalg.norm(np.linalg.vecdot(jacobian, speed[:, None, :]), axis=-1)
    own = change[size > 0] / size[size > 0]
    return fastest, float(np.median(own)) if len(own) else fastest


def _visited(flow_of: Callable[[float], Map], field: Any, x: np.ndarray) -> tuple[np.ndarray, float]:
    """The last states of trial runs from x, and a step that is short for them."""
    fastest = rates(field, x[None])[0]
    dt = PART / fastest if fastest else PART
    for _ in range(ROUNDS):
        with np.errstate(all="ignore"):
            visited = np.concatenate([x[None], trajectory(repeat(flow_of(dt), STEPS), x)])
        if not np.isfinite(visited[-1]).all():
            dt /= 4
            continue
        fastest, x = rates(field, visited[:: STEPS // 100])[0], visited[-1]
        short = PART / fastest if fastest else dt
        if dt <= 2 * short:
            return visited[STEPS // 2 :: STEPS // 200], dt
        dt = short
    raise ArithmeticError(f"the orbit of x must be finite; from {x} it is not with steps down to {dt:.2g}")


def _error(f: Map, states: np.ndarray) -> float:
    """The largest error of one step, relative to the fluctuation of the states."""
    refined = f.refined()
    assert refined is not None
    with np.errstate(all="ignore"):
        better = refined(states)
        return float(state_error((f(states) - better) * extrapolation(f), states, better - states))
