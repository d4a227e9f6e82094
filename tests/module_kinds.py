"""Kinds of torch modules, each with the shape of one input: adding one is a line.  All take a batch in front."""

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import parametrizations, parametrize, prune


class Positive(nn.Linear):
    def forward(self, x):
        return F.linear(x, self.weight.clamp(min=0), self.bias)


class ScaledActivation(nn.Tanh):
    def forward(self, x):
        return 2 * torch.tanh(x / 3)


class NotPointwise(nn.Sigmoid):
    def forward(self, x):
        return torch.sigmoid(x - x.mean(-1, keepdim=True))


class CenteredNorm(nn.BatchNorm1d):
    def forward(self, x):
        return super().forward(x) + x**2


class Padded(nn.Conv1d):
    def forward(self, x):
        return super().forward(F.pad(x, (1, 1), mode="circular"))


class Skip(nn.Sequential):
    def forward(self, x):
        return x + super().forward(x)


class Backwards(nn.Sequential):
    def forward(self, x):
        for module in reversed(self):
            x = module(x)
        return x


class Called(nn.Sequential):
    def __call__(self, x):
        return 3 * super().__call__(x)


class Named(nn.Sequential):
    """Another name and nothing else."""


class LowRank(nn.Module):
    """A frozen layer and an adapter, as LoRA has it."""

    def __init__(self, base, rank=2):
        super().__init__()
        self.base, self.down = base, nn.Linear(base.in_features, rank, bias=False)
        self.up = nn.Linear(rank, base.out_features, bias=False)

    def forward(self, x):
        return self.base(x) + 0.5 * self.up(self.down(x))


class LowRankLinear(nn.Linear):
    """The same as a subclass."""

    def __init__(self, n, p):
        super().__init__(n, p)
        self.down, self.up = nn.Parameter(torch.randn(2, n)), nn.Parameter(torch.randn(p, 2))

    def forward(self, x):
        return super().forward(x) + x @ self.down.T @ self.up.T


class Masked(nn.Linear):
    def __init__(self, n, p):
        super().__init__(n, p)
        self.register_buffer("mask", (torch.arange(n * p) % 3 > 0).reshape(p, n).float())

    def forward(self, x):
        return F.linear(x, self.weight * self.mask, self.bias)


class OddNames(nn.Module):
    """Attributes that mean something elsewhere."""

    def __init__(self, n):
        super().__init__()
        self.bias_orig, self.bias = nn.Parameter(torch.randn(n)), nn.Parameter(torch.randn(n))
        self.weight = nn.Parameter(torch.randn(n))
        self.running_mean = nn.Parameter(torch.randn(n))

    def forward(self, x):
        return torch.tanh(self.weight * x * self.bias + self.bias_orig) * self.running_mean


class Function(nn.Module):
    """A function of the input as a module."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


class Attention(nn.Module):
    def __init__(self, width, causal=False):
        super().__init__()
        self.qkv, self.causal = nn.Linear(width, 3 * width), causal

    def forward(self, x):
        q, k, v = self.qkv(x).chunk(3, -1)
        return F.scaled_dot_product_attention(q, k, v, is_causal=self.causal)


class SelfAttention(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.attention = nn.MultiheadAttention(width, 2, batch_first=True)

    def forward(self, x):
        return x + self.attention(x, x, x, need_weights=False)[0]


class Recurrent(nn.Module):
    """The last state of a recurrent network."""

    def __init__(self, kind):
        super().__init__()
        self.network = kind(2, 3, batch_first=True)

    def forward(self, x):
        return self.network(x)[0][:, -1]


class Cell(nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.cell = kind(2, 3)

    def forward(self, x):
        after = self.cell(x)
        return torch.cat(after, -1) if isinstance(after, tuple) else after


class Gated(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.gate, self.value = nn.Linear(n, n), nn.Linear(n, n)

    def forward(self, x):
        return torch.sigmoid(self.gate(x)) * self.value(x)


class InPlace(nn.Module):
    def forward(self, x):
        x *= 2
        return torch.sin(x.add_(1).tanh_())


class Shared(nn.Module):
    """One layer, twice."""

    def __init__(self, n):
        super().__init__()
        self.layer = nn.Linear(n, n)

    def forward(self, x):
        return self.layer(torch.tanh(self.layer(x)))


class Branches(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.one, self.other = nn.Linear(n, 2), nn.Linear(n, 3)

    def forward(self, x):
        return torch.cat([torch.relu(self.one(x)), F.gelu(self.other(x))], -1)


class WithItself(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.product = nn.Bilinear(n, n, 3)

    def forward(self, x):
        return self.product(x, x)


class Backward(torch.autograd.Function):
    """x³ as old code has it: no forward differentiation, no transforms."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx, gradient):
        return 3 * ctx.saved_tensors[0] ** 2 * gradient


