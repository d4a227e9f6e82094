"""The compiled loop is the twin of the QR loop: the same records, states, frames and failures."""

import os
import stat
from itertools import repeat

import numpy as np
import pytest

import cases
from cocycle import Compiled, Diverged, Flow, frame, lyapunov_spectrum, qr_steps
from cocycle.formulas import Formula, kernels, machine_code
from cocycle.formulas.kernels import Kernel, kernel_of
from cocycle.formulas.program import program
from cocycle.lyapunov.blocks import QRBlock, qr_blocks
from cocycle.systems import Henon, Lorenz63
from cocycle.trajectories import repeated

pytest.importorskip("numba")


@pytest.fixture(autouse=True)
def _always(monkeypatch, tmp_path):
    monkeypatch.setattr(kernels, "WORTH", 0)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def henon(x, a=1.4, b=0.3):
    return np.stack([1 - a * x[0] ** 2 + x[1], b * x[0]])


def lorenz(u, sigma=10.0, rho=28.0, beta=8 / 3):
    x, y, z = u
    return sigma * (y - x), x * (rho - z) - y, x * y - beta * z


def both(f, x, q, steps, **options):
    """The spectrum by the kernel, and by the loop that an iterable other than `repeat` gets."""
    return lyapunov_spectrum(repeat(f, steps), x, q, **options), lyapunov_spectrum([f] * steps, x, q, **options)


@pytest.mark.parametrize("thin", [1, 4])
@pytest.mark.parametrize("every", [1, 3, 7])
@pytest.mark.parametrize("batch", [(), (5,), (2, 3)])
def test_records_are_those_of_the_loop(every, batch, thin):
    """Over 200 steps of Hénon's map rounding grows by e^84, beyond telling: the records of 30 steps are compared."""
    f = Formula(henon)
    x = np.random.default_rng(2).uniform(-0.1, 0.1, size=(*batch, 2))
    mine, theirs = both(f, x, frame(x, 2), 30, every=every, transient=4, thin=thin)
    np.testing.assert_allclose(mine.growth, theirs.growth, rtol=0, atol=1e-7)
    np.testing.assert_array_equal(mine.times, theirs.times)
    np.testing.assert_allclose(mine.x, theirs.x, rtol=0, atol=1e-7)
    np.testing.assert_allclose(abs(mine.q), abs(theirs.q), rtol=0, atol=1e-7)
    assert mine.maps == theirs.maps == 26


def test_exponents_of_long_runs_agree_within_their_errors():
    x = Lorenz63().series(1, dt=0.01)[0]
    mine, theirs = both(Flow(lorenz, 0.01), x, frame(x, 3), 30_000, every="auto", transient=1000)
    assert (abs(mine.exponents - theirs.exponents) < 4 * np.hypot(mine.standard_error, theirs.standard_error)).all()
    # the divergence, but for the error of the step, which both runs estimate
    assert mine.exponents.sum() - mine.step_error.total == pytest.approx(-(10 + 1 + 8 / 3), abs=2e-5)
    assert mine.step_error.total == pytest.approx(theirs.step_error.total, rel=0.5)  # at 200 other states


def traced(f, x):
    """The program of a map that a compiled loop can take, or None."""
    try:
        made = program(f, (x.shape[-1],), owner=f)
    except TypeError:
        return None
    return made if len(made.results) == made.n and len(made.graph.operations) < 700 else None


TRACED = {name: made for name, (f, x) in cases.CASES.items() if isinstance(x, np.ndarray) and (made := traced(f, x))}


def test_most_kinds_of_map_are_traced():
    assert len(TRACED) > 15


