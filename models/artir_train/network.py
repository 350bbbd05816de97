"""ArtIR: a three-level U-shaped network with large kernels only at the lowest resolution."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .blocks import Block, pointwise
from .config import Config

__all__ = ["ArtIR", "Config", "parameter_count"]


def convolution(inputs: int, outputs: int, stride: int = 1, bias: bool = False) -> nn.Conv2d:
    """A 3x3 convolution with zero padding."""
    return nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=bias)


class Upsample(nn.Module):
    """Twice the size by bilinear interpolation (half-pixel centres), then a 3x3 convolution."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.conv = convolution(inputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False))


class ArtIR(nn.Module):
    """The network that restores an image: [N, Cin, H, W] in and out, H and W multiples of 4.

    Values are on the scale of the training data, about 0 to 1. A fresh network has every residual
    scale at 0, so that its blocks do nothing yet.
    """

    multiple = 4

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        first, second, third, refinement = config.depths
        width = config.width

        def stage(count: int, channels: int, kind: str = config.base) -> nn.Sequential:
            return nn.Sequential(*(Block(kind, channels, config) for _ in range(count)))

        self.head = convolution(config.in_channels, width, bias=True)
        self.encoder1 = stage(first, width)
        self.down1 = convolution(width, 2 * width, stride=2)
        self.encoder2 = stage(second, 2 * width)
        self.down2 = convolution(2 * width, 4 * width, stride=2)
        self.encoder3 = stage(third, 4 * width, config.mixer)
        self.decoder3 = stage(third, 4 * width, config.mixer)
        self.up2 = Upsample(4 * width, 2 * width)
        self.merge2 = pointwise(4 * width, 2 * width, bias=False)
        self.decoder2 = stage(second, 2 * width)
        self.up1 = Upsample(2 * width, width)
        self.merge1 = pointwise(2 * width, width, bias=False)
        self.decoder1 = stage(first, width)
        self.refinement = stage(refinement, width)
        self.tail = convolution(width, config.in_channels, bias=True)

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[-2] % self.multiple or x.shape[-1] % self.multiple:
            raise ValueError(
                f"height and width must be multiples of {self.multiple}, got {tuple(x.shape)}: "
                "pad by reflection and crop"
            )
        # The first and last convolution keep full precision under autocast. In bf16, CT values
        # would have steps of 4 to 8 HU.
        with torch.autocast(x.device.type, enabled=False):
            start = self.head(x).contiguous(memory_format=torch.channels_last)
        level1 = self.encoder1(start)
        level2 = self.encoder2(self.down1(level1))
        level3 = self.decoder3(self.encoder3(self.down2(level2)))
        y = self.decoder2(self.merge2(torch.cat([self.up2(level3), level2], dim=1)))
        y = self.decoder1(self.merge1(torch.cat([self.up1(y), level1], dim=1)))
        y = self.refinement(y)
        with torch.autocast(x.device.type, enabled=False):
            return x + self.tail(y.to(x.dtype))


def parameter_count(model: nn.Module) -> int:
    """The number of trainable parameters."""
    return sum(parameter.numel() for parameter in model.parameters())
