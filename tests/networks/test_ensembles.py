"""Members differ by their seeds alone, dropout speaks only when asked, and borders are crossed along the gradient."""

from copy import deepcopy

import numpy as np
import pytest
import torch
from torch import nn

from cocycle import feedforward, ftle
from cocycle.networks.acquisition import STRATEGIES, Plan, learn_actively
from cocycle.networks.adversarial import adversarial_path, towards, with_bottleneck
from cocycle.networks.data import Dataset, Labelled, split
from cocycle.networks.ensembles import deep_ensemble, dropout_probabilities, probabilities
from cocycle.networks.training import Recipe, error, fit, perceptron
from cocycle.networks.uncertainty import uncertainty

RECIPE = Recipe(loss="CrossEntropyLoss", optimiser="Adam", learning_rate=0.02, epochs=15)


def clouds(count):
    """Three clouds in the plane, a third of the samples each."""
    rng = np.random.default_rng(8)
    targets = np.arange(count) % 3
    centres = np.array([[1.5, 0.0], [-1.0, 1.2], [-1.0, -1.2]])
    return Labelled(centres[targets] + 0.5 * rng.normal(size=(count, 2)), targets)


@pytest.fixture(scope="module")
def dataset():
    return split(clouds(600), 1, test=0.3)


def make(rng):
    return perceptron((2, 12, 3), rng)


@pytest.fixture(scope="module")
def members(dataset):
    return deep_ensemble(make, dataset, 5, RECIPE, members=4)


def test_members(members, dataset):
    assert all(error(net, dataset.test) < 0.1 for net in members)
    found = probabilities(members, dataset.test.inputs)
    assert found.shape == (4, 180, 3)
    np.testing.assert_allclose(found.sum(-1), 1, rtol=1e-12)
    again = probabilities(deep_ensemble(make, dataset, 5, RECIPE, members=2), dataset.test.inputs)
    np.testing.assert_array_equal(again, found[:2])  # the first members do not depend on how many follow
    assert (found[0] != found[1]).any()
    with pytest.raises(ValueError, match="members must be at least 1; got 0"):
        deep_ensemble(make, dataset, 5, members=0)
    dropping = nn.Sequential(*make(np.random.default_rng(1)), nn.Dropout())
    for wrong, kind, message in (
        ([dropping], ValueError, "network must be in evaluation mode.*its Dropout"),
        ([nn.Sequential(*members[0], nn.Softmax(-1))], ValueError, "networks must return logits"),
        ([], ValueError, "at least one network"),
        (members[0], TypeError, "networks must be a list of torch modules"),
    ):
        with pytest.raises(kind, match=message):
            probabilities(wrong, dataset.test.inputs)


def test_uncertain_between_the_clouds(members, dataset):
    between, within = uncertainty(probabilities(members, np.array([[0.0, 0.0], [1.5, 0.0]]))).entropy
    assert between > 0.5 > 0.05 > within


def test_monte_carlo_dropout(dataset):
    first, tanh, last = make(np.random.default_rng(2))
    net = nn.Sequential(first, tanh, nn.Dropout(0.3), last)
    fit(net, dataset, 3, RECIPE)
    x, state = dataset.test.inputs[:20], torch.random.get_rng_state()
    found = dropout_probabilities(net, x, 7, samples=200)
    assert found.shape == (200, 20, 3)
    assert found.std(0).max() > 0.01
    np.testing.assert_array_equal(found, dropout_probabilities(net, x, 7, samples=200))
    assert not any(module.training for module in net.modules())
    assert (torch.random.get_rng_state() == state).all()
    with pytest.raises(ValueError, match="network must have a Dropout module"):
        dropout_probabilities(make(np.random.default_rng(2)), x, 7)


def test_bottleneck_trains_alone(members, dataset):
    first, tanh, last = members[0]
    net = nn.Sequential(first, nn.BatchNorm1d(12).double(), tanh, last).eval()
    narrow = with_bottleneck(net, 4)
    hidden = narrow[:-2](torch.as_tensor(dataset.test.inputs)).detach()
    assert [part.out_features for part in narrow[-2:]] == [2, 3]
    fit(narrow, dataset, 4, RECIPE)
    assert (narrow[:-2](torch.as_tensor(dataset.test.inputs)) == hidden).all()  # running means too
    assert (net[:-1](torch.as_tensor(dataset.test.inputs)) == hidden).all()
    assert all(p.requires_grad for p in net.parameters())
    assert error(narrow, dataset.test) < 0.1
    assert narrow[:-1](torch.as_tensor(dataset.test.inputs)).shape == (180, 2)
    with pytest.raises(TypeError, match="network must end in a Linear readout; got Tanh"):
        with_bottleneck(net[:-1], 4)


