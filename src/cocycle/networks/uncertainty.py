"""The uncertainty of an ensemble's predictions: the aleatoric part, of the data, and the epistemic, of the networks."""

from dataclasses import dataclass
from typing import NamedTuple, final

import numpy as np
import scipy

from cocycle.arrays import as_numpy, floating, refuse_masked, require_finite
from cocycle.results import Plotted, extent, html_facts, html_table

ROUNDING = 1e-4  # by which the sum of probabilities in single precision may differ from 1


class Uncertainty(NamedTuple):
    """In nats, (*batch,) each: `entropy` of the mean prediction, H; `aleatoric`, the mean entropy of the members, A;
    `epistemic`, the mutual information H - A, which is positive where members disagree.  Linander et al., arXiv
    2211.14605 (2022)."""

    entropy: np.ndarray
    aleatoric: np.ndarray
    epistemic: np.ndarray

    def _repr_html_(self):
        rows = [(name, *extent(np.asarray(values))) for name, values in self._asdict().items()]
        head = f"Uncertainty of {np.size(self.entropy)} predictions (nats)"
        return html_table(head, ("", "least", "median", "largest"), rows)


def uncertainty(probabilities: np.ndarray) -> Uncertainty:
    """The uncertainty of predictions (members, *batch, classes).

    Raises ValueError unless they are probabilities: not negative, with the sum 1 over classes.
    """
    p = as_numpy(floating("probabilities", probabilities)).astype(float)
    if p.ndim < 2 or not len(p):
        raise ValueError(f"probabilities must have shape (members, *batch, classes); got {p.shape}")
    require_finite("probabilities", p)
    if (p < 0).any() or (abs(p.sum(-1) - 1) > ROUNDING).any():
        raise ValueError(
            "probabilities must not be negative and must sum to 1 over classes, the last axis; of logits take the"
            " soft-max"
        )
    entropy, aleatoric = scipy.special.entr(p.mean(0)).sum(-1), scipy.special.entr(p).sum(-1).mean(0)
    return Uncertainty(entropy, aleatoric, np.maximum(entropy - aleatoric, 0.0))


@final
@dataclass(frozen=True, eq=False)
class AccuracyMap(Plotted):
    """The share of correct predictions in bins of entropy and mutual information.

    `entropy` and `epistemic` (bins + 1,) are the edges of the bins; `accuracy` and `count` (bins, bins), entropy first,
    the share and the number of samples: the share is NaN in empty bins.
    """

    entropy: np.ndarray
    epistemic: np.ndarray
    accuracy: np.ndarray
    count: np.ndarray

    def _repr_html_(self):
        known, total = self.count > 0, self.count.sum()
        right = (self.accuracy[known] * self.count[known]).sum() / total if total else np.nan
        rows = [("samples", int(total)), ("bins with samples", f"{known.sum()} of {known.size}")]
        return html_facts("AccuracyMap", [*rows, ("accuracy of all", f"{right:.4g}")])

    def __call__(self, found: Uncertainty) -> np.ndarray:
        """The expected accuracy (*batch,): that of the bin, or of the nearest bin that is not empty."""
        occupied = np.argwhere(self.count > 0)
        places = np.stack([_bins(self.entropy, found.entropy), _bins(self.epistemic, found.epistemic)], -1)
        return self.accuracy[tuple(np.moveaxis(occupied[scipy.spatial.KDTree(occupied).query(places)[1]], -1, 0))]


def accuracy_map(found: Uncertainty, right: np.ndarray, *, bins: int = 15) -> AccuracyMap:
    """The accuracy of predictions at each entropy and mutual information, from samples of known class.

    `right` (samples,) is True where the prediction was correct.  Linander et al., arXiv 2211.14605 (2022).  Raises
    ValueError for shapes that do not fit, fewer than one bin.
    """
    refuse_masked("right", right)
    right = np.asarray(right)
    if right.dtype != bool or right.shape != found.entropy.shape or right.ndim != 1 or not right.size:
        raise ValueError(
            f"right must be True or False for each of the samples, shape (samples,) = {found.entropy.shape}; got "
            f"{right.dtype} of shape {right.shape}"
        )
    if bins < 1:
        raise ValueError(f"bins must be at least 1; got {bins}")
    entropy, epistemic = (np.linspace(0, max(a.max(), 1e-12), bins + 1) for a in (found.entropy, found.epistemic))
    places = _bins(entropy, found.entropy), _bins(epistemic, found.epistemic)
    count, hits = np.zeros((bins, bins)), np.zeros((bins, bins))
    np.add.at(count, places, 1.0)
    np.add.at(hits, places, right.astype(float))
    with np.errstate(invalid="ignore"):
        return AccuracyMap(entropy, epistemic, hits / count, count)


class Binned(NamedTuple):
    """(bins,) each: the mean of the quantity that was binned, and mean and standard error of the other one."""

    centres: np.ndarray
    means: np.ndarray
    errors: np.ndarray


def binned(by: np.ndarray, values: np.ndarray, *, bins: int = 10) -> Binned:
    """The mean of values (samples,) in bins of another quantity `by` (samples,) with equal numbers of samples.

    Raises ValueError for shapes that do not fit and fewer than two samples a bin.
    """
    by, values = floating("by", by), floating("values", values)
    if by.shape != values.shape or by.ndim != 1 or len(by) < 2 * bins or bins < 1:
        raise ValueError(
            f"by and values must both be (samples,), two for each of {bins} bins; got {by.shape}, {values.shape}"
        )
    parts = np.array_split(np.argsort(by, kind="stable"), bins)
    centres, means = ([a[part].mean() for part in parts] for a in (by, values))
    errors = [values[part].std(ddof=1) / np.sqrt(len(part)) for part in parts]
    return Binned(np.array(centres), np.array(means), np.array(errors))


def _bins(edges: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The bin of each value; values outside the edges are in the first and the last bin."""
    return np.clip(np.searchsorted(edges, values, side="right") - 1, 0, len(edges) - 2)