class Symmetric(nn.Module):
    def forward(self, w):
        return w.triu() + w.triu(1).mT


def hooked(module, hook=None, before=None):
    if hook is not None:
        module.register_forward_hook(hook)
    if before is not None:
        module.register_forward_pre_hook(before)
    return module


def parametrised(module, *parametrisations):
    for p in parametrisations:
        parametrize.register_parametrization(module, "weight", p)
    return module


def pruned(module, name="weight"):
    return prune.random_unstructured(module, name, amount=0.4)


def own_forward(module):
    forward = module.forward
    module.forward = lambda x: forward(x) ** 2
    return module


def settled(module, *shape):
    """A normalisation whose running statistics are not those it starts with."""
    module.train()
    module(torch.randn(20, *shape) * 2 + 1)
    return module


VECTOR, SIGNAL, IMAGE, VOLUME, TOKENS = (6,), (4, 8), (4, 6, 6), (2, 4, 4, 4), (3, 4)
POINTWISE = (nn.Tanh, nn.ReLU, nn.Sigmoid, nn.Identity, nn.LogSigmoid, nn.Softplus, nn.Softsign, nn.GELU, nn.SiLU,
             nn.Mish, nn.ELU, nn.CELU, nn.SELU, nn.LeakyReLU, nn.Hardtanh, nn.Hardsigmoid, nn.Hardswish, nn.Tanhshrink,
             nn.ReLU6, nn.PReLU, nn.RReLU, nn.Softshrink, nn.Hardshrink)  # fmt: skip
IN_PLACE = (nn.ReLU, nn.ELU, nn.CELU, nn.SELU, nn.SiLU, nn.Mish, nn.LeakyReLU, nn.Hardtanh, nn.Hardsigmoid,
            nn.Hardswish, nn.ReLU6)  # fmt: skip

