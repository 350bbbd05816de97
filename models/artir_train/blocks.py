"""The blocks of ArtIR: a spatial mixer and a gated feed-forward network, each with a residual.

All maps are [N, C, H, W]. Sizes and formulas follow the paper "Large Kernel Network for Image
Restoration"; what it leaves open is chosen to reproduce its Tables 14 and 15.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .config import Config
from .large_kernel import DynamicLargeKernel, StaticLargeKernel, in_full_precision


def pointwise(inputs: int, outputs: int, bias: bool = True) -> nn.Conv2d:
    """A 1x1 convolution."""
    return nn.Conv2d(inputs, outputs, 1, bias=bias)


def depthwise(channels: int, size: int, dilation: int = 1, bias: bool = True) -> nn.Conv2d:
    """A size x size convolution of each channel with a kernel of its own, same size out."""
    padding = dilation * (size // 2)
    return nn.Conv2d(
        channels, channels, size, padding=padding, dilation=dilation, groups=channels, bias=bias
    )


def scaled(layer: nn.Conv2d, x: Tensor, scale: Tensor) -> Tensor:
    """A 1x1 convolution's result times ``scale`` [1, C, 1, 1].

    The weights are scaled instead of the map, which saves one pass over it, and two backward.
    """
    factor = scale.view(-1, 1, 1, 1)
    bias = None if layer.bias is None else layer.bias * factor.flatten()
    return F.conv2d(x, layer.weight * factor, bias)


def gate(local: nn.Conv2d, x: Tensor, gelu: bool) -> Tensor:
    """The halves a, b of a depth-wise 3x3 convolution: ``a * b``, or ``GELU(a) * b``."""
    first, second = local(x).chunk(2, dim=1)
    return (F.gelu(first) if gelu else first) * second


class ChannelNorm(nn.Module):
    """Layer norm over the channels at each pixel."""

    eps = 1e-6

    def __init__(self, channels: int):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        centred = x - x.mean(1, keepdim=True)
        variance = centred.square().mean(1, keepdim=True)
        scale = self.weight.view(1, -1, 1, 1)
        return centred * torch.rsqrt(variance + self.eps) * scale + self.bias.view(1, -1, 1, 1)


class GatedFeedForward(nn.Module):
    """a, b = split(DW3x3(1x1(C -> 6C))); 1x1(GELU(a) b), 3C -> C; exact GELU, no biases."""

    expansion = 3

    def __init__(self, channels: int):
        super().__init__()
        hidden = self.expansion * channels
        self.expand = pointwise(channels, 2 * hidden, bias=False)
        self.local = depthwise(2 * hidden, 3, bias=False)
        self.project = pointwise(hidden, channels, bias=False)

    def forward(self, x: Tensor, scale: Tensor) -> Tensor:
        return scaled(self.project, gate(self.local, self.expand(x), gelu=True), scale)


class SplitMultiply(nn.Module):
    """SMA: p1, p2 = split(DW3x3(1x1(C -> 2C))); 1x1(far(p1) p2).

    ``far`` is the identity in the paper's network; its ablations use a large operator.
    """

    def __init__(self, channels: int, far: nn.Module | None = None):
        super().__init__()
        self.expand = pointwise(channels, 2 * channels)
        self.local = depthwise(2 * channels, 3)
        self.far = far
        self.project = pointwise(channels, channels)

    def forward(self, x: Tensor, scale: Tensor) -> Tensor:
        x = self.expand(x)
        if self.far is None:
            return scaled(self.project, gate(self.local, x, gelu=False), scale)
        first, second = self.local(x).chunk(2, dim=1)
        return scaled(self.project, self.far(first) * second, scale)


class ConvolutionMixer(nn.Module):
    """The ablation of SMA: one 1x1 reduction, 2C -> C, for split, product and projection."""

    def __init__(self, channels: int):
        super().__init__()
        self.expand = pointwise(channels, 2 * channels)
        self.local = depthwise(2 * channels, 3)
        self.reduce = pointwise(2 * channels, channels)

    def forward(self, x: Tensor, scale: Tensor) -> Tensor:
        return scaled(self.reduce, self.local(self.expand(x)), scale)


class DecomposedKernel(nn.Module):
    """The ablation of a large kernel as 13x13, then 9x9 of dilation 7, then 1x1."""

    def __init__(self, channels: int):
        super().__init__()
        self.near = depthwise(channels, 13)
        self.wide = depthwise(channels, 9, dilation=7)
        self.mix = pointwise(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.mix(self.wide(self.near(x)))


class FrequencyMixer(nn.Module):
    """The ablation in the frequency domain: 1x1 over the real and imaginary parts, 2C -> 2C."""

    def __init__(self, channels: int):
        super().__init__()
        self.mix = pointwise(2 * channels, 2 * channels)

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            spectrum = torch.fft.rfft2(in_full_precision(x), norm="ortho")
            mixed = self.mix(torch.cat([spectrum.real, spectrum.imag], dim=1))
            real, imaginary = mixed.chunk(2, dim=1)
            return torch.fft.irfft2(torch.complex(real, imaginary), s=x.shape[-2:], norm="ortho")


class Collapse(nn.Module):
    """[N, C, H, W] to the one map X' [N, 1, H, W] that the large kernel works on."""

    def __init__(self, kind: str):
        super().__init__()
        self.kind = kind
        if kind == "max_avg":
            self.fuse = nn.Conv2d(2, 1, 7, padding=3, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        if self.kind == "mean":
            return x.mean(1, keepdim=True)
        if self.kind == "last":
            return x[:, -1:]
        highest = x.amax(1, keepdim=True)
        if self.kind == "max":
            return highest
        return self.fuse(torch.cat([highest, x.mean(1, keepdim=True)], dim=1))


class LargeKernelModulation(nn.Module):
    """LKM: out = Xs X Wc, Xs by the large kernel from X', Wc [N, C, 1, 1] the channel weights.

    Light attention makes Wc from the mean of X' alone, full attention from the means of all
    channels. Wc's bias starts at 1, so that the gate starts open.
    """

    def __init__(self, channels: int, kernel_size: int, config: Config):
        super().__init__()
        self.collapse = Collapse(config.collapse)
        large = DynamicLargeKernel if config.kernel == "dynamic" else StaticLargeKernel
        self.kernel = large(kernel_size)
        self.attention = config.attention
        if config.attention != "none":
            self.weigh = pointwise(1 if config.attention == "light" else channels, channels)
            nn.init.ones_(self.weigh.bias)

    def forward(self, x: Tensor) -> Tensor:
        collapsed = self.collapse(x)
        out = self.kernel(collapsed) * x
        if self.attention == "none":
            return out
        source = collapsed if self.attention == "light" else x
        return out * self.weigh(source.mean((2, 3), keepdim=True))


class Duplicate(nn.Module):
    """[N, C, H, W] to [N, 2C, H, W]: every channel twice, in place."""

    def forward(self, x: Tensor) -> Tensor:
        count, channels, height, width = x.shape
        twice = x[:, :, None].expand(count, channels, 2, height, width)
        return twice.reshape(count, 2 * channels, height, width)


class LargeKernelMixer(nn.Module):
    """LKFM: N segments in a cascade, each step with a larger kernel and twice the channels.

    F' = 1x1(C -> 2C), split into [C/2^(N-2), C/2^(N-2), ..., C/2, C]; z = F1; then for each of the
    N - 1 others z = LKM(z) DW3x3(F), doubled and passed through DW7x7 before the next step.
    """

    def __init__(self, channels: int, config: Config):
        super().__init__()
        last = config.segments - 1
        widths = [channels >> (last - i) for i in range(1, last + 1)]
        self.widths = [widths[0], *widths]
        self.expand = pointwise(channels, 2 * channels)
        self.large = nn.ModuleList(
            LargeKernelModulation(width, size, config)
            for width, size in zip(widths, config.kernel_sizes(), strict=True)
        )
        self.local = nn.ModuleList(depthwise(width, 3) for width in widths)
        self.widen = nn.ModuleList(
            Duplicate() if config.expansion == "copy" else pointwise(width, 2 * width)
            for width in widths[:-1]
        )
        self.refine = nn.ModuleList(depthwise(2 * width, 7) for width in widths[:-1])
        self.project = pointwise(channels, channels)

    def forward(self, x: Tensor, scale: Tensor) -> Tensor:
        mixed, *segments = self.expand(x).split(self.widths, dim=1)
        for step, segment in enumerate(segments):
            mixed = self.large[step](mixed) * self.local[step](segment)
            if step < len(self.refine):
                mixed = self.refine[step](self.widen[step](mixed))
        return scaled(self.project, mixed, scale)


def make_mixer(kind: str, channels: int, config: Config) -> nn.Module:
    """The spatial mixer of a name in ``config.CHOICES``."""
    if kind == "lkfm":
        return LargeKernelMixer(channels, config)
    if kind == "sma":
        return SplitMultiply(channels)
    if kind == "conv":
        return ConvolutionMixer(channels)
    if kind == "depthwise":
        return SplitMultiply(channels, depthwise(channels, config.largest_kernel))
    if kind == "decomposed":
        return SplitMultiply(channels, DecomposedKernel(channels))
    if kind == "frequency":
        return SplitMultiply(channels, FrequencyMixer(channels))
    raise ValueError(f"unknown mixer {kind!r}")


class Block(nn.Module):
    """y' = y + beta mixer(LN(y)); y'' = y' + gamma FFN(LN(y')). beta and gamma start at 0."""

    def __init__(self, kind: str, channels: int, config: Config):
        super().__init__()
        self.norm1 = ChannelNorm(channels)
        self.mixer = make_mixer(kind, channels, config)
        self.beta = nn.Parameter(torch.zeros(1, channels, 1, 1))
        self.norm2 = ChannelNorm(channels)
        self.feed = GatedFeedForward(channels)
        self.gamma = nn.Parameter(torch.zeros(1, channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.mixer(self.norm1(x), self.beta)
        return x + self.feed(self.norm2(x), self.gamma)
