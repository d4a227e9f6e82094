"""Training: the networks that were asked for, the same from the same seed, frozen where frozen, stopped in time."""

import numpy as np
import pytest
import torch
from torch import nn

from cocycle.networks.data import Dataset, Labelled, circle
from cocycle.networks.training import Recipe, error, fit, perceptron


@pytest.fixture(scope="module")
def dataset():
    return circle(2, samples=1500)


def numbers(network):
    return nn.utils.parameters_to_vector(network.parameters()).detach().numpy().copy()


def test_scales_of_weights_and_thresholds():
    net = perceptron((50, 400, 300), 1, weight_std=1.5, threshold_std=0.3, head="Tanh")
    assert [type(module) for module in net] == [nn.Linear, nn.Tanh, nn.Linear, nn.Tanh]
    first, second = net[0], net[2]
    for values, std in ((first.weight, 1.5 / 50**0.5), (second.weight, 1.5 / 20), (second.bias, 0.3)):
        count = values.numel()
        assert values.std().item() == pytest.approx(std, rel=4 / (2 * count) ** 0.5)
        assert values.mean().item() == pytest.approx(0, abs=4 * std / count**0.5)
    assert (numbers(net) == numbers(perceptron((50, 400, 300), 1, weight_std=1.5, threshold_std=0.3))).all()
    assert first.weight.dtype == torch.float64


def test_learns_and_repeats_itself(dataset):
    found = []
    for _ in range(2):
        net = perceptron((2, 20, 1), 3, head="Tanh")
        history = fit(net, dataset, 4, Recipe(optimiser="Adam", epochs=12))
        found.append((numbers(net), history.error))
        torch.rand(3)  # what else draws does not matter
    np.testing.assert_array_equal(found[0][0], found[1][0])
    assert found[0][1][-1] < 0.06 < found[0][1][0]
    assert error(net, dataset.test) == found[0][1][-1]


def test_classes_and_stopping(dataset):
    as_classes = Dataset(
        *(Labelled(part.inputs, (part.targets[:, 0] > 0).astype(int)) for part in (dataset.training, dataset.test))
    )
    net = perceptron((2, 20, 2), 3)
    recipe = Recipe(loss="CrossEntropyLoss", optimiser="Adam", learning_rate=0.02, epochs=40, stop_at=0.9)
    history = fit(net, as_classes, 4, recipe)
    assert len(history.loss) == len(history.error) < 40
    assert history.error[-1] <= 0.1 < history.error[-2]


def test_error_counts_signs_and_largest_outputs():
    net = nn.Sequential(nn.Linear(2, 2, bias=False)).double().eval()
    with torch.no_grad():
        net[0].weight.copy_(torch.eye(2))
    x = np.array([[1.0, 2.0], [2.0, 1.0], [-1.0, 3.0], [-1.0, -2.0]])
    assert error(net, Labelled(x, [1, 1, 1, 1])) == 0.5
    assert error(net, Labelled(x, np.array([[1.0, 1], [1, -1], [-1, 1], [1, -1]]))) == 0.5
    assert np.isnan(error(net, Labelled(x, np.eye(4)[:, :2])))  # of 0 and 1 the sign does not tell
    with pytest.raises(ValueError, match=r"an output for each of the classes 0\.\.2; got shape \(2,\)"):
        error(net, Labelled(x, [0, 1, 2, 0]))
    with pytest.raises(ValueError, match="network must have 1 outputs"):
        error(net, Labelled(x, np.ones((4, 1))))


def test_a_frozen_layer_stays(dataset):
    net = perceptron((2, 10, 1), 3, head="Tanh")
    net[0].requires_grad_(False)
    before = net[0].weight.clone()
    fit(net, dataset, 4, Recipe(epochs=2))
    assert (net[0].weight == before).all()
    with pytest.raises(ValueError, match="parameters that require gradients"):
        fit(net.requires_grad_(False), dataset, 4)


