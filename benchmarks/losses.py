"""What a loss of exponents costs: the time of a training step with it, relative to a plain one, also per direction.

python benchmarks/losses.py
"""

import time

import numpy as np
import torch
from torch import nn

from cocycle import Layer, feedforward
from cocycle.networks import EarlyStretching, EdgeOfChaos, Flossing, JacobianNorm, Misalignment, perceptron

SIZE, STEPS, BATCH, DIRECTIONS = 80, 80, 32, (1, 4, 8, 20)
WIDTHS, SAMPLES, REPEATS = (100,) * 9 + (10,), 64, 9


class Recurrent:
    """A tanh network with a random input, read out linearly: its maps, its task's loss and its parameters."""

    def __init__(self, rng):
        self.w = torch.tensor(rng.normal(size=(SIZE, SIZE)) / SIZE**0.5, requires_grad=True)
        self.out = torch.tensor(rng.normal(size=(1, SIZE)) / SIZE**0.5, requires_grad=True)
        self.u = torch.as_tensor(rng.normal(size=(STEPS, BATCH, SIZE)))
        self.x = torch.zeros(BATCH, SIZE, dtype=torch.float64)
        self.parameters = [self.w, self.out]

    def steps(self):
        return [Layer(self.w, now) for now in self.u]

    def task(self):
        x, total = self.x, 0.0
        for f in self.steps():
            x = f(x)
            total = total + (x @ self.out.T).square().mean()
        return total


class Deep:
    """A perceptron that classifies."""

    def __init__(self, rng):
        self.network = perceptron(WIDTHS, rng)
        self.x = torch.as_tensor(rng.normal(size=(SAMPLES, WIDTHS[0])))
        self.y = torch.as_tensor(rng.integers(WIDTHS[-1], size=SAMPLES))
        self.parameters, self.maps = list(self.network.parameters()), feedforward(self.network)

    def steps(self):
        return self.maps

    def task(self):
        return nn.functional.cross_entropy(self.network(self.x), self.y)


def step_times(network, losses):
    """The least time of a training step with each of the losses, measured in turns."""
    optimiser, least = torch.optim.SGD(network.parameters, lr=0.0), np.full(len(losses), np.inf)
    for _ in range(REPEATS):
        for i, loss in enumerate(losses):
            start = time.perf_counter()
            optimiser.zero_grad()
            value = network.task() if loss is None else network.task() + loss(network.steps(), network.x)
            value.backward()
            optimiser.step()
            least[i] = min(least[i], time.perf_counter() - start)
    return least


def name(loss):
    return type(loss).__name__ + ", ".join(
        f" {k}={v}" for k, v in vars(loss).items() if isinstance(v, int | float) and v
    )


def table(title, network, losses):
    plain, *times = step_times(network, [None, *losses])
    print(f"{title}: a plain step takes {1e3 * plain:.1f} ms\n{'':44}steps  per direction")
    for loss, seconds in zip(losses, times, strict=True):
        k = loss.k if isinstance(loss, Flossing) else 1
        print(f"{name(loss):<42} {seconds / plain:6.2f} {seconds / plain / k:10.2f}")


def main():
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    recurrent = [Flossing(k) for k in DIRECTIONS]
    table(f"recurrent, {SIZE} units, {STEPS} steps, batch {BATCH}", Recurrent(rng), [*recurrent, EdgeOfChaos()])
    deep = [*(Flossing(k) for k in DIRECTIONS if k <= WIDTHS[-1]), EdgeOfChaos(), EarlyStretching(3, floor=-np.inf)]
    deep += [JacobianNorm(), JacobianNorm(1, np.random.default_rng(0)), Misalignment()]
    table(f"perceptron, {len(WIDTHS) - 1} layers of {WIDTHS[0]}, batch {SAMPLES}", Deep(rng), deep)


if __name__ == "__main__":
    main()
