"""Ablations of the paper's network as ONNX graphs of standard operators.

Only the dynamic large kernel is a node of its own operator, with its definition beside it. Any ONNX
Runtime runs these files, and artir runs them with that operator's fast version.
"""

from __future__ import annotations

import numpy as np
from onnx import ModelProto, TensorProto
from torch import nn

from . import blocks, onnx_ops
from .graph import Graph, add_network
from .large_kernel import DynamicLargeKernel, StaticLargeKernel
from .network import ArtIR


class AblationGraph(Graph):
    """The nodes of a network with blocks of any kind."""

    def stage(self, x: str, layers: nn.Sequential, name: str) -> str:
        for i, layer in enumerate(layers):
            x = self.large_block(x, layer, f"{name}.{i}")
        return x

    def mixer(self, x: str, block: blocks.Block, name: str) -> str:
        layer = block.mixer
        y = self.layer(x, layer.expand, f"{name}.expand")
        if isinstance(layer, blocks.LargeKernelMixer):
            y, last = self.cascade(y, layer, name), layer.project
        elif isinstance(layer, blocks.ConvolutionMixer):
            y, last = self.layer(y, layer.local, f"{name}.local"), layer.reduce
        else:
            a, b = self.halves(self.layer(y, layer.local, f"{name}.local"), f"{name}.halves")
            y = self.node("Mul", [self.far(a, layer.far, f"{name}.far"), b], f"{name}.gate")
            last = layer.project
        return self.projection(y, last, block.beta, f"{name}.project")

    def cascade(self, x: str, layer: blocks.LargeKernelMixer, name: str) -> str:
        """The steps of the large-kernel feature mixer."""
        sizes = self.constant("segments", np.array(layer.widths))
        count = len(layer.widths)
        mixed, *segments = self.node("Split", [x, sizes], f"{name}.segments", outputs=count, axis=1)
        for i, segment in enumerate(segments):
            mixed = self.modulation(mixed, layer.large[i], f"{name}.large.{i}")
            local = self.layer(segment, layer.local[i], f"{name}.local.{i}")
            mixed = self.node("Mul", [mixed, local], f"{name}.mixed.{i}")
            if i < len(layer.refine):
                mixed = self.widen(mixed, layer, i, f"{name}.widen.{i}")
                mixed = self.layer(mixed, layer.refine[i], f"{name}.refine.{i}")
        return mixed

    def widen(self, x: str, layer: blocks.LargeKernelMixer, i: int, name: str) -> str:
        """Twice the channels."""
        if not isinstance(layer.widen[i], blocks.Duplicate):
            return self.layer(x, layer.widen[i], name)
        width = layer.local[i].groups
        twice = self.constant(f"twice.{width}", np.repeat(np.arange(width), 2))
        return self.node("Gather", [x, twice], name, axis=1)

    def modulation(self, x: str, layer: blocks.LargeKernelModulation, name: str) -> str:
        collapsed = self.collapse(x, layer.collapse, f"{name}.collapse")
        if isinstance(layer.kernel, StaticLargeKernel):
            size = layer.kernel.kernel_size
            taps = self.weight(f"{name}.kernel.b", layer.kernel.b.view(1, 1, size, size))
            spatial = self.convolution([collapsed, taps], f"{name}.kernel", size)
        else:
            spatial = self.dynamic_kernel(collapsed, layer.kernel, f"{name}.kernel")
        y = self.node("Mul", [spatial, x], f"{name}.modulate")
        if layer.attention == "none":
            return y
        source = collapsed if layer.attention == "light" else x
        pooled = self.node("GlobalAveragePool", [source], f"{name}.pool")
        weigh = self.layer(pooled, layer.weigh, f"{name}.weigh")
        return self.node("Mul", [y, weigh], f"{name}.weighed")

    def collapse(self, x: str, layer: blocks.Collapse, name: str) -> str:
        if layer.kind == "mean":
            return self.channel_mean(x, name)
        if layer.kind == "last":
            last = self.constant("last", np.array([-1]))
            return self.node("Gather", [x, last], name, axis=1)
        axis = self.constant("channel_axis", np.array([1]))
        highest = self.node("ReduceMax", [x, axis], f"{name}.max", keepdims=1)
        if layer.kind == "max":
            return highest
        both = [highest, self.channel_mean(x, f"{name}.mean")]
        return self.layer(self.node("Concat", both, f"{name}.both", axis=1), layer.fuse, name)

    def far(self, x: str, layer: nn.Module | None, name: str) -> str:
        """The large operator of a split-and-multiply block, if it has one."""
        if layer is None:
            return x
        if isinstance(layer, nn.Conv2d):
            return self.layer(x, layer, name)
        if isinstance(layer, blocks.DecomposedKernel):
            x = self.layer(x, layer.near, f"{name}.near")
            x = self.layer(x, layer.wide, f"{name}.wide")
            return self.layer(x, layer.mix, f"{name}.mix")
        return self.frequency(x, layer, name)

    def frequency(self, x: str, layer: blocks.FrequencyMixer, name: str) -> str:
        """A 1x1 convolution of the real and imaginary parts of half of the spectrum.

        ONNX has no inverse of a half spectrum. The real part of the inverse of the half spectrum,
        with all columns doubled but those that are their own mirror image, is the same.
        """
        last = self.constant("last", np.array([-1]))
        x = self.node("Unsqueeze", [x, last], f"{name}.real")
        spectrum = self.node("DFT", [x], f"{name}.rows", axis=3, onesided=1)
        spectrum = self.node("DFT", [spectrum], f"{name}.spectrum", axis=2)
        norm = self.node("Sqrt", [self.pixels(x, name)], f"{name}.norm")
        parts = self.node("Split", [spectrum], f"{name}.parts", outputs=2, axis=-1, num_outputs=2)
        maps = [self.node("Squeeze", [part, last], f"{part}.map") for part in parts]
        y = self.node("Concat", maps, f"{name}.both", axis=1)
        y = self.node("Div", [y, norm], f"{name}.orthonormal")
        y = self.layer(y, layer.mix, f"{name}.mix")
        maps = [self.node("Unsqueeze", [m, last], f"{m}.part") for m in self.halves(y, f"{name}.m")]
        y = self.node("Concat", maps, f"{name}.mixed", axis=-1)
        y = self.node("DFT", [y], f"{name}.columns", axis=2, inverse=1)
        y = self.node("Mul", [y, self.doubled(x, name)], f"{name}.doubled")
        length = self.constant("pad_axis", np.array([3]))
        y = self.node("Pad", [y, self.missing(x, name), "", length], f"{name}.padded")
        y = self.node("DFT", [y], f"{name}.inverse", axis=3, inverse=1)
        real = self.constant("first", np.array(0))
        y = self.node("Gather", [y, real], f"{name}.result", axis=-1)
        return self.node("Mul", [y, norm], name)

    def width(self, x: str, name: str) -> str:
        """The width of a map [N, C, H, W, 1], as a number."""
        shape = self.node("Shape", [x], f"{name}.shape", start=3, end=4)
        return self.node("Squeeze", [shape], f"{name}.width")

    def pixels(self, x: str, name: str) -> str:
        """Height times width of a map [N, C, H, W, 1], as a float."""
        shape = self.node("Shape", [x], f"{name}.sides", start=2, end=4)
        count = self.node("ReduceProd", [shape], f"{name}.count", keepdims=0)
        return self.node("Cast", [count], f"{name}.pixels", to=TensorProto.FLOAT)

    def columns(self, x: str, name: str) -> tuple[str, str]:
        """The number of columns of a half spectrum, width // 2 + 1, and the width."""
        width = self.width(x, name)
        half = self.node("Div", [width, self.constant("two", np.array(2))], f"{name}.half")
        one = self.constant("one_column", np.array(1))
        return self.node("Add", [half, one], f"{name}.kept"), width

    def doubled(self, x: str, name: str) -> str:
        """1 for the columns of a half spectrum that are their own mirror image, 2 for others,
        [columns, 1]."""
        kept, width = self.columns(x, f"{name}.mirror")
        zero = self.constant("zero_columns", np.array(0))
        one = self.constant("one_column", np.array(1))
        number = self.node("Range", [zero, kept, one], f"{name}.numbers")
        twice = self.node("Add", [number, number], f"{name}.twice")
        own = [
            self.node("Equal", [number, zero], f"{name}.lowest"),
            self.node("Equal", [twice, width], f"{name}.highest"),
        ]
        own = self.node("Or", own, f"{name}.own")
        factors = [self.constant(f"times_{n}", np.array(n, np.float32)) for n in (1, 2)]
        factor = self.node("Where", [own, *factors], f"{name}.factors")
        last = self.constant("last", np.array([-1]))
        return self.node("Unsqueeze", [factor, last], f"{name}.factor")

    def missing(self, x: str, name: str) -> str:
        """The padding that a half spectrum needs to be as wide as the map: before and after."""
        kept, width = self.columns(x, f"{name}.pad")
        after = self.node("Sub", [width, kept], f"{name}.after")
        front = self.constant("front", np.array([0]))
        after = self.node("Unsqueeze", [after, front], f"{name}.ends")
        return self.node("Concat", [front, after], f"{name}.pads", axis=0)


def build(model: ArtIR) -> ModelProto:
    """The model: ``image`` [N, C, H, W] in, ``restored`` of the same shape out."""
    graph = AblationGraph()
    add_network(graph, model)
    dynamic = any(isinstance(part, DynamicLargeKernel) for part in model.modules())
    functions = [onnx_ops.large_kernel_function()] if dynamic else []
    weights = list(graph.weights.values())
    return onnx_ops.model(graph.body(), weights, functions, model.config.in_channels)