def test_adversarial_path_crosses_the_border(members, dataset):
    net = members[0]
    x = np.array([1.5, 0.0])
    path = adversarial_path(net, x, 1, length=4.0, steps=40, bounds=(-2.0, 2.0))
    assert path.shape == (41, 2)
    assert (path[0] == x).all()
    assert abs(path).max() <= 2.0
    classes = net(torch.as_tensor(path)).argmax(-1)
    assert (classes[0], classes[-1]) == (0, 1)
    inside = (abs(path) < 2).all(axis=1)
    np.testing.assert_allclose(np.linalg.norm(np.diff(path, axis=0), axis=1)[inside[1:]], 0.1, rtol=1e-12)
    single = adversarial_path(deepcopy(net).float(), x, 1, length=4.0, steps=40, bounds=(-2.0, 2.0))
    np.testing.assert_allclose(single, path, atol=1e-4)
    with pytest.raises(ValueError, match=r"targets must be a class in 0\.\.2 for each input; got \[3\]"):
        adversarial_path(net, x, 3, length=1.0, bounds=(-2.0, 2.0))
    with pytest.raises(ValueError, match=r"x must be one input of shape \(n,\)"):
        adversarial_path(net, x[None], 1, length=1.0, bounds=(-2.0, 2.0))


def test_directions_towards_a_class_are_those_of_the_slope():
    """Of two classes the logits' difference decides: the direction is its gradient, and that of the stretching."""
    torch.manual_seed(3)
    net = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 2)).double().eval()
    x = torch.randn(5, 4, dtype=torch.float64)
    found = torch.as_tensor(towards(net, x.numpy(), np.ones(5, dtype=int)))
    difference = nn.Sequential(*net, nn.Linear(2, 1, bias=False)).double()
    with torch.no_grad():
        difference[-1].weight.copy_(torch.tensor([[-1.0, 1.0]]))
    gradient = ftle(feedforward(difference.eval()), x).directions
    torch.testing.assert_close((found * gradient).sum(-1).abs(), torch.ones(5, dtype=torch.float64))
    step = 1e-4 * found
    with torch.no_grad():
        assert (difference(x + step) > difference(x)).all()


def test_directions_that_are_not_there(members):
    flat = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 2)).double()
    with torch.no_grad():
        flat[0].bias.fill_(-100.0)
    with pytest.raises(ValueError, match="at one it is zero or not finite"):
        towards(flat, np.zeros((1, 2)), np.zeros(1, int))
    with pytest.raises(ValueError, match="evaluation mode"):
        towards(nn.Sequential(*flat, nn.Dropout()), np.zeros((1, 2)), np.zeros(1, int))
    for wrong in ({"length": -1.0}, {"bounds": (1.0, 0.0)}, {"steps": 0}):
        settings = {"length": 1.0, "bounds": (-2.0, 2.0)} | wrong
        with pytest.raises(ValueError, match="length, steps must be positive, bounds in order"):
            adversarial_path(members[0], np.zeros(2), 1, **settings)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_active_learning(strategy, dataset):
    """Every strategy starts from the same labels, takes new ones, and learns."""
    parts = Dataset(dataset.training[:300], dataset.test)
    plan = Plan(strategy, start=6, batch=4, rounds=2, members=2)
    found = learn_actively(parts, dataset.training[300:], make, 3, plan, RECIPE)
    np.testing.assert_array_equal(found.labels, [6, 10, 14])
    assert len(set(found.chosen.tolist())) == 14
    start = np.random.default_rng(3).spawn(5)[0].permutation(300)[:6]
    np.testing.assert_array_equal(found.chosen[:6], start)
    assert found.accuracy.shape == (3,)
    assert found.accuracy[-1] > 0.6


def test_uncertain_samples_are_between_the_clouds(dataset):
    """Entropy takes what is near a border: there the best two of the distances to the centres differ least."""
    plan = Plan("entropy", start=30, batch=20, rounds=1, members=3)
    found = learn_actively(dataset, dataset.test, make, 3, plan, RECIPE)
    centres = np.array([[1.5, 0.0], [-1.0, 1.2], [-1.0, -1.2]])
    near = np.sort(np.linalg.norm(dataset.training.inputs[:, None] - centres, axis=-1), axis=1)
    margin = near[:, 1] - near[:, 0]
    assert np.median(margin[found.chosen[30:]]) < 0.5 * np.median(margin)


def test_plans_that_cannot_be(dataset):
    with pytest.raises(ValueError, match="strategy must be one of random, entropy, mutual information, accuracy"):
        Plan("guess")
    with pytest.raises(ValueError, match="must be at least 1"):
        Plan("random", batch=0)
    with pytest.raises(ValueError, match="must be at most the 420 training samples; got 5050"):
        learn_actively(dataset, dataset.test, make, 3, Plan("random", batch=500), RECIPE)
