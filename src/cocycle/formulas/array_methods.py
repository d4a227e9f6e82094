"""The methods and operators of arrays, for classes that numpy hands its functions over to."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from cocycle.formulas.ufuncs import RECORDED

NUMPY: Any = np  # whose types do not know of these classes


class ArrayMethods(NDArrayOperatorsMixin):
    """Methods that are functions of numpy; the class has `shape`, items, and the protocols of numpy."""

    shape: Any

    def __len__(self):
        if not self.shape:
            raise TypeError("a number has no len()")
        return self.shape[0]

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    def __getitem__(self, index: Any) -> Any:
        raise NotImplementedError

    def __setitem__(self, index: Any, value: Any) -> None:
        raise NotImplementedError

    def __round__(self, digits: int = 0):
        return NUMPY.round(self, digits)

    def reshape(self, *shape, order="C"):
        return NUMPY.reshape(self, shape[0] if len(shape) == 1 else shape, order=order)

    def transpose(self, *axes):
        return NUMPY.transpose(self, axes[0] if len(axes) == 1 else axes or None)

    def flatten(self, order="C"):
        return NUMPY.ravel(self, order=order).copy()

    def fill(self, value):
        self[...] = value


def _method(name: str) -> Callable[..., Any]:
    return lambda self, *arguments, **options: getattr(NUMPY, name)(self, *arguments, **options)


for _name in (
    *("sum", "mean", "prod", "dot", "ravel", "swapaxes", "clip", "max", "min", "copy", "squeeze", "repeat", "take"),
    *("cumsum", "cumprod", "round", "std", "var", "any", "all", "diagonal", "trace", "conjugate", "conj"),
    *(*RECORDED, "exp2", "square", "reciprocal"),  # which numpy asks of elements of object arrays
):
    setattr(ArrayMethods, _name, _method(_name))
