"""The network forward and backward on a CPU, by artir's own library (``libartir_ops``).

``make train`` builds the library. It runs each pass in one call, several times as fast as PyTorch's
operations. PyTorch runs the network if the library is missing, has another version, or does not
support the network, as for ablations.
"""

from __future__ import annotations

import ctypes
import functools
import logging
import os
from pathlib import Path

import torch
from torch import Tensor, nn

from .config import Config
from .network import ArtIR

VERSION = 2
"""Version of the library's interface, ``artir_train_version``."""
PRODUCTS = {"best": 0, "pairs": 1, "f32": 2, "avx2": 3, "portable": 4}
"""Kinds of products over channels: bf16 by the best instructions, bf16 without tiles, or f32."""

_log = logging.getLogger(__name__)


def library_path() -> Path:
    """``ARTIR_OPS_LIBRARY``, or what ``cargo build --release -p artir-ops`` makes."""
    built = Path(__file__).resolve().parents[2] / "target" / "release" / "libartir_ops.so"
    return Path(os.environ.get("ARTIR_OPS_LIBRARY", built))


@functools.cache
def library() -> ctypes.CDLL | None:
    """The library; None, with a log line that gives reason and remedy, if it cannot be used."""
    path = library_path()
    build = "training uses PyTorch, several times slower. Run cargo build --release -p artir-ops"
    if not path.is_file():
        _log.warning("no library at %s: %s", path, build)
        return None
    try:
        found = ctypes.CDLL(path)
        version = found.artir_train_version()
    except (OSError, AttributeError) as error:
        _log.warning("%s cannot be used (%s): %s", path, error, build)
        return None
    if version != VERSION:
        _log.warning("%s has version %d, not %d: %s", path, version, VERSION, build)
        return None
    size, address = ctypes.c_uint64, ctypes.c_void_p
    found.artir_train_new.restype = address
    found.artir_train_new.argtypes = [address, size, size, address, size, ctypes.c_uint32]
    found.artir_train_free.argtypes = [address]
    found.artir_train_parameters.restype = size
    found.artir_train_parameters.argtypes = [address]
    found.artir_train_products.restype = ctypes.c_char_p
    found.artir_train_products.argtypes = [address]
    found.artir_train_peak.restype = ctypes.c_double
    found.artir_train_peak.argtypes = [address, size]
    found.artir_train_forward.argtypes = [address] * 4 + [size] * 4 + [ctypes.c_uint32]
    found.artir_train_backward.argtypes = [address] * 4 + [size] * 4
    return found


class Flat:
    """A module's parameters as one vector, so that one call passes, updates or averages all."""

    def __init__(self, module: nn.Module):
        parameters = list(module.parameters())
        device = parameters[0].device
        self.values = nn.Parameter(
            torch.cat([p.detach().float().reshape(-1) for p in parameters]).to(device)
        )
        self.values.grad = torch.zeros_like(self.values)
        first = 0
        for parameter in parameters:
            part = slice(first, first + parameter.numel())
            parameter.data = self.values.data[part].view(parameter.shape)
            parameter.grad = self.values.grad[part].view(parameter.shape)
            first = part.stop


class Native:
    """The function of a network whose parameters are a :class:`Flat`."""

    def __init__(self, config: Config, flat: Flat, products: str = "best"):
        self.flat = flat
        self.channels = config.in_channels
        self.passes = 0
        self.library = library()
        depths = (ctypes.c_uint64 * 4)(*config.depths)
        sizes = config.kernel_sizes()
        kernels = (ctypes.c_uint64 * len(sizes))(*sizes)
        self.handle = self.library.artir_train_new(
            depths, config.width, config.in_channels, kernels, len(sizes), PRODUCTS[products]
        )
        if not self.handle:
            raise ValueError(f"the library has no {products} products for widths of {config.width}")
        count = self.library.artir_train_parameters(self.handle)
        if count != flat.values.numel():
            raise ValueError(
                f"the network has {flat.values.numel()} parameters, the library's {count}"
            )

    def __del__(self):
        if getattr(self, "handle", None):
            self.library.artir_train_free(self.handle)

    @property
    def products(self) -> str:
        """The precision of its products, in words."""
        return self.library.artir_train_products(self.handle).decode()

    def peak(self, threads: int) -> float:
        """The most multiply-adds a second of so many threads with the library's vector
        instructions, measured for 0.1 s. Tiles (AMX) could do more."""
        return self.library.artir_train_peak(self.handle, threads)

    def __call__(self, x: Tensor) -> Tensor:
        """The restored images [N, C, H, W], float32. Run the backward pass before the next call."""
        return _Run.apply(x, self.flat.values, self)


def usable(config: Config) -> bool:
    """Whether the library supports a network: the paper's blocks, of widths that it can divide."""
    narrowest = 4 * config.width >> (config.segments - 2)
    divides = config.width % 16 == 0 and narrowest % 16 == 0
    return config.is_papers() and divides and library() is not None


def native(config: Config, flat: Flat, products: str = "best") -> Native | None:
    """The network in the library, or None if the library cannot run it."""
    return Native(config, flat, products) if usable(config) else None


def _at(x: Tensor | None) -> ctypes.c_void_p:
    return ctypes.c_void_p(None if x is None else x.data_ptr())


class _Run(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, values, net):
        x = x.detach().float().contiguous()
        count, channels, height, width = x.shape
        if channels != net.channels or height % ArtIR.multiple or width % ArtIR.multiple:
            raise ValueError(
                f"images must be [N, {net.channels}, H, W], H and W multiples of 4, "
                f"got {tuple(x.shape)}"
            )
        ctx.net, ctx.size = net, (count, height, width, torch.get_num_threads())
        keep = any(ctx.needs_input_grad)
        net.passes += 1
        ctx.number = net.passes
        y = torch.empty_like(x)
        failed = net.library.artir_train_forward(
            net.handle, _at(values), _at(x), _at(y), *ctx.size, keep
        )
        if failed:
            raise ValueError(f"the library refused images of shape {tuple(x.shape)}")
        return y

    @staticmethod
    def backward(ctx, gradient):
        net = ctx.net
        if ctx.number != net.passes:
            raise RuntimeError(
                "the library keeps one forward pass: run backward before the next one"
            )
        net.passes += 1
        gradient = gradient.float().contiguous()
        values = torch.empty_like(net.flat.values)
        of_x = torch.empty_like(gradient) if ctx.needs_input_grad[0] else None
        failed = net.library.artir_train_backward(
            net.handle, _at(gradient), _at(values), _at(of_x), *ctx.size
        )
        if failed:
            raise RuntimeError("the library refused the gradient of its last forward pass")
        return of_x, values, None


__all__ = ["Flat", "Native", "library", "native", "usable"]
