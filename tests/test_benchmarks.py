"""The benchmarks run and print what they measured: here at a small size, for their code and not for their numbers."""

import re

import numpy as np
import pytest

from benchmark_modules import loaded

SMALL = {
    "series": {"SAMPLES": 500},
    "spectra": {"SIZE": 16, "STEPS": 40, "REPLICAS": 10, "REPEATS": 1},
    "peers": {"REPLICAS": 10, "STEPS": 200, "NETWORK_STEPS": 10, "REPEATS": 1},
    "sparse": {"SIZES": (20,), "DENSITIES": (0.1,), "VECTORS": (1, 2, 5), "REPEATS": 2},
    "streaming": {"SIZES": (20,), "SPARSE_SIZES": (20,), "TIMES": 400, "UPDATES": 20, "REPEATS": 2, "BLOCK": 10},
    "reservoirs": {
        "SIZE": 60,
        "TRAINING": 900,
        "CLOSED": 30,
        "RADII": np.array([0.5, 0.9]),
        "SCALINGS": np.array([0.1, 0.3]),
        "EXPONENT_STEPS": 50,
        "REPEATS": 1,
        "COMPARED": 10,
    },
    "classification": {"SIZES": (20,), "SEEDS": range(2), "READOUTS": {"mean state": 1}},
    "orbits": {"STEPS": 2000, "REPEATS": 1},
    "large": {"SIZE": 60, "CONNECTIONS": 10, "STEPS": 1200},
    "workers": {
        "SETTINGS": {"resolution": (2, 2), "realisations": 1, "starts": 2, "size": 20, "training": 600, "horizon": 1.0}
    },
    "sweeps": {"TASKS": {0.0: 50, 0.01: 20}, "TRIVIAL": (10, 10), "LARGE": (20, 20), "without_us": lambda count: 1.0},
    "explorer": {"SHAPES": {"5 x 4 x 3": (5, 4, 3)}, "CHANGES": 2},
    "fields": {"SIDE": 20, "NETWORKS": ((5, 2),), "CHUNKS": (100,), "REPEATS": 1, "IMAGES": 8}
    | {"LARGE": 12, "ARCHIVED": 6, "OF_IMAGES": 3, "EPOCHS": 1},
    "losses": {
        "SIZE": 10,
        "STEPS": 5,
        "BATCH": 3,
        "DIRECTIONS": (1, 4),
        "WIDTHS": (6, 6, 6, 4),
        "SAMPLES": 3,
        "REPEATS": 1,
    },
    "recurrent": {"SIZES": (4,), "BATCH": 2, "SECONDS": 1e-3, "REPEATS": 1},
    "leading": {"PIXELS": 32, "TOKENS": 6, "WIDTH": 8, "HEADS": 2, "BLOCKS": 2, "REPEATS": 1, "K": 2},
    "threads": {"SIZES": ((20, 1), (40, 3)), "REPEATS": 1},
    "error_bars": {"RUNS": 5, "SHARE": 10},
    "measured_series": {"RUNS": {"rosenstein": 2}, "NOISES": (), "LENGTHS": (2000,), "REPEATS": 2, "REALISATIONS": 1}
    | {"SAMPLES": 4000, "SHORT": (2000,)},
    "attacks": {"rows": lambda scale, seed, names: []},  # tests/sweeps/test_attacks.py makes them
    "block": {"SIZE": 20, "STEPS": 300, "SCALES": np.array([(0.5, 0.01), (0.9, 0.01)])},
}
SAID = {  # a row of each, as a pattern
    "series": r"cocycle +\d+\.\d+ +\d\.\de-\d\d +1\.0",
    "spectra": r" 1 +\d+ +\d+ +\d+ +\d+ +\d+\.\d\d",
    "peers": r"Hénon, 2 exponents +cocycle +\d+ +1\.00 +0\.\d{4}",
    "sparse": r" 20 +5 +\d+\.\d\d",
    "streaming": r"sparse +20 +\d+\.\d +\d+\.\d +\d+\.\d\d",
    "reservoirs": r"numpy +\d+\.\d+ +\d+\.\d\d +forecasts agree to 1e-1\d",
    "classification": r"skipped: give the folder(.|\n)*mean state +20 units \d\d\.\d\d \(",
    "orbits": r"Lorenz, 3 exponents, auto +\d+\.\d ns/step",
    "large": r"conditional exponent, 1,000 steps +\d+\.\d s",
    "workers": r"one worker \d+\.\d s, two \d+\.\d s: ratio \d+\.\d\d",
    "sweeps": r" 0\.01 +20 +\d+\.\d\d",
    "explorer": r"5 x 4 x 3 +here +mean or median 0\.\d\d, another output",
    "fields": r"width 5, 2 layers, 20 x 20 inputs: \d+\.\d+ s, difference \de-1[4-7]",
    "losses": r"Flossing k=4 +\d+\.\d\d +\d+\.\d\d",
    "recurrent": r"LSTMCell +4 +2 +\d+ +\d+ +\d+\.\d +\d+ +\d+ +\d+\.\d +\de-1\d",
    "leading": r"k = 2: \d+ products in \d+\.\d s, \d+\.\d\d passes each",
    "threads": r" 40 +3 +6\.4e\+03 +\d+\.\d{3} ms",
    "error_bars": r"van der Pol, first \| 22 \| the larger \| [01]\.\d{3}",
    "measured_series": r"white noise +2000 samples: 0 exponents in 1, 0 refused",
    "attacks": r"0 of 0 cases are faults",
    "block": r"\n0 +\d+\.\d\d +\d+\.\d\d +\d+\.\d\d +\d\.\de[+-]\d\d",
}


@pytest.mark.parametrize("name", SMALL)
def test_benchmark(name, monkeypatch, capsys):
    benchmark = loaded(name)
    for setting, value in SMALL[name].items():
        monkeypatch.setattr(benchmark, setting, value)
    benchmark.main()
    said = capsys.readouterr().out
    assert re.search(SAID[name], said), said


def test_all_of_them_are_on_one_page(monkeypatch, tmp_path):
    """With what each printed; a benchmark that fails is said to have failed, and the others go on."""
    everything = loaded("everything")
    assert set(everything.PARTS) == set(SMALL)
    (tmp_path / "good.py").write_text("print('ratio 2')")
    (tmp_path / "bad.py").write_text("raise ValueError('broken')")
    for name, value in {"HERE": tmp_path, "PAGE": tmp_path / "page.md", "PARTS": {"bad": "B", "good": "G"}}.items():
        monkeypatch.setattr(everything, name, value)
    everything.main()
    page = (tmp_path / "page.md").read_text()
    assert "failed with status 1: ValueError: broken" in page
    assert "## G\n\n`python benchmarks/good.py`\n\n```text\nratio 2\n```" in page
    assert re.search(rf"^numpy +{re.escape(np.__version__)}", page, re.MULTILINE), page
