"""A module counts as it is when it is applied; what cannot be told is refused, with the reason."""

import warnings
from copy import deepcopy

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, prune

from cocycle import Autodiff, Composed, feedforward, finite_time_exponents, frame, ftle, lyapunov_spectrum, orbit
from cocycle.networks import Cell
from cocycle.trajectories import end
from module_kinds import DROPOUTS, Function, settled


def network():
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).double().eval()


def exact(net, x):
    jacobians = torch.stack([torch.autograd.functional.jacobian(lambda v: net(v[None])[0], one) for one in x])
    return torch.linalg.svdvals(jacobians)[:, 0].log()


X = torch.tensor(np.random.default_rng(1).normal(size=(5, 3)))

LATER = {
    "trained": lambda net: net[0].weight.data.mul_(2),
    "another parameter": lambda net: setattr(net[0], "weight", nn.Parameter(3 * net[0].weight.detach())),
    "loaded": lambda net: net.load_state_dict({k: 2 * v for k, v in net.state_dict().items()}),
    "loaded and assigned": lambda net: net.load_state_dict(
        {k: 2 * v for k, v in net.state_dict().items()}, assign=True
    ),
    "parametrised": lambda net: parametrizations.weight_norm(net[0]),
    "parametrised and trained": lambda net: parametrizations.weight_norm(
        net[0]
    ).parametrizations.weight.original0.data.mul_(2),
    "pruned": lambda net: prune.l1_unstructured(net[2], "weight", amount=0.5),
    "hooked": lambda net: net[1].register_forward_hook(lambda m, i, y: y**3),
    "no bias": lambda net: setattr(net[0], "bias", None),
    "own forward": lambda net: setattr(net[1], "forward", torch.sin),
}


@pytest.mark.parametrize("name", LATER)
def test_what_happens_after_feedforward_counts(name):
    net = network()
    steps, before = feedforward(net), exact(net, X)
    LATER[name](net)
    torch.testing.assert_close(end(steps, X), net(X).detach())
    torch.testing.assert_close(ftle(steps, X).log_factors, exact(net, X), rtol=0, atol=1e-10)
    assert name == "parametrised" or not torch.allclose(before, exact(net, X))


def test_another_precision_after_feedforward():
    net = network()
    steps = feedforward(net)
    found = ftle(steps, X)
    net.float()
    single = ftle(steps, X)
    assert single.directions.dtype == torch.float32
    torch.testing.assert_close(single.log_factors, found.log_factors, rtol=0, atol=1e-5)


def test_hooks_for_all_modules_count():
    net = network()
    steps = feedforward(net)
    handle = nn.modules.module.register_module_forward_hook(lambda m, i, y: 2 * y if isinstance(m, nn.Tanh) else None)
    try:
        with pytest.raises(ValueError, match="call feedforward again"):  # the hook is one of the whole network, too
            ftle(steps, X)
        torch.testing.assert_close(ftle(feedforward(net), X).log_factors, exact(net, X), rtol=0, atol=1e-10)
    finally:
        handle.remove()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_arrays_come_back_as_arrays(dtype):
    """Through every fold, in the network's precision."""
    net, x = network().to(dtype), X.numpy()
    steps, square = feedforward(net), feedforward(nn.Sequential(nn.Linear(3, 3), nn.Tanh()).to(dtype))
    kind = np.float32 if dtype is torch.float32 else np.float64
    assert all(isinstance(y, np.ndarray) and y.dtype == kind for y in orbit(steps, x))
    found = finite_time_exponents(steps, x, frame(x, 2)).log_factors
    assert isinstance(found, np.ndarray)
    np.testing.assert_allclose(
        found, finite_time_exponents(steps, X, frame(X, 2)).log_factors.detach().numpy(), rtol=0, atol=1e-5
    )
    result = lyapunov_spectrum(square * 20, x, frame(x, 2))
    assert isinstance(result.x, np.ndarray)
    assert result.x.dtype == kind
    y, pushed = steps[0].tangent(x, frame(x, 2))
    assert isinstance(pushed, np.ndarray)
    assert isinstance(steps[0].cotangent(x, np.ones((*y.shape, 1))), np.ndarray)
    assert isinstance(ftle(steps, x).directions, np.ndarray)


