"""A saved model comes back bit for bit or is refused in one line, whatever happened to its file; saving is all or
nothing."""

import hashlib
import json
import os
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cocycle import Reservoir, files, forecast, train
from cocycle.maps import Composed, Linear, Select
from cocycle.reservoir import (
    Deep,
    DelayLine,
    Design,
    Forecaster,
    Normalisation,
    Polynomial,
    Readout,
    WithSquares,
    checked_file,
    load,
    save,
    train_classifier,
    train_online,
)
from cocycle.reservoir.description import built, described

TIMES = 0.1 * np.arange(400)
NOISE = 0.05 * np.random.default_rng(0).normal(size=(400, 3))
SERIES = np.stack([np.sin(TIMES), np.cos(1.7 * TIMES), np.sin(0.3 * TIMES)], axis=1) + NOISE
LAYERS = Deep((Reservoir.random(15, 3, rng=1), Reservoir.random(10, 15, rng=2)))


def trained(network, **options):
    return train(network, SERIES, washout=50, ridge=1e-2, **options)


@pytest.fixture(scope="module")
def models():
    return {
        "dense": trained(Reservoir.random(20, 3)),
        "sparse": trained(Reservoir.random(220, 3)),
        "layered": trained(LAYERS),
        "online": train_online(Reservoir.random(20, 3), SERIES, washout=50).model,
        "next generation": trained(DelayLine(3, 2), design=Design(Polynomial(6), increment=True)),
    }


def same_bits(model, path):
    save(model, path)
    with np.errstate(all="ignore"):
        expected, found = forecast(model, SERIES[:30], 20), forecast(load(path), SERIES[:30], 20)
    return expected.dtype == found.dtype and expected.tobytes() == found.tobytes()


@pytest.mark.parametrize("labels", [["slow", "fast"], [3, 1], [True, False], [0.5, 2.0]])
@pytest.mark.parametrize("windows", [None, 3])
def test_a_classifier_comes_back_bit_for_bit(tmp_path, labels, windows):
    series = [SERIES[i : i + 30] * (1 + i % 2) for i in range(12)]
    model = train_classifier(LAYERS, series, [labels[i % 2] for i in range(12)], windows=windows)
    save(model, tmp_path / "classes.h5")
    found = load(tmp_path / "classes.h5")
    assert found.scores(series).tobytes() == model.scores(series).tobytes()
    np.testing.assert_array_equal(found.predict(series), model.predict(series))
    assert found.labels.dtype == model.labels.dtype
    with pytest.raises(ValueError, match="offset and labels must be one for each row of the weight"):
        save(replace(model, labels=model.labels[:1]), tmp_path / "classes.h5")
    with pytest.raises(ValueError, match=r"weight must have shape \(classes, "):
        save(replace(model, windows=2), tmp_path / "classes.h5")


def put(part, value):
    def changed(description, arrays):
        if isinstance(value, np.ndarray):
            arrays[part] = value
        else:
            description["parts"][part] = value

    return changed


CRAFTED_CLASSES = {
    "texts for an offset": put("offset", {"kind": "texts", "value": ["a", "b"]}),
    "a bomb of texts": put("labels", {"kind": "texts", "value": ["x" * 20_000] + [""] * 20_000}),
    "labels twice": put("labels", {"kind": "texts", "value": ["a", "a"]}),
    "labels in another order": put("labels", {"kind": "texts", "value": ["z", "a"]}),
    "no texts": put("labels", {"kind": "texts", "value": [1, 2]}),
    "true windows": put("windows", {"kind": "plain", "value": True}),
    "no window": put("windows", {"kind": "plain", "value": 0}),
    "a ridge that is no number": put("ridge", {"kind": "plain", "value": float("nan")}),
    "a weight of integers": put("weight", np.ones((2, 75), dtype="i1")),
    "another width": put("weight", np.ones((2, 74))),
    "another offset": put("offset", np.ones(3)),
    "units of other components": put("inputs/scale", np.ones(4)),
}


@pytest.mark.parametrize("name", CRAFTED_CLASSES)
def test_a_crafted_classifier_is_refused(name):
    series = [SERIES[i : i + 30] * (1 + i % 2) for i in range(12)]
    model = train_classifier(LAYERS, series, ["slow", "fast"] * 6, windows=np.int64(3))
    crafted, arrays = described(model)
    assert built(crafted, arrays, 10_000).scores(series).tobytes() == model.scores(series).tobytes()
    CRAFTED_CLASSES[name](crafted, arrays)
    with pytest.raises((ValueError, TypeError)):
        built(crafted, arrays, 10_000)


