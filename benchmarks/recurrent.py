"""Tangents of recurrent cells by formulas beside automatic differentiation: one thread, side by side in one run.

    python benchmarks/recurrent.py

Microseconds for one step of the state with k = 10 tangent vectors, of one orbit and of a batch, in numpy (what numpy
states get) and in torch; the last columns are the same step without vectors, and the fields of the input in it.
"""

import time

import torch
from threadpoolctl import threadpool_limits
from torch import nn

from cocycle import Autodiff, frame
from cocycle.networks import Cell

SIZES, BATCH, VECTORS, SECONDS, REPEATS = (32, 128, 512), 32, 10, 0.1, 5


def microseconds(call):
    """The least mean of a few runs of so many seconds."""
    call()
    start = time.perf_counter()
    call()
    count = max(1, int(SECONDS / (time.perf_counter() - start)))
    means = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        for _ in range(count):
            call()
        means.append((time.perf_counter() - start) / count)
    return 1e6 * min(means)


def compared(kind, size, batch):
    torch.manual_seed(0)
    module = kind(3, size).double().requires_grad_(False)
    cell, u = Cell(module), torch.randn(1, *batch, 3, dtype=torch.float64)
    x = 0.1 * torch.randn(*batch, cell.dimension, dtype=torch.float64)
    here, there = next(cell.driven(u.numpy())), next(cell.driven(u))
    automatic = Autodiff(lambda state: cell.after(u[0], state))
    x, q = there.tangent(x, frame(x, min(VECTORS, size)))  # vectors lie in memory as in the QR loop
    arrays = x.numpy(), q.numpy()
    both = zip(here.tangent(*arrays), automatic.tangent(x, q), strict=True)
    difference = max(abs(mine - theirs.numpy()).max() for mine, theirs in both)
    slow, fast = microseconds(lambda: automatic.tangent(*arrays)), microseconds(lambda: here.tangent(*arrays))
    in_torch, value = microseconds(lambda: there.tangent(x, q)), microseconds(lambda: here(arrays[0]))
    given = microseconds(lambda: here.layers[0].given(u[0].numpy()))
    members = batch[0] if batch else 1
    print(
        f"{kind.__name__:<9}{size:>5}{members:>6}{slow:>11.0f}{fast:>8.0f}{slow / fast:>7.1f}{in_torch:>8.0f}"
        f"{value:>8.0f}{given:>8.1f}   {difference:.0e}"
    )


def main():
    print(
        f"cell         n batch  automatic   numpy  ratio   torch   value   input   difference, k = {VECTORS}, µs a step"
    )
    for kind in (nn.RNNCell, nn.GRUCell, nn.LSTMCell):
        for size in SIZES:
            for batch in ((), (BATCH,)):
                compared(kind, size, batch)


if __name__ == "__main__":
    torch.set_num_threads(1)
    with threadpool_limits(1):
        main()
