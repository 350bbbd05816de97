"""Multiply-adds of a network, counted from its configuration.

Counted as in the paper: convolutions, and 2 K^2 a pixel for each large kernel (to make and to apply
it). Norms, gates and resizing are not counted.
"""

from __future__ import annotations

from .config import Config


def multiply_adds(config: Config, height: int, width: int) -> int:
    """Multiply-adds for one image of height x width (multiples of 4)."""
    full = height * width
    half, quarter = full // 4, full // 16
    first, second, third, refinement = config.depths
    c = config.width
    shallow = {"sma": _split_multiply, "conv": _convolution}[config.base]
    total = 2 * full * 9 * config.in_channels * c
    total += (2 * first + refinement) * full * (shallow(c) + _feed(c))
    total += 2 * second * half * (shallow(2 * c) + _feed(2 * c))
    total += 2 * third * (quarter * _feed(4 * c) + _mixer(config, 4 * c, height // 4, width // 4))
    total += half * 9 * c * 2 * c + quarter * 9 * 2 * c * 4 * c
    total += half * (9 * 4 * c * 2 * c + 4 * c * 2 * c) + full * (9 * 2 * c * c + 2 * c * c)
    return total


def _feed(c: int) -> int:
    hidden = 3 * c
    return 2 * hidden * c + 9 * 2 * hidden + hidden * c


def _split_multiply(c: int) -> int:
    return 2 * c * c + 9 * 2 * c + c * c


def _convolution(c: int) -> int:
    return _split_multiply(c) + c * c


def _mixer(config: Config, c: int, height: int, width: int) -> int:
    pixels = height * width
    if config.mixer == "lkfm":
        return _cascade(config, c, pixels)
    if config.mixer == "sma":
        return pixels * _split_multiply(c)
    if config.mixer == "conv":
        return pixels * _convolution(c)
    if config.mixer == "depthwise":
        return pixels * (_split_multiply(c) + config.largest_kernel**2 * c)
    if config.mixer == "decomposed":
        return pixels * (_split_multiply(c) + (169 + 81) * c + c * c)
    # Frequency: a 1x1 convolution of the real and imaginary parts of the half spectrum.
    return pixels * _split_multiply(c) + height * (width // 2 + 1) * 4 * c * c


def _cascade(config: Config, c: int, pixels: int) -> int:
    last = config.segments - 1
    total = pixels * (2 * c * c + c * c)
    for i, size in enumerate(config.kernel_sizes(), start=1):
        width = c >> (last - i)
        applied = 2 if config.kernel == "dynamic" else 1
        total += pixels * (applied * size**2 + 9 * width)
        if config.collapse == "max_avg":
            total += pixels * 2 * 49
        if config.attention == "light":
            total += width
        elif config.attention == "full":
            total += width * width
        if i < last:
            total += pixels * 49 * 2 * width
            if config.expansion == "conv":
                total += pixels * 2 * width * width
    return total
