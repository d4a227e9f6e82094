"""Functions of a state (4,), written as users write them."""

import copy

import numpy as np

COUPLING = np.random.default_rng(1).normal(size=(4, 4))


def filled(x):
    y = np.zeros_like(x)
    y[0], y[1:] = np.hypot(x[0], x[1]), x[:-1] * x[1:]
    return y


def unpacked(state):
    a, b, c, d = state
    return [a * b, b / c, c**d, a - d]


def symplectic(x):
    q, p = x[:2], x[2:]
    moved = 1.0 * q
    moved += p
    a, b = moved
    old = a
    a -= b
    return [a, old, b, p[0] - np.sin(moved[1])]


def written_through_views(x):
    y = np.zeros_like(x)
    square = y.reshape((2, 2))
    square[0], square.T[1, 1] = x[2:], -x[0]
    np.split(y, 2)[1][0] = x[1] ** 2
    np.fill_diagonal(square, 2 * x[3])
    return y


def copies(x):
    y = x * 2
    cast, copied = y.astype(float), copy.copy(y)
    cast[0], copied[1] = 5.0, 6.0
    return y + cast * copied


def statistics(x):
    return [x.std(), np.var(x, ddof=1), np.average(x, weights=[1, 2, 3, 4]), np.ptp(x)]


def reshaped(x):
    return (x.reshape(2, 2) @ x.reshape(2, -1).transpose(1, 0)).flatten()


FORMULAS = {
    "in place, with another name": symplectic,
    "written through views": written_through_views,
    "copies": copies,
    "statistics": statistics,
    "reshaped": reshaped,
    "a number changed in place": lambda x: [*[sum(x), x[0]] * 2],
    "outer difference": lambda x: np.sin(np.subtract.outer(x, x)).sum(axis=0),
    "floor division": lambda x: x // 0.1 + divmod(x, 0.3)[0] + divmod(x, 0.3)[1],
    "gradient": lambda x: np.append(np.diff(x, prepend=0.0), [])[:4] + np.insert(x[1:], 0, 0.5),
    "rounded": lambda x: np.stack([round(a, 1) for a in x]) + x.round() + np.fix(3 * x),
    "extremes": lambda x: np.fmax(x, 0.5) * np.fmin(x, x[::-1]) * np.ptp(x),
    "counted": lambda x: x * np.sum(x > 0.5) + np.mean(x > 0.4) + (x > 0.3).astype(float),
    "blocks": lambda x: np.block([[x[:2], x[2:]], [x[2:], x[:2] ** 2]]).sum(axis=1).repeat(2),
    "unpacked, a list": unpacked,
    "a tuple of slices": lambda x: (*x[1:], x[0]),
    "array": lambda x: np.array([x[0] * x[1], 1.0, x[2] + 2, x[3]]),
    "stack": lambda x: np.stack([x[3], x[2], x[1], x[0]], axis=-1),
    "last axis": lambda x: np.stack([x[..., 1] * x[..., 0], x[..., 2], x[..., 3], x[..., 0]], axis=-1),
    "roll": lambda x: (np.roll(x, -1) - np.roll(x, 2)) * np.roll(x, 1) - x + 8,
    "concatenate": lambda x: np.concatenate([x[2:], x[:2] ** 2]),
    "hstack": lambda x: np.hstack([x[2:], np.sin(x[:2])]),
    "zeros filled": filled,
    "sum over an axis": lambda x: np.sin(x - x[:, None]).sum(axis=1),
    "mean": lambda x: np.mean(np.cos(x[:, None] - x), axis=-1) + x.mean(),
    "sum of all": lambda x: x * np.sum(x) + x.sum(),
    "matrix times vector": lambda x: COUPLING @ np.tanh(x),
    "vector times matrix": lambda x: x @ COUPLING,
    "dot": lambda x: np.dot(COUPLING, x) * np.dot(x, x),
    "einsum": lambda x: np.einsum("ij,j->i", COUPLING, x),
    "outer": lambda x: np.outer(x, x)[1],
    "norm": lambda x: x / np.linalg.norm(x),
    "where": lambda x: np.where(x > 0.5, np.exp(-x), x**3),
    "nested where": lambda x: np.where(x > 0.5, 1.0, np.where(x < 0.2, x, 2 * x)),
    "and": lambda x: np.where((x > 0.3) & (x < 0.7), x, -x),
    "minimum and maximum": lambda x: np.minimum(x, 0.5) + np.maximum(x, np.roll(x, 1)),
    "clip": lambda x: np.clip(x, 0.2, 0.6) + x.clip(0.1, 0.3),
    "abs, sign": lambda x: np.abs(x) * np.sign(x - 0.5),
    "power of two": lambda x: 2**x + np.exp2(x) + x**2 + x**0.5 + x ** x[::-1],
    "angles": lambda x: np.arctan2(x, x[::-1]) + np.hypot(x, 1.0) + np.arcsin(x / 2) + np.arccos(x / 2) + np.arctan(x),
    "hyperbolic": lambda x: np.sinh(x) + np.cosh(x) + np.arcsinh(x) + np.arccosh(1 + x) + np.arctanh(x / 2),
    "logarithms": lambda x: np.log(x) + np.log2(x) + np.log10(x) + np.log1p(x) + np.expm1(x),
    "modulo": lambda x: (3 * x) % 1 + np.mod(x, 0.3) + np.fmod(5 * x, 1.0),
    "rounding": lambda x: x + np.floor(3 * x) + np.ceil(x) + np.rint(2 * x) + np.trunc(3 * x),
    "heaviside": lambda x: np.heaviside(x - 0.5, 0.5) * x,
    "square, reciprocal": lambda x: np.square(x) + np.reciprocal(x) + np.sqrt(x) + np.cbrt(8.0),
    "diff and cumsum": lambda x: np.concatenate([np.diff(x), [x[0]]]) + np.cumsum(x),
    "prod": lambda x: x * np.prod(x),
    "max": lambda x: x * np.max(x) + x.min(),
    "tan": lambda x: np.tan(x) + 1 / np.cos(x),
    "constants": lambda x: np.ones_like(x) * 3.0,
}
