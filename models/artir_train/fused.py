"""What a training step on a CPU spends most of its time in, by a small C library (``fused.c``).

It is compiled for the machine at hand when it is first asked for, by the C compiler that
``scripts/bootstrap.sh`` brings. Without a compiler, on a GPU and outside of bf16 autocast, the
blocks do the same with PyTorch's own operations.
"""

from __future__ import annotations

import ctypes
import functools
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import torch
from torch import Tensor

SOURCE = Path(__file__).with_name("fused.c")
LANES = 16
"""Channels that the library works on at a time."""
FLAGS = ("-O3", "-march=native", "-ffast-math", "-fopenmp", "-shared", "-fPIC")


@functools.cache
def library() -> ctypes.CDLL | None:
    """The compiled library, or None where there is no compiler."""
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if compiler is None:
        return None
    # Built anew by every process, in a few seconds: a kept file could be another machine's.
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "fused.so"
        subprocess.run([compiler, *FLAGS, "-o", made, SOURCE, "-lm"], check=True)
        return ctypes.CDLL(made)


def usable(x: Tensor, channels: int) -> bool:
    """Whether a map can go through the library, which works on so many channels."""
    return (
        x.device.type == "cpu"
        and torch.is_autocast_enabled("cpu")
        and channels % LANES == 0
        and library() is not None
    )


def gate(x: Tensor, weight: Tensor, bias: Tensor | None, gelu: bool) -> Tensor:
    """The halves a, b of a depth-wise 3x3 convolution of x: ``a * b``, or ``GELU(a) * b``."""
    return _Gate.apply(x, weight, bias, gelu)


def norm(x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
    """Layer norm over the channels at each pixel, in bf16."""
    return _Norm.apply(x, weight, bias, eps)


def _ready(x: Tensor, kind: torch.dtype) -> Tensor:
    return x.to(kind).contiguous(memory_format=torch.channels_last)


def _map(shape: tuple[int, ...], kind: torch.dtype) -> Tensor:
    return torch.empty(shape, dtype=kind, memory_format=torch.channels_last)


def _at(x: Tensor | None) -> ctypes.c_void_p:
    return ctypes.c_void_p(None if x is None else x.data_ptr())


class _Gate(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight, bias, gelu):
        x, weight = _ready(x, torch.bfloat16), weight.float().contiguous()
        count, channels, height, width = x.shape
        ctx.sizes = (count, height, width, channels // 2, int(gelu), torch.get_num_threads())
        ctx.save_for_backward(x, weight, bias)
        out = _map((count, channels // 2, height, width), torch.bfloat16)
        library().gated_forward(_at(x), _at(weight), _at(bias), _at(out), *ctx.sizes)
        return out

    @staticmethod
    def backward(ctx, gradient):
        x, weight, bias = ctx.saved_tensors
        gradient = _ready(gradient, torch.bfloat16)
        made = torch.empty_like(x)
        sums = torch.empty(x.shape[0], x.shape[1], 10)
        library().gated_backward(
            _at(x), _at(weight), _at(bias), _at(gradient), _at(made), _at(sums), *ctx.sizes
        )
        sums = sums.sum(0)
        of_bias = None if bias is None else sums[:, 9]
        return made, sums[:, :9].reshape(weight.shape), of_bias, None


class _Norm(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight, bias, eps):
        x = _ready(x, torch.float32)
        count, channels, height, width = x.shape
        ctx.sizes = (ctypes.c_int64(count * height * width), channels, ctypes.c_float(eps))
        ctx.save_for_backward(x, weight)
        out = _map(x.shape, torch.bfloat16)
        threads = torch.get_num_threads()
        library().norm_forward(_at(x), _at(weight), _at(bias), _at(out), *ctx.sizes, threads)
        return out

    @staticmethod
    def backward(ctx, gradient):
        x, weight = ctx.saved_tensors
        gradient = _ready(gradient, torch.bfloat16)
        made = torch.empty_like(x)
        threads = torch.get_num_threads()
        sums = torch.zeros(threads, 2, x.shape[1])
        library().norm_backward(
            _at(x), _at(weight), _at(gradient), _at(made), _at(sums), *ctx.sizes, threads, threads
        )
        of_weight, of_bias = sums.sum(0)
        return made, of_weight, of_bias, None
