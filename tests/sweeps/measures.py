"""Measures that tests send to workers."""

import os
import time

import numpy as np


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


def block(point, rng):
    shared = rng.normal()  # one network, many scales
    if (point["a"] == 2).any():
        raise RuntimeError("two spoils its block")
    return {
        "product": point["a"] * point["b"] + point["shift"],
        "noise": np.full((len(point["a"]), 2), shared),
    }
