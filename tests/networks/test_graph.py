"""Any torch module is cut into the layers a person would name, and these have its values and its singular values."""

import pickle
import subprocess
import sys
import warnings

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from architectures import (
    ARCHITECTURES,
    Branches,
    Decoder,
    Perceptron,
    ResNet,
    RMSNorm,
    UNet,
    numbers,
    randomised,
    tokens,
)
from cocycle import feedforward, finite_time_exponents, frame, ftle, orbit
from cocycle.networks.arguments import output_of
from cocycle.networks.weights import in_full_precision


@pytest.fixture(params=ARCHITECTURES)
def architecture(request):
    make, example, count = ARCHITECTURES[request.param]
    return randomised(make()), example(), count


def jacobian(network, x):
    """Of one input by reverse differentiation of the network itself; of tokens, with respect to their embedding."""
    if x.is_floating_point():

        def value(z):
            return output_of(network(z.reshape(1, *x.shape[1:])))[1].reshape(-1)

        return torch.autograd.functional.jacobian(value, x[0].reshape(-1))
    embedding = next(m for m in network.modules() if isinstance(m, nn.Embedding))
    embedded = embedding(x[:1]).detach()

    def embedded_value(z):
        handle = embedding.register_forward_hook(lambda *_: z.reshape(embedded.shape))
        try:
            return output_of(network(x[:1]))[1].reshape(-1)
        finally:
            handle.remove()

    return torch.autograd.functional.jacobian(embedded_value, embedded.reshape(-1))


@pytest.mark.filterwarnings("ignore:factors from number")  # behind units that are off
def test_layers_are_those_of_the_network(architecture, monkeypatch):
    """Their number, their values, and the singular values of the whole by brute force."""
    network, x, count = architecture
    layers = feedforward(network, x)
    assert len(layers) == count
    start = layers.start(x)
    *_, y = orbit(layers, start)
    with monkeypatch.context() as patch:
        patch.setattr(RMSNorm, "precision", torch.float64)  # casts to a lower precision are left out
        expected = output_of(network(x))[1].reshape(len(x), -1)
        exact = torch.linalg.svdvals(jacobian(network, x)).log()
    torch.testing.assert_close(y, expected, rtol=0, atol=1e-12)
    with torch.no_grad():
        found = finite_time_exponents(layers, start[:1], frame(start[:1], start.shape[-1])).log_factors[0]
    exact = exact[: len(found)]
    large = exact > exact[0] - 11  # brute force knows the others to less than eight digits
    torch.testing.assert_close(found[large], exact[large], rtol=0, atol=1e-8)


def test_vectors_pushed_and_covectors_pulled_agree(architecture):
    """p·(J q) = (Jᵀ p)·q for each layer, in a batch, and a batch is its members."""
    network, x, _ = architecture
    layers = feedforward(network, x)
    state = layers.start(x).detach()
    for step in layers:
        with torch.no_grad():
            q = torch.randn(*state.shape, 2, dtype=state.dtype)
            y, pushed = step.tangent(state, q)
            p = torch.randn(*y.shape, 1, dtype=state.dtype)
            pulled = step.cotangent(state, p)
            torch.testing.assert_close(
                (p * pushed[..., :1]).sum((1, 2)), (pulled * q[..., :1]).sum((1, 2)), rtol=1e-9, atol=1e-9
            )
            alone, lone = step.tangent(state[0], q[0])
            torch.testing.assert_close(alone, y[0], rtol=1e-10, atol=1e-12)
            torch.testing.assert_close(lone, pushed[0], rtol=1e-10, atol=1e-12)
            torch.testing.assert_close(step(state), y, rtol=1e-10, atol=1e-12)
        state = y


def test_in_single_precision(architecture):
    network, x, count = architecture
    layers = feedforward(network.float(), x)
    start = layers.start(x)
    assert len(layers) == count
    assert start.dtype == torch.float32
    with torch.no_grad():
        single = ftle(layers, start).log_factors
        double = ftle(feedforward(network.double(), x), start.double()).log_factors
    torch.testing.assert_close(single, double, rtol=0, atol=2e-3)


