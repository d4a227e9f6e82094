"""One torch module as a map: with analytic tangents for known types, else by automatic differentiation.

The class alone does not determine what a module computes: a subclass has its own forward, a hook changes the output, a
parametrisation or pruning the weights.  Analytic tangents are therefore used for exactly the types named here, without
any of these; all other modules are differentiated automatically at every application.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy, deepcopy
from types import FunctionType
from typing import Any

import torch
from torch import nn
from torch.func import functional_call, jvp
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.modules import module as torch_module
from torch.nn.utils import parametrize

from cocycle.arrays import tolerances
from cocycle.autodiff import Autodiff
from cocycle.maps import Dual
from cocycle.networks.activations import LINEAR, RELU, SIGMOID, TANH, Activation
from cocycle.networks.layers import Layer, Pointwise
from cocycle.networks.weights import followed
from cocycle.slopes import slopes_from_fields

ACTIVATIONS: dict[type[nn.Module], Activation] = {
    nn.Tanh: TANH,
    nn.ReLU: RELU,
    nn.Sigmoid: SIGMOID,
    nn.Identity: LINEAR,
}
POINTWISE = (nn.LogSigmoid, nn.Softplus, nn.Softsign, nn.GELU, nn.SiLU, nn.Mish, nn.ELU, nn.CELU, nn.SELU,
             nn.LeakyReLU, nn.Hardtanh, nn.Hardsigmoid, nn.Hardswish, nn.Tanhshrink)  # fmt: skip


def global_hooks() -> list[Any]:
    """The hooks that torch calls for all modules."""
    everywhere = (
        torch_module._global_forward_hooks,
        torch_module._global_forward_pre_hooks,
        torch_module._global_backward_hooks,
        torch_module._global_backward_pre_hooks,
    )
    return [hook for hooks in everywhere for hook in hooks.values()]


def is_plain(module: nn.Module) -> bool:
    """Whether calling the module runs only the forward of its class: it has no hook, and there are no global hooks."""
    hooks = (module._forward_hooks, module._forward_pre_hooks, module._backward_hooks, module._backward_pre_hooks)
    replaced = any(name in vars(module) for name in ("forward", "__call__", "_call_impl"))
    return not any(hooks) and not global_hooks() and not replaced


def is_chain(module: nn.Module) -> bool:
    """Whether the module is the composition of its children: a Sequential, or a subclass with the same forward."""
    if not isinstance(module, nn.Sequential) or not is_plain(module):
        return False
    kind = type(module)
    return kind.forward is nn.Sequential.forward and kind.__call__ is nn.Module.__call__


def flattened(network: Any) -> Iterator[nn.Module]:
    """The modules that the network applies in sequence."""
    if not is_chain(network):
        yield network
        return
    for module in network:  # not .children(), which yields a repeated module once
        yield from flattened(module)


def chains(network: Any) -> Iterator[tuple[nn.Module, tuple[nn.Module, ...]]]:
    """The Sequentials that `flattened` expands, each with its present modules."""
    if is_chain(network):
        yield network, tuple(network)
        for module in network:
            yield from chains(module)


def is_known(module: nn.Module, kinds: tuple[type[nn.Module], ...] | dict) -> bool:
    """Whether the module is exactly of one of the types, without hooks or a replaced forward."""
    return type(module) in kinds and is_plain(module)


def is_torch(module: nn.Module) -> bool:
    """Whether the class is one of torch's layers, parametrised or not."""
    kind = type(module).__mro__[1 if parametrize.is_parametrized(module) else 0]
    return kind.__module__.startswith(("torch.nn.modules.", "torch.nn.utils."))


def require_evaluation(network: nn.Module, state: str = "is in training mode") -> None:
    """Raise ValueError if a module that behaves differently in training is in training mode.

    Code of torch's modules shows which do so; a user's module is assumed to.
    """
    for module in network.modules():
        if module.training and (not is_torch(module) or _reads_mode(type(module))):
            raise ValueError(f"network must be in evaluation mode, network.eval(): its {type(module).__name__} {state}")


def _reads_mode(kind: type) -> bool:
    """Whether code of the class or of its bases reads `training`, as that of dropout and normalisations does."""
    classes = [base for base in kind.__mro__ if base not in (nn.Module, object)]
    functions = [f for base in classes for f in vars(base).values() if isinstance(f, FunctionType)]
    return any("training" in f.__code__.co_names for f in functions)


def require_no_backward_hooks(network: nn.Module) -> None:
    """Raise ValueError if there are backward hooks: they can change the gradients, and with them the adjoint."""
    for module in network.modules():
        if module._backward_hooks or module._backward_pre_hooks:
            raise ValueError(f"network must have no backward hooks; its {type(module).__name__} has one: remove it")


