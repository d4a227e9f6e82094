"""torch's functions whose derivatives torch gets wrong, with the right ones.

Within `slopes_from_fields()` torch.tanh, sigmoid, softmax and similar functions have their usual values, and their
derivatives, forward and backward and of every order, are accurate also where they saturate, because they are computed
from the local field; torch computes them from the output.  Normalisations are computed as they are defined
(`cocycle.normalisations`).  Functions that torch calls inside its C++ code are not replaced: the soft-max inside
`nn.MultiheadAttention`, the gates inside `nn.GRU` and `nn.LSTM` over sequences.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch.overrides import TorchFunctionMode

from cocycle import saturation
from cocycle.normalisations import NORMALISATIONS


def _pointwise(value: Callable, slope: Callable) -> Callable:
    """The elementwise function value(b) with the derivative slope(b)."""

    class Function(torch.autograd.Function):
        @staticmethod
        def forward(b):
            return value(b)

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.save_for_backward(*inputs)
            ctx.save_for_forward(*inputs)

        @staticmethod
        def backward(ctx, *gradients):
            return gradients[0] * slope(ctx.saved_tensors[0])

        @staticmethod
        def jvp(ctx, *tangents):
            return tangents[0] * slope(ctx.saved_tensors[0])

        @staticmethod
        def vmap(info, in_dims, *arguments):
            return Function.apply(*arguments), in_dims[0]

    return Function.apply


def _gelu_slope(b):
    """The slope of b Φ(b), Φ(b) + b φ(b), with Φ the cumulative normal distribution and φ its density."""
    return torch.erfc(-b / math.sqrt(2)) / 2 + b * torch.exp(-(b**2) / 2) / math.sqrt(2 * math.pi)


def _mish_slope(b):
    """The slope of b tanh(ln(1 + exp b))."""
    s = F.softplus(b)
    return torch.tanh(s) + b * saturation.tanh_slope(s) * saturation.sigmoid(b)


tanh = _pointwise(torch.tanh, saturation.tanh_slope)
sigmoid = _pointwise(torch.sigmoid, saturation.sigmoid_slope)
softsign = _pointwise(F.softsign, saturation.softsign_slope)
tanhshrink = _pointwise(F.tanhshrink, saturation.tanhshrink_slope)
silu = _pointwise(F.silu, saturation.silu_slope)
mish = _pointwise(F.mish, _mish_slope)
logsigmoid = _pointwise(F.logsigmoid, lambda b: saturation.sigmoid(-b))
expm1 = _pointwise(torch.expm1, torch.exp)
exact_gelu = _pointwise(F.gelu, _gelu_slope)
tanh_gelu = _pointwise(lambda b: F.gelu(b, approximate="tanh"), saturation.gelu_tanh_slope)


def gelu(b, approximate="none"):
    return tanh_gelu(b) if approximate == "tanh" else exact_gelu(b)


def _relative_to_largest(
    b: torch.Tensor, tangent: torch.Tensor, dim: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """p = softmax(b), tangents relative to that of the largest unit, and their mean over p.

    Where one p is near 1, these differences keep the digits that p (1 - p) loses."""
    p = torch.softmax(b, dim)
    top = b.argmax(dim, keepdim=True)
    relative = tangent - torch.take_along_dim(tangent, top, dim)
    return p, relative, (p * relative).sum(dim, keepdim=True)


def _along_axis(value: Callable, pushed: Callable, pulled: Callable) -> Callable:
    """The function value(b, dim) with the products of its Jacobian, pushed(b, tangent, dim), and of the transpose,
    pulled(b, gradient, dim)."""

    class Function(torch.autograd.Function):
        @staticmethod
        def forward(b, dim):
            return value(b, dim)

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.save_for_backward(inputs[0])
            ctx.save_for_forward(inputs[0])
            ctx.dim = inputs[1]

        @staticmethod
        def backward(ctx, *gradients):
            return pulled(ctx.saved_tensors[0], gradients[0], ctx.dim), None

        @staticmethod
        def jvp(ctx, *tangents):
            return pushed(ctx.saved_tensors[0], tangents[0], ctx.dim)

        @staticmethod
        def vmap(info, in_dims, *arguments):
            b, dim = arguments
            return Function.apply(b.movedim(in_dims[0], 0), dim + 1 if dim >= 0 else dim), 0

    return Function.apply


def _softmax_product(b, tangent, dim):
    """p_i (db_i - Σ p_j db_j), pushed and pulled alike, because the Jacobian is symmetric."""
    p, relative, mean = _relative_to_largest(b, tangent, dim)
    return p * (relative - mean)


def _log_softmax_pushed(b, tangent, dim):
    """db_i - Σ p_j db_j."""
    _, relative, mean = _relative_to_largest(b, tangent, dim)
    return relative - mean


def _log_softmax_pulled(b, gradient, dim):
    """g_i - p_i Σ g; for the largest unit, whose p is near 1, (1 - p) Σ g minus the sum of the other g."""
    p, total = torch.softmax(b, dim), gradient.sum(dim, keepdim=True)
    top = torch.zeros_like(b).scatter(dim, b.argmax(dim, keepdim=True), 1.0)
    others = gradient * (1 - top)
    lacking = (p * (1 - top)).sum(dim, keepdim=True)
    of_largest = -others.sum(dim, keepdim=True) + lacking * total
    return torch.where(top > 0, of_largest, others - p * total)


_softmax = _along_axis(torch.softmax, _softmax_product, _softmax_product)
_log_softmax = _along_axis(torch.log_softmax, _log_softmax_pushed, _log_softmax_pulled)


def softmax(b, dim=None, _stacklevel=3, dtype=None):
    dtype = _stacklevel if isinstance(_stacklevel, torch.dtype) else dtype  # the third argument of torch.softmax
    b = b if dtype is None else b.to(dtype)
    return _softmax(b, _axis(b, dim))


def log_softmax(b, dim=None, _stacklevel=3, dtype=None):
    dtype = _stacklevel if isinstance(_stacklevel, torch.dtype) else dtype
    b = b if dtype is None else b.to(dtype)
    return _log_softmax(b, _axis(b, dim))


def _axis(b, dim):
    """The default axis of torch's soft-max."""
    return dim if dim is not None else (0 if b.ndim in (0, 1, 3) else 1)


