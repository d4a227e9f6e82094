"""Reservoirs beside those of other packages and beside bare products, one thread, CPU seconds, in one run.

    python -m pip install reservoirpy resdag
    python benchmarks/reservoirs.py

The same equations, weights and data for all: N = 500, density 0.1, r' = tanh(W r + W_in u + b), Lorenz standardised,
5,000 steps of training of which 200 are dropped, 1,000 steps of closed loop.  Forecasts are compared before times are.
What is not installed is left out.
"""

import importlib
import os
import time

if __name__ == "__main__":
    os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")

import numpy as np
from scipy import linalg
from scipy.sparse import random_array

from cocycle import Reservoir, frame, lyapunov_spectrum, train
from cocycle.reservoir import Design, Forecaster, Readout, ridge_readout, scaled
from cocycle.studies.reservoir_constraints import train_with_exponent
from cocycle.systems import Lorenz63
from cocycle.trajectories import end

SIZE, DENSITY, TRAINING, CLOSED, WASHOUT, RIDGE = 500, 0.1, 5000, 1000, 200, 1e-4
RADII, SCALINGS = np.linspace(0.1, 1.3, 5), np.geomspace(0.03, 1.0, 5)
COMPARED = 150  # steps over which rounding has not yet grown: e^(0.9056 · 0.02 · 150) = 15
EXPONENT_STEPS, REPEATS = 1000, 3
TEXTBOOK = Design(constant=False)  # what the other packages are asked for


def data():
    series = Lorenz63().series(TRAINING + 1)
    return (series - series.mean(0)) / series.std(0)


def weights():
    """W (csr, spectral radius 1), W_in for scaling 1, bias."""
    rng = np.random.default_rng(1)
    w = random_array((SIZE, SIZE), density=DENSITY, rng=rng, data_sampler=lambda size: rng.normal(size=size)).tocsr()
    return scaled(w, spectral_radius=1.0), rng.uniform(-1, 1, size=(SIZE, 3)), rng.uniform(-1, 1, size=SIZE)


def ours(u, w, w_in, b):
    """Train, then run from the end of the training series."""
    model = train(Reservoir(w, w_in, bias=b), u, ridge=RIDGE, washout=WASHOUT, normalise=False, design=TEXTBOOK)
    return model.continued(model.warmed(u[-WASHOUT:]), CLOSED)[0]


def bare(u, w, w_in, b):
    """The same in numpy, without any package."""
    states, r = np.empty((len(u), SIZE)), np.zeros(SIZE)
    for t, now in enumerate(u):
        r = states[t] = np.tanh(w @ r + w_in @ now + b)
    kept = states[WASHOUT:-1]
    readout = linalg.solve(kept.T @ kept + RIDGE * np.eye(SIZE), kept.T @ u[WASHOUT + 1 :], assume_a="pos").T
    outputs = np.empty((CLOSED, 3))
    for t in range(CLOSED):
        outputs[t] = readout @ r
        r = np.tanh(w @ r + w_in @ outputs[t] + b)
    return outputs


def reservoirpy_run(u, w, w_in, b):
    nodes = importlib.import_module("reservoirpy.nodes")
    readout = nodes.Ridge(ridge=RIDGE, fit_bias=False)
    model = nodes.Reservoir(units=SIZE, W=w, Win=w_in, bias=b, lr=1.0) >> readout
    model.fit(u[:-1], u[1:], warmup=WASHOUT)
    y = model.run(u[-WASHOUT:])[-1]
    outputs = [y]
    for _ in range(CLOSED - 1):
        y = model.step(y)
        outputs.append(y)
    return np.array(outputs)


def resdag_run(u, w, w_in, b):
    torch = importlib.import_module("torch")
    torch.set_num_threads(1)
    layer = resdag_layer(torch, w, w_in, b)
    x = torch.as_tensor(u)[None]
    with torch.no_grad():
        layer.reset_state()
        states = layer(x[:, :-1])[0].numpy()[WASHOUT:]
        readout = linalg.solve(states.T @ states + RIDGE * np.eye(SIZE), states.T @ u[WASHOUT + 1 :], assume_a="pos").T
        outputs, now, readout = [], layer(x[:, -1:])[0, -1], torch.as_tensor(readout)
        for _ in range(CLOSED):
            outputs.append(readout @ now)
            now = layer(outputs[-1][None, None])[0, -1]
    return torch.stack(outputs).numpy()


def resdag_layer(torch, w, w_in, b):
    layers = importlib.import_module("resdag.layers")
    dense = w.toarray()
    return layers.ESNLayer(
        SIZE,
        feedback_size=3,
        spectral_radius=None,
        topology=lambda n, **_: dense,
        feedback_initializer=lambda rows, columns, **_: w_in,
        bias_initializer=lambda *_, **__: b[None],
        dtype=torch.float64,
    )