def parts_of(modules: list[nn.Module], shapes: list[tuple[int, ...]]) -> list[Dual]:
    """The modules, with inputs of given shapes, as maps of flat states; a Linear and its activation make one map."""
    parts: list[Dual] = []
    pairs: list[tuple[Any, tuple[int, ...]]] = list(zip(modules, shapes, strict=True))
    while pairs:
        module, shape = pairs.pop(0)
        if is_known(module, (nn.Linear,)) and len(shape) == 1:
            follows = bool(pairs) and is_known(pairs[0][0], ACTIVATIONS)
            activation = ACTIVATIONS[type(pairs.pop(0)[0])] if follows else LINEAR
            bias = 0.0 if module.bias is None else followed(module.bias)
            parts.append(Layer(followed(module.weight), bias, activation, dt=0.0))
        elif is_known(module, ACTIVATIONS):
            parts.append(Pointwise(ACTIVATIONS[type(module)], 0.0))
        elif is_known(module, POINTWISE):
            parts.append(Pointwise(_activation(module), 0.0))
        else:
            parts.append(Autodiff(on_flat(module, shape), 0.0))
    return parts


def _activation(module: Any) -> Activation:
    if getattr(module, "inplace", False):  # an in-place derivative is computed from the output
        module = copy(module)
        module.inplace = False

    def value(field):
        return module(field)

    def slope(field):
        """g'(b) of all units in one product: each output depends only on its own input."""
        with slopes_from_fields():
            return jvp(value, (field,), (torch.ones_like(field),))[1]

    return Activation(type(module).__name__, value, slope)


def on_flat(module: nn.Module, shape: tuple[int, ...]) -> Callable[[torch.Tensor], torch.Tensor]:
    """`module` as a function of flat states (*batch, n), with its weights at the time of the call."""

    def applied(x):
        x, batch = x.reshape(-1, *shape), x.shape[:-1]
        with without_fused_attention(module):
            if any(isinstance(part, torch.jit.ScriptModule) for part in module.modules()):
                y = module(x)  # its weights cannot be replaced by detached ones
            else:
                own = {name: followed(p) for name, p in (*module.named_parameters(), *module.named_buffers())}
                y = functional_call(module, own, (x,))
        return y.reshape(*batch, -1) if isinstance(y, torch.Tensor) else y

    return applied


@contextmanager
def without_fused_attention(module: nn.Module) -> Iterator[None]:
    """Fused attention kernels have no forward-mode derivative, or none for batches."""
    if is_torch(module) and not any(isinstance(part, nn.MultiheadAttention) for part in module.modules()):
        yield
        return
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


def require_repeatable(y: torch.Tensor, again: torch.Tensor, name: str) -> None:
    """Raise ValueError unless two calls gave the same values."""
    if not torch.equal(y, again) and not torch.allclose(y, again, equal_nan=True):
        raise ValueError(f"{name} must give the same values at every call; it is random, or has an internal state")


def require_separate(alone: torch.Tensor, among: torch.Tensor, rounding: float, name: str) -> None:
    """Raise ValueError unless an input has the same output alone and among others, up to rounding: batches of different
    size sum in different order."""
    if not torch.allclose(among, alone, rtol=rounding, atol=rounding * float(alone.abs().max()), equal_nan=True):
        raise ValueError(
            f"{name} must treat the inputs of a batch separately; it mixes them (of attention, set batch_first=True)"
        )


def require_true_derivative(module: nn.Module, as_map: Callable[[nn.Module], Dual], x: torch.Tensor, name: str) -> None:
    """Raise ValueError if torch's derivative of the module at inputs x (batch, ...) differs from finite differences.

    A detach, a no_grad or a backward of its own inside the module make tangents and cotangents those of another
    function.  Differences are taken in double precision with two step sizes: where these disagree, as at a kink,
    nothing is concluded.
    """
    try:
        twin = deepcopy(module).double()
    except Exception:  # without a copy it cannot be checked
        return
    f, x = as_map(twin), x.double().reshape(len(x), -1)
    direction = torch.linspace(1, 2, x.numel(), dtype=x.dtype, device=x.device).cos().reshape(x.shape)
    x = x + 0.01 * direction  # away from zero, where many functions have a kink
    step = tolerances(x.dtype).difference_step * float(x.abs().max())
    try:
        y, pushed = (a.detach() for a in f.tangent(x, direction[..., None]))
        along = torch.linspace(2, 3, y.numel(), dtype=x.dtype, device=x.device).sin().reshape(y.shape)
        pulled = (f.cotangent(x, along[..., None])[..., 0].detach() * direction).sum(-1)
        with torch.no_grad():
            rough, fine = ((f(x + h * direction) - f(x - h * direction)) / (2 * h) for h in (step, step / 10))
    except (RuntimeError, ValueError, TypeError):
        return  # the error is raised again when the map is used
    pushed = pushed[..., 0]
    size = fine.abs().sum(-1) + 1e-6 * y.abs().sum(-1)
    steady = (rough - fine).abs().sum(-1) <= 1e-3 * size
    for missed in ((pushed - fine).abs().sum(-1), (pulled - (along * pushed).sum(-1)).abs()):
        if (missed > 5e-3 * size)[steady].any():
            share = float((missed / size)[steady].max())
            raise ValueError(
                f"{name} must have the derivative that torch computes; a detach or a backward of its own inside it"
                f" makes a relative difference of {share:.2g}, and exponents would be those of another network"
            )
