"""How online training corrects a readout: recursive least squares, or steps down the gradient."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, NamedTuple, final

import numpy as np
import scipy

FLOOR = 1e-12  # of the ridge over the power of the features: rounding is then 2e-4 of the smallest correction
TINY = 1e-100  # of the ridge: its floor where features have no power at all


class OnlineRule(ABC):
    """How a weight (k, p) is corrected by features (p,) and their target (k,)."""

    @abstractmethod
    def start(self, k: int, p: int, constant: bool = False) -> tuple[np.ndarray, Any]:
        """The weight (k, p) before any input, and the other quantities that the rule updates.

        With `constant` the last of the p features is always 1: its weight is the constant of the readout.
        """

    @abstractmethod
    def corrected(
        self, weight: np.ndarray, memory: Any, features: np.ndarray, error: np.ndarray
    ) -> tuple[np.ndarray, Any]:
        """(weight, memory) after features, with `error` = target - weight features."""


@final
@dataclass(frozen=True)
class RecursiveLeastSquares(OnlineRule):
    """After T inputs the ridge regression with weights forgetting^(T-t); the constant, if there is one, has no ridge.

    Without forgetting the ridge is `ridge`, and the regression that of `train` with it.  With forgetting < 1 some 1 /
    (1 - forgetting) inputs count, and the ridge is ridge · forgetting^T until that is 1e-12 of the largest value so far
    of Σ forgetting^(T-t) |features|² (of deviations from the mean, with a constant); there it stays, within a factor of
    2.  Without this floor the inverse would grow as forgetting^-T in directions that the features do not explore, until
    rounding destroyed the readout ("wind-up").  A ridge that is not forgotten: Gunnarsson, Proc. 35th IEEE Conf.
    Decision and Control, 2551 (1996).  Where fewer inputs count than there are features, a new one may still be missed
    by far: `train_online` warns of it.

    The inverse of the regularised moments is P = S Sᵀ, and S is what is corrected: no rounding makes P indefinite, at
    any ridge (Potter's square root; Bierman, Factorization Methods for Discrete Sequential Estimation, 1977, ch. II).

    Price: p² a step, and p³ every ln 2 / (1 - forgetting) steps.  Raises ValueError unless ridge > 0 and 0 < forgetting
    <= 1.
    """

    ridge: float = 0.01
    forgetting: float = 1.0

    def __post_init__(self):
        if not 0 < self.ridge < np.inf:
            raise ValueError(f"ridge must be a positive number; got {self.ridge}")
        if not 0 < self.forgetting <= 1:
            raise ValueError(f"forgetting must be in (0, 1]; got {self.forgetting}")

    def start(self, k: int, p: int, constant: bool = False) -> tuple[np.ndarray, Any]:
        n = p - constant
        return np.zeros((k, p)), _Memory(np.eye(n) / self.ridge**0.5, self.ridge, np.zeros(n), bool(constant))

    def corrected(self, weight, memory, features, error):
        if not memory.constant:
            return self._regressed(weight, memory, np.asarray(features, dtype=np.float64), error)
        # with a constant: the regression of deviations from means with the same weights, which move too
        slope, mean = weight[:, :-1], memory.mean
        deviation, times = features[:-1] - mean, self.forgetting * memory.times + 1
        share = (1 - 1 / times) ** 0.5
        target_mean = weight[:, -1] + slope @ mean + (error + slope @ deviation) / times
        slope, memory = self._regressed(slope, memory, share * deviation, share * error)
        mean = mean + deviation / times
        weight = np.concatenate([slope, (target_mean - slope @ mean)[:, None]], axis=1)
        return weight, memory._replace(mean=mean, times=times)

    def _regressed(self, weight, memory, features, error):
        power = self.forgetting * memory.power + features @ features
        ridge, root, forgetting = self.forgetting * memory.ridge, memory.root, self.forgetting
        peak = max(power, memory.peak)
        floor = max(FLOOR * peak, TINY * self.ridge)
        if forgetting < 1 and ridge < floor / 2:
            weight, root = _regularised(weight, root, (floor - ridge) / forgetting)
            ridge = floor
        seen = features @ root  # Sᵀ r
        along, scale = root @ seen, forgetting + seen @ seen
        root = root - np.outer(along, seen / (scale + (forgetting * scale) ** 0.5))
        root = root / forgetting**0.5 if forgetting < 1 else root
        memory = memory._replace(root=root, ridge=ridge, power=power, peak=peak)
        return weight + np.outer(error, along / scale), memory


class _Memory(NamedTuple):
    """S Sᵀ = (Σ forgetting^(T-t) r rᵀ + ridge I)⁻¹, of deviations r from `mean` with a constant; power = Σ ... |r|²."""

    root: np.ndarray  # S (p, p)
    ridge: float
    mean: np.ndarray
    constant: bool
    times: float = 0.0  # Σ forgetting^(T-t)
    power: float = 0.0
    peak: float = 0.0  # the largest power so far


def _regularised(weight: np.ndarray, root: np.ndarray, added: float) -> tuple[np.ndarray, np.ndarray]:
    """Weight and root for a ridge that is larger by `added`: with L Lᵀ = I + added SᵀS the new root is S L⁻ᵀ."""
    lower = np.linalg.cholesky(np.eye(len(root)) + added * (root.T @ root))
    root = scipy.linalg.solve_triangular(lower, root.T, lower=True, check_finite=False).T
    return weight - added * (weight @ root) @ root.T, root


@final
@dataclass(frozen=True)
class LeastMeanSquares(OnlineRule):
    """A step of size `rate` down the gradient of the squared error: weight + rate error featuresᵀ.

    Stable for rate < 2 / |features|².  Raises ValueError unless rate > 0.  Widrow & Hoff (1960).
    """

    rate: float = 1e-3

    def __post_init__(self):
        if not 0 < self.rate < np.inf:
            raise ValueError(f"rate must be a positive number; got {self.rate}")

    def start(self, k: int, p: int, constant: bool = False) -> tuple[np.ndarray, Any]:
        return np.zeros((k, p)), None

    def corrected(self, weight, memory, features, error):
        return weight + self.rate * np.outer(error, features), memory