def test_damage_is_refused_and_never_crashes(models, tmp_path):
    """400 bits flipped and 60 files cut: a crash would end the process that loads them."""
    for name, model in models.items():
        save(model, tmp_path / f"{name}.h5")
    np.save(tmp_path / "warm-up.npy", SERIES[:30])
    command = [sys.executable, Path(__file__).with_name("flips.py"), tmp_path]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout) == {"flips refused": 400, "cuts refused": 60}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    size=st.integers(2, 30),
    single=st.booleans(),
    order=st.sampled_from(["C", "F", "strided"]),
    number=st.sampled_from([float, np.float32, np.float64]),
    functions=st.sampled_from([None, WithSquares(), Composed((Select((0, 1)), Polynomial(2, (1, 2))))]),
    direct=st.booleans(),
    seed=st.integers(0, 99),
)
def test_any_model_comes_back_bit_for_bit(tmp_path, size, single, order, number, functions, direct, seed):
    rng = np.random.default_rng(seed)
    dtype = np.float32 if single else np.float64
    w, w_in = (rng.normal(size=(size, k)).astype(dtype) * 0.3 for k in (size, 3))
    network = Reservoir(w, w_in, number(0.2), leak_rate=0.7)
    width = size + 3 * direct
    features = {type(None): width, WithSquares: 2 * width, Composed: 5}[type(functions)]
    weight = 0.1 * rng.normal(size=(3, 2 * features)).astype(dtype)
    weight = weight[:, ::2] if order == "strided" else np.array(weight[:, :features], order=order)
    readout = Readout(weight, functions=functions, reads_input=direct, offset=number(0.1))
    units = Normalisation(number(0.3), number(1.7))
    assert same_bits(Forecaster(network, readout, units, units), tmp_path / "model.h5")


def test_other_programs_read_the_arrays(models, tmp_path):
    save(models["layered"], tmp_path / "model.h5")
    with h5py.File(tmp_path / "model.h5") as file:
        np.testing.assert_array_equal(file["model/readout/weight"], models["layered"].readout.weight)
        assert json.loads(file.attrs["description"])["kind"] == "Forecaster"
        assert json.loads(file.attrs["versions"])["numpy"] == np.__version__


def test_long_settings(models, tmp_path):
    model = replace(models["dense"], settings={"note": "x" * 200_000})
    save(model, tmp_path / "model.h5")
    assert load(tmp_path / "model.h5").settings == model.settings
    with pytest.raises(ValueError, match="settings and indices must take at most"):
        save(replace(model, settings={"note": "x" * 2**24}), tmp_path / "model.h5")
    assert load(tmp_path / "model.h5").settings == model.settings


# files that were made to do harm: their checksums are right


def parts_of(path):
    whole = path.read_bytes()
    foot = checked_file.FOOT.search(whole)
    end = foot.start() - int(foot[2])
    return whole[:end], json.loads(whole[end : foot.start()])


def put(path, body, index):
    """Write the file with checksums of what it holds."""
    index = {**index, "body": hashlib.sha256(body).hexdigest()}
    text = index["text"] if "text" in index else json.dumps(index).encode()
    foot = f"{checked_file.SCHEMA} {len(text):016d} {hashlib.sha256(text).hexdigest()}\n"
    path.write_bytes(body + text + foot.encode())


def at(node, *names):
    for name in names:
        node = node["parts"][name]
    return node


def set_array(name, **facts):
    return lambda body, index: index["arrays"][name].update(facts)


def set_node(*names, **facts):
    return lambda body, index: at(index["description"], *names).update(facts)


def set_value(name, i, value):
    def change(body, index):
        place = index["arrays"][name]
        size = np.dtype(place["dtype"]).itemsize
        start = place["start"] + (i if i >= 0 else np.prod(place["shape"]) + i) * size
        body[start : start + size] = np.array(value, place["dtype"]).tobytes()

    return change


def set_part(*names, value):
    def change(body, index):
        at(index["description"], *names[:-1])["parts"][names[-1]] = value

    return change


