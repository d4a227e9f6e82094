"""Fields of maximal exponents beside torch's Jacobians and a plain pass: one thread, each at its best chunks.

python benchmarks/fields.py
"""

import time
from itertools import pairwise

import torch
from torch import nn
from torch.func import jacfwd, jacrev, vmap

from cocycle import feedforward, finite_time_exponents, frame, ftle

SIDE, NETWORKS, CHUNKS, REPEATS = 512, ((50, 10), (10, 12)), (1000, 4000, 16000), 3
IMAGES = 200


def network(width, depth):
    torch.manual_seed(0)
    widths = [2, *[width] * depth]
    parts = [part for n, m in pairwise(widths) for part in (nn.Linear(n, m), nn.Tanh())]
    return nn.Sequential(*parts).double()


def seconds(call):
    start = time.perf_counter()
    found = call()
    return time.perf_counter() - start, found


def in_chunks(function, inputs, size):
    with torch.no_grad():
        return torch.cat([function(inputs[i : i + size]) for i in range(0, len(inputs), size)])


def best(function, inputs):
    """The least time over sizes of chunks and repetitions, and what came out."""
    times = [seconds(lambda size=size: in_chunks(function, inputs, size)) for size in CHUNKS for _ in range(REPEATS)]
    return min(times, key=lambda pair: pair[0])


def of_jacobians(jacobian):
    return lambda x: torch.linalg.svdvals(vmap(jacobian)(x).detach())[:, 0].log()


def plane(width, depth):
    net = network(width, depth)
    axis = torch.linspace(-1, 1, SIDE, dtype=torch.float64)
    inputs = torch.stack(torch.meshgrid(axis, axis, indexing="ij"), -1).reshape(-1, 2)
    ours, field = min(
        (seconds(lambda: ftle(feedforward(net), inputs)) for _ in range(REPEATS)), key=lambda pair: pair[0]
    )
    steps, q = feedforward(net), frame(inputs, 2)
    both, _ = min(
        (seconds(lambda: finite_time_exponents(steps, inputs, q).log_factors) for _ in range(REPEATS)),
        key=lambda pair: pair[0],
    )
    plain, _ = best(net, inputs)
    forward, factors = best(of_jacobians(jacfwd(net)), inputs)
    few = inputs[:: max(1, len(inputs) // 20_000)]
    reverse = best(of_jacobians(jacrev(net)), few)[0] * len(inputs) / len(few)
    difference = (field.log_factors - factors).abs().max()
    print(f"width {width}, {depth} layers, {SIDE} x {SIDE} inputs: {ours:.2f} s, difference {difference:.0e}")
    print(f"    ratios to ours: plain pass 1/{ours / plain:.1f}, jacfwd and svdvals {forward / ours:.2f}, ", end="")
    print(f"jacrev and svdvals {reverse / ours:.1f}, both exponents {both / ours:.2f}")


def images():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(784, 100), nn.Tanh(), nn.Linear(100, 100), nn.Tanh(), nn.Linear(100, 10)).double()
    inputs, steps = torch.rand(IMAGES, 784, dtype=torch.float64), feedforward(net)
    ours, field = min((seconds(lambda: ftle(steps, inputs)) for _ in range(REPEATS)), key=lambda pair: pair[0])
    forward, factors = seconds(lambda: in_chunks(of_jacobians(jacfwd(net)), inputs, IMAGES // 4))
    difference = (field.log_factors - factors).abs().max()
    print(f"images, 784 to 10: {ours:.3f} s for {IMAGES}, difference {difference:.0e}, ", end="")
    print(f"ratio of jacfwd and svdvals {forward / ours:.1f}")


def main():
    torch.set_num_threads(1)
    for width, depth in NETWORKS:
        plane(width, depth)
    images()


if __name__ == "__main__":
    main()