def test_arrays_that_cannot_be_written_or_run_backwards():
    steps, x = feedforward(network()), np.broadcast_to(X.numpy()[:1], (4, 3))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_allclose(end(steps, x)[0], end(steps, X)[0].detach())
        np.testing.assert_allclose(end(steps, X.numpy()[::-1]), end(steps, X).detach().numpy()[::-1])


def test_a_state_of_another_dimension_is_no_larger_batch():
    with pytest.raises(ValueError, match=r"x must have dimension n=3 for this step of the network; got shape \(2, 6\)"):
        end(feedforward(network()), torch.zeros(2, 6).double())


SHAPES = {"Dropout1d": (4, 8), "Dropout2d": (4, 6, 6), "Dropout3d": (2, 4, 4, 4), "FeatureAlphaDropout": (4, 6, 6)}
MODES = {
    **{name: (make, SHAPES.get(name, (6,))) for name, (make, _) in DROPOUTS.items()},
    "RReLU": (nn.RReLU, (6,)),
    "BatchNorm1d": (lambda: nn.BatchNorm1d(6), (6,)),
    "SyncBatchNorm": (lambda: nn.SyncBatchNorm(6), (6,)),
    "InstanceNorm1d": (lambda: nn.InstanceNorm1d(4, track_running_stats=True), (4, 8)),
    "attention": (lambda: nn.TransformerEncoderLayer(4, 2, 8, batch_first=True), (3, 4)),
    "spectral norm": (lambda: parametrizations.spectral_norm(nn.Linear(6, 6)), (6,)),
}


@pytest.mark.parametrize("name", MODES)
def test_modules_that_behave_differently_in_training_must_not_be_in_it(name):
    make, shape = MODES[name]
    net = nn.Sequential(make())
    with pytest.raises(ValueError, match="network must be in evaluation mode"):
        feedforward(net, shape)
    if name != "SyncBatchNorm":  # works on a GPU only
        feedforward(net.eval(), shape)


def test_a_module_that_comes_twice_is_applied_twice():
    torch.manual_seed(0)
    act, lin = nn.Tanh(), nn.Linear(3, 3)
    for net in (nn.Sequential(lin, act, nn.Linear(3, 4), act, nn.Linear(4, 2)), nn.Sequential(lin, act, lin, act)):
        net.double().eval()
        torch.testing.assert_close(end(feedforward(net), X), net(X).detach())
        torch.testing.assert_close(ftle(feedforward(net), X).log_factors, exact(net, X), rtol=0, atol=1e-10)


def test_a_sequential_that_runs_the_other_way():
    class Reversed(nn.Sequential):
        def __iter__(self):
            return iter(list(self._modules.values())[::-1])

    net = Reversed(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 3)).double().eval()
    torch.testing.assert_close(ftle(feedforward(net), X).log_factors, exact(net, X), rtol=0, atol=1e-10)


CONTAINERS = {
    "hook": lambda net: net.register_forward_hook(lambda m, i, y: 2 * y),
    "hook before": lambda net: net.register_forward_pre_hook(lambda m, i: (2 * i[0],)),
    "hook inside": lambda net: net[1].register_forward_hook(lambda m, i, y: 2 * y),
    "exchanged": lambda net: net.__setitem__(2, nn.Sigmoid()),
    "exchanged inside": lambda net: net[1].__setitem__(0, nn.Sigmoid()),
    "appended": lambda net: net.append(nn.Tanh()),
    "deleted": lambda net: net.__delitem__(2),
    "own forward": lambda net: setattr(net[1], "forward", torch.sin),
}