DROPOUTS = {
    "Dropout": (nn.Dropout, VECTOR),
    "Dropout1d": (nn.Dropout1d, SIGNAL),
    "Dropout2d": (nn.Dropout2d, IMAGE),
    "Dropout3d": (nn.Dropout3d, VOLUME),
    "AlphaDropout": (nn.AlphaDropout, VECTOR),
    "FeatureAlphaDropout": (nn.FeatureAlphaDropout, IMAGE),
}
KINDS = {
    **{kind.__name__: (kind, VECTOR) for kind in POINTWISE},
    **{f"{kind.__name__} in place": (lambda kind=kind: kind(inplace=True), VECTOR) for kind in IN_PLACE},
    "Threshold": (lambda: nn.Threshold(0.1, -0.3), VECTOR),
    "GELU, tanh": (lambda: nn.GELU(approximate="tanh"), VECTOR),
    "Softplus, sharp": (lambda: nn.Softplus(5.0, 3.0), VECTOR),
    "ELU, alpha": (lambda: nn.ELU(0.4), VECTOR),
    "GLU": (nn.GLU, VECTOR),
    "Softmax": (lambda: nn.Softmax(-1), VECTOR),
    "Softmax, first axis": (lambda: nn.Softmax(1), TOKENS),
    "LogSoftmax": (lambda: nn.LogSoftmax(-1), VECTOR),
    "Softmin": (lambda: nn.Softmin(-1), VECTOR),
    "Softmax2d": (nn.Softmax2d, IMAGE),
    "Linear": (lambda: nn.Linear(6, 4), VECTOR),
    "Linear, no bias": (lambda: nn.Linear(6, 4, bias=False), VECTOR),
    "Linear, of tokens": (lambda: nn.Linear(4, 5), TOKENS),
    "Bilinear, with itself": (lambda: WithItself(6), VECTOR),
    "Conv1d": (lambda: nn.Conv1d(4, 3, 3, stride=2, padding=1), SIGNAL),
    "Conv1d, circular": (lambda: nn.Conv1d(4, 3, 3, padding=1, padding_mode="circular"), SIGNAL),
    "Conv2d": (lambda: nn.Conv2d(4, 3, 3), IMAGE),
    "Conv2d, groups": (lambda: nn.Conv2d(4, 4, 3, groups=2, dilation=2, bias=False), IMAGE),
    "Conv3d": (lambda: nn.Conv3d(2, 2, 2), VOLUME),
    "ConvTranspose1d": (lambda: nn.ConvTranspose1d(4, 2, 3), SIGNAL),
    "ConvTranspose2d": (lambda: nn.ConvTranspose2d(4, 2, 3, stride=2), IMAGE),
    "ConvTranspose3d": (lambda: nn.ConvTranspose3d(2, 1, 2), VOLUME),
    "AvgPool1d": (lambda: nn.AvgPool1d(2), SIGNAL),
    "AvgPool2d": (lambda: nn.AvgPool2d(2, padding=1), IMAGE),
    "AvgPool3d": (lambda: nn.AvgPool3d(2), VOLUME),
    "AdaptiveAvgPool1d": (lambda: nn.AdaptiveAvgPool1d(3), SIGNAL),
    "AdaptiveAvgPool2d": (lambda: nn.AdaptiveAvgPool2d(2), IMAGE),
    "AdaptiveAvgPool3d": (lambda: nn.AdaptiveAvgPool3d(2), VOLUME),
    "MaxPool1d": (lambda: nn.MaxPool1d(2), SIGNAL),
    "MaxPool2d": (lambda: nn.MaxPool2d(2, stride=1), IMAGE),
    "MaxPool3d": (lambda: nn.MaxPool3d(2), VOLUME),
    "AdaptiveMaxPool1d": (lambda: nn.AdaptiveMaxPool1d(3), SIGNAL),
    "AdaptiveMaxPool2d": (lambda: nn.AdaptiveMaxPool2d(2), IMAGE),
    "LPPool1d": (lambda: nn.LPPool1d(2, 2), SIGNAL),
    "LPPool2d": (lambda: nn.LPPool2d(2, 2), IMAGE),
    "BatchNorm1d": (lambda: settled(nn.BatchNorm1d(6), 6), VECTOR),
    "BatchNorm1d, of signals": (lambda: settled(nn.BatchNorm1d(4), 4, 8), SIGNAL),
    "BatchNorm2d": (lambda: settled(nn.BatchNorm2d(4), 4, 6, 6), IMAGE),
    "BatchNorm3d": (lambda: settled(nn.BatchNorm3d(2, affine=False), 2, 4, 4, 4), VOLUME),
    "InstanceNorm1d": (lambda: nn.InstanceNorm1d(4), SIGNAL),
    "InstanceNorm2d, running": (lambda: settled(nn.InstanceNorm2d(4, track_running_stats=True), 4, 6, 6), IMAGE),
    "LayerNorm": (lambda: nn.LayerNorm(6), VECTOR),
    "LayerNorm, of tokens": (lambda: nn.LayerNorm(4), TOKENS),
    "RMSNorm": (lambda: nn.RMSNorm(6), VECTOR),
    "GroupNorm": (lambda: nn.GroupNorm(2, 4), IMAGE),
    "LocalResponseNorm": (lambda: nn.LocalResponseNorm(2), IMAGE),
    **DROPOUTS,
    "Flatten": (nn.Flatten, IMAGE),
    "Unflatten": (lambda: nn.Unflatten(1, (2, 3)), VECTOR),
    "ZeroPad2d": (lambda: nn.ZeroPad2d(1), IMAGE),
    "ReflectionPad1d": (lambda: nn.ReflectionPad1d(2), SIGNAL),
    "ReplicationPad2d": (lambda: nn.ReplicationPad2d(1), IMAGE),
    "CircularPad2d": (lambda: nn.CircularPad2d(1), IMAGE),
    "ConstantPad1d": (lambda: nn.ConstantPad1d(1, 0.5), SIGNAL),
    "PixelShuffle": (lambda: nn.PixelShuffle(2), IMAGE),
    "PixelUnshuffle": (lambda: nn.PixelUnshuffle(2), IMAGE),
    "ChannelShuffle": (lambda: nn.ChannelShuffle(2), IMAGE),
    "Upsample, nearest": (lambda: nn.Upsample(scale_factor=2), IMAGE),
    "Upsample, bilinear": (lambda: nn.Upsample(scale_factor=1.5, mode="bilinear"), IMAGE),
    "Unfold": (lambda: nn.Unfold(2), IMAGE),
    "Fold": (lambda: nn.Fold((3, 3), 2), (8, 4)),
    "TransformerEncoderLayer": (lambda: nn.TransformerEncoderLayer(4, 2, 8, batch_first=True), TOKENS),
    "TransformerEncoderLayer, norm first": (
        lambda: nn.TransformerEncoderLayer(4, 2, 8, batch_first=True, norm_first=True, activation="gelu"),
        TOKENS,
    ),
    "subclass of Linear": (lambda: Positive(6, 4), VECTOR),
    "subclass of Tanh": (ScaledActivation, VECTOR),
    "subclass of Sigmoid": (NotPointwise, VECTOR),
    "subclass of BatchNorm1d": (lambda: CenteredNorm(6), VECTOR),
    "subclass of Conv1d": (lambda: Padded(4, 3, 3), SIGNAL),
    "subclass of Sequential": (lambda: Skip(nn.Linear(6, 6), nn.Tanh()), VECTOR),
    "subclass of Sequential, backwards": (lambda: Backwards(nn.Linear(6, 3), nn.Tanh()), VECTOR),
    "subclass of Sequential, called": (lambda: Called(nn.Linear(6, 3), nn.Tanh()), VECTOR),
    "subclass of Sequential, named": (lambda: Named(nn.Linear(6, 3), nn.Tanh()), VECTOR),
    "LoRA": (lambda: LowRank(nn.Linear(6, 4)), VECTOR),
    "LoRA, subclass": (lambda: LowRankLinear(6, 4), VECTOR),
    "masked": (lambda: Masked(6, 4), VECTOR),
    "odd names": (lambda: OddNames(6), VECTOR),
    "hook on Linear": (lambda: hooked(nn.Linear(6, 4), lambda m, i, y: 3 * y), VECTOR),
    "hook on Tanh": (lambda: hooked(nn.Tanh(), lambda m, i, y: y**2), VECTOR),
    "hook on BatchNorm1d": (lambda: hooked(settled(nn.BatchNorm1d(6), 6), lambda m, i, y: y * i[0]), VECTOR),
    "hook before Linear": (lambda: hooked(nn.Linear(6, 4), before=lambda m, i: (torch.sin(i[0]),)), VECTOR),
    "hook before Flatten": (lambda: hooked(nn.Flatten(), before=lambda m, i: (i[0] ** 2,)), IMAGE),
    "hook on Sequential": (lambda: hooked(nn.Sequential(nn.Linear(6, 4), nn.Tanh()), lambda m, i, y: 2 * y), VECTOR),
    "forward of the instance": (lambda: own_forward(nn.Linear(6, 4)), VECTOR),
    "weight norm": (lambda: parametrizations.weight_norm(nn.Linear(6, 4)), VECTOR),
    "weight norm, Conv2d": (lambda: parametrizations.weight_norm(nn.Conv2d(4, 3, 3)), IMAGE),
    "spectral norm": (lambda: parametrizations.spectral_norm(nn.Linear(6, 4)), VECTOR),
    "orthogonal": (lambda: parametrizations.orthogonal(nn.Linear(6, 4)), VECTOR),
    "symmetric": (lambda: parametrised(nn.Linear(6, 6), Symmetric()), VECTOR),
    "pruned": (lambda: pruned(nn.Linear(6, 4)), VECTOR),
    "pruned bias": (lambda: pruned(nn.Linear(6, 4), "bias"), VECTOR),
    "pruned Conv2d": (lambda: pruned(nn.Conv2d(4, 3, 3)), IMAGE),
    "in place": (InPlace, VECTOR),
    "gated": (lambda: Gated(6), VECTOR),
    "shared": (lambda: Shared(6), VECTOR),
    "branches": (lambda: Branches(6), VECTOR),
    "attention": (lambda: Attention(4), TOKENS),
    "attention, causal": (lambda: Attention(4, True), TOKENS),
    "self-attention": (lambda: SelfAttention(4), TOKENS),
    **{f"last state of {k.__name__}": (lambda k=k: Recurrent(k), (5, 2)) for k in (nn.RNN, nn.GRU, nn.LSTM)},
    **{k.__name__: (lambda k=k: Cell(k), (2,)) for k in (nn.RNNCell, nn.GRUCell, nn.LSTMCell)},
    "Fourier": (lambda: Function(lambda x: torch.fft.rfft(x).abs()), VECTOR),
    "backward alone": (lambda: Function(Backward.apply), VECTOR),
    "norm": (lambda: Function(lambda x: x / x.norm(dim=-1, keepdim=True)), VECTOR),
    "sort": (lambda: Function(lambda x: x.sort(-1).values), VECTOR),
    "cumulative": (lambda: Function(lambda x: x.cumsum(-1).logcumsumexp(-1)), VECTOR),
    "einsum": (lambda: Function(lambda x: torch.einsum("bi,bj->bij", x, x)), VECTOR),
    "where": (lambda: Function(lambda x: torch.where(x > 0, x.sin(), x**2)), VECTOR),
    "exponential": (lambda: Function(lambda x: x.exp() + x.erf() - torch.atan(x)), VECTOR),
    "determinant": (lambda: Function(lambda x: torch.linalg.inv(x + 3 * torch.eye(3).to(x))), (3, 3)),
}
