"""Initial values of the large-kernel mixers, so that training can reach them.

A mixer is a product of a dozen maps. With PyTorch's initial values each factor is about 0.1, the
product about 1e-10 and its gradients about 1e-13. Adam, whose epsilon is 1e-8, then never moves the
mixer's weights: after 17,000 patches they all had their initial values. Here every factor starts
near 1. Half of each large kernel is spread evenly over its taps, so that a mixer uses its
surroundings from the first step.
"""

from __future__ import annotations

import torch
from torch import nn

from .blocks import Block, LargeKernelMixer
from .large_kernel import DynamicLargeKernel, StaticLargeKernel, delta

DEAD = 1e-3
"""A mixer whose output on maps of unit variance is below this has learned nothing."""
WIDEST = 31
"""Width of the middle of a kernel that is not 0 at the start."""


def open_mixers(model: nn.Module) -> None:
    """Gives all large-kernel mixers of a network their initial values."""
    for part in model.modules():
        if isinstance(part, LargeKernelMixer):
            _open(part)


def open_dead_mixers(model: nn.Module) -> int:
    """Initialises mixers with an almost zero output and sets their residual scales to 0. Returns
    their number."""
    count = 0
    for block in model.modules():
        if isinstance(block, Block) and isinstance(block.mixer, LargeKernelMixer):
            if _strength(block) < DEAD:
                _open(block.mixer)
                nn.init.zeros_(block.beta)
                count += 1
    return count


def even(size: int) -> torch.Tensor:
    """Equal taps [K*K] of sum 1 in the middle of a kernel, and 0 beyond.

    A patch of 128 pixels is 32 pixels wide at the kernels' resolution. Taps farther out would
    hardly be trained, but would act on full images.
    """
    reach = min(size, WIDEST) // 2
    axis = (torch.arange(size) - size // 2).abs() <= reach
    taps = (axis[:, None] & axis[None]).float().flatten()
    return taps / taps.sum()


@torch.no_grad()
def _strength(block: Block) -> float:
    """Root mean square of a mixer's output on normalised noise."""
    generator = torch.Generator().manual_seed(0)
    channels = block.beta.shape[1]
    maps = torch.randn(1, channels, 32, 32, generator=generator).to(block.beta)
    result = block.mixer(block.norm1(maps), torch.ones_like(block.beta))
    return float((result - result.mean((2, 3), keepdim=True)).square().mean().sqrt())


@torch.no_grad()
def _open(mixer: LargeKernelMixer) -> None:
    nn.init.kaiming_uniform_(mixer.expand.weight, a=5**0.5)
    mixer.expand.weight.mul_(0.6)
    nn.init.ones_(mixer.expand.bias)
    nn.init.kaiming_uniform_(mixer.project.weight, a=5**0.5)
    nn.init.zeros_(mixer.project.bias)
    for layer, spread in (*((x, 0.1) for x in mixer.local), *((x, 0.02) for x in mixer.refine)):
        size = layer.kernel_size[0]
        nn.init.normal_(layer.weight, std=spread)
        layer.weight[..., size // 2, size // 2] += 1
        nn.init.zeros_(layer.bias)
    for modulation in mixer.large:
        if modulation.attention != "none":
            nn.init.uniform_(modulation.weigh.weight, -0.3, 0.3)
            nn.init.ones_(modulation.weigh.bias)
        kernel = modulation.kernel
        if isinstance(kernel, DynamicLargeKernel | StaticLargeKernel):
            kernel.b.copy_(0.5 * delta(kernel.kernel_size) + 0.5 * even(kernel.kernel_size))
        if isinstance(kernel, DynamicLargeKernel):
            nn.init.zeros_(kernel.a)


FAN_IN = 256
"""Inputs of a usual layer, to which the steps of larger kernels are scaled."""


def parameter_groups(model: nn.Module) -> list[dict]:
    """The network's parameters for an optimiser, with the ``scale`` of their learning rate.

    Adam moves every weight by about the learning rate. If all 3,969 taps of a 63x63 kernel moved by
    it together, each step would change the kernel's result several times over. So the rate of taps
    is lower, the more of them there are.
    """
    taps: dict[int, list[nn.Parameter]] = {}
    for part in model.modules():
        if isinstance(part, DynamicLargeKernel | StaticLargeKernel):
            of_size = taps.setdefault(part.kernel_size, [])
            of_size += [p for name, p in part.named_parameters() if name in "ab"]
    apart = {id(p) for of_size in taps.values() for p in of_size}
    groups = [{"params": [p for p in model.parameters() if id(p) not in apart], "scale": 1.0}]
    for size, params in sorted(taps.items()):
        groups.append({"params": params, "scale": min(1.0, FAN_IN / size**2)})
    return groups
