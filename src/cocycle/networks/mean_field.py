"""Mean-field theory of random networks: their exponents in the limit of infinite width.

The local fields of a wide network with independent Gaussian weights are Gaussian, so that their variance q obeys a
map of one variable, and the growth of a tangent vector is the average of g'(b)² over them.
"""

from functools import lru_cache

import numpy as np
import scipy

from cocycle.arrays import refuse_masked
from cocycle.networks.activations import TANH, Activation

NODES = 300  # of the quadrature on each side of zero, where a relu has its kink
CUTOFF = 10.0  # standard deviations, beyond which a Gaussian density is 1e-23
SMALLEST = 1e-100  # the variance of the local fields that stands for its limit 0
LARGEST = 1e12  # variance of the local fields above which it is said to diverge


@lru_cache(maxsize=4)
def _gauss(nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights of the average over a standard normal variable, accurate also for functions with a kink at
    0."""
    z, w = np.polynomial.legendre.leggauss(nodes)
    z, w = (z + 1) * CUTOFF / 2, w * CUTOFF / 2
    w = w * np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
    return np.concatenate([-z[::-1], z]), np.concatenate([w[::-1], w])


def _average(function, q: np.ndarray | float, nodes: int = NODES) -> np.ndarray:
    """⟨function(b)⟩ over local fields b of mean 0 and variance q (*batch,)."""
    z, w = _gauss(nodes)
    return function(np.sqrt(np.asarray(q, dtype=float))[..., None] * z) @ w


def next_variance(q, weight_std, drive, activation: Activation = TANH) -> np.ndarray:
    """weight_std² ⟨g(b)²⟩ + drive, with b of variance q: the variance of the local fields after one step or layer.

    drive is the variance that inputs or biases add.  All arguments are arrays (*batch,) or numbers.
    """
    return np.asarray(weight_std) ** 2 * _average(lambda b: activation.value(b) ** 2, q) + drive


def gain_factor(q, weight_std, activation: Activation = TANH) -> np.ndarray:
    """χ = weight_std² ⟨g'(b)²⟩ with b of variance q: the growth factor of the squared length of a tangent vector.

    At q = 0 its limit for small q, such as ½ weight_std² for a relu, which has no slope at 0.
    χ₁ of Poole et al., NIPS 29 (2016), at the fixed point of the variance.
    """
    q = np.maximum(q, SMALLEST)
    return np.asarray(weight_std) ** 2 * _average(lambda b: activation.slope(b) ** 2, q)


def conditional_exponent(weight_std, drive: np.ndarray, *, activation: Activation = TANH, washout: int = 100):
    """The maximal conditional exponent, per step, of a wide Gaussian reservoir whose inputs add variance drive (time,).

    drive(t) = input_std² |u(t)|² for Gaussian input weights; λ = ½ ⟨ln χ⟩ over time, with the variance q carried along:
    q(t+1) = weight_std² ⟨g²⟩ + drive(t).  weight_std (*batch,) or a number; drive (time, *batch).  The first `washout`
    steps are not counted.  Massar & Massar, Phys. Rev. E 87, 042809 (2013).

    For strong drives it is up to 0.3 below the exponent of a finite network: the growth is then due to the few units
    that are not saturated.  Raises ValueError for a drive that is negative or not longer than the washout.
    """
    refuse_masked("drive", drive)
    drive = np.asarray(drive, dtype=float)
    if drive.ndim < 1 or len(drive) <= washout:
        raise ValueError(f"drive must have more than washout={washout} steps; got shape {drive.shape}")
    if not (drive >= 0).all():
        raise ValueError(f"drive must be a variance, not negative nor NaN; the smallest is {drive.min()}")
    q, logs = drive[0] + 0.0 * np.asarray(weight_std), 0.0
    for t, now in enumerate(drive):
        q = next_variance(q, weight_std, now, activation)
        if t >= washout:
            logs = logs + np.log(gain_factor(q, weight_std, activation))
    return logs / (2 * (len(drive) - washout))


def fixed_variance(weight_std: float, drive: float, activation: Activation = TANH) -> float:
    """q*, the fixed point of the variance of the local fields.

    Where every variance is one, as for a relu with weight_std² = 2 and no drive, that of unit inputs: 1.  Raises
    ValueError for negative arguments, and where the variance grows without bound.
    """
    if weight_std < 0 or drive < 0:
        raise ValueError(f"weight_std and drive must not be negative; got weight_std={weight_std}, drive={drive}")

    def excess(q):
        return float(next_variance(q, weight_std, drive, activation) - q)

    if abs(excess(1.0)) < 1e-12:
        return 1.0
    small = 1e-12
    if drive == 0 and excess(small) <= 0:
        return 0.0
    large = 1.0
    while excess(large) > 0:
        large *= 4
        if large > LARGEST:
            raise ValueError(f"the variance grows without bound at weight_std={weight_std}, drive={drive}")
    return _root(excess, small if drive == 0 else 0.0, large)


def critical_weight_std(drive: float, activation: Activation = TANH) -> float:
    """The weight_std at which the exponent of a network with constant drive variance is zero, χ(q*) = 1.

    Without drive 1 / g'(0) for a smooth activation.  Where the variance grows without bound χ is that of large local
    fields, which gives 1 for a linear network and √2 for a relu at every drive.  Raises ValueError for a negative
    drive, and where there is none below 100.
    """
    if not drive >= 0:
        raise ValueError(f"drive must be a variance, not negative nor NaN; got {drive}")
    at_rest = float(gain_factor(0.0, 1.0, activation))
    if drive == 0 and next_variance(0.0, 1.0, 0.0, activation) == 0 and at_rest > 0:
        return at_rest**-0.5  # where the state 0 becomes unstable; above it ln χ rises too slowly for the search

    def log_gain(weight_std):
        try:
            q = fixed_variance(weight_std, drive, activation)
        except ValueError:  # the variance grows without bound
            q = LARGEST
        return float(np.log(gain_factor(q, weight_std, activation)))

    low, high = 1e-3, 1.0
    while log_gain(high) < 0:
        low, high = high, 2 * high
        if high > 100:
            raise ValueError(f"the exponent does not become positive below weight_std=100 at drive={drive}")
    return _root(log_gain, low, high)


def exponent(weight_std: float, bias_std: float = 0.0, activation: Activation = TANH) -> float:
    """½ ln χ(q*): the maximal exponent, per layer, of a deep random feed-forward network of infinite width.

    Weights have variance weight_std²/N, biases bias_std².  The same for a recurrent network with frozen random biases.
    Poole et al., NIPS 29 (2016).
    """
    return float(np.log(gain_factor(fixed_variance(weight_std, bias_std**2, activation), weight_std, activation)) / 2)


def depth_scale(weight_std: float, bias_std: float = 0.0, activation: Activation = TANH) -> float:
    """ξ, in layers: the correlation c of two inputs approaches its fixed point c* as exp(-depth / ξ).

    Signals and gradients pass through about ξ layers.  1/ξ = -ln( weight_std² ⟨g'(b₁) g'(b₂)⟩ ) at c*, which is
    -ln χ in the ordered phase, where c* = 1; infinite at the critical point.  Schoenholz et al., ICLR (2017).
    """
    q = fixed_variance(weight_std, bias_std**2, activation)
    if gain_factor(q, weight_std, activation) <= 1:
        rate = float(gain_factor(q, weight_std, activation))
    else:  # chaotic: the correlation of two inputs falls to c* < 1

        def excess(c):
            return weight_std**2 * _pair_average(activation.value, q, c) / q + bias_std**2 / q - c

        c = _root(excess, 0.0, 1 - 1e-6) if excess(0.0) > 0 else 0.0
        rate = weight_std**2 * _pair_average(activation.slope, q, c)
    return float(-1 / np.log(rate)) if rate < 1 else np.inf


def _root(function, low: float, high: float) -> float:
    return scipy.optimize.root_scalar(function, bracket=(low, high), method="brentq", xtol=1e-15, rtol=1e-14).root


def _pair_average(function, q: float, c: float) -> float:
    """⟨function(b₁) function(b₂)⟩ over local fields of variance q and correlation c."""
    z, w = _gauss(80)
    first = np.sqrt(q) * z
    second = np.sqrt(q) * (c * z[:, None] + np.sqrt(1 - c * c) * z)
    return float(w @ (function(first) * (function(second) @ w)))