def test_exponents_differentiate_with_respect_to_the_weights_of(architecture):
    """Along a random direction of all weights: the derivative of central differences."""
    network, x, _ = architecture
    layers = feedforward(network, x)
    start = layers.start(x)[:1].detach()
    weights = [p for p in network.parameters() if p.requires_grad]

    def loss():
        return finite_time_exponents(layers, start, frame(start, 2)).log_factors.sum()

    gradients = torch.autograd.grad(loss(), weights, allow_unused=True)
    directions = [torch.randn_like(p) for p in weights]
    along = sum(float((g * v).sum()) for g, v in zip(gradients, directions, strict=True) if g is not None)

    def moved(step):
        with torch.no_grad():
            for p, v in zip(weights, directions, strict=True):
                p += step * v
            value = float(loss())
            for p, v in zip(weights, directions, strict=True):
                p -= step * v
        return value

    # differences have errors c h² + O(h⁴), rounding errors, and wrong values where a kink is crossed
    slopes = {h: (moved(h) - moved(-h)) / (2 * h) for h in (5e-7, 1e-6, 5e-5, 1e-4, 5e-4, 1e-3)}
    estimates = [(4 * slopes[h] - slopes[2 * h]) / 3 for h in (5e-7, 5e-5, 5e-4)]
    assert min(abs(along - estimate) for estimate in estimates) < 1e-6 * (1 + abs(along))


def test_names_and_shapes_are_printed():
    network = randomised(ResNet())
    words = repr(feedforward(network, (2, 6, 6)))
    for line in (
        "Layers: 6",
        "conv1 … maxpool: 72 → 36 (4×3×3), tangent by automatic differentiation of 4 operations",
        "layer1.0: 36 → 36 (4×3×3)",
        "avgpool + fc: 32 → 3 (3)",
    ):
        assert line in words
    assert "fc1: 3 → 5 (5), tangent by a formula" in repr(feedforward(randomised(Perceptron())))
    assert "2×8×8 + 3×4×4 + 3×2×2" in repr(feedforward(randomised(UNet()), (1, 8, 8)))


def test_layers_that_end_where_one_wants():
    network = randomised(ResNet())
    x = numbers(2, 2, 6, 6)
    assert len(feedforward(network, x, at="layer1")) == 2
    assert len(feedforward(network, x, at=["layer?", "conv1"])) == 4
    halves = feedforward(network, x, at="layer1.0.conv1")  # inside a block: the state holds the shortcut too
    assert "4×3×3 + 4×3×3" in repr(halves)
    whole = ftle(feedforward(network, x), x.reshape(2, -1)).log_factors
    torch.testing.assert_close(ftle(halves, x.reshape(2, -1)).log_factors, whole, rtol=0, atol=1e-12)
    with pytest.raises(ValueError, match=r"at must name modules that the network calls.*got 'layer9', and there are"):
        feedforward(network, x, at="layer9")
    chain = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Sequential(nn.Linear(3, 2), nn.ReLU()), nn.Linear(2, 1))
    assert [step.part.dimension for step in feedforward(chain, at=["0", "2"])] == [3, 3, 2]
    with pytest.raises(ValueError, match=r"at must name modules of the network.*got 'fc'"):
        feedforward(chain, at="fc")


def test_a_shared_module_is_a_layer_at_each_call():
    layers = feedforward(randomised(Perceptron()), numbers(1, 3))
    assert [repr(step).split(":")[0] for step in layers] == ["fc1", "shared", "shared + act", "skip", "out"]


