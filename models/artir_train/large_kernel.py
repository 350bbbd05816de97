"""The dynamic large kernel: a K x K kernel made for each pixel, computed without building it.

X' is one map [N, 1, H, W]; the kernel at pixel p is w[p, k] = a[k] X'[p] + b[k], so that

    Xs[p] = sum_k (a[k] X'[p] + b[k]) X'[p+k] = X'[p] (a * X')[p] + (b * X')[p]

exactly: two static correlations of one channel, zero padding, taps in row-major order.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# PyTorch's 63x63 convolution is the slowest operation of a training step. At 15x15 it is still
# faster than the spectra (measured on two CPU cores).
FFT_ABOVE = 30


def fast_length(least: int) -> int:
    """The smallest even 2^i 3^j 5^k >= ``least``: every FFT library is fast at such lengths."""
    length = max(2, least + least % 2)
    while True:
        rest = length
        for prime in (2, 3, 5):
            while rest % prime == 0:
                rest //= prime
        if rest == 1:
            return length
        length += 2


def correlate_direct(x: Tensor, taps: Tensor) -> Tensor:
    """Correlations of x [N, 1, H, W] with taps [M, K, K], zero padding: [N, M, H, W]."""
    return F.conv2d(x, taps[:, None], padding=taps.shape[-1] // 2)


def correlate_fft(x: Tensor, taps: Tensor) -> Tensor:
    """The same as :func:`correlate_direct`, by the product of the spectra."""
    height, width = x.shape[-2:]
    size = taps.shape[-1]
    radius = size // 2
    # A circular length of H + K//2 is enough: wrapped values land in rows that are cropped away.
    shape = (
        fast_length(max(height + radius, size)),
        fast_length(max(width + radius, size)),
    )
    spectrum = torch.fft.rfft2(x, s=shape) * torch.fft.rfft2(taps.flip(-1, -2), s=shape)
    full = torch.fft.irfft2(spectrum, s=shape)
    return full[..., radius : radius + height, radius : radius + width]


def correlate(x: Tensor, taps: Tensor) -> Tensor:
    """Correlations of x [N, 1, H, W] with taps [M, K, K], the faster of both ways: [N, M, H, W]."""
    return correlate_fft(x, taps) if taps.shape[-1] > FFT_ABOVE else correlate_direct(x, taps)


def in_full_precision(x: Tensor) -> Tensor:
    """x as float32, or float64 if it is that already."""
    return x if x.dtype == torch.float64 else x.float()


class DynamicLargeKernel(nn.Module):
    """Xs of the module's formula: [N, 1, H, W] in and out. Exported as the op of the same name.

    Starts as Xs = X'. PyTorch's default (fan-in 1) would start taps at up to 1 everywhere, and taps
    that training patches never reach would keep those values.
    """

    def __init__(self, kernel_size: int):
        super().__init__()
        self.kernel_size = kernel_size
        self.a = nn.Parameter(torch.zeros(kernel_size**2))
        self.b = nn.Parameter(delta(kernel_size))

    def forward(self, x: Tensor) -> Tensor:
        # Always in f32: a bf16 sum over thousands of taps, or a bf16 spectrum, loses the image.
        with torch.autocast(x.device.type, enabled=False):
            x = in_full_precision(x)
            taps = torch.stack([self.a, self.b]).view(2, self.kernel_size, self.kernel_size)
            scaled, added = correlate(x, taps).split(1, dim=1)
            return x * scaled + added


class StaticLargeKernel(nn.Module):
    """The ablation: one K x K kernel for all pixels, [N, 1, H, W] in and out."""

    def __init__(self, kernel_size: int):
        super().__init__()
        self.kernel_size = kernel_size
        self.b = nn.Parameter(delta(kernel_size))

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            taps = self.b.view(1, self.kernel_size, self.kernel_size)
            return correlate(in_full_precision(x), taps)


def delta(kernel_size: int) -> Tensor:
    """The taps [K*K] that leave an image as it is: 1 in the centre, 0 elsewhere."""
    taps = torch.zeros(kernel_size**2)
    taps[kernel_size**2 // 2] = 1.0
    return taps