def remove(*names):
    return lambda body, index: at(index["description"], *names[:-1])["parts"].pop(names[-1])


def nested(body, index):
    node = {"kind": "sequence", "parts": []}
    for _ in range(300):
        node = {"kind": "sequence", "parts": [node]}
    index["description"]["parts"]["settings"] = node


def text(content):
    def change(body, index):
        index["text"] = content

    return change


def doubled(body, index):
    index["body"] = hashlib.sha256(body).hexdigest()
    index["text"] = json.dumps(index).replace('"kind": "Forecaster"', '"kind": 1, "kind": "Forecaster"').encode()


def plain(value):
    return {"kind": "plain", "value": value}


HUGE = 10**15
DELAYS = {name: plain(value) for name, value in {"inputs": 3, "taps": HUGE, "spacing": 1, "dt": 1.0}.items()}
SQUARES = {"kind": "sequence", "parts": [{"kind": "WithSquares", "parts": {}}] * 60}
CRAFTED = {
    "column too large": ("sparse", set_value("network/weight/indices", 3, 220), r"columns of network/weight must be"),
    "column negative": ("sparse", set_value("network/weight/indices", 3, -1), r"columns of network/weight must be"),
    "rows go back": ("sparse", set_value("network/weight/indptr", 5, 2**30), "must follow one another"),
    "rows start late": ("sparse", set_value("network/weight/indptr", 0, 1), "must follow one another"),
    "rows end early": ("sparse", set_value("network/weight/indptr", -1, 7), "must follow one another"),
    "indices are floats": ("sparse", set_array("network/weight/indices", dtype="<f4"), "integers of 4 or 8 bytes"),
    "shape of a matrix": ("sparse", set_node("network", "weight", shape=[220, HUGE]), "shape of two numbers"),
    "wide matrix": ("sparse", set_node("network", "weight", shape=[220, 221]), "weight must have shape"),
    "fewer rows": ("sparse", set_node("network", "weight", shape=[219, 220]), "of its 219 rows"),
    "one axis": ("sparse", set_node("network", "weight", shape=[220]), "shape of two numbers"),
    "not square": ("dense", set_array("network/input_weight", shape=[3, 20]), "input_weight must have shape"),
    "bias of another size": ("dense", set_array("network/bias", shape=[19]), "bias must be a number or have shape"),
    "readout of another size": ("dense", set_array("readout/weight", shape=[20, 3]), "must take the 20 components"),
    "readout of one axis": ("dense", set_array("readout/weight", shape=[60]), "must have a weight of shape"),
    "fewer outputs": ("dense", set_array("readout/weight", shape=[2, 20]), r"readout must fit shape \(2,\)"),
    "offset of another size": ("dense", set_array("readout/offset", shape=[2]), "offset of the readout must fit"),
    "units of another size": ("dense", set_array("inputs/scale", shape=[2]), "scale of inputs must fit shape"),
    "weights not finite": ("dense", set_value("network/input_weight", 4, np.nan), "input_weight must be finite"),
    "scale of zero": ("dense", set_value("inputs/scale", 0, 0.0), "scale must be positive"),
    "weights of bytes": ("dense", set_array("network/input_weight", dtype="|i1"), "must not be a ndarray of that kind"),
    "objects": ("dense", set_array("network/bias", dtype="|O"), "no array is like"),
    "larger than the file": ("dense", set_array("network/bias", shape=[HUGE]), "is larger than the file"),
    "behind the end": ("dense", set_array("network/bias", start=10**9), "is larger than the file"),
    "before the beginning": ("dense", set_array("network/bias", start=-8), "no array is like"),
    "wide and empty": ("dense", set_array("network/bias", shape=[0, HUGE, HUGE]), "is larger than the file"),
    "many axes": ("dense", set_array("network/bias", shape=[1] * 99), "not a saved model that can be used"),
    "unknown fact": ("dense", set_array("network/bias", file="/etc/passwd"), "unexpected keyword argument"),
    "two in one place": (
        "dense",
        lambda body, index: index["arrays"]["network/bias"].update(start=index["arrays"]["readout/weight"]["start"]),
        "overlaps another array",
    ),
    "array missing": ("dense", lambda body, index: index["arrays"].pop("network/bias"), "no array network/bias"),
    "array too many": (
        "dense",
        lambda body, index: index["arrays"].update(more={**index["arrays"]["network/bias"], "shape": [0]}),
        "a Forecaster or a SeriesClassifier and nothing else",
    ),
    "part missing": ("dense", remove("network", "bias"), "the parts of a Reservoir must be weight"),
    "part too many": ("dense", set_part("network", "more", value=plain(1)), "the parts of a Reservoir must be"),
    "of another class": ("dense", set_part("network", value=plain(3)), "network must not be a int"),
    "a class of elsewhere": ("dense", set_node("network", kind="Popen"), "KeyError 'Popen'"),
    "another activation": ("dense", set_node("network", "activation", name="exec"), "KeyError 'exec'"),
    "no description": ("dense", lambda body, index: index.pop("description"), "must have a checksum, a description"),
    "a name twice": ("dense", doubled, "is there twice"),
    "no JSON": ("dense", text(b"\xff{"), "not a saved model that can be used"),
    "very deep JSON": ("dense", text(b"[" * 10**6), "RecursionError"),
    "very deep": ("dense", nested, "at most 16 deep"),
    "long delays": ("next generation", set_part("network", value={"kind": "DelayLine", "parts": DELAYS}), "delays are"),
    "many monomials": (
        "next generation",
        set_part("readout", "functions", "degrees", value=plain([200])),
        "at most .* components",
    ),
    "doubled sixty times": (
        "dense",
        set_part("readout", "functions", value={"kind": "Composed", "parts": {"maps": SQUARES}}),
        "at most .* components",
    ),
    "component out of bounds": ("dense", set_part("readout", "components", value=plain([0, 20])), "must be some of 20"),
    "number too large": ("dense", set_part("network", "dt", value=plain(10**400)), "OverflowError"),
    "more external than inputs": ("dense", set_part("external", value=plain(4)), "external must be in 0..3"),
    "another loop": ("dense", set_part("external", value=plain(1)), "must give the 2 components of the next input"),
}


