"""Small copies of the architectures that users have, with heads drawn at random."""

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import nn


class BasicBlock(nn.Module):
    def __init__(self, inputs, outputs, stride=1):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1, self.bn2 = nn.BatchNorm2d(outputs), nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.downsample = None
        if stride > 1 or inputs != outputs:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += x if self.downsample is None else self.downsample(x)
        return self.relu(out)


class ResNet(nn.Module):
    def __init__(self, width=4, classes=3):
        super().__init__()
        self.conv1 = nn.Conv2d(2, width, 3, 1, 1, bias=False)
        self.bn1, self.relu, self.maxpool = nn.BatchNorm2d(width), nn.ReLU(inplace=True), nn.MaxPool2d(2)
        self.layer1 = nn.Sequential(BasicBlock(width, width), BasicBlock(width, width))
        self.layer2 = nn.Sequential(BasicBlock(width, 2 * width, 2), BasicBlock(2 * width, 2 * width))
        self.avgpool, self.fc = nn.AdaptiveAvgPool2d(1), nn.Linear(2 * width, classes)

    def forward(self, x):
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer2(self.layer1(x))
        return self.fc(torch.flatten(self.avgpool(x), 1))


class DeepResNet(nn.Module):
    """ResNet-18: He et al., CVPR 2016."""

    def __init__(self, classes=1000):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1, self.relu, self.maxpool = nn.BatchNorm2d(64), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1)
        widths = (64, 64, 128, 256, 512)
        self.layers = nn.Sequential(
            *[nn.Sequential(BasicBlock(a, b, 1 if a == b else 2), BasicBlock(b, b)) for a, b in pairwise(widths)]
        )
        self.avgpool, self.fc = nn.AdaptiveAvgPool2d(1), nn.Linear(512, classes)

    def forward(self, x):
        x = self.layers(self.maxpool(self.relu(self.bn1(self.conv1(x)))))
        return self.fc(torch.flatten(self.avgpool(x), 1))


class InvertedResidual(nn.Module):
    """Of MobileNetV2: with a shortcut where the shapes allow it."""

    def __init__(self, inputs, outputs, expand):
        super().__init__()
        wide = inputs * expand
        self.shortcut = inputs == outputs
        self.conv = nn.Sequential(
            nn.Sequential(nn.Conv2d(inputs, wide, 1, bias=False), nn.BatchNorm2d(wide), nn.ReLU6(inplace=True)),
            nn.Sequential(nn.Conv2d(wide, wide, 3, 1, 1, groups=wide, bias=False), nn.BatchNorm2d(wide), nn.ReLU6()),
            nn.Conv2d(wide, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )

    def forward(self, x):
        return x + self.conv(x) if self.shortcut else self.conv(x)


class MobileNet(nn.Module):
    def __init__(self):
        super().__init__()
        stem = nn.Sequential(nn.Conv2d(1, 2, 3, 2, 1, bias=False), nn.BatchNorm2d(2), nn.ReLU6(inplace=True))
        self.features = nn.Sequential(stem, InvertedResidual(2, 3, 2), InvertedResidual(3, 3, 2))
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(3, 4))

    def forward(self, x):
        return self.classifier(self.features(x).mean([2, 3]))


class ConvNeXtBlock(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.depthwise = nn.Conv2d(width, width, 3, padding=1, groups=width)
        self.norm, self.up = nn.LayerNorm(width, eps=1e-6), nn.Linear(width, 2 * width)
        self.act, self.down = nn.GELU(), nn.Linear(2 * width, width)
        self.scale = nn.Parameter(torch.full((width,), 0.5))

    def forward(self, x):
        y = self.norm(self.depthwise(x).permute(0, 2, 3, 1))
        return x + (self.scale * self.down(self.act(self.up(y)))).permute(0, 3, 1, 2)


class ConvNeXt(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(1, 3, 2, 2)
        self.stages = nn.ModuleList([ConvNeXtBlock(3), ConvNeXtBlock(3)])
        self.norm, self.head = nn.LayerNorm(3), nn.Linear(3, 2)

    def forward(self, x):
        x = self.stem(x)
        for stage in self.stages:
            x = stage(x)
        return self.head(self.norm(x.mean([-2, -1])))


class Attention(nn.Module):
    def __init__(self, width, heads, causal=False, groups=None):
        super().__init__()
        self.heads, self.causal, self.groups = heads, causal, groups or heads
        self.size = width // heads
        self.q = nn.Linear(width, width)
        self.kv = nn.Linear(width, 2 * self.groups * self.size)
        self.out = nn.Linear(width, width)

    def forward(self, x, rotary=None):
        batch, time, _ = x.shape
        q = self.q(x).view(batch, time, self.heads, self.size).transpose(1, 2)
        k, v = self.kv(x).view(batch, time, 2 * self.groups, self.size).transpose(1, 2).chunk(2, 1)
        if rotary is not None:
            q, k = rotary(q), rotary(k)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=self.causal, enable_gqa=self.groups != self.heads)
        return self.out(y.transpose(1, 2).reshape(batch, time, -1))


class Block(nn.Module):
    """Pre-norm, as in vision transformers and GPT-2."""

    def __init__(self, width, heads, causal=False):
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(width, heads, causal)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(approximate="tanh"), nn.Linear(4 * width, width))
        self.dropout = nn.Dropout(0.1)

    def forward(self, x):
        x = x + self.dropout(self.attention(self.ln_1(x)))
        return x + self.dropout(self.mlp(self.ln_2(x)))


