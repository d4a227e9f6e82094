"""Right-hand sides that are functions of several values and of parameters, as formulas of one state."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from cocycle.arrays import require_count
from cocycle.formulas.parameters import name_of
from cocycle.formulas.refused import NotTraceable

STATE = inspect.Parameter("_state", inspect.Parameter.POSITIONAL_ONLY)
SEVERAL = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


@final
@dataclass(frozen=True)
class Rate:
    """function(first, second, ..., **parameters): numbers, or vectors of `components` numbers, to one of them.

    Raises TypeError for what is no function, ValueError unless `components` is None or an integer >= 1.
    """

    function: Callable[..., Any]
    components: int | None

    def __post_init__(self):
        if not callable(self.function):
            raise TypeError(f"rate must be a function of numbers; got {type(self.function).__name__}")
        if self.components is not None:
            require_count("components", self.components, 1)

    @property
    def size(self) -> int:
        """Numbers in one argument."""
        return 1 if self.components is None else self.components

    @property
    def name(self) -> str:
        return name_of(self.function)

    @property
    def own(self) -> list[inspect.Parameter] | None:
        """What the function takes; None where it does not say it."""
        try:
            found = list(inspect.signature(self.function).parameters.values())
        except (TypeError, ValueError):
            return None
        return None if any(p.kind in SEVERAL for p in found) else found

    def arguments(self, parameters: Mapping[str, Any]) -> list[str] | None:
        """The names of its arguments that are no parameters: those without a default and not among `parameters`."""
        own = self.own
        if own is None:
            return None
        named = [p.name for p in own if p.kind in POSITIONAL and p.default is inspect.Parameter.empty]
        return [name for name in named if name not in parameters]

    def defaults(self) -> dict[str, Any]:
        """Those of its parameters."""
        return {p.name: p.default for p in self.own or () if p.default is not inspect.Parameter.empty}

    def of_state(self, arguments: int) -> inspect.Signature:
        """The signature of the same function of one state that holds its first `arguments` arguments.

        Raises AttributeError, as an object without a signature of its own does, where the function has none.
        """
        own = self.own
        if own is None:
            raise AttributeError(f"{self.name} does not say what it takes")
        named = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own[arguments:]]
        return inspect.Signature([STATE, *named])

    def __call__(self, /, *arguments: Any, **parameters: Any) -> Any:
        """The rate (components,) of arguments (components,) each."""
        given = [a[0] for a in arguments] if self.components is None else arguments
        found = self.function(*given, **parameters)
        found = np.stack(found) if isinstance(found, list | tuple) else found
        expected = () if self.components is None else (self.components,)
        if np.shape(found) != expected:
            wanted = "one number" if self.components is None else f"{self.components} numbers, one for each component"
            raise NotTraceable(f"it must return {wanted}; got shape {np.shape(found)}")
        return np.stack([found]) if self.components is None else found
