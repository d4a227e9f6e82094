"""A reservoir as a scikit-learn estimator, for its pipelines and searches.  Needs the extra `sklearn`."""

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from cocycle.arrays import refuse_masked
from cocycle.reservoir.reservoir import Reservoir
from cocycle.reservoir.ridge import HeldOut, RidgeChoice
from cocycle.reservoir.training import train


def drawn(estimator: Any, inputs: int) -> Reservoir:
    """The reservoir with so many inputs that the parameters of a scikit-learn estimator describe."""
    return Reservoir.random(
        estimator.size,
        inputs,
        spectral_radius=estimator.spectral_radius,
        input_scaling=estimator.input_scaling,
        bias_scaling=estimator.bias_scaling,
        leak_rate=estimator.leak_rate,
        rng=estimator.random_state,
    )


class ReservoirRegressor(RegressorMixin, BaseEstimator):
    """Gives y[t] (time, k) or (time,) from the inputs X[0], ..., X[t] (time, m): the rows of X are successive times.

    `fit` draws a `Reservoir.random` and trains it from rest.  `predict` takes its X for what follows the X of `fit`,
    and continues from the state of the network after it, as in the folds of `TimeSeriesSplit`, which
    cross-validation has to use: no shuffling.  Only an X that begins with the whole X of `fit` starts from rest, as
    `fit` did.  `predict` changes nothing: each call continues from the end of `fit`, so an X of later times
    must hold all times in between.  After a gap, or for another series, the first rows still depend on the state at
    the end of `fit`: leave them out, or call `model_.predictions`, which starts from rest.  For forecasts take `train`.

    Parameters: those of `Reservoir.random`, with defaults for inputs that change from one time to the next, ridge and
    washout of `train`, where ridge=None is `HeldOut()`, random_state an integer seed.
    After `fit`: `model_`, a `Forecaster`, and `state_`, that of the network after the X of `fit`.
    """

    def __init__(
        self,
        size: int = 100,
        *,
        spectral_radius: float = 0.9,
        input_scaling: float = 0.3,
        bias_scaling: float = 1.0,
        leak_rate: float = 1.0,
        ridge: float | RidgeChoice | None = None,
        washout: int = 0,
        random_state: int = 0,
    ):
        self.size = size
        self.spectral_radius = spectral_radius
        self.input_scaling = input_scaling
        self.bias_scaling = bias_scaling
        self.leak_rate = leak_rate
        self.ridge = ridge
        self.washout = washout
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> "ReservoirRegressor":
        """Train on X (time, m) and y (time,) or (time, k).  Raises ValueError for what `train` refuses."""
        refuse_masked("X", X)
        refuse_masked("y", y)
        least = 6 if self.ridge is None else 3  # times, for the folds that choose the ridge
        options = {"multi_output": True, "y_numeric": True, "dtype": np.float64, "ensure_min_samples": least}
        X, y = validate_data(self, X, y, **options)
        network, ridge = drawn(self, X.shape[1]), HeldOut() if self.ridge is None else self.ridge
        target = np.asarray(y, dtype=np.float64).reshape(len(X), -1)
        self.model_ = train(network, X, target=target, ridge=ridge, washout=self.washout)
        self.state_, self._fit_X = self.model_.warmed(X), np.array(X)
        self.one_dimensional_ = np.ndim(y) == 1
        return self

    def predict(self, X: Any) -> np.ndarray:
        """y (time,) or (time, k) for X (time, m), the times after those of `fit`, or those of `fit` and after."""
        check_is_fitted(self)
        refuse_masked("X", X)
        X = validate_data(self, X, reset=False, dtype=np.float64)
        again = np.array_equal(X[: len(self._fit_X)], self._fit_X)
        y = self.model_.predictions(X, state=None if again else self.state_)
        return y[:, 0] if self.one_dimensional_ else y

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