def test_dropout_is_seeded_and_off_afterwards(dataset):
    def trained(seed):
        inner = perceptron((2, 20, 1), 3, head="Tanh")
        net = nn.Sequential(inner[0], inner[1], nn.Dropout(0.2), inner[2], inner[3])
        fit(net, dataset, seed, Recipe(epochs=2))
        return net

    state = torch.random.get_rng_state()
    assert (numbers(trained(1)) == numbers(trained(1))).all()
    assert (numbers(trained(1)) != numbers(trained(2))).any()
    assert (torch.random.get_rng_state() == state).all()
    assert not trained(1).training


def test_divergence_leaves_the_last_finite_network(dataset):
    net = perceptron((2, 10, 1), 3)
    with pytest.raises(ArithmeticError, match=r"the loss is (nan|inf) in epoch \d+: take a smaller learning_rate"):
        fit(net, dataset, 4, Recipe(learning_rate=1e3, epochs=50))
    assert np.isfinite(numbers(net)).all()
    first, tanh, last = perceptron((2, 10, 1), 3)
    net = nn.Sequential(first, nn.BatchNorm1d(10).double(), tanh, last)
    with pytest.raises(ArithmeticError):
        fit(net, dataset, 4, Recipe(learning_rate=1e200, epochs=50))
    assert all(values.isfinite().all() for values in net.state_dict().values())


def test_a_last_batch_of_one_is_not_left_alone():
    """It has no variance, which a normalisation needs."""
    samples = Labelled(np.random.default_rng(1).normal(size=(17, 2)), np.ones((17, 1)))
    first, tanh, last = perceptron((2, 10, 1), 3)
    net = nn.Sequential(first, nn.BatchNorm1d(10).double(), tanh, last)
    assert np.isfinite(fit(net, Dataset(samples, samples), 4, Recipe(batch=8, epochs=1)).loss).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"loss": "Loss"}, "loss must be the name of a class in torch.nn; got 'Loss'"),
        ({"optimiser": "sgd"}, "optimiser must be the name of a class in torch.optim; got 'sgd'"),
        ({"batch": 0}, "batch must be at least 1"),
        ({"learning_rate": float("nan")}, "learning_rate positive"),
        ({"epochs": 1.5}, "both whole numbers"),
        ({"stop_at": 95}, r"stop_at must be a share in \(0, 1\]; got 95"),
        ({"loss": "Softmax"}, "loss must be the name of a class in torch.nn"),
        ({"optimiser": "LBFGS"}, "optimiser LBFGS with options {} fails"),
        ({"options": {"momentun": 0.9}}, "optimiser SGD with options .* fails: .*momentun"),
    ],
)
def test_recipes_that_cannot_be(settings, message):
    with pytest.raises(ValueError, match=message):
        Recipe(**settings)


def test_networks_that_do_not_fit(dataset):
    classes = Labelled(dataset.training.inputs, np.zeros(len(dataset.training), int))
    for net, data, message in (
        (perceptron((3, 1), 1), dataset, r"network must take inputs of shape \(samples, 2\)"),
        (perceptron((2, 3), 1), dataset, "network must have 1 outputs, as many as targets"),
        (
            perceptron((2, 3), 1),
            Dataset(classes, classes),
            "MSELoss does not take these targets .classes go with Cross",
        ),
    ):
        with pytest.raises(ValueError, match=message):
            fit(net, data, 1)
    with pytest.raises(ValueError, match="widths must be two numbers"):
        perceptron((2,), 1)
    with pytest.raises(ValueError, match=r"head must be the name of a class in torch.nn; got 'nothing'"):
        perceptron((2, 1), 1, head="nothing")
    with pytest.raises(ValueError, match="evaluation mode"):
        error(nn.Sequential(*perceptron((2, 1), 1), nn.Dropout()), dataset.test)
    real = Labelled(dataset.training.inputs, np.zeros((len(dataset.training), 1)))
    with pytest.raises(ValueError, match="stop_at needs targets that are classes, or -1 and 1"):
        fit(perceptron((2, 1), 1), Dataset(real, real), 1, Recipe(stop_at=0.9))
    with pytest.raises(TypeError, match="dataset must be a Dataset"):
        fit(perceptron((2, 1), 1), (real, real), 1)