@pytest.mark.parametrize("name", CRAFTED)
def test_a_crafted_file_is_refused(models, tmp_path, name):
    kind, change, message = CRAFTED[name]
    path = tmp_path / "model.h5"
    save(models[kind], path)
    body, index = parts_of(path)
    body = bytearray(body)
    change(body, index)
    put(path, body, index)
    with pytest.raises(ValueError, match=message) as caught:
        load(path)
    assert str(caught.value).startswith(f"{path} is not a saved model that can be used: ")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("kind", ["dense", "sparse", "layered", "next generation"])
def test_a_file_put_together_by_hand_is_as_good(models, tmp_path, kind):
    """What the crafted files are made with is not what refuses them."""
    path = tmp_path / "model.h5"
    save(models[kind], path)
    expected = forecast(load(path), SERIES[:30], 20)
    put(path, *parts_of(path))
    np.testing.assert_array_equal(forecast(load(path), SERIES[:30], 20), expected)


def test_what_is_no_file_of_a_model(models, tmp_path):
    path = tmp_path / "model.h5"
    contents = {
        b"": "it is empty",
        b"no model": "no checksum at its end",
        b"cocycle model 9 " + b"0" * 16 + b" " + b"0" * 64 + b"\n": "schema 'cocycle model 9', not 'cocycle model 2'",
        b"cocycle model 2 " + b"9" * 16 + b" " + b"0" * 64 + b"\n": "its checksum is not that of what it holds",
    }
    for content, message in contents.items():
        path.write_bytes(content)
        with pytest.raises(ValueError, match=message):
            load(path)
    save(models["dense"], tmp_path / "whole.h5")
    path.write_bytes((tmp_path / "whole.h5").read_bytes() + b"\n")
    with pytest.raises(ValueError, match="no checksum at its end"):
        load(path)
    with pytest.raises(ValueError, match="not a regular file"):
        load(tmp_path)
    with pytest.raises(FileNotFoundError, match="there is no file"):
        load(tmp_path / "nothing.h5")


