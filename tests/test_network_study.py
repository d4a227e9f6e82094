"""A sweep of trained networks: what it says of each is true of the network that it keeps."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.func import jacrev, vmap

from cocycle import Archive, ftle, run
from cocycle.networks.data import RADIUS, Labelled, circle
from cocycle.networks.training import Recipe, error, fit
from cocycle.studies import network_ftle
from cocycle.sweeps import Status
from here import Here

AXES = {"width": [4, 6], "depth": [1, 2], "realisation": np.arange(2)}


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    path = tmp_path_factory.mktemp("study") / "networks.h5"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(network_ftle, "dataset_named", lambda name, rng: circle(rng, samples=3000))
        made = network_ftle.sweep(path, AXES, 5, epochs=2, optimiser="Adam", learning_rate=0.02)
        return run(network_ftle.measure, made, Here(), progress=False)


def test_networks_are_kept(archive):
    assert (archive.status == Status.DONE).all(), archive.messages()
    assert archive.outputs["parameters"] == (6 * 3 + 6 * 7 + 7,)
    for width, depth, realisation in ((4, 2, 1), (6, 1, 0)):
        net = network_ftle.network(archive, width=width, depth=depth, realisation=realisation)
        assert [m.out_features for m in net if isinstance(m, nn.Linear)] == [*[width] * depth, 1]
        index = (AXES["width"].index(width), AXES["depth"].index(depth), realisation)
        found = network_ftle.ring(net)
        for name in ("boundary", "centre", "alignment"):
            np.testing.assert_allclose(found[name], archive[name][index], rtol=1e-12)


def test_numbers_make_sense(archive):
    for name in ("error", "alignment"):
        assert ((archive[name] >= 0) & (archive[name] <= 1)).all()
    assert (archive["trained_epochs"] == 2).all()
    assert (archive["movement"] > 0).all()
    for name in ("exponent", "initial_exponent"):
        assert (np.diff(archive[name], axis=-1) >= 0).all()  # quantiles


def test_opened_again_it_is_complete(archive):
    again = network_ftle.sweep(archive.path, AXES, 5, epochs=2, optimiser="Adam", learning_rate=0.02)
    assert (again.status == Status.DONE).all()
    with pytest.raises(ValueError, match="holds another sweep"):
        network_ftle.sweep(archive.path, AXES, 5, epochs=3)


def test_networks_that_are_not_there(archive, tmp_path):
    with pytest.raises(ValueError, match="width must be one of"):
        network_ftle.network(archive, width=5, depth=1, realisation=0)
    bare = network_ftle.sweep(tmp_path / "bare.h5", AXES, 5, checkpoints=False)
    assert "parameters" not in bare.outputs
    with pytest.raises(KeyError, match="has no checkpoints"):
        network_ftle.network(bare, width=4, depth=1, realisation=0)
    new = network_ftle.sweep(tmp_path / "new.h5", AXES, 5)
    with pytest.raises(ValueError, match="is to do"):
        network_ftle.network(new, width=4, depth=1, realisation=0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"witdh": 3}, "settings must be among task, data_seed, width.*; got witdh"),
        ({"optimiser": "sgd"}, "optimiser must be the name of a class in torch.optim"),
        ({"task": "square"}, "task must be circle, digits"),
        ({"task": "square", "checkpoints": False}, "task must be circle, digits"),
        ({"first_fan": "widht"}, "first_fan must be one of inputs, width; got 'widht'"),
        ({"trained": "some"}, "trained must be one of all, readout; got 'some'"),
        ({"axes": {"depth": [2.5]}}, "depth must be a whole number of at least 1; got 2.5"),
        ({"axes": {"optimiser": ["SGD", "sgd"]}}, "optimiser must be the name of a class"),
        ({"axes": {"task": ["circle", "digits"]}}, "task must be a setting, not an axis"),
        ({"weight_std": -1.0}, "weight_std must be positive"),
        ({"stop_at": 95}, "stop_at must be a share"),
    ],
)
def test_settings_that_are_not_known(settings, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        network_ftle.sweep(tmp_path / "new.h5", settings.pop("axes", AXES), 5, **settings)
    assert not (tmp_path / "new.h5").exists()


def radial():
    """tanh(9 (|x| - RADIUS)), nearly: a network whose boundary is known."""

    class Radius(nn.Module):
        def forward(self, x):
            return torch.cat([x, (x**2).sum(-1, keepdim=True).sqrt() - RADIUS], -1)

    last = nn.Linear(3, 1, bias=False).double()
    with torch.no_grad():
        last.weight.copy_(torch.tensor([[0.0, 0.0, 9.0]]))
    return nn.Sequential(Radius(), last, nn.Tanh())


def test_boundary_of_a_known_network():
    points = network_ftle.boundary(radial())
    assert len(points) == network_ftle.RAYS
    np.testing.assert_allclose(points.norm(dim=-1).numpy(), RADIUS, atol=1e-6)


def test_ring_by_brute_force():
    """Boundary and alignment are those of whole Jacobians, of the hidden layers and of the output."""
    net = network_ftle._drawn(point(), [2, 1], 3)
    fit(net, circle(1, samples=2000), 2, Recipe(optimiser="Adam", epochs=20))
    x = network_ftle.boundary(net)
    assert len(x) > 300
    assert net(x).abs().max() < 1e-4
    _, sizes, rights = torch.linalg.svd(vmap(jacrev(net[:-2]))(x).detach())
    normals = nn.functional.normalize(vmap(jacrev(lambda x: net(x)[0]))(x).detach(), dim=-1)
    found = network_ftle.ring(net)
    assert found["boundary"] == pytest.approx(sizes[:, 0].log().mean().item(), abs=1e-10)
    assert found["alignment"] == pytest.approx((rights[:, 0] * normals).sum(-1).abs().mean().item(), abs=1e-8)


def test_untrained_networks_and_other_files(tmp_path, rng):
    """No epoch is allowed, as a control; data that changed under an archive are not mixed into it."""
    untrained = network_ftle.measure(point(epochs=0), rng)
    assert untrained["movement"] == 0
    assert np.isnan(untrained["training_loss"])
    np.savez(tmp_path / "own.npz", inputs=rng.normal(size=(100, 3)), targets=np.arange(100) % 2)
    settings = {"task": str(tmp_path / "own.npz"), "loss": "CrossEntropyLoss", "epochs": 1, "width": 4}
    archive = network_ftle.sweep(tmp_path / "own.h5", {"depth": [1], "realisation": [0]}, 1, **settings)
    run(network_ftle.measure, archive, Here(), progress=False)
    (tmp_path / "own.npz").rename(tmp_path / "elsewhere.npz")
    assert network_ftle.network(archive, depth=1, realisation=0)[-1].out_features == 2
    np.savez(tmp_path / "own.npz", inputs=rng.normal(size=(100, 3)), targets=np.arange(100) % 2)
    with pytest.raises(ValueError, match=r"the files of .*own.npz changed since the archive was made"):
        network_ftle.measure(archive.fixed | {"depth": 1, "realisation": 0}, rng)
    with pytest.raises(ValueError, match="holds another sweep"):
        network_ftle.sweep(tmp_path / "own.h5", {"depth": [1], "realisation": [0]}, 1, **settings)


def test_a_network_without_boundary_has_no_ring():
    net = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1), nn.Tanh()).double().eval()
    with torch.no_grad():
        net[2].weight.zero_()
        net[2].bias.fill_(1.0)
    found = network_ftle.ring(net)
    assert np.isnan(found["boundary"])
    assert np.isfinite(found["centre"])


def point(**settings):
    fixed = {"width": 8, "depth": 2, "epochs": 1, "checkpoint": 0, "data": "", "ends": [2, 1]}
    return network_ftle.SETTINGS | fixed | settings


def test_frozen_and_scaled_networks(rng):
    """A readout alone moves no hidden weight; the first layer's variance is 1/2 or 1/N."""
    frozen = network_ftle.measure(point(trained="readout", threshold_std=0.5), rng)
    assert frozen["movement"] == 0
    assert network_ftle.measure(point(), rng)["movement"] > 0
    by_inputs, by_width = (network_ftle._drawn(point(first_fan=fan), [2, 1], 3) for fan in ("inputs", "width"))
    torch.testing.assert_close(by_width[0].weight, by_inputs[0].weight / 2)
    torch.testing.assert_close(by_width[2].weight, by_inputs[2].weight)


