"""A field over a plane that is kept in an archive is that of ftle, whatever the workers, also if it is interrupted on
the way; another network or another plane is refused."""

import os
import subprocess
import sys
from concurrent.futures import Executor, Future
from functools import partial
from threading import Lock

import numpy as np
import pytest
import torch
from torch import nn

from cocycle import Archive, Autodiff, Layer, Map, feedforward, ftle, plane, plane_through, run
from cocycle.networks import perceptron
from cocycle.networks.activations import RELU, TANH
from cocycle.studies import plane_field as study
from cocycle.studies.plane_field import digest, plane_field

S, T = np.linspace(-0.5, 1.5, 20), np.linspace(-0.5, 1.5, 9)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """Of two rows, the last one of one."""
    monkeypatch.setattr(study, "TOGETHER", 40)


def network(seed=0):
    return feedforward(perceptron((12, 8, 8, 3), rng=seed))


def images(seed=1, s=S):
    return plane_through(*np.random.default_rng(seed).uniform(size=(3, 3, 4)), s=s, t=T)


class Here(Executor):
    """Computes jobs at once in this process, and is interrupted when it is time to `stop`."""

    def __init__(self, stop):
        self.stop = stop

    def submit(self, call, /, *arguments):
        done = Stopped(self.stop)
        done.set_result(call(*arguments))
        return done


class Stopped(Future):
    def __init__(self, stop):
        super().__init__()
        self.stop = stop

    def result(self, timeout=None):
        if self.stop():
            raise KeyboardInterrupt
        return super().result(timeout)


def in_process(monkeypatch, stop=lambda: False):
    executor = Here(stop)
    monkeypatch.setattr(sys.modules["cocycle.sweeps.run"], "COMMIT_EVERY", 0.0)
    monkeypatch.setattr(study, "run", lambda measure, archive, workers, **more: run(measure, archive, executor, **more))


def test_it_is_the_field_of_ftle(tmp_path, monkeypatch):
    """Blocks have other numbers of inputs than the chunks of ftle: rounding of a few sums of twelve products each.
    Between processes and this one no bit differs."""
    steps, over = network(), images()
    whole = ftle(steps, over)
    found = plane_field(tmp_path / "pool.h5", steps, over, workers=2)
    np.testing.assert_allclose(found.log_factors, whole.log_factors, rtol=0, atol=1e-13)
    np.testing.assert_allclose(abs(found.directions), abs(whole.directions), rtol=0, atol=1e-10)
    assert found.x is over
    assert found.time == whole.time
    in_process(monkeypatch)
    here = plane_field(tmp_path / "here.h5", steps, over)
    for name in ("log_factors", "directions"):
        np.testing.assert_array_equal(getattr(here, name), getattr(found, name))
    assert found.plot().axes[0].get_xlabel().startswith("s, from x₀ to x₁")


def test_interrupted_and_continued(tmp_path, monkeypatch):
    """Rows that are done stay; the others are computed, and every bit is that of a run in one go."""
    steps, over, path = network(), images(), tmp_path / "field.h5"
    whole = plane_field(tmp_path / "whole.h5", steps, over, workers=1)
    with monkeypatch.context() as patched:
        in_process(patched, lambda: (Archive.open(path).status == 1).any())
        with pytest.raises(KeyboardInterrupt):
            plane_field(path, steps, over)
    done = Archive.open(path).status == 1
    assert 0 < done.sum() < done.size
    assert (done.all(1) | ~done.any(1)).all()
    seen, at = [], study.Plane.at
    monkeypatch.setattr(study.Plane, "at", lambda self, s, t: seen.append(np.size(s)) or at(self, s, t))
    in_process(monkeypatch)
    found = plane_field(path, network(), images())
    assert sum(seen) == 1 + (~done).sum()  # one for the check
    for name in ("log_factors", "directions"):
        np.testing.assert_array_equal(getattr(found, name), getattr(whole, name))
    seen.clear()
    plane_field(path, network(), images())
    assert sum(seen) == 1


def test_another_network_or_plane_is_refused(tmp_path, monkeypatch):
    """Also the same modules after one more step of training."""
    in_process(monkeypatch)
    path, net = tmp_path / "field.h5", perceptron((12, 8, 8, 3), rng=0)
    plane_field(path, feedforward(net), images())
    for over, word in ((images(2), "plane"), (plane(*np.eye(12)[:3], s=S, t=T), "plane")):
        with pytest.raises(ValueError, match=rf"field.h5 holds the field of another {word}, with the digest .*: take"):
            plane_field(path, network(), over)
    with torch.no_grad():
        net[0].bias[2] += 1e-12
    for steps in (feedforward(net), network(1), network()[:-1]):
        with pytest.raises(ValueError, match=r"another network, with the digest .* or the network it was begun with"):
            plane_field(path, steps, images())
    with pytest.raises(ValueError, match=r"holds another sweep .* s: 20 values .*, first .*-0.5.* against .*-0.4"):
        plane_field(path, network(), images(s=S + 0.1))