class VisionTransformer(nn.Module):
    def __init__(self, width=4, layers=2, patch=2, size=4):
        super().__init__()
        self.patches = nn.Conv2d(1, width, patch, patch)
        self.token = nn.Parameter(torch.randn(1, 1, width))
        self.position = nn.Parameter(torch.randn(1, (size // patch) ** 2 + 1, width))
        self.encoder = nn.Sequential(*[Block(width, 2) for _ in range(layers)])
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, 3)

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(len(x), -1, -1), x], 1) + self.position
        return self.head(self.norm(self.encoder(x))[:, 0])


class Decoder(nn.Module):
    """As GPT-2: tokens, learned positions, causal attention, a head tied to the embedding."""

    def __init__(self, tokens=11, width=6, layers=3, longest=8, heads=2):
        super().__init__()
        self.wte, self.wpe = nn.Embedding(tokens, width), nn.Embedding(longest, width)
        self.h = nn.ModuleList([Block(width, heads, causal=True) for _ in range(layers)])
        self.ln_f, self.lm_head = nn.LayerNorm(width), nn.Linear(width, tokens, bias=False)
        self.lm_head.weight = self.wte.weight

    def forward(self, input_ids, labels=None):
        x = self.wte(input_ids) + self.wpe(torch.arange(input_ids.shape[1], device=input_ids.device))
        for block in self.h:
            x = block(x)
        return {"loss": None, "hidden": x, "logits": self.lm_head(self.ln_f(x))}


class RMSNorm(nn.Module):
    """As in Llama, computed in single precision."""

    precision = torch.float32

    def __init__(self, width):
        super().__init__()
        self.weight = nn.Parameter(torch.rand(width) + 0.5)

    def forward(self, x):
        kind, x = x.dtype, x.to(self.precision)
        return self.weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6)).to(kind)


class GatedBlock(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.before, self.behind = RMSNorm(width), RMSNorm(width)
        self.attention = Attention(width, 4, causal=True, groups=2)
        self.gate, self.up = nn.Linear(width, 12, bias=False), nn.Linear(width, 12, bias=False)
        self.down = nn.Linear(12, width, bias=False)

    def forward(self, x, rotary):
        x = x + self.attention(self.before(x), rotary)
        y = self.behind(x)
        return x + self.down(F.silu(self.gate(y)) * self.up(y))


class Llama(nn.Module):
    """Rotary positions, grouped queries, gated units."""

    def __init__(self, tokens=11, width=8, layers=2):
        super().__init__()
        self.embed_tokens = nn.Embedding(tokens, width)
        self.layers = nn.ModuleList([GatedBlock(width) for _ in range(layers)])
        self.norm, self.head = RMSNorm(width), nn.Linear(width, tokens, bias=False)

    def forward(self, ids):
        x = self.embed_tokens(ids)
        angle = torch.arange(ids.shape[1], dtype=x.dtype, device=x.device)[:, None]

        def rotary(a):
            left, right = a.chunk(2, -1)
            return torch.cat([left * angle.cos() - right * angle.sin(), right * angle.cos() + left * angle.sin()], -1)

        for layer in self.layers:
            x = layer(x, rotary)
        return self.head(self.norm(x))


class Double(nn.Sequential):
    def __init__(self, inputs, outputs):
        super().__init__(
            nn.Conv2d(inputs, outputs, 3, padding=1), nn.Tanh(), nn.Conv2d(outputs, outputs, 3, padding=1), nn.Tanh()
        )


class UNet(nn.Module):
    """Shortcuts across the whole network."""

    def __init__(self):
        super().__init__()
        self.down1, self.down2, self.bottom = Double(1, 2), Double(2, 3), Double(3, 3)
        self.up2, self.up1, self.out = Double(6, 2), Double(4, 2), nn.Conv2d(2, 1, 1)

    def forward(self, x):
        one = self.down1(x)
        two = self.down2(F.max_pool2d(one, 2))
        y = self.bottom(F.avg_pool2d(two, 2))
        y = self.up2(torch.cat([F.interpolate(y, scale_factor=2, mode="bilinear"), two], 1))
        y = self.up1(torch.cat([F.interpolate(y, scale_factor=2, mode="nearest"), one], 1))
        return self.out(y)


class DenseBlock(nn.Module):
    def __init__(self, inputs, growth, layers):
        super().__init__()
        self.layers = nn.ModuleList([nn.Conv2d(inputs + i * growth, growth, 3, padding=1) for i in range(layers)])

    def forward(self, x):
        parts = [x]
        for layer in self.layers:
            parts.append(torch.tanh(layer(torch.cat(parts, 1))))
        return torch.cat(parts, 1)


class DenseNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.block1 = nn.Conv2d(1, 2, 3, padding=1), DenseBlock(2, 1, 2)
        self.transition = nn.Sequential(nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 2, 1), nn.AvgPool2d(2))
        self.block2, self.fc = DenseBlock(2, 1, 2), nn.Linear(16, 2)

    def forward(self, x):
        return self.fc(self.block2(self.transition(self.block1(self.stem(x)))).flatten(1))


