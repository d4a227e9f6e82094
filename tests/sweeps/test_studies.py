"""A study file is checked whole before anything runs: what is wrong is named with file, line and key."""

import numpy as np
import pytest

from cocycle.sweeps import read_study
from cocycle.sweeps.studies import StudyError

GOOD = """\
measure = "measure.py:product"
seed = 7

[axes]
weight_std = { from = 0.1, to = 0.5, count = 5 }
input_std = { from = 1e-3, to = 1.0, count = 4, spacing = "geometric" }
observed = ["full", "second"]  # as in the paper
realisation = { count = 3 }

[block]
weight_std = 2

[fixed]
size = 500
"two words" = [1.5, 2.5]

[outputs]
exponent = []
valid_time = { start = 8 }

[units]
exponent = "1/step"

[long_names]
exponent = "conditional Lyapunov exponent"
"""
MEASURE = "def product(point, rng):\n    return {'exponent': 1.0, 'valid_time': [0] * 8}\n"


@pytest.fixture
def study(tmp_path):
    (tmp_path / "measure.py").write_text(MEASURE)

    def written(old="", new=""):
        assert old in GOOD
        path = tmp_path / "study.toml"
        path.write_text(GOOD.replace(old, new, 1))
        return path

    return written


def test_a_good_study(study):
    read = read_study(study())
    contents = read.contents
    np.testing.assert_allclose(contents.grid.axes["weight_std"], [0.1, 0.2, 0.3, 0.4, 0.5])
    np.testing.assert_allclose(contents.grid.axes["input_std"], [1e-3, 1e-2, 0.1, 1.0])
    assert list(contents.grid.axes["observed"]) == ["full", "second"]
    assert list(contents.grid.axes["realisation"]) == [0, 1, 2]
    assert contents.grid.block == {"weight_std": 2}
    assert contents.dims == {"exponent": {}, "valid_time": {"start": 8}}
    assert contents.fixed == {"size": 500, "two words": [1.5, 2.5]}
    assert (contents.seed, contents.units) == (7, {"exponent": "1/step"})
    assert contents.long_names == {"exponent": "conditional Lyapunov exponent"}
    assert read.measure({}, None)["exponent"] == 1.0


def test_a_part_of_a_study(study):
    whole, part = read_study(study()).contents.grid, read_study(study(), (2, 3)).contents.grid
    assert part == whole.part(2, 3)


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("seed = 7", "seed = = 7", 2, "Invalid value"),
        ("seed = 7", "seed = 7.5", 2, "seed: seed must be an integer; got 7.5"),
        ("seed = 7", "seed = -1", 2, "seed: seed must not be negative"),
        ("seed = 7", "sed = 7", 2, "sed: is not one of measure, seed, common, axes"),
        ("count = 5", "cuont = 5", 5, "axes.weight_std: must be a list, { count = n }"),
        ("count = 5", "count = 0", 5, "axes.weight_std: count must be an integer of 1 to 10000000; got 0"),
        ("to = 0.5,", "", 5, "axes.weight_std: from and to must be numbers; got 0.1 and None"),
        ("from = 1e-3", "from = 0", 6, "axes.input_std: geometric spacing takes positive ends"),
        ('"geometric"', '"log"', 6, "axes.input_std: takes from, to, count, and spacing = linear or geometric"),
        ('"second"', '"full"', 7, "axes.observed: axis 'observed' must not repeat a value"),
        ('["full", "second"]', "[[]]", 7, "axes.observed: axis 'observed' must be one-dimensional"),
        ('["full", "second"]', "2026-11-21", 7, "axes.observed: must be a list"),
        ("weight_std = 2", "weight_sdt = 2", 11, "block.weight_sdt: block must name axes of the grid"),
        ("weight_std = 2", "weight_std = 0", 11, "block.weight_std: block['weight_std'] must be an integer of at"),
        (
            "weight_std = 2",
            "weight_std = 2.5",
            11,
            "block.weight_std: block['weight_std'] must be an integer of at least 1; got 2.5",
        ),
        ("size = 500", "size = nan", 14, "fixed.size: fixed must hold numbers"),
        ("size = 500", "observed = 3", 14, "fixed.observed: axes, outputs and fixed settings must have different"),
        ('"two words" = [1.5, 2.5]', "day = 2026-11-21", 15, "fixed.day: fixed must hold numbers"),
        ("count = 3", 'count = 3, spacing = "geometric"', 8, "axes.realisation: from and to must be numbers"),
        ("count = 3", "count = true", 8, "axes.realisation: count must be an integer of 1 to 10000000; got True"),
        ('"geometric"', '["linear"]', 6, "axes.input_std: takes from, to, count, and spacing"),
        ('["full", "second"]', '["full", 2]', 7, "axes.observed: axis 'observed' must hold numbers or strings"),
        ("seed = 7", "seed = true", 2, "seed: seed must be an integer; got True"),
        ("exponent = []", "exponent = { start = 4 }", 17, "outputs: outputs must give axis 'start' one positive"),
        ("exponent = []", "exponent = 3", 18, "outputs.exponent: outputs['exponent'] must be a shape"),
        ("{ start = 8 }", "{ start = 0 }", 19, "outputs.valid_time: outputs must give axis 'start' one positive"),
        ('exponent = "1/step"', "exponent = 1", 22, "units.exponent: must be a string; got 1"),
        ('exponent = "1/step"', 'exponnt = "1/step"', 22, "units.exponnt: units must be of axes and outputs"),
        ('exponent = "cond', 'expo = "cond', 25, "long_names.expo: long_names must be of axes and outputs"),
        ("measure.py:product", "measure.py:prodct", 1, "measure: measure.py has no function 'prodct'"),
        ("measure.py:product", "mesure.py:product", 1, "there is no file"),
        ("measure.py:product", "measure.py", 1, 'measure: must be "file.py:function" or "package.module:function"'),
        ("measure.py:product", "no.such.module:product", 1, "no.such.module cannot be imported"),
        ('measure = "measure.py:product"', "measure = 3", 1, 'must be "file.py:function"'),
    ],
)
def test_errors_name_file_line_and_key(study, old, new, line, message):
    path = study(old, new)
    with pytest.raises(StudyError) as error:
        read_study(path)
    said = str(error.value)
    assert said.startswith(str(path)), said
    assert f"line {line}" in said, said
    assert message in said, said


@pytest.mark.parametrize("missing", ["seed = 7\n", 'measure = "measure.py:product"\n'])
def test_what_is_missing(study, missing):
    with pytest.raises(StudyError, match=f"study.toml: {missing.split()[0]} is missing"):
        read_study(study(missing, ""))


def test_tables_that_are_none(study):
    with pytest.raises(StudyError, match=r"line 2: axes: must be a table; got 3"):
        read_study(study(GOOD[GOOD.index("seed = 7") : GOOD.index("[fixed]")], "axes = 3\nseed = 7\n"))


def test_a_measure_that_cannot_be_imported(study):
    path = study()
    for text, error in (("import no_such_package", "ModuleNotFoundError"), ("raise SystemExit(0)", "SystemExit"),
                        ("def f(:", "SyntaxError")):  # fmt: skip
        (path.parent / "measure.py").write_text(text)
        with pytest.raises(StudyError, match=rf"line 1: measure: .*measure\.py cannot be imported: {error}"):
            read_study(path)
    path.write_bytes("# Rössler\n".encode("latin-1"))
    with pytest.raises(StudyError, match=r"study\.toml: 'utf-8' codec"):
        read_study(path)
    with pytest.raises(FileNotFoundError, match="there is no study at"):
        read_study(path.with_name("other.toml"))