def test_tokens_enter_by_their_embedding():
    network = randomised(Decoder())
    ids = tokens(2, 5)
    layers = feedforward(network, {"input_ids": ids})
    torch.testing.assert_close(layers.start(ids), network.wte(ids).reshape(2, -1))
    torch.testing.assert_close(layers.start({"input_ids": ids}), layers.start(ids))
    assert layers[:2].start(ids).shape == (2, 30)
    with pytest.raises(ValueError, match="layers must be the first ones of a network"):
        layers[1:].start(ids)
    with pytest.raises(ValueError, match=r"inputs must have the shape of the example, \(batch, 5\); got \(2, 4\)"):
        layers.start(ids[:, :4])


class SumOfTokens(nn.Module):
    def __init__(self):
        super().__init__()
        self.e, self.l = nn.Embedding(11, 3), nn.Linear(3, 2)

    def forward(self, ids):
        return self.l(self.e(ids)) * ids.sum(-1)[:, None, None]


def test_tokens_that_act_in_other_ways_are_kept():
    ids = tokens(1, 4)
    layers = feedforward(SumOfTokens().eval(), ids)
    layers.start(ids)
    with pytest.raises(ValueError, match="tokens must be those of the example"):
        layers.start((ids + 1) % 11)


def test_other_arguments_are_constants():
    network, x = randomised(Branches()), numbers(3, 4)
    mask = torch.tensor([[1.0, 0.0, 2.0]], dtype=torch.float64)
    layers = feedforward(network, (x, mask.expand(3, 3)))
    *_, y = orbit(layers, layers.start(x))
    torch.testing.assert_close(y, network(x, mask))
    assert layers.start((x, mask.expand(3, 3))).shape == (3, 4)
    with pytest.raises(ValueError, match="inputs must differ from the example in the state only"):
        layers.start((x, 2 * mask.expand(3, 3)))
    with pytest.raises(ValueError, match="example must have the same other arguments for all members"):
        feedforward(network, (x, numbers(3, 3)))


def test_arrays_give_arrays():
    network, x = randomised(ResNet()), numbers(2, 2, 6, 6).numpy()
    layers = feedforward(network, x)
    start = layers.start(x)
    assert isinstance(start, np.ndarray)
    assert isinstance(ftle(layers, start).exponents, np.ndarray)
    torch.testing.assert_close(
        torch.as_tensor(ftle(layers, start).exponents), ftle(layers, torch.as_tensor(start)).exponents
    )


def test_layers_can_be_pickled():
    x = numbers(2, 2, 6, 6)
    layers = feedforward(randomised(ResNet()), x)
    copy = pickle.loads(pickle.dumps(layers))
    torch.testing.assert_close(ftle(copy, copy.start(x)).exponents, ftle(layers, layers.start(x)).exponents)


def test_weights_are_followed_and_changes_of_the_modules_refused():
    network, x = randomised(ResNet()), numbers(2, 2, 6, 6)
    layers = feedforward(network, x)
    start = layers.start(x)
    before = ftle(layers, start).log_factors
    with torch.no_grad():
        network.fc.weight *= 2
    torch.testing.assert_close(ftle(layers, start).log_factors, before + np.log(2))
    network.layer1[0].relu.register_forward_hook(lambda m, a, y: 2 * y)
    with pytest.raises(ValueError, match=r"its layer1\.0\.relu was exchanged, got a hook"):
        ftle(layers, start)
    assert feedforward(network, x)[0] is not None
    other = randomised(ResNet())
    layers = feedforward(other, x)
    other.train()
    with pytest.raises(ValueError, match="was put into training mode"):
        layers[0](start)


class Inner(nn.Module):
    """A linear layer, a function, a linear layer."""

    def __init__(self, function):
        super().__init__()
        self.first, self.last, self.function = nn.Linear(4, 4), nn.Linear(4, 2), function

    def forward(self, x):
        return self.last(self.function(self.first(x)))