def test_digits(tmp_path):
    settings = {"task": "digits", "loss": "CrossEntropyLoss", "optimiser": "Adam", "epochs": 3}
    archive = network_ftle.sweep(tmp_path / "digits.h5", {"width": [10], "realisation": [0]}, 1, **settings)
    assert "boundary" not in archive.outputs
    run(network_ftle.measure, archive, Here(), progress=False)
    assert archive["error"][0, 0] < 0.6
    net = network_ftle.network(Archive.open(archive.path), width=10, realisation=0)
    assert net[-1].out_features == 10
    x = np.random.default_rng(1).uniform(size=(5, 64))
    assert np.isfinite(ftle(network_ftle.hidden(net), x).exponents).all()


def test_a_network_without_thresholds_is_wrong_half_of_the_time():
    """It is odd and the target is even: of every pair x, -x one is wrong, whatever the weights."""
    net = network_ftle._drawn(point(width=20), [2, 1], 3)
    x = np.random.default_rng(1).uniform(-1, 1, size=(500, 2))
    inside = (x**2).sum(1, keepdims=True) < RADIUS**2
    pairs = Labelled(np.concatenate([x, -x]), np.tile(np.where(inside, -1.0, 1.0), (2, 1)))
    assert error(net, pairs) == 0.5


@pytest.mark.slow
@pytest.mark.parametrize("depth", [8, 12])
def test_ridges_lie_on_the_decision_boundary(depth):
    """Circle task, width 10: what the issue asks of every such network."""
    from cocycle import plane
    from cocycle.lyapunov.ridges import distances, level_lines, ridges

    task, settings = circle(1), point(width=10, depth=depth, epochs=200)
    net = network_ftle._drawn(settings, [2, 1], 3)
    fit(net, task, 2, network_ftle.recipe(settings))
    x = np.linspace(-1, 1, 400)
    steps = network_ftle.hidden(net)
    found = ridges(x, x, ftle(steps, plane(x, x)).exponents)
    with torch.no_grad():
        output = net(torch.as_tensor(plane(x, x)))[..., 0].numpy()
    assert np.median(distances(found.points, level_lines(x, x, output))) / 2 < 0.02
    assert network_ftle.ring(net)["alignment"] > 0.98