@pytest.mark.parametrize("name", CONTAINERS)
def test_a_network_that_is_no_longer_the_chain_that_it_was_is_refused(name):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 3), nn.Sequential(nn.Tanh(), nn.Linear(3, 3)), nn.Tanh()).double().eval()
    steps = feedforward(net)
    CONTAINERS[name](net)
    with pytest.raises(ValueError, match=r"network must not change after feedforward.*call feedforward again"):
        end(steps, X)
    torch.testing.assert_close(end(feedforward(net.eval(), (3,)), X), net(X).detach())


def test_half_precision_after_feedforward_is_refused():
    net = network()
    steps = feedforward(net)
    net.half()
    with pytest.raises(ValueError, match="single or double precision"):
        end(steps, X)


class Cubed(torch.autograd.Function):
    """x³ with derivatives that are a few percent wrong."""

    @staticmethod
    def forward(x):
        return x**3

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)
        ctx.save_for_forward(*inputs)

    @staticmethod
    def backward(ctx, gradient):
        return 3.2 * ctx.saved_tensors[0] ** 2 * gradient

    @staticmethod
    def jvp(ctx, tangent):
        return 3 * ctx.saved_tensors[0] ** 2 * tangent

    @staticmethod
    def vmap(info, in_dims, x):
        return Cubed.apply(x), in_dims[0]


class Detached(nn.Module):
    def forward(self, x):
        return x + (x.detach() ** 2)


class Rounded(nn.Module):
    """A straight-through estimator: what is differentiated is another function."""

    def forward(self, x):
        return x + (3 * x - x).detach()


class Quiet(nn.Module):
    def forward(self, x):
        with torch.no_grad():
            return torch.sin(x)


class Remembers(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, x):
        self.seen += 1
        return x * self.seen


