"""The reservoir: a random recurrent network, driven by a signal or by its own output."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import final

import numpy as np
import scipy

from cocycle.arrays import (
    Array,
    as_numpy,
    floating,
    generator,
    in_one_piece,
    is_number,
    is_sparse,
    like,
    require_finite,
)
from cocycle.driven import Driven, check_inputs, with_axes
from cocycle.maps import Map, Relaxed, broadcast_batch
from cocycle.networks.activations import TANH, Activation
from cocycle.networks.layers import Layer
from cocycle.operators import LowRankUpdate, SideBySide, linear
from cocycle.reservoir.weights import gaussian, scaled, sparse, spectral_radius

CONNECTIONS = 10  # inputs from other units that each unit of `Reservoir.random` gets


@final
@dataclass(frozen=True, eq=False)
class Reservoir(Driven):
    """r[t+1] = (1 - leak_rate) r[t] + leak_rate g(gain W r[t] + input_gain W_in u[t] + bias).

    Shapes: weight W (n, n), also sparse, input_weight W_in (n, m), each with leading batch axes for an ensemble; bias
    (n,) or a number; gain and input_gain (*batch, 1) or numbers: a batch of gains is a batch of networks that share W
    and W_in, and with them every matrix product.  dt is the time between inputs: exponents are per unit of it.

    Raises ValueError for shapes that do not fit, weights that are not finite, a leak_rate outside (0, 1].
    Jaeger, GMD Report 148 (2001).
    """

    weight: Array
    input_weight: Array
    bias: Array | float = 0.0
    leak_rate: float = 1.0
    activation: Activation = TANH
    gain: Array | float = 1.0
    input_gain: Array | float = 1.0
    dt: float = 1.0

    def __post_init__(self):
        for name in ("weight", "input_weight"):
            object.__setattr__(self, name, _matrix(name, getattr(self, name)))
        for name in ("bias", "leak_rate", "gain", "input_gain", "dt"):
            if is_number(getattr(self, name)):  # a scalar of numpy would make a float32 network compute in float64
                object.__setattr__(self, name, float(getattr(self, name)))
        if not isinstance(self.activation, Activation):
            raise TypeError(f"activation must be an Activation, such as cocycle.TANH; got {self.activation!r}")
        shape, inputs = self.weight.shape, self.input_weight.shape
        if len(shape) < 2 or shape[-1] != shape[-2]:
            raise ValueError(f"weight must have shape (*batch, n, n); got {tuple(shape)}")
        if len(inputs) < 2 or inputs[-2] != shape[-1]:
            raise ValueError(f"input_weight must have shape (*batch, n={shape[-1]}, m); got {tuple(inputs)}")
        for name in ("gain", "input_gain"):
            value = getattr(self, name)
            if not is_number(value) and (value.ndim < 1 or value.shape[-1] != 1):
                raise ValueError(f"{name} must be a number or have shape (*batch, 1); got {tuple(value.shape)}")
        bias: Array = self.bias
        if not is_number(bias) and (bias.ndim < 1 or bias.shape[-1] != shape[-1]):
            raise ValueError(f"bias must be a number or have shape (*batch, n={shape[-1]}); got {tuple(bias.shape)}")
        try:
            self.batch  # noqa: B018
        except ValueError as error:
            raise ValueError(f"weights, bias and gains must have batch axes that fit: {error}") from None
        if not 0 < self.leak_rate <= 1:
            raise ValueError(f"leak_rate must be in (0, 1]; got {self.leak_rate}")
        if not 0 < self.dt < np.inf:
            raise ValueError(f"dt must be positive; got {self.dt}")
        for name in ("weight", "input_weight", "bias", "gain", "input_gain"):
            value = getattr(self, name)
            require_finite(name, np.array([value]) if is_number(value) else value)

    @classmethod
    def gaussian(
        cls,
        size: int,
        inputs: int,
        *,
        weight_std: float = 0.9,
        input_std: float = 0.05,
        dt: float = 1.0,
        rng: np.random.Generator | int = 0,
    ) -> "Reservoir":
        """The textbook network: W of variance weight_std²/size, W_in of variance input_std², no bias, no leak.

        The spectral radius tends to weight_std.  input_std is per unit of the signal: 0.05 suits the raw Lorenz
        series.  Mehlig, Machine Learning with Neural Networks (2021).
        """
        _not_negative(weight_std=weight_std, input_std=input_std)
        rng = generator(rng)
        return cls(weight_std * gaussian(size, rng), rng.normal(scale=input_std, size=(size, inputs)), dt=dt)

    @classmethod
    def random(
        cls,
        size: int,
        inputs: int,
        *,
        spectral_radius: float | None = None,
        input_scaling: float = 0.3,
        bias_scaling: float | None = None,
        leak_rate: float = 0.5,
        dt: float = 1.0,
        rng: np.random.Generator | int = 0,
    ) -> "Reservoir":
        """A sparse network with random biases, for standardised signals, which `train` makes of any.

        Each unit gets input from some ten others.  Input weights are uniform on ±input_scaling √(3 / inputs), so that
        independent standardised inputs make fields of standard deviation input_scaling; biases are uniform on
        ±bias_scaling.  Without biases the network is odd: its response to -u is minus that to u.  They also shorten its
        memory.  A single input says little of the state of what it comes from, and the network has to remember its
        past: spectral_radius and bias_scaling are 1.1 and 0.5 for one input, 0.5 and 1 for several, unless given.
        Where several are a small part of a system, take those for one.  Forecasts of networks with these defaults
        beside those of tuned ones: `benchmarks/defaults.py`.
        """
        alone = inputs == 1
        spectral_radius = (1.1 if alone else 0.5) if spectral_radius is None else spectral_radius
        bias_scaling = (0.5 if alone else 1.0) if bias_scaling is None else bias_scaling
        _not_negative(spectral_radius=spectral_radius, input_scaling=input_scaling, bias_scaling=bias_scaling)
        for name, count in (("size", size), ("inputs", inputs)):
            if not isinstance(count, int | np.integer) or count < 1:
                raise ValueError(f"{name} must be an integer of at least 1; got {count!r}")
        rng = generator(rng)
        weight = scaled(sparse(size, min(1.0, CONNECTIONS / size), rng), spectral_radius=spectral_radius)
        input_weight = input_scaling * (3 / inputs) ** 0.5 * rng.uniform(-1, 1, size=(size, inputs))
        bias = rng.uniform(-bias_scaling, bias_scaling, size=size)
        return cls(weight, input_weight, bias, leak_rate, dt=dt)

    @classmethod
    def ensemble(cls, networks: "Sequence[Reservoir]") -> "Reservoir":
        """The given networks as one batch (len(networks),), which is driven, trained and closed together.

        Raises ValueError unless they agree in size, inputs, leak_rate, activation and dt.
        """
        common = {(w.dimension, w.inputs, w.leak_rate, w.activation, w.dt, w.batch) for w in networks}
        if len(common) != 1 or networks[0].batch:
            raise ValueError(
                "networks must be single ones that agree in size, inputs, leak_rate, activation and dt;"
                f" got {len(networks)} of {len(common)} kinds"
            )
        weights = [w.weight.toarray() if is_sparse(w.weight) else w.weight for w in networks]
        vectors = {
            name: np.stack([np.broadcast_to(getattr(w, name), w.dimension if name == "bias" else 1) for w in networks])
            for name in ("bias", "gain", "input_gain")
        }
        inputs = np.stack([w.input_weight for w in networks])
        return replace(networks[0], weight=np.stack(weights), input_weight=inputs, **vectors)

    def __repr__(self):
        batch = f", batch {self.batch}" if self.batch else ""
        stored = ", sparse" if is_sparse(self.weight) else ""
        leak = f", leak_rate {self.leak_rate:g}" if self.leak_rate != 1 else ""
        return f"Reservoir({self.dimension} units, {self.inputs} inputs, {self.activation.name}{leak}{stored}{batch})"

    @property
    def dimension(self) -> int:
        return self.weight.shape[-1]

    @property
    def inputs(self) -> int:
        """m, the number of components of the input."""
        return self.input_weight.shape[-1]

    @property
    def batch(self) -> tuple[int, ...]:
        """The batch shape of the networks: () for a single one."""
        matrices = broadcast_batch(self.weight, self.input_weight, tail=2)
        return np.broadcast_shapes(matrices, broadcast_batch(self.bias, self.gain, self.input_gain))

    def rest(self, starts: tuple[int, ...] = ()) -> Array:
        """The state r = 0, shape (*batch, n), with the batch axes of networks and inputs broadcast together."""
        return like(np.zeros((*np.broadcast_shapes(self.batch, starts), self.dimension)), self.weight)

    def driven(self, u: Array) -> Iterator[Map]:
        """The maps r -> r', one for each of the inputs u (time, *batch, m).

        Raises ValueError if u has another shape or holds a value that is not finite.
        """
        u = check_inputs("u", u, self.inputs)
        return (self._step(self.weight, self._drive(now), self.gain) for now in u)

    def closed(self, readout: Array, offset: Array | float = 0.0) -> Map:
        """The autonomous map of the network whose input is its own output.

        That is readout (*batch, m, n) times state, plus offset (*batch, m), which becomes a part of the bias.
        """
        left = self._scaled(self.input_gain, self.input_weight)
        if is_number(offset):
            offset = like(np.full(self.inputs, float(offset)), self.weight)
        bias = self._drive(offset) if as_numpy(offset).any() else self.bias
        return self._step(LowRankUpdate(self.weight, left, readout, self.gain), bias, 1.0)

    @property
    def joint(self) -> Map:
        """The map [u | r] -> r' of input and state together."""
        return self._step(SideBySide(self.input_weight, self.weight, self.input_gain, self.gain), self.bias, 1.0)

    @property
    def effective_spectral_radius(self) -> float:
        """The spectral radius of (1 - leak_rate) I + leak_rate gain W: r = 0 is linearly stable if it is below 1.

        For one network without a bias and with g'(0) = 1.  Jaeger et al., Neural Networks 20, 335 (2007).  Raises
        ValueError for a batch.
        """
        if self.batch:
            raise ValueError(f"effective_spectral_radius is of a single network; got a batch of shape {self.batch}")
        identity = scipy.sparse.eye_array(self.dimension, format="csr")
        weight = self.weight if is_sparse(self.weight) else as_numpy(self.weight)
        gain = self.gain if is_number(self.gain) else as_numpy(self.gain)
        kept, added = (1 - self.leak_rate) * identity, weight * (self.leak_rate * gain)
        return spectral_radius(kept + added if is_sparse(added) else kept.toarray() + added)

    def with_start_axes(self, axes: int) -> "Reservoir":
        """The same networks with `axes` batch axes of length 1 behind their own, for a batch of starts of each."""
        matrices = {name: with_axes(getattr(self, name), axes, 2) for name in ("weight", "input_weight")}
        vectors = {name: with_axes(getattr(self, name), axes, 1) for name in ("bias", "gain", "input_gain")}
        return replace(self, **matrices, **vectors)

    def _drive(self, u):
        return self.input_gain * linear(self.input_weight, u) + self.bias

    def _step(self, weight, bias, gain) -> Map:
        layer = Layer(weight, bias, self.activation, gain, self.dt)
        return layer if self.leak_rate == 1 else Relaxed(layer, self.leak_rate)

    @staticmethod
    def _scaled(gain, matrix):
        return gain * matrix if is_number(gain) else gain[..., None] * matrix


def _matrix(name: str, weight: Array) -> Array:
    """The weight as floating-point numbers in one piece, sparse ones in rows."""
    if not hasattr(weight, "ndim"):
        raise TypeError(f"{name} must be an array; got {type(weight).__name__}")
    if is_sparse(weight):
        weight = scipy.sparse.csr_array(weight)
        weight.data = floating(name, weight.data)
        return weight
    return in_one_piece(floating(name, weight))


def _not_negative(**scales: float) -> None:
    for name, value in scales.items():
        if not is_number(value) or not 0 <= value < np.inf:
            raise ValueError(f"{name} must be a number >= 0; got {value!r}")