def test_an_archive_without_results_is_replaced(tmp_path, monkeypatch):
    in_process(monkeypatch, lambda: True)
    with pytest.raises(KeyboardInterrupt):
        plane_field(tmp_path / "field.h5", network(), images())
    in_process(monkeypatch)
    found = plane_field(tmp_path / "field.h5", network(1), images())
    np.testing.assert_allclose(found.log_factors, ftle(network(1), images()).log_factors, rtol=0, atol=1e-13)


def test_the_archive_is_a_labelled_picture(tmp_path, monkeypatch):
    in_process(monkeypatch)
    over = images()
    found = plane_field(tmp_path / "field.h5", network(), over)
    xarray = pytest.importorskip("xarray")
    data = xarray.load_dataset(tmp_path / "field.h5", engine=pytest.importorskip("h5netcdf") and "h5netcdf")
    assert data.exponent.dims == ("t", "s")
    assert (data.exponent.units, data.s.long_name, data.s.units) == ("1/layer", over.names[0], over.units[0])
    np.testing.assert_array_equal(data.s, S)
    np.testing.assert_array_equal(data.exponent, found.exponents)
    figure = Archive.open(tmp_path / "field.h5").plot()
    assert figure.axes[0].get_xlabel() == f"s, from x₀ to x₁ ({over.units[0]})"


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_plane_of_tensors(tmp_path, monkeypatch, dtype):
    in_process(monkeypatch)
    steps = feedforward(perceptron((12, 8, 3), rng=0).to(dtype))
    over = plane_through(*torch.as_tensor(np.random.default_rng(1).uniform(size=(3, 12)), dtype=dtype), s=S, t=T)
    found, whole = plane_field(tmp_path / "field.h5", steps, over), ftle(steps, over)
    assert (found.directions.dtype, found.log_factors.dtype) == (dtype, torch.float64)
    torch.testing.assert_close(found.log_factors, whole.log_factors, rtol=0, atol=100 * torch.finfo(dtype).eps)


def test_a_digest_is_that_of_the_numbers_and_the_functions(rng):
    w = rng.normal(size=(3, 3))
    same = [Layer(w, 0.1, TANH)]
    assert digest(same) == digest([Layer(w.copy(), 0.1, TANH)])
    one, two = Layer(w, 0.1, TANH), Layer(w.T, 0.1, TANH)
    others = [two], [Layer(w, 0.2, TANH)], [Layer(w, 0.1, RELU)], [one, one], [one, two, one], [one, two, two]
    parts = [nn.Linear(3, 3).double(), nn.Tanh()]
    modules = [feedforward(nn.Sequential(*parts)), feedforward(nn.Sequential(parts[0], nn.ReLU()))]
    functions = [Autodiff(lambda x: torch.tanh(x)), Autodiff(lambda x: torch.sin(x)), Autodiff(partial(torch.mul, 2))]
    found = [digest(thing) for thing in (same, *others, *modules, *functions)]
    assert len(set(found)) == len(found)
    lock = Lock()
    with pytest.raises(ValueError, match="steps must be maps that can be sent to other processes"):
        digest([Autodiff(lambda x: lock)])


SCRIPT = """
import torch
from cocycle import Autodiff, feedforward
from cocycle.networks import perceptron
from cocycle.studies.plane_field import digest

class Own(torch.nn.Module):
    def forward(self, x):
        return x if len(self.named) in {2, 4} or "x" in {"one", "two", "three"} else torch.tanh(x)

own = Own()
own.named = {"one", "two", "three"}
print(digest([*feedforward(perceptron((12, 8, 8, 3), rng=0)), Autodiff(own)]))
"""


def test_a_digest_is_the_same_in_another_process(tmp_path):
    """Also for a class of a script, in another folder and some lines further down."""
    found = []
    for name in ("one", "two"):
        (tmp_path / f"{name}.py").write_text("\n" * len(found) + SCRIPT)
        environment = os.environ | {"PYTHONHASHSEED": str(1 + len(found))}
        command = [sys.executable, f"{name}.py"]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
        found.append(done.stdout)
    assert found[0] == found[1]
    assert len(found[0]) == 65


class Broken(Map):
    """x -> x, except where x_0 > 1.4."""

    def __call__(self, x):
        if (x[..., 0] > 1.4).any():
            raise ValueError("x_0 is above 1.4")
        return x

    def tangent(self, x, q):
        return self(x), q


def test_rows_that_fail_are_an_error(tmp_path, monkeypatch):
    """The others are computed and stay."""
    in_process(monkeypatch)
    over = plane(*np.eye(3)[[2, 0, 1]], s=S, t=T)
    with pytest.raises(RuntimeError, match=r"9 of 180 points of .*field.h5 failed, the first with: .*x_0 is above 1.4"):
        plane_field(tmp_path / "field.h5", [Broken()], over)
    assert (Archive.open(tmp_path / "field.h5").status == 1).sum() == 171


def test_what_is_no_plane(tmp_path):
    with pytest.raises(TypeError, match="plane must be a Plane, plane\\(origin, a, b\\); got a ndarray"):
        plane_field(tmp_path / "field.h5", network(), plane(S, T))  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="x must be inputs that the maps take"):
        plane_field(tmp_path / "field.h5", network(), plane(*np.eye(5)[:3]))
    assert list(tmp_path.iterdir()) == []