def softmin(b, dim=None, _stacklevel=3, dtype=None):
    return softmax(-b, dim, dtype=dtype)


def glu(b, dim=-1):
    left, right = b.chunk(2, dim)
    return left * sigmoid(right)


def attention(query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None, enable_gqa=False):
    """softmax(query keyᵀ scale + mask) value, as defined for torch's scaled_dot_product_attention."""
    if dropout_p:
        raise ValueError(f"dropout_p must be 0 where exponents are computed; got {dropout_p}")
    if enable_gqa:
        key, value = (a.repeat_interleave(query.shape[-3] // a.shape[-3], -3) for a in (key, value))
    scores = query @ key.mT * (query.shape[-1] ** -0.5 if scale is None else scale)
    if is_causal:
        attn_mask = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril()
    if attn_mask is not None:
        boolean = attn_mask.dtype == torch.bool
        scores = scores.masked_fill(~attn_mask, -math.inf) if boolean else scores + attn_mask
        nothing = (scores == -math.inf).all(-1, keepdim=True)  # a query that attends to nothing gets 0
        return softmax(scores.masked_fill(nothing, 0.0), -1).masked_fill(nothing, 0.0) @ value
    return softmax(scores, -1) @ value


def _rnn(activation: Callable) -> Callable:
    def cell(u, h, w, v, b=None, c=None):
        return activation(F.linear(u, w, b) + F.linear(h, v, c))

    return cell


def gru_cell(u, h, w, v, b=None, c=None):
    """(1 - z) n + z h, with 1 - z computed from the field of z."""
    r, z, n = F.linear(u, w, b).chunk(3, -1)
    from_r, from_z, from_n = F.linear(h, v, c).chunk(3, -1)
    field = z + from_z
    return sigmoid(-field) * tanh(n + sigmoid(r + from_r) * from_n) + sigmoid(field) * h


def lstm_cell(u, state, w, v, b=None, c=None):
    h, memory = state
    i, f, g, o = (F.linear(u, w, b) + F.linear(h, v, c)).chunk(4, -1)
    memory = sigmoid(f) * memory + sigmoid(i) * tanh(g)
    return sigmoid(o) * tanh(memory), memory


def _in_place(function: Callable) -> Callable:
    return lambda b, *arguments, **options: b.copy_(function(b.clone(), *arguments, **options))


def _with_option(function: Callable) -> Callable:
    """`function` with an option `inplace` whose derivative is computed from the input, not from the output."""

    def replaced(b, *arguments, inplace=False, **options):
        y = function(b.clone(), *arguments, **options)
        return b.copy_(y) if inplace else y

    return replaced


REPLACED: dict[Any, Callable] = {
    **{f: _with_option(f) for f in (F.elu, F.celu, F.selu)},
    **{place: _in_place(f) for f, place in ((F.elu, F.elu_), (F.celu, torch.celu_), (F.selu, torch.selu_))},
    **dict.fromkeys((torch.expm1, torch.Tensor.expm1, torch.special.expm1), expm1),
    **dict.fromkeys((torch.tanh, torch.Tensor.tanh, F.tanh), tanh),
    **dict.fromkeys((torch.tanh_, torch.Tensor.tanh_), _in_place(tanh)),
    **dict.fromkeys((torch.sigmoid, torch.Tensor.sigmoid, F.sigmoid, torch.special.expit), sigmoid),
    **dict.fromkeys((torch.sigmoid_, torch.Tensor.sigmoid_), _in_place(sigmoid)),
    **dict.fromkeys((torch.softmax, torch.Tensor.softmax, F.softmax, torch.special.softmax), softmax),
    **dict.fromkeys(
        (torch.log_softmax, torch.Tensor.log_softmax, F.log_softmax, torch.special.log_softmax), log_softmax
    ),
    F.softmin: softmin,
    F.softsign: softsign,
    F.tanhshrink: tanhshrink,
    F.logsigmoid: logsigmoid,
    F.gelu: gelu,
    F.glu: glu,
    F.silu: lambda b, inplace=False: _in_place(silu)(b) if inplace else silu(b),
    F.mish: lambda b, inplace=False: _in_place(mish)(b) if inplace else mish(b),
    F.scaled_dot_product_attention: attention,
    torch.rnn_tanh_cell: _rnn(tanh),
    torch.rnn_relu_cell: _rnn(torch.relu),
    torch.gru_cell: gru_cell,
    torch.lstm_cell: lstm_cell,
}


ATEN = torch.ops.aten  # the operations of exported graphs, with arguments of their own order
REPLACED |= {
    ATEN.tanh.default: tanh,
    ATEN.sigmoid.default: sigmoid,
    ATEN.special_expit.default: sigmoid,
    ATEN.expm1.default: expm1,
    ATEN.gelu.default: gelu,
    ATEN.silu.default: silu,
    ATEN.mish.default: mish,
    ATEN.glu.default: glu,
    ATEN.log_sigmoid.default: logsigmoid,
    ATEN.softmax.int: lambda b, dim, dtype=None: softmax(b, dim, dtype=dtype),
    ATEN._softmax.default: lambda b, dim, half: softmax(b, dim),
    ATEN.log_softmax.int: lambda b, dim, dtype=None: log_softmax(b, dim, dtype=dtype),
    ATEN._log_softmax.default: lambda b, dim, half: log_softmax(b, dim),
    ATEN.scaled_dot_product_attention.default: attention,
    **NORMALISATIONS,
}


class slopes_from_fields(TorchFunctionMode):
    """A context in which torch's saturating functions have accurate derivatives."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func not in REPLACED or "out" in kwargs:
            return func(*args, **kwargs)
        named = [kwargs.pop("input")] if "input" in kwargs else []
        return REPLACED[func](*named, *args, **kwargs)