def test_a_model_of_the_first_schema_is_refused_by_its_name(models, tmp_path):
    path = tmp_path / "model.h5"
    with h5py.File(path, "w") as file:
        file.attrs["schema"] = "cocycle model 1"
        file.create_group("model")["weight"] = np.ones((500, 500))
    with pytest.raises(ValueError, match="schema 'cocycle model 1', without a checksum, and not 'cocycle model 2'"):
        load(path)
    with pytest.raises(FileExistsError, match="is no saved model"):
        save(models["dense"], path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has none")
def test_a_pipe_is_not_waited_for(models, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match="not a regular file"):
        load(tmp_path / "pipe")
    with pytest.raises(FileExistsError, match="is no saved model"):
        save(models["dense"], tmp_path / "pipe")


def test_zeros_that_a_file_system_makes_up_take_no_memory(models, tmp_path):
    """The file is as long as its index says, but there is next to nothing on the disk."""
    path = tmp_path / "model.h5"
    save(models["dense"], path)
    body, index = parts_of(path)
    index["arrays"]["network/bias"]["shape"] = [2**47 // 8]
    put(path, body, index)
    content = path.read_bytes()[len(body) :]
    with open(path, "r+b") as file:
        try:
            file.truncate(2**43)
        except OSError:
            pytest.skip("no such file on this file system")
        file.seek(2**43)
        file.write(content)
    with pytest.raises(ValueError, match="is larger than the file"):
        load(path)


# saving


def test_a_save_that_fails_leaves_the_old_file_and_nothing_else(models, tmp_path, monkeypatch):
    path = tmp_path / "model.h5"
    save(models["dense"], path)
    before = path.read_bytes()

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    for owner, name in ((os, "fsync"), (os, "replace"), (h5py.Group, "create_dataset")):
        monkeypatch.setattr(owner, name, full)
        with pytest.raises(OSError, match="No space left"):
            save(models["sparse"], path)
        monkeypatch.undo()
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["model.h5"]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits of POSIX")
def test_a_full_disk(models, tmp_path):
    """No file may grow beyond 20 kB in this process: HDF5 fails in the middle of the arrays."""
    save(models["dense"], tmp_path / "model.h5")
    code = f"""
import resource, signal
from cocycle import Reservoir, train
from cocycle.reservoir import load, save
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
model = load({str(tmp_path / "model.h5")!r})
import dataclasses, numpy as np
big = dataclasses.replace(model, settings={{"note": "x" * 100_000}})
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    save(big, {str(tmp_path / "model.h5")!r})
except OSError as error:
    print("refused")
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=100)
    assert (ran.returncode, ran.stdout) == (0, "refused\n"), ran.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["model.h5"]
    assert load(tmp_path / "model.h5").settings == models["dense"].settings


def test_a_link_is_replaced_and_not_followed(models, tmp_path, monkeypatch):
    victim, path = tmp_path / "victim", tmp_path / "model.h5"
    path.symlink_to(victim)
    save(models["dense"], path)
    assert not victim.exists()
    assert not path.is_symlink()
    monkeypatch.setattr(files.secrets, "token_hex", lambda _: "guessed")
    guessed = tmp_path / f".model.h5.{files._host()}-{os.getpid()}-guessed.aside.h5"
    guessed.symlink_to(victim)
    with pytest.raises(FileExistsError):
        save(models["dense"], path)
    assert not victim.exists()
    assert guessed.is_symlink()


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_a_model_may_be_read_by_those_who_may_read_other_files(models, tmp_path):
    (tmp_path / "other").touch()
    save(models["dense"], tmp_path / "model.h5")
    modes = [stat.S_IMODE(os.stat(tmp_path / name).st_mode) for name in ("other", "model.h5")]
    assert modes[0] == modes[1]


def test_what_would_not_come_back_is_not_saved(models, tmp_path):
    model = models["dense"]
    gaps = Linear(np.ones((3, 40))[:, ::2])
    cases = [
        (replace(model, readout=Readout(np.ones((2, 20)))), ValueError, "it is with closable=False"),
        (replace(model, readout=Readout(np.ones((3, 3)), functions=gaps)), ValueError, "has gaps in memory"),
        (replace(model, readout=replace(model.readout, offset=np.longdouble(1))), TypeError, "offset cannot be stored"),
        (replace(model, inputs=Normalisation(np.zeros(2))), ValueError, r"offset of inputs must fit shape \(3,\)"),
    ]
    for bad, kind, message in cases:
        with pytest.raises(kind, match=message):
            save(bad, tmp_path / "model.h5")
    assert not list(tmp_path.iterdir())
