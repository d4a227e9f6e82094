"""A study file is checked whole before anything runs: what is wrong is named with the file and the key."""

import numpy as np
import pytest

from cocycle.sweeps import read_study
from cocycle.sweeps.study_file import StudyError

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
    ("old", "new", "message"),
    [
        ("seed = 7", "seed = = 7", "Invalid value (at line 2, column 8)"),
        ("seed = 7", "seed = 7.5", "seed must be an integer; got 7.5"),
        ("seed = 7", "seed = -1", "seed must not be negative"),
        ("seed = 7", "sed = 7", "keys must be among measure, seed, common, axes"),
        ("count = 5", "cuont = 5", "axes.weight_std must be a list, { count = n }"),
        ("count = 5", "count = 5, stop = 1", "axes.weight_std must be a list, { count = n }"),
        ("count = 5", "count = 0", "axes.weight_std.count must be an integer in 1..10000000; got 0"),
        ("to = 0.5,", "", "axes.weight_std.from and .to must be numbers; got 0.1 and None"),
        (
            "from = 1e-3",
            "from = 0",
            "axes.input_std.from and .to must be positive for geometric spacing; got 0 and 1.0",
        ),
        ('"geometric"', '"log"', "axes.input_std.spacing must be linear or geometric; got 'log'"),
        ('"second"', '"full"', "axis 'observed' must not repeat a value"),
        ('["full", "second"]', "[[]]", "axis 'observed' must be one-dimensional"),
        ('["full", "second"]', "2026-11-21", "axes.observed must be a list"),
        ("weight_std = 2", "weight_sdt = 2", "block must name axes of the grid"),
        ("weight_std = 2", "weight_std = 0", "block['weight_std'] must be an integer of at least 1; got 0"),
        ("weight_std = 2", "weight_std = 2.5", "block['weight_std'] must be an integer of at least 1; got 2.5"),
        ("seed = 7", "seed = 7\ncommon = 3", "common must be a sequence of names"),
        ("size = 500", "size = nan", "fixed['size'] must hold numbers"),
        ("size = 500", "observed = 3", "axes, outputs and fixed settings must have different names; got observed"),
        ('"two words" = [1.5, 2.5]', "day = 2026-11-21", "fixed['day'] must hold numbers"),
        ("count = 3", 'count = 3, spacing = "geometric"', "axes.realisation.from and .to must be numbers"),
        ("count = 3", "count = true", "axes.realisation.count must be an integer in 1..10000000; got True"),
        ('"geometric"', '["linear"]', "axes.input_std.spacing must be linear or geometric"),
        ('["full", "second"]', '["full", 2]', "axis 'observed' must hold numbers or strings"),
        ("seed = 7", "seed = true", "seed must be an integer; got True"),
        ("exponent = []", "exponent = { start = 4 }", "outputs must give axis 'start' one positive"),
        ("exponent = []", "exponent = 3", "outputs['exponent'] must be a shape"),
        ("{ start = 8 }", "{ start = 0 }", "outputs must give axis 'start' one positive"),
        ('exponent = "1/step"', "exponent = 1", "units['exponent'] must be a string; got 1"),
        ('exponent = "1/step"', 'exponnt = "1/step"', "units must be of axes and outputs, weight_std, "),
        ('exponent = "cond', 'expo = "cond', "long_names must be of axes and outputs"),
        ("measure.py:product", "measure.py:prodct", "measure.py has no function 'prodct'"),
        ("measure.py:product", "mesure.py:product", "there is no file"),
        ("measure.py:product", "measure.py", 'measure must be "file.py:function" or "package.module:function"'),
        ("measure.py:product", "no.such.module:product", "no.such.module cannot be imported"),
        ('measure = "measure.py:product"', "measure = 3", 'measure must be "file.py:function"'),
    ],
)
def test_errors_name_file_and_key(study, old, new, message):
    path = study(old, new)
    with pytest.raises(StudyError) as error:
        read_study(path)
    said = str(error.value)
    assert said.startswith(f"{path}: "), said
    assert message in said, said


@pytest.mark.parametrize("missing", ["seed = 7\n", 'measure = "measure.py:product"\n'])
def test_what_is_missing(study, missing):
    with pytest.raises(StudyError, match=f"study.toml: {missing.split()[0]} is missing"):
        read_study(study(missing, ""))


def test_tables_that_are_none(study):
    with pytest.raises(StudyError, match=r"study\.toml: axes must be a table; got 3"):
        read_study(study(GOOD[GOOD.index("seed = 7") : GOOD.index("[fixed]")], "axes = 3\nseed = 7\n"))


def test_a_measure_that_cannot_be_imported(study):
    path = study()
    for text, error in (("import no_such_package", "ModuleNotFoundError"), ("raise SystemExit(0)", "SystemExit"),
                        ("def f(:", "SyntaxError")):  # fmt: skip
        (path.parent / "measure.py").write_text(text)
        with pytest.raises(StudyError, match=rf"study\.toml: .*measure\.py cannot be imported: {error}"):
            read_study(path)
    path.write_bytes("# Rössler\n".encode("latin-1"))
    with pytest.raises(StudyError, match=r"study\.toml: 'utf-8' codec"):
        read_study(path)
    with pytest.raises(FileNotFoundError, match="there is no study at"):
        read_study(path.with_name("other.toml"))
