"""The same computations by torch on this machine's processor and on its GPU, in double precision unless stated.

python benchmarks/gpu.py
"""

import os
import platform
import sys
import time
from collections.abc import Callable
from itertools import pairwise, repeat
from pathlib import Path

import numpy as np
import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from architectures import Decoder, DeepResNet
from cocycle import Flow, feedforward, finite_time_exponents, frame, leading_exponents, lyapunov_spectrum

SIDE, WIDTH, DEPTH = 512, 50, 10
ORBITS, STEPS = 100_000, 200
IMAGES, REPEATS = 512, 2
PIXELS, TOKENS, CHANNELS, BLOCKS, HEADS = 224, 256, 768, 4, 12


def lorenz(u, sigma=10.0, rho=28.0, beta=8 / 3):
    x, y, z = u
    return sigma * (y - x), x * (rho - z) - y, x * y - beta * z


def best(call: Callable[[], object]) -> float:
    """Seconds of the fastest run; the first, which warms up, does not count."""
    call()
    times = []
    for _ in range(REPEATS):
        torch.cuda.synchronize()
        start = time.perf_counter()
        call()
        torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return min(times)


def field(device: str) -> Callable[[], object]:
    """Both exponents of a plane through a perceptron."""
    torch.manual_seed(0)
    widths = [2, *[WIDTH] * DEPTH]
    parts = [part for n, m in pairwise(widths) for part in (nn.Linear(n, m), nn.Tanh())]
    net = nn.Sequential(*parts).double().to(device)
    axis = torch.linspace(-1, 1, SIDE, dtype=torch.float64, device=device)
    x = torch.stack(torch.meshgrid(axis, axis, indexing="ij"), -1).reshape(-1, 2)
    return lambda: finite_time_exponents(feedforward(net), x, frame(x, 2))


def images(device: str) -> Callable[[], object]:
    """Three exponents of images 28 x 28 through a convolutional network."""
    torch.manual_seed(0)
    net = nn.Sequential(
        *(nn.Conv2d(1, 16, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 32, 3), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(800, 64), nn.Tanh(), nn.Linear(64, 10)),
    )
    x = torch.randn(IMAGES, 784, dtype=torch.float64).to(device)
    return lambda: finite_time_exponents(feedforward(net.double().to(device), (1, 28, 28)), x, frame(x, 3))


def orbits(device: str) -> Callable[[], object]:
    """Three exponents of many orbits of the Lorenz equations."""
    x = torch.as_tensor(1 + 10 * np.random.default_rng(0).random((ORBITS, 3))).to(device)
    flow, q = Flow(lorenz, 0.01), frame(x, 3)
    return lambda: lyapunov_spectrum(repeat(flow, STEPS), x, q, every=10)


def photograph(device: str) -> Callable[[], object]:
    """Eight exponents of an image through ResNet-18, in single precision."""
    torch.manual_seed(0)
    net = DeepResNet().eval().to(device)
    x = torch.randn(1, 3, PIXELS, PIXELS).to(device)
    steps = feedforward(net, x)
    return lambda: leading_exponents(steps, steps.start(x).detach(), 8)


def text(device: str) -> Callable[[], object]:
    """Two exponents of tokens through blocks of a transformer, in single precision."""
    torch.manual_seed(0)
    net = Decoder(1000, CHANNELS, BLOCKS, TOKENS, HEADS).eval().to(device)
    x = torch.randint(0, 1000, (1, TOKENS)).to(device)
    steps = feedforward(net, x)[:BLOCKS]
    return lambda: leading_exponents(steps, steps.start(x).detach(), 2)


def main() -> None:
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}; {os.cpu_count()} cores, {platform.machine()}")
    for name, case in {
        f"plane of {SIDE}², perceptron {WIDTH} x {DEPTH}, 2 exponents": field,
        f"{IMAGES} images, convolutional network, 3 exponents": images,
        f"{ORBITS} Lorenz orbits, {STEPS} steps, 3 exponents": orbits,
        f"an image {PIXELS} x {PIXELS}, ResNet-18, 8 exponents, single precision": photograph,
        f"{TOKENS} tokens x {CHANNELS}, {BLOCKS} blocks, 2 exponents, single precision": text,
    }.items():
        here, there = best(case("cpu")), best(case("cuda"))
        print(f"{name:<68} CPU {here:8.3f} s   GPU {there:8.4f} s   ratio {here / there:6.1f}", flush=True)


if __name__ == "__main__":
    main()