def test_a_detached_part_has_the_derivative_of_what_is_computed():
    """y * y.detach() is y², of slope 2 y; a straight-through estimator computes steps, of slope 0."""
    network = randomised(Inner(lambda y: y * y.detach()))
    exact = ftle(feedforward(randomised(Inner(lambda y: y * y)), (4,)), numbers(3, 4)).log_factors
    torch.testing.assert_close(ftle(feedforward(network, (4,)), numbers(3, 4)).log_factors, exact)
    steps = randomised(Inner(lambda y: y + (y.round() - y).detach()))
    assert (ftle(feedforward(steps, (4,)), numbers(3, 4)).log_factors == -np.inf).all()


def test_saturated_units_keep_their_slope():
    """1 - tanh² is 0 there in double precision."""
    network = Inner(torch.tanh).double().eval()
    with torch.no_grad():
        network.first.weight.copy_(torch.eye(4))
        network.first.bias.fill_(25.0)
        network.last.weight.copy_(torch.eye(4)[:2])
    for function in (torch.tanh, lambda y: torch.tanh(y) + 0 * y):  # by a formula, and automatically
        network.function = function
        found = ftle(feedforward(network, (4,)), torch.zeros(1, 4, dtype=torch.float64)).log_factors
        np.testing.assert_allclose(found, np.log(4) - 50, rtol=1e-10)


