"""Data come as they are in the files, in disjoint parts, and what is wrong with them is said."""

import gzip
import struct

import numpy as np
import pytest

from cocycle.networks.data import IDX_FILES, Dataset, Labelled, circle, dataset_named, digits, mnist, split


def test_circle_has_half_of_the_square():
    dataset = circle(1)
    assert (len(dataset.training), len(dataset.test), dataset.outputs) == (36_000, 4_000, 1)
    share = (dataset.training.targets < 0).mean()
    assert share == pytest.approx(0.5, abs=4 * 0.5 / np.sqrt(36_000))  # of a binomial distribution
    radius = np.linalg.norm(dataset.training.inputs, axis=1)
    assert (
        radius[dataset.training.targets[:, 0] < 0].max()
        < np.sqrt(2 / np.pi)
        < radius[dataset.training.targets[:, 0] > 0].min()
    )


def test_split_keeps_every_sample_once():
    samples = Labelled(np.arange(50.0)[:, None], np.arange(50))
    dataset = split(samples, 3, test=0.2)
    assert len(dataset.test) == 10
    both = np.concatenate([dataset.training.targets, dataset.test.targets])
    np.testing.assert_array_equal(np.sort(both), np.arange(50))
    np.testing.assert_array_equal(dataset.test.inputs[:, 0], dataset.test.targets)
    with pytest.raises(ValueError, match=r"test must leave samples for training and test; got the share 0.001 of 50"):
        split(samples, 3, test=0.001)
    with pytest.raises(TypeError, match="samples must be Labelled"):
        split((np.eye(3), np.arange(3)), 3)
    with pytest.raises(ValueError, match="training and test must have inputs and targets of one kind"):
        Dataset(samples, Labelled(np.zeros((3, 2)), np.arange(3)))
    with pytest.raises(TypeError, match="test must be Labelled"):
        Dataset(samples, samples.inputs)


def test_digits():
    dataset = digits(0)
    assert len(dataset.training) + len(dataset.test) == 1797
    assert (dataset.outputs, dataset.training.inputs.shape[1]) == (10, 64)
    assert (dataset.training.inputs.min(), dataset.training.inputs.max()) == (0, 1)


def idx(values):
    return struct.pack(f">4B{values.ndim}I", 0, 0, 8, values.ndim, *values.shape) + values.astype(np.uint8).tobytes()


@pytest.fixture
def folder(tmp_path, rng):
    """Twelve images to learn from and five others, one of the files gzipped."""
    for (images, labels), count in zip(IDX_FILES.values(), (12, 5), strict=True):
        (tmp_path / images).write_bytes(idx(rng.integers(256, size=(count, 28, 28))))
        (tmp_path / labels).write_bytes(idx(np.arange(count) % 10))
    packed = tmp_path / IDX_FILES["test"][0]
    with gzip.open(packed.with_name(packed.name + ".gz"), "wb") as file:
        file.write(packed.read_bytes())
    packed.unlink()
    return tmp_path


def test_mnist(folder):
    dataset = dataset_named(str(folder), 0)
    assert (dataset.training.inputs.shape, dataset.test.inputs.shape, dataset.outputs) == ((12, 784), (5, 784), 10)
    first = (folder / IDX_FILES["training"][0]).read_bytes()[16 : 16 + 784]
    np.testing.assert_array_equal(dataset.training.inputs[0], np.frombuffer(first, np.uint8) / 255)
    np.testing.assert_array_equal(dataset.test.targets, np.arange(5))


def test_missing_and_damaged_files_of_mnist(folder):
    images, labels = (folder / name for name in IDX_FILES["training"])
    whole = images.read_bytes()
    images.write_bytes(whole[:-1])
    with pytest.raises(ValueError, match=r"train-images.* is damaged: 9407 elements for a shape of \(12, 28, 28\)"):
        mnist(folder)
    for wrong in (b"", b"\0\0\x08", b"PK\3\4 a zip file"):
        images.write_bytes(wrong)
        with pytest.raises(ValueError, match="is not an idx file of bytes: it begins with"):
            mnist(folder)
    images.write_bytes(whole)
    labels.write_bytes(idx(np.arange(3)))
    with pytest.raises(ValueError, match=r"its labels do not fit; got shapes \(12, 28, 28\), \(3,\)"):
        mnist(folder)
    packed = folder / (IDX_FILES["test"][0] + ".gz")
    content, _ = packed.read_bytes(), labels.write_bytes(idx(np.arange(12) % 10))
    for broken in (content[: len(content) // 2], content[:40] + bytes(8) + content[48:]):
        packed.write_bytes(broken)
        with pytest.raises(ValueError, match=r"t10k-images-idx3-ubyte\.gz is damaged"):
            mnist(folder)
    with pytest.raises(ValueError, match=r"t10k-images-idx3-ubyte\.gz is damaged"):
        mnist(folder)
    packed.unlink()
    with pytest.raises(FileNotFoundError, match=r"there is no t10k-images-idx3-ubyte in .* put MNIST's files there"):
        mnist(folder)


def test_arrays_of_ones_own(tmp_path):
    np.savez(tmp_path / "own.npz", inputs=np.eye(20), targets=np.arange(20) % 3)
    dataset = dataset_named(str(tmp_path / "own.npz"), 1)
    assert (len(dataset.training), len(dataset.test), dataset.outputs) == (18, 2, 3)
    np.savez(tmp_path / "half.npz", inputs=np.eye(20))
    with pytest.raises(ValueError, match=r"half\.npz must hold inputs and targets; it has no targets"):
        dataset_named(str(tmp_path / "half.npz"), 1)
    with pytest.raises(ValueError, match=r"task must be circle, digits, a folder with MNIST's files, or an .npz file"):
        dataset_named("squares", 1)


@pytest.mark.parametrize(
    ("inputs", "targets", "message"),
    [
        (np.zeros(3), np.zeros(3, int), r"inputs must have shape \(samples, n\); got \(3,\)$"),
        (np.zeros((500, 8, 8)), np.zeros(500, int), r"got \(500, 8, 8\): flatten to \(500, 64\)"),
        (np.zeros((0, 2)), np.zeros(0, int), "inputs must have shape"),
        (np.array([[np.nan]]), [0], "inputs must be finite"),
        (np.zeros((3, 1)), [0, 1], r"of shape \(3,\), one for each input; got shape \(2,\)"),
        (np.zeros((3, 1)), [0, 1, -1], "targets must be classes .* the smallest -1"),
        (np.zeros((3, 1)), np.zeros(3), r"targets must be integers \(3,\) or real numbers \(3, outputs\)"),
        (np.zeros((1, 1)), [[np.inf]], "targets must be finite"),
    ],
)
def test_what_is_not_labelled(inputs, targets, message):
    with pytest.raises(ValueError, match=message):
        Labelled(inputs, targets)


def test_classes_that_only_the_test_has():
    known, other = Labelled(np.zeros((2, 1)), [0, 1]), Labelled(np.zeros((1, 1)), [4])
    assert Dataset(known, other).outputs == 5
