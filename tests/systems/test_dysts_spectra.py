"""The spectra of dysts' systems: exponents that are known, checks that find what is wrong, the table."""

import json

import numpy as np
import pytest

pytest.importorskip("dysts")

from cocycle.studies import dysts_spectra
from cocycle.studies.dysts_spectra import Check, Method, Run
from cocycle.studies.dysts_table import in_words
from cocycle.sweeps import Archive, run

SHORT = {"replicas": 4, "steps": 60_000, "accuracy": 1e-6}


def measured(name):
    return dysts_spectra.measure({"system": name, **SHORT}, np.random.default_rng(1))


def test_lorenz():
    row = measured("Lorenz")
    known, n = np.array([0.9056, 0.0, -14.5723]), 3
    assert (abs(row["exponents"][:n] - known) < 5 * row["errors"][:n] + 1e-3).all()
    assert np.isnan(row["exponents"][n:]).all()
    assert row["failed"] == 0
    assert row["method"] == Method.RUNGE_KUTTA
    assert abs(row["divergence"] + 13.667) < 1e-9
    assert abs(row["estimates"][0] - 1.09) < 0.01  # what dysts says


def test_maps_and_conserved_volume():
    henon = measured("Henon")
    assert abs(henon["exponents"][:2].sum() - np.log(0.3)) < 1e-9
    assert np.isnan(henon["divergence"])
    heiles = measured("HenonHeiles")
    assert heiles["dimension"] == 4
    assert abs(heiles["exponents"][:4].sum()) < 1e-6


def test_what_does_not_hold_is_found():
    """Of a right row, each quantity is made wrong in turn."""
    point, rng = {"system": "Lorenz", **SHORT}, np.random.default_rng(1)
    system = dysts_spectra.from_dysts("Lorenz")
    _, method, right = dysts_spectra._first(system, point, rng)
    exact = float(right.exponents.sum()), 0.0

    def failed(first=right, second=right, divergence=exact):
        return dysts_spectra._failed(first, second, divergence, method, 3)

    assert failed() == []
    shifted = Run(right.exponents + np.array([0.0, 0.3, 0.0]), right.errors, right.result, right.messages)
    assert failed(second=shifted) == [Check.HALVED]
    assert Check.DIVERGENCE in failed(divergence=(-13.0, 0.0))
    assert Check.ZERO in failed(first=shifted, second=shifted)
    told = Run(right.exponents, right.errors, right.result, ["exponents from number 2 on are unreliable"])
    assert failed(first=told) == [Check.ROUNDING]


def test_an_archive_and_its_table(tmp_path):
    dysts_spectra.SIZES["test"] = SHORT
    try:
        contents = dysts_spectra.contents("test", 1, ["Henon", "BlinkingVortexMap"])
    finally:
        del dysts_spectra.SIZES["test"]
    archive = Archive.made(tmp_path / "some.h5", contents)
    run(dysts_spectra.measure, archive, workers=1)
    assert json.loads(archive.fixed["systems"])["Henon"]["parameters"] == {"a": 1.4, "b": 0.3}
    table = in_words(archive)
    assert "| Henon | 0.4" in table
    assert "BlinkingVortexMap cannot be differentiated" in table
    assert "1 of 2 systems hold all checks" in table
    with pytest.raises(ValueError, match="systems must be those of dysts"):
        dysts_spectra.contents("small", 1, ["Lorentz"])
