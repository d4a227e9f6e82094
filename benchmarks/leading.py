"""What the largest exponents of large networks cost, in forward passes: products that are traced once, or made layer by
layer, for images through a residual network and tokens through a transformer.

python benchmarks/leading.py
"""

import resource
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from architectures import Decoder, DeepResNet
from cocycle import feedforward, leading_exponents
from cocycle.lyapunov.tangent_products import Product

PIXELS = 224
TOKENS, WIDTH, HEADS, BLOCKS = 512, 768, 12, 12
REPEATS, K, MEMORY = 5, 8, 2**33
GIGABYTE = 2**30


def seconds(function, repeats: int = REPEATS) -> float:
    """The shortest time of several."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


def memory() -> float:
    """The largest memory that this process has taken so far, in gigabytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / GIGABYTE


def costs(product: Product, forward: float) -> list[float]:
    """Forward passes for a product with J and one with its transpose, of one vector and of each of K together."""
    rng, found = np.random.default_rng(0), []
    for k in (1, K):
        for function, size in ((product.pushed, product.dimensions[0]), (product.pulled, product.dimensions[-1])):
            vectors = rng.normal(size=(size, k))
            found.append(seconds(partial(function, vectors), 2) / k / forward)
    return found


@torch.no_grad()
def measured(name: str, network, example, layers: slice) -> None:
    forward = seconds(lambda: network(example))
    steps = feedforward(network, example)[layers]
    x = steps.start(example)
    print(f"{name}: {x.shape[-1]} inputs, a forward pass {forward:.3f} s, memory {memory():.2f} GB")
    for words, limit in (("layer by layer", 0), ("traced once", MEMORY)):
        start = time.perf_counter()
        product = Product.at(steps, x[0])
        product.linearise(limit)
        made = (time.perf_counter() - start) / forward
        one, transposed, together, both = costs(product, forward)
        print(
            f"  {words:<15} made in {made:5.1f} passes; a product with one vector {one:.2f}, transposed"
            f" {transposed:.2f}; of {K} together {together:.2f}, {both:.2f}; memory {memory():.2f} GB"
        )
    start = time.perf_counter()
    found = leading_exponents(steps, x, K, memory=MEMORY)
    taken, count = time.perf_counter() - start, int(found.products.sum())
    print(
        f"  k = {K}: {count} products in {taken:.1f} s, {taken / count / forward:.2f} passes each with all that is"
        f" around them; largest residual {found.residuals.max():.1g}; memory {memory():.2f} GB"
    )


def images() -> None:
    torch.manual_seed(0)
    measured("ResNet-18, logits", DeepResNet().eval(), torch.randn(1, 3, PIXELS, PIXELS), slice(None))


def tokens() -> None:
    torch.manual_seed(0)
    network = Decoder(1000, WIDTH, BLOCKS, TOKENS, HEADS).eval()
    measured(f"{BLOCKS} blocks, {TOKENS} tokens × {WIDTH}", network, torch.randint(0, 1000, (1, TOKENS)), slice(BLOCKS))


def main() -> None:
    torch.set_num_threads(1)
    images()
    tokens()


if __name__ == "__main__":
    main()
