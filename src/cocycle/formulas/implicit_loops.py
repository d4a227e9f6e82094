"""The loop of an implicit Runge-Kutta method of three stages, from the rates of an equation and their Jacobian.

Its twin on arrays is `cocycle.integrators.radau`, which explains it.
"""

from dataclasses import dataclass
from typing import final

from cocycle.formulas.loops import Control, Lines, Scheme, filled

Rows = tuple[tuple[float, ...], ...]

FUNCTIONS = """
from numpy import array, empty, isfinite, zeros
from numpy.linalg import solve

TIMES, WEIGHTS, DIFFERENCE = array({times}), array({weights}), array({difference})


@njit(error_model="numpy")
def rates(b, state, p, time, value, jacobian):
    {given}
    {load}
    {clock}
    {first}
    {value}
    for j in range({n}):
        {seeds}
        {each}
        {jacobian}


@njit(error_model="numpy")
def equations(b, state, p, time, h, z, values, jacobians, matrix, right):
    n = {n}
    stage = empty(n)
    for j in range(3):
        for i in range(n):
            stage[i] = state[i] + z[j, i]
        rates(b, stage, p, time + {direction} * TIMES[j] * h, values[j], jacobians[j])
    for i in range(3):
        for a in range(n):
            residual = z[i, a]
            for j in range(3):
                residual -= h * WEIGHTS[i, j] * values[j, a]
                for c in range(n):
                    same = 1.0 if i == j and a == c else 0.0
                    matrix[i * n + a, j * n + c] = same - h * WEIGHTS[i, j] * jacobians[j, a, c]
            right[i * n + a, 0] = -residual


@njit(error_model="numpy")
def solution(matrix, right, found):
    if not (isfinite(matrix).all() and isfinite(right).all()):
        return False
    try:
        found[:] = solve(matrix, right)
    except Exception:
        return False
    return True


@njit(error_model="numpy")
def size_of(change, before, after, rtol, atol):
    total = 0.0
    for i in range(len(before)):
        total += (change[i, 0] / (atol + rtol * max(abs(before[i]), abs(after[i])))) ** 2
    return sqrt(total / len(before))


@njit(error_model="numpy")
def attempt(b, state, p, time, h, z, values, jacobians, matrix, right, change):
    n, found = {n}, False
    z[:] = 0.0
    for iteration in range({iterations}):
        equations(b, state, p, time, h, z, values, jacobians, matrix, right)
        if not solution(matrix, right, change):
            return nan
        total = 0.0
        for j in range(3):
            for i in range(n):
                scale = {converged} * ({atol} + {rtol} * abs(state[i])) + {rounding} * abs(state[i])
                total += (change[j * n + i, 0] / scale) ** 2
                z[j, i] += change[j * n + i, 0]
        if total / (3 * n) <= 1.0:
            found = True
            break
    if not found:
        return nan
    after, past, small, moved = state + z[2], empty(n), empty((n, n)), empty((n, 1))
    rates(b, state, p, time, values[0], jacobians[0])
    for a in range(n):
        past[a] = (DIFFERENCE[0] * z[0, a] + DIFFERENCE[1] * z[1, a] + DIFFERENCE[2] * z[2, a]) / {real}
        moved[a, 0] = h / {real} * values[0, a] + past[a]
        for c in range(n):
            small[a, c] = (1.0 if a == c else 0.0) - h / {real} * jacobians[0, a, c]
    if not solution(small, moved, moved):
        return nan
    error = size_of(moved, state, after, {rtol}, {atol})
    if error > 1.0:
        rates(b, state + moved[:, 0], p, time, values[0], jacobians[0])
        for a in range(n):
            moved[a, 0] = h / {real} * values[0, a] + past[a]
        if not solution(small, moved, moved):
            return nan
        error = size_of(moved, state, after, {rtol}, {atol})
    return error


@njit(error_model="numpy")
def push(b, state, p, q, time, h, z, values, jacobians, matrix, right):
    n, k = q.shape
    equations(b, state, p, time, h, z, values, jacobians, matrix, right)
    sides, pushed = zeros((3 * n, k)), empty((3 * n, k))
    for i in range(3):
        for a in range(n):
            for j in range(3):
                for c in range(n):
                    for m in range(k):
                        sides[i * n + a, m] += h * WEIGHTS[i, j] * jacobians[j, a, c] * q[c, m]
    if not solution(matrix, sides, pushed):
        q[:] = nan
    for a in range(n):
        for m in range(k):
            q[a, m] += pushed[2 * n + a, m]
"""

LOAD = """
state, z, values, jacobians = x[b].copy(), empty((3, {n})), empty((3, {n})), empty((3, {n}, {n}))
matrix, right, change = empty((3 * {n}, 3 * {n})), empty((3 * {n}, 1)), empty((3 * {n}, 1))
"""

ADVANCE = """
left, trial = {time}, {longest}
for attempted in range({attempts}):
    h, time = min(trial, left), {start} + {direction} * ({time} - left)
    error = attempt(b, state, p, time, h, z, values, jacobians, matrix, right, change)
    trial = min(h * ({factor}), {longest})
    if error <= 1.0:
        for piece in range({pieces}):
            part, now = h / {pieces}, time + {direction} * piece * h / {pieces}
            if {pieces} > 1:
                error = attempt(b, state, p, now, part, z, values, jacobians, matrix, right, change)
            {push}
            state += z[2]
            if not error < inf:
                state[:] = nan
        left -= h
        if left <= 0.0:
            break
    if trial < {vanishing}:
        break
if left > 0.0:
    state[:] = nan
"""


@final
@dataclass(frozen=True)
class Implicit(Scheme):
    """A program that gives the rates of an equation, whose last input may be the time.

    Behind the inputs there is one more parameter, the number of pieces into which each step is divided.
    """

    control: Control
    times: tuple[float, ...]
    weights: Rows
    difference: tuple[float, ...]
    real: float
    iterations: int
    converged: float
    rounding: float
    rtol: float
    atol: float
    timed: bool = False
    work = 300

    def parts(self, program, k):
        lines = Lines(program, program.n)
        words = {name: repr(getattr(self, name)) for name in NUMBERS}
        words |= self.control.words() | {"n": repr(program.n), "direction": repr(self.control.direction)}
        words["pieces"] = f"int(p[b, {lines.place(-1) + 1}])"
        words["start"] = f"p[b, {lines.place(-1)}]" if self.timed else "0.0"
        blocks = {
            "given": lines.given,
            "load": [f"{name} = state[{i}]" for i, name in enumerate(lines.state)],
            "clock": [f"{lines.names[-1]} = time"] if self.timed else [],
            "first": lines.first,
            "value": [f"value[{i}] = {word}" for i, word in enumerate(lines.results)],
            "seeds": [f"{name} = 1.0 if j == {i} else 0.0" for i, name in enumerate(lines.seeds)],
            "each": lines.each,
            "jacobian": [f"jacobian[{i}, j] = {word}" for i, word in enumerate(lines.pushed)],
            "push": ["push(b, state, p, q[b], now, part, z, values, jacobians, matrix, right)"] if k else [],
        }
        return {
            "functions": filled(FUNCTIONS, blocks, words).splitlines(),
            "load": filled(LOAD, {}, words).split("\n")[1:],
            "advance": filled(ADVANCE, blocks, words).splitlines(),
            "kept": [f"xs[g, b, {i}] = state[{i}]" for i in range(program.n)],
        }


NUMBERS = ("times", "weights", "difference", "real", "iterations", "converged", "rounding", "rtol", "atol")
