"""Formulas as source of loops over many steps, which numba compiles: with the QR decomposition, or of states alone.

The loop of `cocycle.lyapunov.qr` defines what is computed; `LOOP` is its twin for one and the same map, many times, of
which the tests show that both agree.
"""

from cocycle.formulas.libraries import NUMBA
from cocycle.formulas.program import Program

RANGE = 1e100  # lengths of vectors beyond it, and below its inverse, are left to the loop on arrays

LOOP = """
@njit("int64(float64[:, ::1], float64[:, :, ::1], float64[:, ::1], int64, int64, float64, float64[:, :, ::1],"
      "float64[:, :, :, ::1], float64[:, :, ::1])", error_model="numpy", nogil=True, cache={cached})
def block(x, q, p, groups, every, spread, xs, qs, diagonal):
    n, k = {n}, {k}
    done = groups
    for b in range(len(x)):
        {load}
        for g in range(done):
            for _ in range(every):
                {first}
                for j in range(k):
                    {column}
                    {each}
                    {store}
                {after}
            {kept}
            fine = True
            for i in range(n):
                fine = fine and abs(xs[g, b, i]) < inf
            least, most = inf, 0.0
            for j in range(k):
                before = 0.0
                for i in range(n):
                    before += q[b, i, j] * q[b, i, j]
                again = 0.0
                for sweep in range(2 if j else 0):
                    for m in range(j):
                        c = 0.0
                        for i in range(n):
                            c += q[b, i, m] * q[b, i, j]
                        for i in range(n):
                            q[b, i, j] -= c * q[b, i, m]
                        again += c * c if sweep else 0.0
                size = 0.0
                for i in range(n):
                    size += q[b, i, j] * q[b, i, j]
                fine = fine and {low} < size and before < {high} and again < 3 * size and size > 4.0e-24 * before
                size = sqrt(size)
                for i in range(n):
                    q[b, i, j] /= size
                diagonal[g, b, j] = size
                least, most = min(least, size), max(most, size)
            if not (fine and most <= spread * least):
                done = g
                break
            for i in range(n):
                for j in range(k):
                    qs[g, b, i, j] = q[b, i, j]
    return done
"""

ORBIT = """
@njit("int64(float64[:, ::1], float64[:, ::1], int64, float64[:, :, ::1])",
      error_model="numpy", nogil=True, cache={cached})
def orbit(x, p, every, xs):
    done = len(xs)
    for b in range(len(x)):
        {load}
        for g in range(done):
            for _ in range(every):
                {first}
                {after}
            {kept}
            for i in range({n}):
                if not abs(xs[g, b, i]) < inf:
                    done = g
            if done == g:
                break
    return done
"""


def loop_source(program: Program, template: str, k: int = 0) -> str:
    """The template with the lines of the program, and of its tangent for k vectors."""
    seeds, linear = program.linear("pushed") if k else ([], [])
    moving = program.graph.dependent(seeds)
    lines, names = program.lines([*program.results, *linear], program.names | {s: f"d{s}" for s in seeds}, moving)
    state, rest = program.inputs[: program.n], program.inputs[program.n :]
    results, pushed = program.words(program.results, names), program.words(linear, names)
    load = [f"{names[place]} = x[b, {i}]" for i, place in enumerate(state)]
    load += [f"{names[place]} = p[b, {i}]" for i, place in enumerate(rest)]
    parts = {
        "load": load,
        "first": [f"{name} = {expression}" for place, name, expression in lines if place not in moving],
        "column": [f"{names[seed]} = q[b, {i}, j]" for i, seed in enumerate(seeds)],
        "each": [f"{name} = {expression}" for place, name, expression in lines if place in moving],
        "store": [f"q[b, {i}, j] = {word}" for i, word in enumerate(pushed)],
        "after": [f"{', '.join(names[place] for place in state)}, = {', '.join(results)},"],
        "kept": [f"xs[g, b, {i}] = {names[place]}" for i, place in enumerate(state)],
    }
    text = template
    for name, part in parts.items():
        margin = next((line[: line.index("{")] for line in template.splitlines() if line.strip() == f"{{{name}}}"), "")
        text = text.replace(f"{{{name}}}", f"\n{margin}".join(part) or "pass")
    for name, value in {"n": program.n, "k": k, "low": RANGE**-2, "high": RANGE**2}.items():
        text = text.replace(f"{{{name}}}", repr(value))
    return NUMBA + text