REFUSED = {
    "dropout": (lambda: Inner(F.dropout), ValueError, "random, by its operation aten.native_dropout"),
    "noise": (lambda: Inner(lambda y: y + torch.randn_like(y)), ValueError, "random, by its operation aten.randn_like"),
    "mixing": (lambda: Inner(lambda y: y - y.mean(0)), ValueError, "must treat the inputs of a batch separately"),
    "constant": (lambda: Inner(lambda y: torch.ones(len(y), 4, dtype=y.dtype)), ValueError, "must depend on its input"),
    "numpy": (lambda: Inner(lambda y: torch.as_tensor(y.detach().numpy())), TypeError, "differentiable forwards"),
    "half": (lambda: Inner(torch.tanh).half(), ValueError, "single or double precision"),
    "infinite": (lambda: Inner(torch.tanh), ValueError, "finite"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_networks_that_are_refused(name):
    make, error, message = REFUSED[name]
    network = make().eval()
    if name == "infinite":
        with torch.no_grad():
            network.last.bias[0] = torch.inf
    with pytest.raises(error, match=message):
        feedforward(network, (4,))


def test_examples_that_do_not_fit():
    network = Inner(torch.tanh).eval()
    for example, error, message in (
        (torch.zeros(4), ValueError, r"batch as first axis, \(1, n\) for one input of dimension n; got shape \(4,\)"),
        (torch.zeros(1, 7), ValueError, "example must fit the network"),
        ("text", TypeError, "example must hold a tensor"),
        (torch.zeros(1, 4, dtype=torch.long), ValueError, "integer|embedding|real numbers"),
    ):
        with pytest.raises(error, match=message):
            feedforward(network, example)
    with pytest.raises(ValueError, match=r"evaluation mode, network\.eval"):
        feedforward(Inner(torch.tanh).train(), (4,))
    with pytest.raises(ValueError, match="group must be given for a Sequential"):
        feedforward(network, (4,), group=[1])


def test_what_cannot_be_exported_is_one_map_and_says_why():
    network = randomised(Inner(lambda y: torch.tanh(y) if y.sum() > 0 else torch.sin(y)))
    x = numbers(5, 4)
    with pytest.warns(
        UserWarning, match="one map, because it cannot be cut into layers: it takes decisions by the val"
    ):
        layers = feedforward(network, x)
    assert "Inner as one map of dimension 4, not cut: it takes decisions" in repr(layers)
    found = ftle(layers, x).log_factors
    exact = torch.stack([torch.linalg.svdvals(jacobian(network, one)).log()[0] for one in x[:, None]])
    np.testing.assert_allclose(found, exact, atol=1e-12)
    with pytest.raises(ValueError, match="at must be left out, because the network cannot be cut"):
        feedforward(network, x, at="first")


class Adaptive(torch.autograd.Function):
    """As solvers with an adjoint of their own: no forward derivative."""

    @staticmethod
    def forward(ctx, y):
        ctx.save_for_backward(y)
        return y.sin() if float(y.sum()) > -1e9 else y

    @staticmethod
    def backward(ctx, *gradients):
        return gradients[0] * ctx.saved_tensors[0].cos()


class Solver(nn.Module):
    """x' = tanh(w x) by Euler's method with fixed steps, or by a function with an adjoint of its own."""

    def __init__(self, adaptive):
        super().__init__()
        self.field, self.adaptive = nn.Linear(3, 3), adaptive

    def forward(self, x):
        if self.adaptive:
            return Adaptive.apply(self.field(x))
        for _ in range(10):
            x = x + 0.1 * torch.tanh(self.field(x))
        return x


def test_solvers_of_differential_equations():
    layers = feedforward(randomised(Solver(False)), (3,))
    assert len(layers) == 10  # each of its steps calls the field
    with pytest.raises(TypeError, match=r"differentiable forwards; it is not .*take a solver with fixed steps"):
        feedforward(randomised(Solver(True)), (3,))


def test_nothing_is_printed_where_torch_cannot_follow(capfd):
    network = randomised(Inner(lambda y: y if y.sum() > 0 else -y))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        feedforward(network, (4,))
    captured = capfd.readouterr()
    assert captured.out == captured.err == ""


def test_autocasting_is_off():
    network, x = randomised(ResNet()).float(), numbers(1, 2, 6, 6)
    layers = feedforward(network, x)
    start = layers.start(x)
    expected = ftle(layers, start).log_factors
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = ftle(layers, start).log_factors
    torch.testing.assert_close(found, expected)


def test_shared_weights_that_come_apart_are_told():
    network, ids = randomised(Decoder()), tokens(1, 5)
    layers = feedforward(network, ids)
    network.lm_head.weight = nn.Parameter(network.lm_head.weight.detach().clone())
    with pytest.raises(ValueError, match="shares its weights no longer"):
        layers[0](layers.start(ids))


class WithSettings(nn.Module):
    """A layer with attributes that its forward reads, as adapters have them."""

    def __init__(self):
        super().__init__()
        self.linear, self.on, self.slope, self.function = nn.Linear(4, 4), True, 0.1, torch.tanh

    def forward(self, x):
        y = self.linear(x)
        return self.function(F.leaky_relu(y, self.slope)) if self.on else y


@pytest.mark.parametrize(
    ("name", "value"), [("on", False), ("slope", 0.3), ("function", torch.sin), ("extra", nn.Linear(2, 2))]
)
def test_attributes_that_change_are_told(name, value):
    network = randomised(WithSettings())
    layers = feedforward(network, (4,))
    layers[0](numbers(1, 4))
    setattr(network, name, value)
    with pytest.raises(ValueError, match="network must not change after feedforward"):
        layers[0](numbers(1, 4))


def test_hooks_that_are_exchanged_are_told():
    network = randomised(Perceptron())
    handle = network.fc1.register_forward_hook(lambda m, a, y: 2 * y)
    layers = feedforward(network, (3,))
    handle.remove()
    network.fc1.register_forward_hook(lambda m, a, y: 3 * y)
    with pytest.raises(ValueError, match="its fc1 was exchanged, got a hook"):
        layers[0](numbers(1, 3))


class Masked(nn.Module):
    def __init__(self, mask):
        super().__init__()
        self.mask, self.query, self.head = mask, nn.Linear(4, 4), nn.Linear(4, 2)

    def forward(self, x):
        y = self.query(x)
        return self.head(F.scaled_dot_product_attention(y, x, x, self.mask))


def test_queries_that_attend_to_nothing():
    """As torch has it: 0, and no derivative."""
    mask = torch.tensor([[True, False, True], [False, False, False], [True, True, True]])
    network, x = randomised(Masked(mask)), numbers(2, 3, 4)
    layers = feedforward(network, x)
    *_, y = orbit(layers, layers.start(x))
    torch.testing.assert_close(y, network(x).reshape(2, -1))
    exact = torch.linalg.svdvals(jacobian(network, x)).log()[0]
    torch.testing.assert_close(ftle(layers, layers.start(x)).log_factors[0], exact)


def test_a_mixed_batch_behind_a_normalisation_is_seen():
    """A constant added to all inputs would not show it."""
    block = nn.TransformerEncoderLayer(4, 2, 8, norm_first=True)  # the batch is its second axis

    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            self.block = block

        def forward(self, x):
            return self.block(x)

    with pytest.raises(ValueError, match="must treat the inputs of a batch separately"):
        feedforward(Network().double().eval(), numbers(2, 3, 4))


def assigned(y):
    z = torch.zeros_like(y)
    z[:, ::2] = y[:, :2]
    z[:, 1] = y[:, 3] * y[:, 0]
    return z


def test_parts_of_tensors_that_are_assigned():
    network, x = randomised(Inner(assigned)), numbers(3, 4)
    exact = torch.linalg.svdvals(jacobian(network, x)).log()[0]
    torch.testing.assert_close(ftle(feedforward(network, x), x).log_factors[0], exact)


def test_masks_of_real_numbers_beside_tokens():
    """The first argument is the state, or its embedding."""

    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed, self.linear = nn.Embedding(11, 3), nn.Linear(3, 2)

        def forward(self, ids, mask):
            return self.linear(self.embed(ids) * mask[..., None])

    ids, mask = tokens(2, 4), torch.tensor([[1.0, 1.0, 1.0, 0.0]]).expand(2, 4)
    layers = feedforward(Network().eval(), {"ids": ids, "mask": mask})
    assert layers.start(ids).shape == (2, 12)
    assert isinstance(layers.start(ids.numpy()), np.ndarray)
    assert not layers.start(ids).requires_grad


def test_functions_without_a_batched_derivative():
    network = randomised(Inner(lambda y: torch.cdist(y[:, None], y[:, None] + 1)[:, 0].expand(-1, 4) * y))
    x = numbers(2, 4)
    exact = torch.linalg.svdvals(jacobian(network, x)).log()[0]
    torch.testing.assert_close(ftle(feedforward(network, x), x).log_factors[0], exact)


def test_a_cast_to_half_precision_is_left_out():
    network = randomised(Inner(lambda y: torch.tanh(y.to(torch.bfloat16)).to(y.dtype))).float()
    exact = randomised(Inner(torch.tanh)).float()
    x = numbers(2, 4).float()
    found = ftle(feedforward(network, x), x).log_factors
    torch.testing.assert_close(found, ftle(feedforward(exact, x), x).log_factors)


def test_full_precision_is_switched_on_and_back():
    """Of convolutions and products on a GPU; the switches can be read without one.  Networks are exported inside."""
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    assert (cudnn.allow_tf32, matmul.allow_tf32) == (True, False)
    with in_full_precision():
        assert (cudnn.allow_tf32, matmul.allow_tf32) == (False, False)
        assert len(feedforward(randomised(Perceptron()), numbers(2, 3))) == 5
        with in_full_precision():
            pass
        assert not cudnn.allow_tf32
    assert (cudnn.allow_tf32, matmul.allow_tf32) == (True, False)


def test_the_newer_switches_of_precision_come_back():
    """In a process of its own: torch does not forget that they were used."""
    code = """
import torch
from cocycle.networks.weights import in_full_precision
kinds = torch.backends.cudnn.conv, torch.backends.cudnn.rnn, torch.backends.cuda.matmul
kinds[0].fp32_precision = "ieee"
before = [kind.fp32_precision for kind in kinds]
with in_full_precision():
    assert [kind.fp32_precision for kind in kinds] == ["ieee"] * 3
assert [kind.fp32_precision for kind in kinds] == before, before
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True)