def cpu(call, repeats=REPEATS):
    """The least CPU seconds of a few calls, and what the last returned."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        result = call()
        times.append(time.process_time() - start)
    return min(times), result


def one_reservoir(u, w, w_in, b):
    print(f"(a) one reservoir, {TRAINING} steps of training and {CLOSED} of closed loop: CPU s, ratio to ours")
    mine, forecast = cpu(lambda: ours(u, w, w_in, b))
    print(f"    {'cocycle':<14}{mine:8.3f}{1:8.2f}")
    for name, run in {"numpy": bare, "reservoirpy": reservoirpy_run, "resdag": resdag_run}.items():
        try:
            seconds, other = cpu(lambda run=run: run(u, w, w_in, b))
        except ImportError:
            print(f"    {name:<14} not installed")
            continue
        difference = abs(other[:COMPARED] - forecast[:COMPARED]).max()
        assert difference < 1e-3, f"{name} gives another forecast: {difference:.1e}"
        print(f"    {name:<14}{seconds:8.3f}{seconds / mine:8.2f}   forecasts agree to {difference:.0e}")


def our_sweep(u, w, w_in, b):
    """All points at once: they share the matrices and differ in two gains; exponents included."""
    gains = np.array([(radius, scaling) for radius in RADII for scaling in SCALINGS])
    network = Reservoir(w, w_in, bias=b, gain=gains[:, :1], input_gain=gains[:, 1:])
    conditional, moments, _ = train_with_exponent(network, u, WASHOUT, 1)
    model = Forecaster(network, Readout(ridge_readout(moments, RIDGE)))
    outputs, _ = model.continued(conditional.x, CLOSED)
    return conditional.exponents[:, 0], outputs


def unavoidable(u, w, w_in, b):
    """The products, the tanh and the moments of the sweep, and nothing else."""
    count = len(RADII) * len(SCALINGS)
    rows, half = np.ones((SIZE, 2 * count)), np.ones((SIZE, count))
    block = np.ones((SIZE, SIZE))
    for _ in range(TRAINING):
        w @ rows
        np.tanh(half)
    for _ in range(CLOSED):
        w @ half
        np.tanh(half)
    for _ in range(count * TRAINING // SIZE):
        block.T @ block


def sweep(u, w, w_in, b):
    print(f"(b) {len(RADII)} x {len(SCALINGS)} points, spectral radius and input scaling: CPU s, ratio to ours")
    mine, _ = cpu(lambda: our_sweep(u, w, w_in, b), 2)
    print(f"    {'cocycle, exponents included':<36}{mine:8.2f}{1:8.2f}")
    floor, _ = cpu(lambda: unavoidable(u, w, w_in, b), 2)
    print(
        f"    {'bare products, tanh and moments':<36}{floor:8.2f}{floor / mine:8.2f}   ours / that {mine / floor:.2f}"
    )

    def theirs():
        for radius in RADII:
            for scaling in SCALINGS:
                reservoirpy_run(u, radius * w, scaling * w_in, b)

    try:
        seconds, _ = cpu(theirs, 1)
    except ImportError:
        print("    reservoirpy                          not installed")
        return
    print(
        f"    {'reservoirpy, no exponents':<36}{seconds:8.2f}{seconds / mine:8.2f}   ours / that {mine / seconds:.2f}"
    )


def exponent(u, w, w_in, b):
    print(f"(c) conditional exponent, k = 1, {EXPONENT_STEPS} steps: CPU s, ratio to ours, per step")
    network = Reservoir(w, w_in, bias=b)
    u = u[:EXPONENT_STEPS]

    def mine():
        r = end(network.driven(u), network.rest())
        return lyapunov_spectrum(network.driven(u), r, frame(r, 1)).exponents[0]

    seconds, value = cpu(mine)
    print(f"    {'cocycle':<14}{seconds:8.3f}{1:8.2f}{value:10.4f}")
    try:
        torch, metrics = importlib.import_module("torch"), importlib.import_module("resdag.metrics.lyapunov")
    except ImportError:
        print("    resdag         not installed")
        return
    torch.set_num_threads(1)
    layer, x = resdag_layer(torch, w, w_in, b), torch.as_tensor(u)[None]
    # it drives the network once over the inputs, then again with tangent vectors
    theirs, other = cpu(lambda: metrics.reservoir_lyapunov(layer, x, horizon=len(u), transient=0))
    ratio = theirs / seconds
    print(f"    {'resdag':<14}{theirs:8.3f}{ratio:8.2f}{other:10.4f}   values agree to {abs(value - other):.0e}")


def main():
    u, (w, w_in, b) = data(), weights()
    w, w_in = 0.9 * w, 0.3 * w_in
    one_reservoir(u, w, w_in, b)
    sweep(u, w / 0.9, w_in / 0.3, b)
    exponent(u, w, w_in, b)


if __name__ == "__main__":
    main()
