"""How good a forecast is."""

from collections.abc import Callable

import numpy as np

from cocycle.arrays import floating, require_finite


def euclidean(error: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """|error| over the root mean square fluctuation |y - mean y| of the reference series, all components together."""
    return np.linalg.norm(error, axis=-1) / _positive(np.sqrt(reference.var(axis=0).sum(axis=-1)))


def componentwise(error: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """√mean_i (error_i / std_i)², each component in units of its own standard deviation in the reference series.

    The norm of Platt et al., Neural Networks 153, 530 (2022).
    """
    return np.sqrt(((error / _positive(reference.std(axis=0))) ** 2).mean(axis=-1))


def _positive(fluctuation: np.ndarray) -> np.ndarray:
    if not (fluctuation > 0).all():
        raise ValueError("reference must fluctuate, in every component that is a unit: errors are measured by that")
    return fluctuation


def valid_time(
    prediction: np.ndarray,
    truth: np.ndarray,
    *,
    lyapunov_time: float,
    threshold: float = 0.3,
    norm: Callable[[np.ndarray, np.ndarray], np.ndarray] = euclidean,
    reference: np.ndarray | None = None,
) -> np.ndarray:
    """How long each forecast stays within `threshold` of the truth, in Lyapunov times: shape (*networks, *starts).

    prediction (time, *networks, *starts, m), truth (time, *starts, m); `lyapunov_time` is that of the true system
    in steps, 1 / (λ_1 dt).  The error is `norm(prediction - truth, reference)`: `euclidean` or `componentwise`, in
    units of the fluctuations of `reference` (time, m), by default of the truth itself.  The valid time is that of
    the first step whose error is not below the threshold, where NaN is not; a forecast that holds to the end gets
    the full length, a lower bound.

    Raises ValueError for shapes that do not fit, a truth or reference that is not finite, a threshold or
    lyapunov_time that is not positive.
    """
    prediction, truth = np.asarray(prediction), floating("truth", truth)
    tail = truth.shape[1:]
    if len(prediction) != len(truth) or truth.ndim < 2 or prediction.shape[prediction.ndim - len(tail) :] != tail:
        raise ValueError(
            f"prediction must have shape (time, ..., *starts, m) like truth {truth.shape}; got {prediction.shape}"
        )
    for name, value in {"threshold": threshold, "lyapunov_time": lyapunov_time}.items():
        if not value > 0:
            raise ValueError(f"{name} must be positive; got {value}")
    require_finite("truth", truth)
    scale = truth if reference is None else floating("reference", reference)
    require_finite("reference", scale)
    if scale.shape[-1:] != tail[-1:] or scale.ndim not in (2, truth.ndim):
        raise ValueError(f"reference must have shape (time, m={tail[-1]}); got {scale.shape}")
    aligned = np.expand_dims(truth, tuple(range(1, 1 + prediction.ndim - truth.ndim)))
    with np.errstate(over="ignore", invalid="ignore"):  # a forecast may have left every bound
        failed = ~(norm(prediction - aligned, scale) < threshold)
    steps = np.where(failed.any(axis=0), failed.argmax(axis=0), len(truth))
    return steps / lyapunov_time
