"""A reservoir as a scikit-learn classifier of series.  Needs the extra `sklearn`."""

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data

from cocycle.arrays import refuse_masked
from cocycle.reservoir.classification import BY_VALIDATION, train_classifier
from cocycle.reservoir.estimator import drawn
from cocycle.reservoir.ridge import RidgeChoice


class ReservoirClassifier(ClassifierMixin, BaseEstimator):
    """Gives the label y (samples,) of series X: (samples, time, m), or a list of series (time, m) of any lengths.

    A table X (samples, time) holds series of one component, which must be as long in `predict` as in `fit`.  `fit`
    draws a `Reservoir.random` and calls `train_classifier`.  The scores are no probabilities; scikit-learn's
    `CalibratedClassifierCV` makes some of them.

    Parameters: those of `Reservoir.random`, with other defaults (benchmarks/classification.py), windows and ridge of
    `train_classifier`, where ridge=None is generalised cross-validation, random_state an integer seed.
    After `fit`: `model_`, a `SeriesClassifier`, `classes_`, and `n_features_in_`, m, or the length of the series of a
    table.
    """

    def __init__(
        self,
        size: int = 100,
        *,
        windows: int | None = 5,
        spectral_radius: float = 0.6,
        input_scaling: float = 0.3,
        bias_scaling: float = 1.0,
        leak_rate: float = 1.0,
        ridge: float | RidgeChoice | None = None,
        random_state: int = 0,
    ):
        self.size = size
        self.windows = windows
        self.spectral_radius = spectral_radius
        self.input_scaling = input_scaling
        self.bias_scaling = bias_scaling
        self.leak_rate = leak_rate
        self.ridge = ridge
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> "ReservoirClassifier":
        """Train on series X and labels y (samples,).  Raises ValueError for what `train_classifier` refuses."""
        refuse_masked("y", y)
        if y is None:
            raise ValueError(f"{type(self).__name__} requires y to be passed, but the target y is None")
        series = self._series(X, y)
        labels = column_or_1d(y, warn=True)
        check_classification_targets(labels)
        network = drawn(self, np.shape(series[0])[1])
        ridge = BY_VALIDATION if self.ridge is None else self.ridge
        self.model_ = train_classifier(network, series, labels, windows=self.windows, ridge=ridge)
        self.classes_ = self.model_.labels
        return self

    def decision_function(self, X: Any) -> np.ndarray:
        """The scores (samples, classes) of each series; for two classes (samples,), positive for the second."""
        check_is_fitted(self)
        scores = self.model_.scores(self._series(X))
        return scores[:, 1] - scores[:, 0] if len(self.classes_) == 2 else scores

    def predict(self, X: Any) -> np.ndarray:
        """The label (samples,) of each series."""
        scores = self.decision_function(X)
        return self.classes_[(scores > 0).astype(int) if scores.ndim == 1 else scores.argmax(axis=1)]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags

    def _series(self, X: Any, y: Any = None) -> Any:
        """X as series; a table is checked by scikit-learn, against that of `fit` unless there are labels."""
        refuse_masked("X", X)
        of_series = _holds_series(X)
        if y is None and of_series == self._table:
            kinds = ("series", "a table (samples, time)")
            raise ValueError(f"X must be {kinds[self._table]}, as in `fit`; got {kinds[not self._table]}")
        if of_series:
            if y is not None:
                self.n_features_in_ = np.shape(X[0])[-1]
                self._table = False
            return X
        table = (
            validate_data(self, X, reset=False, dtype=np.float64)
            if y is None
            else validate_data(self, X, y, dtype=np.float64, ensure_min_samples=2)[0]
        )
        if y is not None:
            self._table = True
        return np.asarray(table)[..., None]


def _holds_series(X: Any) -> bool:
    """Whether X is an array (samples, time, m), or a list or array of series (time, m)."""
    if isinstance(X, np.ndarray) and X.dtype != object:
        return X.ndim == 3
    return isinstance(X, list | tuple | np.ndarray) and len(X) > 0 and np.ndim(X[0]) == 2
