"""The Kaplan-Yorke dimension as a function of the exponents: Kaplan & Yorke, Lecture Notes in Math. 730, 204 (1979)."""

import numpy as np


def kaplan_yorke_dimension(exponents: np.ndarray, complete: bool) -> np.ndarray:
    """The dimension (*batch,) from exponents (*batch, k) in any order, which are all exponents if `complete`."""
    ordered = np.sort(exponents, axis=-1)[..., ::-1]
    sums = ordered.cumsum(-1)
    j = (sums >= 0).sum(-1)
    k = ordered.shape[-1]
    padded = np.concatenate([np.zeros_like(sums[..., :1]), sums], axis=-1)
    above = np.take_along_axis(padded, j[..., None], -1)[..., 0]
    following = np.take_along_axis(ordered, np.minimum(j, k - 1)[..., None], -1)[..., 0]
    with np.errstate(all="ignore"):  # where j = k
        inside = j + above / abs(following)
    whole = float(k) if complete else np.nan
    return np.where(np.isnan(exponents).any(-1), np.nan, np.where(j == k, whole, inside))[()]