class Perceptron(nn.Module):
    """With a forward of its own: linear, tanh, a residual layer, a shared layer."""

    def __init__(self):
        super().__init__()
        self.fc1, self.shared, self.skip = nn.Linear(3, 5), nn.Linear(5, 5), nn.Linear(5, 5)
        self.act, self.out = nn.Sigmoid(), nn.Linear(5, 2)

    def forward(self, x):
        x = torch.tanh(self.fc1(x))
        x = torch.relu(self.shared(x) + 0.1)
        x = self.act(self.shared(x))
        x = x + torch.tanh(self.skip(x))
        return self.out(x)


class Branches(nn.Module):
    """Two parallel branches, an inner part that gets a mask."""

    def __init__(self):
        super().__init__()
        self.stem, self.a, self.b, self.head = nn.Linear(4, 4), nn.Linear(4, 3), nn.Linear(4, 3), nn.Linear(3, 2)

    def forward(self, x, mask=None):
        x = torch.tanh(self.stem(x))
        y = torch.tanh(self.a(x)) * torch.sigmoid(self.b(x))
        return self.head(y if mask is None else y * mask)


def post_norm():
    block = nn.TransformerEncoderLayer(4, 2, 8, batch_first=True)
    encoder = nn.TransformerEncoder(block, 2, enable_nested_tensor=False)

    class Classifier(nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder, self.head = encoder, nn.Linear(4, 2)

        def forward(self, x):
            return self.head(self.encoder(x).mean(1))

    return Classifier()


def randomised(network, seed=0):
    """All parameters and running statistics drawn at random, in double precision and evaluation mode."""
    generator = torch.Generator().manual_seed(seed)
    network = network.double().eval()
    for name, values in network.named_buffers():
        if values.is_floating_point():
            with torch.no_grad():
                values.copy_(torch.rand(values.shape, generator=generator, dtype=values.dtype) + 0.5 * ("var" in name))
    for p in network.parameters():
        scale = 1 / math.sqrt(p[0].numel()) if p.ndim > 1 else 0.3
        with torch.no_grad():
            p.copy_(scale * torch.randn(p.shape, generator=generator, dtype=p.dtype) + (1 if p.ndim == 1 else 0))
    return network


def numbers(*shape, seed=1):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def tokens(*shape, seed=1):
    return torch.randint(0, 11, shape, generator=torch.Generator().manual_seed(seed))


ARCHITECTURES = {  # a network, an example, the number of its layers
    "resnet": (ResNet, lambda: numbers(2, 2, 6, 6), 6),
    "mobilenet": (MobileNet, lambda: numbers(2, 1, 6, 6), 4),
    "convnext": (ConvNeXt, lambda: numbers(2, 1, 6, 6), 4),
    "vision transformer": (VisionTransformer, lambda: numbers(2, 1, 4, 4), 4),
    "decoder": (Decoder, lambda: tokens(2, 5), 4),
    "llama": (Llama, lambda: tokens(2, 4), 3),
    "unet": (UNet, lambda: numbers(2, 1, 8, 8), 6),
    "densenet": (DenseNet, lambda: numbers(2, 1, 4, 4), 5),
    "perceptron": (Perceptron, lambda: numbers(2, 3), 5),
    "branches": (Branches, lambda: numbers(2, 4), 3),
    "post-norm": (post_norm, lambda: numbers(2, 3, 4), 3),
}
