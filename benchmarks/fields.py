"""Fields of maximal exponents beside torch's Jacobians and a plain pass: one thread, each at its best chunks; and
fields of a million inputs, with the memory that they take.

python benchmarks/fields.py
"""

import ctypes
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.func import jacfwd, jacrev, vmap

from cocycle import feedforward, finite_time_exponents, frame, ftle, plane, plane_through
from cocycle.networks import Recipe, circle, digits, error, fit, perceptron
from cocycle.studies.plane_field import plane_field

SIDE, NETWORKS, CHUNKS, REPEATS = 512, ((50, 10), (10, 12)), (1000, 4000, 16000), 3
IMAGES = 200
LARGE, ARCHIVED, OF_IMAGES, EPOCHS = 1000, 500, 200, 30  # points along each axis of the planes; of training


def network(width, depth):
    torch.manual_seed(0)
    widths = [2, *[width] * depth]
    parts = [part for n, m in pairwise(widths) for part in (nn.Linear(n, m), nn.Tanh())]
    return nn.Sequential(*parts).double().requires_grad_(False)  # no graph of a quarter of a million inputs


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


def beside_torch(width, depth):
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


def resident(name):
    """Bytes of this process from the line of that name in Linux' table: VmRSS now, VmHWM the most so far."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(name))


def with_memory(call):
    """Seconds, the result, and the most bytes that the process had meanwhile beyond those before, on Linux."""
    linux = sys.platform == "linux"
    if linux:
        ctypes.CDLL(None).malloc_trim(0)  # what was freed before goes back to the system: it could not be seen again
        Path("/proc/self/clear_refs").write_text("5")  # the most so far is what there is now
        before = resident("VmRSS")
    took, found = seconds(call)
    return took, found, resident("VmHWM") - before if linux else np.nan


def large(words, steps, inputs):
    took, field, memory = with_memory(lambda: ftle(steps, inputs))
    shape = " x ".join(map(str, inputs.shape[:2]))
    all_inputs = 8 * np.prod(inputs.shape) / 2**20
    print(f"{words}: {shape} inputs in {took:.1f} s, {memory / 2**20:.0f} MiB (all inputs: {all_inputs:.0f} MiB)")
    return took, field


def large_planes(folder):
    axis, task = np.linspace(-1, 1, LARGE), circle(1, samples=4000)
    net = perceptron((2, 50, 50, 50, 50, 1), rng=2, head="Tanh")
    fit(net, task, rng=3, recipe=Recipe(optimiser="Adam", epochs=EPOCHS))
    large(
        f"2-50-50-50-50 of a perceptron with error {error(net, task.test):.3f}",
        feedforward(net)[:-1],
        plane(axis, axis),
    )
    task = digits(0)
    net = perceptron((64, 20, 20, 10), rng=0)
    fit(net, task, rng=1, recipe=Recipe(loss="CrossEntropyLoss", optimiser="Adam", epochs=EPOCHS))
    steps, three = feedforward(nn.Sequential(*net, nn.Softmax(-1))), [task.test.inputs[i] for i in range(3)]
    words = f"64-20-20-10 and softmax, error {error(net, task.test):.3f}"
    large(words, steps, plane_through(*three, s=axis, t=axis))
    axis = np.linspace(-1, 1, ARCHIVED)
    over = plane_through(*three, s=axis, t=axis)
    took, field = large(words, steps, over)
    kept, again = seconds(lambda: plane_field(folder / "field.h5", steps, over, workers=1))
    difference = abs(again.log_factors - field.log_factors).max()
    size = (folder / "field.h5").stat().st_size / 2**20
    print(f"    by one worker into an archive of {size:.0f} MiB: {kept:.1f} s, ratio {kept / took:.2f}, ", end="")
    print(f"difference {difference:.0e}")
    axis = np.linspace(-0.5, 1.5, OF_IMAGES)
    net = perceptron((784, 100, 100, 10), rng=0)
    three = np.random.default_rng(1).uniform(size=(3, 28, 28))
    large("784-100-100-10, random weights and images", feedforward(net), plane_through(*three, s=axis, t=axis))


def main():
    torch.set_num_threads(1)
    for width, depth in NETWORKS:
        beside_torch(width, depth)
    images()
    with tempfile.TemporaryDirectory() as folder:
        large_planes(Path(folder))


if __name__ == "__main__":
    main()
