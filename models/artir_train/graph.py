"""The nodes of ArtIR, as functions of standard operators.

A model file contains one node, ``artir.Network``, and its definition as a model-local function.
That function calls three kinds of others: ``artir.GatedBlock`` for the blocks at full and half
resolution, ``artir.DynamicLargeKernel``, and ``artir.Modulation`` or ``artir.RefinedModulation``
for the rest of a step of the cascade. A stock runtime inlines all of them. artir's operator library
runs the whole node on a CPU, and the inner calls on a GPU.
"""

from __future__ import annotations

import numpy as np
import torch
from onnx import AttributeProto, FunctionProto, helper, numpy_helper
from torch import nn

from . import blocks, onnx_ops
from .large_kernel import DynamicLargeKernel
from .network import ArtIR

BLOCK = "GatedBlock"
NETWORK = "Network"
MODULATION = "Modulation"
REFINED = "RefinedModulation"


class Graph:
    """Nodes in the order of their creation, and their weights."""

    def __init__(self):
        self.nodes = []
        self.weights = {}
        self._constants = {}

    def weight(self, name: str, values: torch.Tensor) -> str:
        """A weight: an input of the function, a constant of the model."""
        array = values.detach().cpu().float().numpy()
        self.weights[name] = numpy_helper.from_array(np.ascontiguousarray(array), name)
        return name

    def constant(self, name: str, values: np.ndarray) -> str:
        """A constant of the function; equal names share one."""
        if name not in self._constants:
            value = numpy_helper.from_array(values, name)
            self._constants[name] = helper.make_node("Constant", [], [name], value=value)
        return name

    def body(self) -> list:
        """All nodes, constants first."""
        return [*self._constants.values(), *self.nodes]

    def node(self, kind: str, inputs: list[str], name: str, outputs: int = 1, **attributes):
        """Adds a node; returns its output's name, or a list of them."""
        out = [name] if outputs == 1 else [f"{name}.{i}" for i in range(outputs)]
        made = helper.make_node(kind, inputs, out, name=f"{name}:{kind}", **attributes)
        self.nodes.append(made)
        return out[0] if outputs == 1 else out

    def halves(self, x: str, name: str) -> list[str]:
        """Splits channels into halves."""
        return self.node("Split", [x], name, outputs=2, axis=1, num_outputs=2)

    def convolution(
        self, inputs: list[str], name: str, size: int, stride: int = 1, group=1, dilation: int = 1
    ) -> str:
        """A 2-D convolution of x, weight and perhaps bias; ``group`` may be an attribute's name."""
        pad = dilation * (size // 2)
        out = self.node(
            "Conv",
            inputs,
            name,
            kernel_shape=[size, size],
            strides=[stride, stride],
            pads=[pad] * 4,
            **({"group": group} if isinstance(group, int) else {}),
            **({"dilations": [dilation, dilation]} if dilation > 1 else {}),
        )
        if isinstance(group, str):
            passed = AttributeProto(name="group", type=AttributeProto.INT, ref_attr_name=group)
            self.nodes[-1].attribute.append(passed)
        return out

    def layer(self, x: str, layer: nn.Conv2d, name: str) -> str:
        """A module's convolution, its weights included."""
        inputs = [x, *self.layer_weights(layer, name)]
        size, stride, dilation = layer.kernel_size[0], layer.stride[0], layer.dilation[0]
        return self.convolution(inputs, name, size, stride, layer.groups, dilation)

    def layer_weights(self, layer: nn.Conv2d, name: str) -> list[str]:
        weights = [self.weight(f"{name}.weight", layer.weight)]
        if layer.bias is not None:
            weights.append(self.weight(f"{name}.bias", layer.bias))
        return weights

    def norm(self, x: str, weight: str, bias: str, name: str) -> str:
        """Layer norm over channels. The standard operator, which providers support, works on the
        last axis, so channels are moved there and back."""
        last = self.node("Transpose", [x], f"{name}.nhwc", perm=[0, 2, 3, 1])
        done = self.node(
            "LayerNormalization",
            [last, weight, bias],
            f"{name}.norm",
            axis=-1,
            epsilon=blocks.ChannelNorm.eps,
        )
        return self.node("Transpose", [done], name, perm=[0, 3, 1, 2])

    def gelu(self, x: str, name: str) -> str:
        """x (1 + erf(x / sqrt 2)) / 2, in the form that ONNX Runtime fuses."""
        root = self.constant("sqrt2", np.array(np.sqrt(2), np.float32))
        one = self.constant("one", np.array(1, np.float32))
        half = self.constant("half", np.array(0.5, np.float32))
        y = self.node("Div", [x, root], f"{name}.div")
        y = self.node("Erf", [y], f"{name}.erf")
        y = self.node("Add", [y, one], f"{name}.add")
        y = self.node("Mul", [x, y], f"{name}.mul")
        return self.node("Mul", [y, half], name)

    def feed(self, x: str, weights: list[str], group, name: str) -> str:
        """y + feed-forward(norm(y)), from ``feed_weights``."""
        norm_weight, norm_bias, expand, local, project = weights
        y = self.norm(x, norm_weight, norm_bias, f"{name}.norm2")
        y = self.convolution([y, expand], f"{name}.feed.expand", 1)
        y = self.convolution([y, local], f"{name}.feed.local", 3, group=group)
        a, b = self.halves(y, f"{name}.feed.halves")
        gelu = self.gelu(a, f"{name}.feed.gelu")
        y = self.node("Mul", [gelu, b], f"{name}.feed.gate")
        y = self.convolution([y, project], f"{name}.feed.project", 1)
        return self.node("Add", [x, y], name)

    def feed_weights(self, layer: blocks.Block, name: str) -> list[str]:
        feed = layer.feed
        return [
            self.weight(f"{name}.norm2.weight", layer.norm2.weight),
            self.weight(f"{name}.norm2.bias", layer.norm2.bias),
            self.weight(f"{name}.feed.expand.weight", feed.expand.weight),
            self.weight(f"{name}.feed.local.weight", feed.local.weight),
            self.weight(f"{name}.feed.project.weight", folded(feed.project.weight, layer.gamma)),
        ]

    def large_kernel(
        self, x: str, layer: blocks.LargeKernelModulation, name: str
    ) -> tuple[str, str]:
        """The spatial weights Xs and the channel weights Wc of a modulation."""
        mean = self.channel_mean(x, f"{name}.mean")
        spatial = self.dynamic_kernel(mean, layer.kernel, f"{name}.kernel")
        pooled = self.node("GlobalAveragePool", [mean], f"{name}.pool")
        return spatial, self.layer(pooled, layer.weigh, f"{name}.weigh")

    def channel_mean(self, x: str, name: str) -> str:
        """[N, C, H, W] to [N, 1, H, W]."""
        channels = self.constant("channel_axis", np.array([1]))
        return self.node("ReduceMean", [x, channels], name, keepdims=1)

    def dynamic_kernel(self, x: str, kernel: DynamicLargeKernel, name: str) -> str:
        """A call of ``artir.DynamicLargeKernel``."""
        taps = [self.weight(f"{name}.{tap}", getattr(kernel, tap)) for tap in "ab"]
        return self.node(
            onnx_ops.NAME,
            [x, *taps],
            name,
            domain=onnx_ops.DOMAIN,
            kernel_size=kernel.kernel_size,
        )

    def mixer(self, x: str, block: blocks.Block, name: str) -> str:
        layer = block.mixer
        y = self.layer(x, layer.expand, f"{name}.expand")
        sizes = self.constant("segments", np.array(layer.widths))
        count = len(layer.widths)
        mixed, *segments = self.node("Split", [y, sizes], f"{name}.segments", outputs=count, axis=1)
        for i, segment in enumerate(segments):
            spatial, weigh = self.large_kernel(mixed, layer.large[i], f"{name}.large.{i}")
            inputs = [mixed, spatial, weigh, segment]
            inputs += self.layer_weights(layer.local[i], f"{name}.local.{i}")
            kind, width = MODULATION, layer.local[i].groups
            attributes = {"channels": width}
            if i < len(layer.refine):
                kind = REFINED
                inputs += self.layer_weights(layer.refine[i], f"{name}.refine.{i}")
                twice = [channel for channel in range(width) for _ in range(2)]
                attributes |= {"twice": twice, "refined_channels": 2 * width}
            mixed = self.node(
                kind, inputs, f"{name}.mixed.{i}", domain=onnx_ops.DOMAIN, **attributes
            )
        return self.projection(mixed, layer.project, block.beta, f"{name}.project")

    def projection(self, x: str, layer: nn.Conv2d, scale: torch.Tensor, name: str) -> str:
        """A block's last 1x1 convolution, times the residual scale."""
        weight = self.weight(f"{name}.weight", folded(layer.weight, scale))
        bias = self.weight(f"{name}.bias", folded(layer.bias, scale))
        return self.convolution([x, weight, bias], name, 1)

    def large_block(self, x: str, layer: blocks.Block, name: str) -> str:
        """A block as single nodes, around its ``mixer``."""
        norm = [
            self.weight(f"{name}.norm1.weight", layer.norm1.weight),
            self.weight(f"{name}.norm1.bias", layer.norm1.bias),
        ]
        y = self.mixer(self.norm(x, *norm, f"{name}.norm1"), layer, f"{name}.mixer")
        x = self.node("Add", [x, y], f"{name}.sum1")
        hidden = layer.feed.expand.out_channels
        return self.feed(x, self.feed_weights(layer, name), hidden, name)

    def gated_block(self, x: str, layer: blocks.Block, name: str) -> str:
        """A call of ``artir.GatedBlock``."""
        mixer = layer.mixer
        weights = [
            self.weight(f"{name}.norm1.weight", layer.norm1.weight),
            self.weight(f"{name}.norm1.bias", layer.norm1.bias),
            self.weight(f"{name}.mixer.expand.weight", mixer.expand.weight),
            self.weight(f"{name}.mixer.expand.bias", mixer.expand.bias),
            self.weight(f"{name}.mixer.local.weight", mixer.local.weight),
            self.weight(f"{name}.mixer.local.bias", mixer.local.bias),
            self.weight(f"{name}.mixer.project.weight", folded(mixer.project.weight, layer.beta)),
            self.weight(f"{name}.mixer.project.bias", folded(mixer.project.bias, layer.beta)),
            *self.feed_weights(layer, name),
        ]
        return self.node(
            BLOCK,
            [x, *weights],
            name,
            domain=onnx_ops.DOMAIN,
            mixer_channels=mixer.expand.out_channels,
            feed_channels=layer.feed.expand.out_channels,
        )

    def stage(self, x: str, layers: nn.Sequential, name: str) -> str:
        for i, layer in enumerate(layers):
            if isinstance(layer.mixer, blocks.LargeKernelMixer):
                x = self.large_block(x, layer, f"{name}.{i}")
            else:
                x = self.gated_block(x, layer, f"{name}.{i}")
        return x

    def upsample(self, x: str, layer: nn.Module, name: str) -> str:
        scales = self.constant("scales", np.array([1, 1, 2, 2], np.float32))
        y = self.node(
            "Resize",
            [x, "", scales],
            f"{name}.resize",
            mode="linear",
            coordinate_transformation_mode="half_pixel",
        )
        return self.layer(y, layer.conv, f"{name}.conv")


def folded(weight: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """A convolution's weight or bias times the residual scale of its output channels."""
    return weight * scale.reshape(-1, *[1] * (weight.ndim - 1))


def block_function() -> FunctionProto:
    """y' = y + SMA(LN(y)), y'' = y' + FFN(LN(y')); the residual scales are in the weights."""
    g = Graph()
    weights = [
        *("norm1_weight", "norm1_bias", "expand_weight", "expand_bias"),
        *("local_weight", "local_bias", "project_weight", "project_bias"),
        *("norm2_weight", "norm2_bias", "feed_expand", "feed_local", "feed_project"),
    ]
    norm_weight, norm_bias, *mixer = weights[:8]
    y = g.norm("x", norm_weight, norm_bias, "norm1")
    y = g.convolution([y, *mixer[:2]], "expand", 1)
    y = g.convolution([y, *mixer[2:4]], "local", 3, group="mixer_channels")
    a, b = g.halves(y, "halves")
    y = g.convolution([g.node("Mul", [a, b], "gate"), *mixer[4:]], "project", 1)
    x = g.node("Add", ["x", y], "sum")
    g.feed(x, weights[8:], "feed_channels", "y")
    return helper.make_function(
        onnx_ops.DOMAIN,
        BLOCK,
        ["x", *weights],
        ["y"],
        g.body(),
        [helper.make_opsetid("", onnx_ops.OPSET)],
        attributes=["mixer_channels", "feed_channels"],
    )


def modulation_function(refined: bool) -> FunctionProto:
    """m = Xs X Wc local(F), and z = refine(every channel of m twice) where another step follows."""
    g = Graph()
    inputs = ["X", "spatial", "weigh", "segment", "local_weight", "local_bias"]
    attributes = ["channels"]
    y = g.node("Mul", ["spatial", "X"], "modulate")
    y = g.node("Mul", [y, "weigh"], "weighed")
    local = g.convolution(["segment", "local_weight", "local_bias"], "local", 3, group="channels")
    y = g.node("Mul", [y, local], "mixed" if refined else "Y")
    if refined:
        inputs += ["refine_weight", "refine_bias"]
        attributes += ["twice", "refined_channels"]
        index = helper.make_node("Constant", [], ["index"])
        index.attribute.append(
            AttributeProto(name="value_ints", type=AttributeProto.INTS, ref_attr_name="twice")
        )
        g.nodes.append(index)
        y = g.node("Gather", [y, "index"], "widened", axis=1)
        g.convolution([y, *inputs[6:]], "Y", 7, group="refined_channels")
    return helper.make_function(
        onnx_ops.DOMAIN,
        REFINED if refined else MODULATION,
        inputs,
        ["Y"],
        g.body(),
        [helper.make_opsetid("", onnx_ops.OPSET)],
        attributes=attributes,
    )


def add_network(g: Graph, m: ArtIR) -> None:
    """Adds the network's nodes, from ``image`` to ``restored``."""
    level1 = g.stage(g.layer("image", m.head, "head"), m.encoder1, "encoder1")
    level2 = g.stage(g.layer(level1, m.down1, "down1"), m.encoder2, "encoder2")
    level3 = g.stage(g.layer(level2, m.down2, "down2"), m.encoder3, "encoder3")
    level3 = g.stage(level3, m.decoder3, "decoder3")
    y = g.node("Concat", [g.upsample(level3, m.up2, "up2"), level2], "skip2", axis=1)
    y = g.stage(g.layer(y, m.merge2, "merge2"), m.decoder2, "decoder2")
    y = g.node("Concat", [g.upsample(y, m.up1, "up1"), level1], "skip1", axis=1)
    y = g.stage(g.layer(y, m.merge1, "merge1"), m.decoder1, "decoder1")
    y = g.stage(y, m.refinement, "refinement")
    g.node("Add", ["image", g.layer(y, m.tail, "tail")], "restored")


def network_function(model: ArtIR) -> tuple[FunctionProto, list]:
    """The network, and its weights in the order of the function's inputs after the image."""
    g = Graph()
    add_network(g, model)
    function = helper.make_function(
        onnx_ops.DOMAIN,
        NETWORK,
        ["image", *g.weights],
        ["restored"],
        g.body(),
        [
            helper.make_opsetid("", onnx_ops.OPSET),
            helper.make_opsetid(onnx_ops.DOMAIN, 1),
        ],
        attributes=["depths", "kernel_sizes"],
    )
    return function, list(g.weights.values())
