"""Feed-forward torch networks as dynamical systems whose time is the layer index."""

from torch import nn

from cocycle.autodiff import Autodiff
from cocycle.maps import Map
from cocycle.networks.activations import LINEAR, RELU, TANH, Activation
from cocycle.networks.layers import Layer, Pointwise

ACTIVATIONS: dict[type[nn.Module], Activation] = {
    nn.Tanh: TANH,
    nn.ReLU: RELU,
    nn.Identity: LINEAR,
}


def feedforward(network: nn.Sequential) -> tuple[Map, ...]:
    """The layers of `network` as a tuple of maps, for states that are torch tensors (*batch, n).

    A `Linear` and the pointwise activation after it are one map, one step of "time"; a `Linear` without one is
    affine, an activation alone is pointwise.  Any other module is a step of its own, by automatic differentiation.
    Weights are shared with the network, not copied.

    Raises TypeError if `network` is not an nn.Sequential.
    """
    if not isinstance(network, nn.Sequential):
        raise TypeError(f"network must be a torch.nn.Sequential; got {type(network).__name__}")
    modules = list(network)
    steps: list[Map] = []
    while modules:
        module = modules.pop(0)
        if isinstance(module, nn.Linear):
            follows = type(modules[0]) if modules else None
            activation = ACTIVATIONS[type(modules.pop(0))] if follows in ACTIVATIONS else LINEAR
            bias = 0.0 if module.bias is None else module.bias.detach()
            steps.append(Layer(module.weight.detach(), bias, activation))
        elif type(module) in ACTIVATIONS:
            steps.append(Pointwise(ACTIVATIONS[type(module)]))
        else:
            steps.append(Autodiff(module))
    return tuple(steps)
