"""Measures that tests send to workers."""

import multiprocessing
import os
import re
import threading
import time
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_info

from cocycle.sweeps.worker_process import Deadline

LOCK = threading.Lock()
CROWD = {"inside": 0, "most": 0, "mistaken": 0, "threads": set()}  # what threads of one process see of each other


def product(point, rng):
    return {"product": point["a"] * point["b"] + point["shift"], "noise": rng.normal(size=2)}


def slow(point, rng):
    time.sleep(0.05)
    return product(point, rng)


def fragile(point, rng):
    if point["a"] == 1:
        raise RuntimeError("one is not welcome")
    if point["a"] == 2 and point["b"] == 30:
        os._exit(9)
    return product(point, rng)


def block(point, rngs):
    shared = rngs[0].normal()  # one network, many scales
    if (point["a"] == 2).any():
        raise RuntimeError("two spoils its block")
    return {
        "product": point["a"] * point["b"] + point["shift"],
        "noise": np.full((len(point["a"]), 2), shared),
    }


def another_block(point, rng):
    return {"product": point["a"] + 2000.0, "noise": np.zeros((len(point["a"]), 2))}


def deadly_block(point, rng):
    if (point["a"] == 2).any():
        os._exit(9)
    return another_block(point, rng)


def crowd(point, rng):
    with LOCK:
        CROWD["inside"] += 1
        CROWD["most"] = max(CROWD["most"], CROWD["inside"])
        CROWD["threads"] |= {pool["num_threads"] for pool in threadpool_info()}
    time.sleep(0.2)
    with LOCK:
        CROWD["inside"] -= 1
    return {"y": 1.0}


def mistaken(point, rng):
    with LOCK:
        CROWD["mistaken"] += 1
    time.sleep(0.1)
    return {"z": 1.0}


def quick(point, rng):
    time.sleep(0.004)
    return product(point, rng)


def of_streams(point, rngs):
    own = [each.normal(size=2) for each in rngs]
    return {"product": point["a"] * point["b"], "noise": np.stack(own)}


def leaves(point, rng):
    raise SystemExit(3)


def another(point, rng):
    return {"product": -1.0, "noise": np.zeros(2)}


def height(point, rng):
    """Zero on a circle of radius 1.3."""
    return {"height": np.hypot(point["x"], point["y"]) - 1.3}


def noisy_height(point, rng):
    radius = 0.7 if point["kind"] == "small" else 1.3
    return {"height": np.hypot(point["x"], point["y"]) - radius + (point["replica"] - 1) * 0.01}


def cliff(point, rng):
    return {"height": np.tanh(50 * (point["x"] - 0.5))}


BUFFER = np.zeros(3)
BY_REFERENCE = []


def of_a_buffer(point, rng):
    BUFFER[:] = point["a"]
    return {"y": BUFFER}


def waiting(point, rng):
    time.sleep(0.05)
    return {"y": 1.0}


def scaled(point, rng, scale=1.0):
    return {"y": scale * point["a"]}


def last_given(*arguments):
    return BY_REFERENCE[-1](*arguments)


def by_reference(measure):
    """A pickled measure that calls this very object, in this process."""
    from cocycle.sweeps.pickling import Sent

    BY_REFERENCE.append(measure)
    return Sent.of(last_given, {"number": len(BY_REFERENCE)})  # which no other has


def lingering(begun):
    begun.set()
    time.sleep(20)


def counting(point, rng):
    BY_REFERENCE.append(None)
    return {"y": len(BY_REFERENCE)}


def wrong_at_two(point, rng):
    return {"y": [1.0, 2.0] if point["a"] == 2 else 1.0}


def singular(point, rng):
    if point["a"] == 2:
        np.linalg.inv(np.zeros((2, 2)))
    return product(point, rng)


def leaves_a_thread(point, rng):
    threading.Thread(target=time.sleep, args=(3600,)).start()
    return {"y": point["x"]}


def leaves_a_process(point, rng):
    process = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,))
    process.start()
    return {"y": process.pid}


def holds_the_lock(point, rng):
    Path("worker").write_text(str(os.getpid()))
    re.match(r"(a+)+$", "a" * 36 + "b")  # minutes, in one call
    return {"y": 1.0}


def beyond_its_deadline():
    Deadline.set(42, 0.3)
    time.sleep(60)


def inverse(point, rng):
    a = rng.normal(size=(400, 400))
    return {"y": np.linalg.norm(np.linalg.inv(a) @ a[::-1])}


def inverses(points, rngs):
    return {"y": [inverse(points, rng)["y"] for rng in rngs]}


LOADS = []


class Loaded:
    """A measure that counts how often it is unpickled."""

    def __call__(self, point, rng):
        return {"y": point["x"]}

    def __reduce__(self):
        return _loaded, ()


def _loaded():
    LOADS.append(None)
    return Loaded()