REFUSED = {
    "detach": (Detached(), (6,), "must have the derivative that torch computes"),
    "straight through": (Rounded(), (6,), "must have the derivative that torch computes"),
    "rounding passed through": (
        Function(lambda x: x + (x.round() - x).detach()),
        (6,),
        "the derivative that torch computes",
    ),
    "sign passed through": (
        Function(lambda x: x + (x.sign() - x).detach()),
        (6,),
        "the derivative that torch computes",
    ),
    "backward of 6.7 % too much": (Function(Cubed.apply), (6,), "the derivative that torch computes"),
    "a part detached": (Function(lambda x: x + 0.05 * x.detach()), (6,), "the derivative that torch computes"),
    "activation of the user's": (
        nn.TransformerEncoderLayer(4, 2, 8, dropout=0.0, activation=lambda x: x.detach().relu(), batch_first=True),
        (3, 4),
        "the derivative that torch computes",
    ),
    "weak mixing": (Function(lambda x: x - 1e-3 * x.mean(0)), (6,), "must treat the inputs of a batch separately"),
    "random": (
        Function(lambda x: x + torch.randn_like(x)),
        (6,),
        "must give the same values at every call; it is random",
    ),
    "dropout always on": (Function(nn.functional.dropout), (6,), "must give the same values at every call"),
    "fractional pooling": (nn.FractionalMaxPool2d(2, 4), (4, 6, 6), "must give the same values at every call"),
    "remembers": (Remembers(), (6,), "must give the same values at every call; it is random, or has an internal state"),
    "complex": (Function(torch.fft.fft), (6,), r"one tensor of real numbers.*got .* of torch.complex64"),
    "whole numbers": (Function(lambda x: x.long()), (6,), "one tensor of real numbers"),
    "mean of the batch": (Function(lambda x: x - x.mean(0)), (6,), "must treat the inputs of a batch separately"),
    "two": (Function(lambda x: (x, x)), (6,), "one tensor of real numbers.*got tuple"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_map_of_one_input_is_refused(name):
    module, shape, message = REFUSED[name]
    with pytest.raises(ValueError, match=message):
        feedforward(nn.Sequential(module).eval(), shape)


def test_what_is_computed_without_gradients_is_differentiated_forwards():
    """And backwards torch says that it cannot."""
    (step,) = feedforward(nn.Sequential(Quiet()).eval(), (3,))
    torch.testing.assert_close(step.tangent(X, X[..., None])[1][..., 0], X * X.cos())
    with pytest.raises(RuntimeError, match="does not require grad"):
        step.cotangent(X, X[..., None])


def test_backward_hooks_are_refused():
    net = network()
    net[0].register_full_backward_hook(lambda m, i, o: None)
    with pytest.raises(ValueError, match="must have no backward hooks; its Linear has one"):
        feedforward(net)


def test_functions_that_are_no_maps():
    x, q = torch.randn(4, 3).double(), torch.randn(4, 3, 2).double()
    cases = (
        (torch.fft.fft, TypeError, "tensor of real numbers; got dtype torch.complex128"),
        (lambda x: x.sum(), ValueError, r"\(\*batch, n\) to \(\*batch, p\)"),
        (lambda x: x + torch.randn_like(x), ValueError, "must not be random"),
        (lambda x: [x], TypeError, "tensor of real numbers; got list"),
    )
    for function, error, message in cases:
        with pytest.raises(error, match=message):
            Autodiff(function).tangent(x, q)
    with pytest.raises(TypeError, match="real and imaginary parts"):
        lyapunov_spectrum([Autodiff(torch.sin)], x * 1j, q)
    with pytest.raises(TypeError, match="real and imaginary parts"):
        lyapunov_spectrum([Autodiff(torch.sin)], x.numpy() * 1j, q.numpy())


def test_a_function_that_works_in_place_spoils_nothing():
    def doubled(x):
        x *= 2
        return x.sin_()

    for kind in (torch.as_tensor, np.asarray):
        x, q = kind(np.array([[0.1, 0.2]])), kind(np.eye(2)[None])
        before = deepcopy(x)
        y, s = Autodiff(doubled).tangent(x, q)
        assert (x == before).all()
        np.testing.assert_allclose(y, np.sin([[0.2, 0.4]]))
        np.testing.assert_allclose(s[0], np.diag(2 * np.cos([0.2, 0.4])))


@pytest.mark.parametrize("kind", [nn.RNN, nn.GRU, nn.LSTM])
def test_sequence_modules_whose_cells_would_be_others(kind):
    hooked = kind(3, 6)
    hooked.register_forward_hook(lambda m, i, y: y)
    with pytest.raises(ValueError, match="must have no hooks"):
        Cell.of(hooked)


@pytest.mark.parametrize("kind", [nn.RNN, nn.GRU, nn.LSTM])
def test_weights_loaded_later_are_those_of_the_cell(kind):
    module, other = kind(2, 3).double(), kind(2, 3).double()
    cell = Cell.of(module)
    module.load_state_dict(other.state_dict(), assign=True)
    u, state = np.ones((4, 2)), cell.rest()
    np.testing.assert_array_equal(end(cell.driven(u), state), end(Cell.of(other).driven(u), state))


def test_a_network_whose_children_are_called_otherwise_is_one_step():
    class Skip(nn.Sequential):
        def forward(self, x):
            return x + super().forward(x)

    torch.manual_seed(3)
    net = Skip(nn.Linear(3, 3), nn.Tanh()).double().eval()
    steps = feedforward(net)
    assert len(steps) == 1
    torch.testing.assert_close(ftle(steps, X).log_factors, exact(net, X), rtol=0, atol=1e-10)
    assert len(feedforward(nn.Sequential(net, nn.Linear(3, 2).double()).eval())) == 2


def test_a_normalisation_with_its_own_statistics_is_affine_there():
    net = nn.Sequential(nn.Linear(3, 4), settled(nn.BatchNorm1d(4), 4), nn.Tanh()).double().eval()
    whole = Composed(feedforward(net))
    torch.testing.assert_close(whole(X), net(X).detach())


def test_scripted_networks_are_taken_as_they_are():
    """torch.jit warns of its end; its modules are differentiated all the same, and leave no graph."""
    net = network()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scripted = nn.Sequential(torch.jit.script(net)).eval()
    steps = feedforward(scripted, (3,))
    found = ftle(steps, X)
    torch.testing.assert_close(found.log_factors, exact(net, X), rtol=0, atol=1e-10)
    assert not found.log_factors.requires_grad
