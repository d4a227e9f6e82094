"""The steps of an integrator that chooses them, by the traced formula of one of them."""

from typing import Any, final

from cocycle.formulas.formula import LENGTH, Formula
from cocycle.formulas.of_time import TIME, depends_on_time
from cocycle.integrators.adaptive import AdaptiveIntegrator


@final
class Attempts:
    """What `integrated` needs of an integrator, from the formula of `AdaptiveIntegrator.traced`."""

    def __init__(self, formula: Formula, method: AdaptiveIntegrator, direction: int):
        self.formula, self.method, self.direction = formula, method, direction
        self.error_order, self.longest = method.error_order, method.longest

    def _of_length(self, h: Any, time: Any) -> Formula:
        now = {TIME: self.direction * time[..., 0]} if depends_on_time(self.formula) else {}
        return self.formula.at(**{LENGTH: h[..., 0]}, **now)

    def attempt(self, rate: Any, x: Any, h: Any, time: Any) -> tuple[Any, Any, Any]:
        found = self._of_length(h, time)(x)
        return found[..., :-1], found[..., -1:], None

    def pushed(self, rate: Any, x: Any, q: Any, h: Any, time: Any, known: Any) -> Any:
        return self._of_length(h, time).tangent(x, q)[1][..., :-1, :]

    def __repr__(self):
        return repr(self.method)
