"""Equations of fields in space as vector fields of their values on a grid: the method of lines."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from functools import cached_property, lru_cache
from math import factorial, prod
from typing import Any, final

import numpy as np

from cocycle.arrays import namespace, require_count
from cocycle.formulas.dual_arrays import DualArray
from cocycle.formulas.formula import Formula
from cocycle.formulas.refused import NotTraceable
from cocycle.formulas.symbols import Symbols
from cocycle.systems.rates import Rate
from cocycle.systems.series import ContinuousSystem

BOUNDARIES = ("periodic", "no-flux")
ORDERS = (2, 4, 6, 8)
LETTERS = "xyz"  # of the axes of space, in the names of derivatives
WAVES = 3  # of the fields that `start` gives, along each axis


@final
@dataclass(frozen=True)
class Interval:
    """[0, length] with `points` equidistant points, and derivatives along it by central differences.

    With dx = length / points the points are 0, dx, ... for boundary="periodic", where 0 and length are the same place,
    and dx/2, 3 dx/2, ... for "no-flux", where all odd derivatives are zero at both ends: a field is continued by its
    mirror image, so that the mean of a second derivative over the points is zero, as it is of a periodic one.

    The error of a derivative is of `order` in dx, 2, 4, 6 or 8: of the second derivative of a wave exp(i k x) it is a
    fraction (k dx)²/12 for order 2, (k dx)⁴/90 for order 4, of the first (k dx)²/6 and (k dx)⁴/30.  Fornberg, Math.
    Comput. 51, 699 (1988).  Raises ValueError for what is not allowed.
    """

    length: float
    points: int = 64
    boundary: str = "periodic"
    order: int = 4

    def __post_init__(self):
        if isinstance(self.length, str) or not 0 < self.length < np.inf:
            raise ValueError(f"length must be a positive number; got {self.length!r}")
        require_count("points", self.points, 3)
        if self.boundary not in BOUNDARIES:
            raise ValueError(f"boundary must be one of {', '.join(map(repr, BOUNDARIES))}; got {self.boundary!r}")
        if self.order not in ORDERS:
            raise ValueError(f"order must be one of {', '.join(map(str, ORDERS))}; got {self.order!r}")

    @property
    def spacing(self) -> float:
        return float(self.length / self.points)

    @property
    def places(self) -> np.ndarray:
        """x at the points (points,)."""
        return (np.arange(self.points) + (0.5 if self.boundary == "no-flux" else 0.0)) * self.spacing

    def require_points(self, derivative: int) -> None:
        """Raise ValueError if the points are too few for the differences of a derivative."""
        least = 2 * _reach(derivative, self.order) + 1
        if self.points < least:
            raise ValueError(
                f"points must be at least {least} for derivative {derivative} of order {self.order}; got {self.points}"
            )

    def derivative(self, u: Any, number: int, axis: int = -1) -> Any:
        """The derivative of that number, at least 1, of values u (..., points, ...) along a negative axis."""
        reach, sign = _reach(number, self.order), (-1) ** number
        behind = (slice(None),) * (-1 - axis)
        wide = u[(..., self._continued(reach), *behind)]

        def shifted(steps: int) -> Any:
            return wide[(..., slice(reach + steps, reach + steps + self.points), *behind)]

        middle, *weights = (w / self.spacing**number for w in _weights(number, self.order))
        pairs = [shifted(i) + shifted(-i) if sign > 0 else shifted(i) - shifted(-i) for i in range(1, reach + 1)]
        terms = [w * pair for w, pair in zip(weights, pairs, strict=True)]
        return sum(terms[1:], terms[0] if sign < 0 else middle * u + terms[0])

    def _continued(self, reach: int) -> np.ndarray:
        """The places of the points, and of those that continue them on both sides."""
        places = np.arange(-reach, self.points + reach)
        if self.boundary == "periodic":
            return places % self.points
        return np.where(places < 0, -1 - places, np.minimum(places, 2 * self.points - 1 - places))

    def waves(self, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        """Random sums of the longest waves that fit (*shape, points), between -1 and 1."""
        number = np.arange(1, WAVES + 1)[:, None]
        if self.boundary == "periodic":
            phases = rng.uniform(0, 2 * np.pi, size=(*shape, WAVES, 1))
            return np.sin(2 * np.pi * number * self.places / self.length + phases).mean(-2)
        return (rng.uniform(-1, 1, size=(*shape, WAVES, 1)) * np.cos(np.pi * number * self.places / self.length)).mean(
            -2
        )


@lru_cache(maxsize=64)
def _weights(number: int, order: int) -> tuple[float, ...]:
    """The weights, at distance 1, of f(0), f(1), f(2), ... in the derivative of that number at 0, by the polynomial
    through them and f(-1), f(-2), ..., whose weights are the same, for odd numbers with the other sign."""
    reach = _reach(number, order)
    places = np.arange(-reach, reach + 1)
    found = []
    for place in range(reach + 1):
        others = places[places != place].astype(float)
        coefficient = np.poly(others)[::-1][number]  # integers, which are exact
        found.append(float(factorial(number) * coefficient / np.prod(place - others)))
    return tuple(found)


def _reach(number: int, order: int) -> int:
    """The points on each side that the difference needs."""
    return (number + 1) // 2 - 1 + order // 2


@final
@dataclass(frozen=True, eq=False)
class MethodOfLines(ContinuousSystem):
    """u_t = rate(u, u_x, u_xx, ..., **parameters) for a field u on an `Interval`, as the vector field of its values.

        def fisher(u, u_xx, growth=1.0, diffusion=1.0):
            return growth * u * (1 - u) + diffusion * u_xx

        Flow(MethodOfLines(fisher, Interval(100.0, 200, "no-flux")), dt=0.02)

    `rate` is a plain function of the values at one point, see `cocycle.Formula`: u and those of its derivatives that
    it names, by the letters behind the last underscore, u_x, u_xx, u_xxx, ....  They are numbers, or with `components`
    = c vectors (c,), of which it gives one.  `space` is an `Interval`, or a tuple of two or three, for fields on a
    rectangle with derivatives such as u_xx, u_yy, u_xy.

    The state is (*batch, c points), the components one after the other: see `fields`.  Parameters are numbers, or by
    `at` arrays that have a value for each point, (points,), or for each member of a batch, (*batch, 1).  The tangent is
    the exact derivative.  `start` gives smooth fields between `first`, two numbers or two vectors (c,).

    Explicit steps are stable up to a dt that falls with the spacing: for u_xx with diffusion D and Runge-Kutta steps
    of fourth order dt < 0.69 dx²/D for order 2, 0.52 dx²/D for order 4; in general 2.78 over the largest rate.

    Raises ValueError for too few points; TypeError for a rate whose arguments are not u and derivatives, and, when it
    is first used, NotTraceable for one that gives another number of components or has no formula.
    """

    rate: Callable[..., Any]
    space: Interval | tuple[Interval, ...]
    _: KW_ONLY
    components: int | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    first: tuple[Any, Any] = (-1.0, 1.0)

    def __post_init__(self):
        if not self._axes or len(self._axes) > len(LETTERS) or not all(isinstance(a, Interval) for a in self._axes):
            raise TypeError(f"space must be an Interval, or a tuple of two or three; got {self.space!r}")
        for numbers in self._derivatives:
            for axis, number in zip(self._axes, numbers, strict=True):
                axis.require_points(number or 1)
        self._formula  # noqa: B018  (an unknown parameter is an error at once)

    @cached_property
    def _rate(self) -> Rate:
        return Rate(self.rate, self.components)

    @cached_property
    def _axes(self) -> tuple[Interval, ...]:
        return self.space if isinstance(self.space, tuple) else (self.space,)

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """The numbers of points along the axes."""
        return tuple(axis.points for axis in self._axes)

    @cached_property
    def dimension(self):
        return self._rate.size * prod(self.shape)

    @cached_property
    def _derivatives(self) -> list[tuple[int, ...]]:
        """For each argument of the rate after u, the number of the derivative along each axis."""
        names = (self._rate.arguments(self.parameters) or [])[1:]
        letters = LETTERS[: len(self._axes)]
        first = (self._rate.arguments(self.parameters) or ["u"])[0]
        found = [re.search(f"^{re.escape(first)}_([{letters}]+)$", name) for name in names]
        if not names or not all(found):
            raise TypeError(
                f"rate must take u and some of its derivatives by name, rate(u, u_{letters[-1]},"
                f" u_{2 * letters[0]}, a=1.0), and no others without a default; {self._rate.name} takes"
                f" {', '.join(self._rate.arguments(self.parameters) or ['what it does not say'])}"
            )
        return [tuple(match[1].count(letter) for letter in letters) for match in found if match]

    @cached_property
    def _formula(self) -> Formula:
        return Formula(_AtPoint(self._rate, 1 + len(self._derivatives)), **self.parameters)

    def at(self, **parameters: Any) -> "MethodOfLines":
        """The same with other values of some parameters: numbers, or arrays (*batch, points), (*batch, 1)."""
        formula = self._formula.at(**parameters)
        made = replace(self, parameters=dict(formula.parameters))
        vars(made)["_formula"] = formula  # which need not be traced again
        return made

    def fields(self, x: Any) -> Any:
        """States (*batch, c points) as fields (*batch, c, *shape), for example (*batch, c, points)."""
        return x.reshape(*x.shape[:-1], self._rate.size, *self.shape)

    def start(self, rng, batch=()):
        low, high = (np.asarray(bound, dtype=float).reshape(-1, *(1 for _ in self.shape)) for bound in self.first)
        waves = [axis.waves(rng, (*batch, self._rate.size)) for axis in self._axes]
        letters = LETTERS[: len(waves)]
        product = np.einsum(f"{','.join(f'...{letter}' for letter in letters)}->...{letters}", *waves)
        return ((low + high) / 2 + (high - low) / 2 * product).reshape(*batch, self.dimension)

    def __call__(self, x):
        values = self._values(self._checked(x))
        if isinstance(x, Symbols | DualArray):
            return self._at_each_point(values)
        return self._as_states(self._formula(_first_to_last(values)))

    def tangent(self, x, q):
        xp = namespace(x)
        values = _first_to_last(self._values(self._checked(x)))
        changes = self._values(q.swapaxes(-1, -2))  # (values, *batch, k, points)
        changes = xp.moveaxis(xp.moveaxis(changes, -2, 1), (0, 1), (-2, -1))
        rate, slopes = self._formula.tangent(values, changes)
        slopes = xp.moveaxis(slopes, -1, 0)
        return self._as_states(rate), xp.moveaxis(self._as_states(slopes), 0, -1)

    def _checked(self, x: Any) -> Any:
        if x.shape[-1:] != (self.dimension,):
            raise ValueError(
                f"x must be a field (*batch, {self.dimension}): {self._rate.size} component"
                f"{'s' * (self._rate.size > 1)} of {' x '.join(map(str, self.shape))} points; got {tuple(x.shape)}"
            )
        return x

    def _values(self, x: Any) -> Any:
        """The arguments of the rate at all points, component by component: (values, *batch, points)."""
        xp, u = namespace(x), self.fields(x)
        u = u if x.ndim == 1 else xp.moveaxis(u, -1 - len(self.shape), 0)
        found = [u, *(self._derivative(u, numbers) for numbers in self._derivatives)]
        return xp.stack(found).reshape(len(found) * len(u), *x.shape[:-1], prod(self.shape))

    def _derivative(self, u: Any, numbers: Sequence[int]) -> Any:
        for i, (axis, number) in enumerate(zip(self._axes, numbers, strict=True)):
            if number:
                u = axis.derivative(u, number, i - len(numbers))
        return u

    def _as_states(self, rates: Any) -> Any:
        """(*batch, points, c) as states (*batch, c points)."""
        return rates.swapaxes(-1, -2).reshape(*rates.shape[:-2], self.dimension)

    def _at_each_point(self, values: Any) -> Any:
        if self._formula.batch:
            raise NotTraceable("its parameters are arrays, which a single state does not have")
        rates = [self._formula(values[:, i]) for i in range(values.shape[-1])]
        return np.stack(rates, axis=-1).reshape(self.dimension)


def _first_to_last(a: Any) -> Any:
    """The first axis as the last; `moveaxis` takes longer than the arithmetic of a small field."""
    return a.swapaxes(0, 1) if a.ndim == 2 else namespace(a).moveaxis(a, 0, -1)


@final
@dataclass(frozen=True)
class _AtPoint:
    """The values of a field and of its derivatives at one point, one after the other -> the rate of change there."""

    rate: Rate
    arguments: int

    @property
    def name(self) -> str:
        return self.rate.name

    @property
    def __signature__(self):
        return self.rate.of_state(self.arguments)

    def __call__(self, values, /, **parameters):
        return self.rate(*values.reshape(self.arguments, self.rate.size), **parameters)