@pytest.mark.parametrize("name", TRACED)
def test_every_traceable_map_has_a_twin(name):
    f, x = cases.CASES[name]
    x = x.reshape(-1, x.shape[-1])[0].astype(float)
    k = min(3, len(x))
    q, step = frame(x, k), next(qr_steps([f], x, frame(x, k)))
    found = Kernel(kernel_of(TRACED[name], k), ())(x, q, 1, 1)
    if step.r.diagonal().min() < 1e-13 * step.r.max():  # a singular tangent is left to the loop
        assert len(found.x) == 0
        return
    np.testing.assert_allclose(found.x[0], step.x, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(found.diagonal[0], step.r.diagonal(), rtol=1e-10, atol=1e-12 * abs(step.r).max())
    np.testing.assert_allclose(found.q[0], step.q, rtol=0, atol=1e-10 * step.r[0, 0] / step.r.diagonal().min())


def test_divergence_is_found_at_the_same_step():
    x = np.array([0.1, 0.1])
    f, steps = Formula(henon, a=2.0), []
    for maps in (repeat(f, 500), [f] * 500):
        with pytest.raises(Diverged) as raised, np.errstate(all="ignore"):
            lyapunov_spectrum(maps, x, frame(x, 2))
        steps.append(raised.value.step)
        assert np.isfinite(raised.value.result.growth).all()
    assert steps[0] == steps[1]


@pytest.mark.filterwarnings("ignore:exponents from number 2")
def test_singular_maps_are_left_to_the_loop():
    x = np.array([0.1, 0.2])
    f = Formula(lambda x: np.stack([0.5 * x[0], 0.5 * x[0]]))
    mine, theirs = both(f, x, frame(x, 2), 20)
    np.testing.assert_array_equal(mine.exponents == -np.inf, theirs.exponents == -np.inf)
    np.testing.assert_allclose(mine.exponents[0], theirs.exponents[0], rtol=1e-13)


def test_blocks_and_what_they_are_of(rng):
    f, x = Compiled(Henon()), Henon().series(1)[0]
    blocks = list(qr_blocks(repeated(repeat(f, 10)), x, frame(x, 2), every=4))
    assert [type(block).__name__ for block in blocks] == ["QRBlock", "QRBlock"]
    assert isinstance(blocks[0], QRBlock)
    assert blocks[0].maps == 8
    assert blocks[1].maps == 2
    with pytest.raises(ValueError, match="steps must have an end"):
        repeated(repeat(f))
    assert repeated([f, f]) is None
    many = rng.uniform(-0.1, 0.1, size=(9, 2))
    one, two = (
        Kernel(kernel_of(program(henon, (2,), (), ()), 2), (1.4, 0.3))(many, frame(many, 2), 3, 2, threads=threads)
        for threads in (1, 2)
    )
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_map_that_changed_is_not_served_by_the_old_loop():
    f = Formula(henon)
    x = np.array([0.1, 0.1])
    first = lyapunov_spectrum(repeat(f, 100), x, frame(x, 2)).exponents
    other = lyapunov_spectrum(repeat(f.at(b=0.2), 100), x, frame(x, 2)).exponents
    assert first.sum() == pytest.approx(np.log(0.3), abs=1e-12)
    assert other.sum() == pytest.approx(np.log(0.2), abs=1e-12)


def test_compiled_loops_are_kept_where_nobody_else_can_write(tmp_path):
    machine_code.loaded.cache_clear()
    kernel_of.cache_clear()
    x = np.array([0.1, 0.1])
    lyapunov_spectrum(repeat(Formula(henon), 100), x, frame(x, 2))
    folder = tmp_path / "cocycle" / "kernels"
    assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700
    (source,) = folder.glob("*.py")
    folder.chmod(0o777)
    assert machine_code.private_folder() is None  # anyone could have put it there
    folder.chmod(0o700)
    source.write_text("raise SystemExit")
    machine_code.loaded.cache_clear()
    kernel_of.cache_clear()
    result = lyapunov_spectrum(repeat(Formula(henon), 100), x, frame(x, 2))  # compiled again, in memory
    assert result.exponents.sum() == pytest.approx(np.log(0.3), abs=1e-12)
