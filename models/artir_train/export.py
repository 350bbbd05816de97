"""A trained network as one ONNX file.

    python -m artir_train.export models/runs/ct-ldct-t/checkpoint.pt \\
        --card models/configs/ct-ldct-t.card.json -o models/zoo/ct-ldct-t.onnx

The graph is built node by node from the modules, so that names are readable and the same weights
give the same bytes. The paper's network is exported; its ablations are not.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from onnx import ModelProto, checker, helper, numpy_helper
from torch import nn

from . import blocks, model_file, onnx_ops
from .large_kernel import DynamicLargeKernel
from .macs import multiply_adds
from .network import ArtIR, Config, parameter_count


class Graph:
    """Nodes and weights in the order in which they are asked for."""

    def __init__(self):
        self.nodes = []
        self.weights = {}

    def weight(self, name: str, values: np.ndarray) -> str:
        """A constant of this name, stored once."""
        self.weights.setdefault(name, numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def node(self, kind: str, inputs: list[str], name: str, outputs: int = 1, **attributes):
        """Adds a node; returns its output's name, or a list of them."""
        out = [name] if outputs == 1 else [f"{name}.{i}" for i in range(outputs)]
        made = helper.make_node(kind, inputs, out, name=f"{name}:{kind}", **attributes)
        self.nodes.append(made)
        return out[0] if outputs == 1 else out

    def split(self, x: str, widths: list[int], name: str) -> list[str]:
        """Splits channels."""
        sizes = self.weight("split_" + "_".join(map(str, widths)), np.array(widths, np.int64))
        return self.node("Split", [x, sizes], name, outputs=len(widths), axis=1)

    def convolution(self, x: str, layer: nn.Conv2d, name: str) -> str:
        """A 2-D convolution."""
        inputs = [x, self.weight(f"{name}.weight", array(layer.weight))]
        if layer.bias is not None:
            inputs.append(self.weight(f"{name}.bias", array(layer.bias)))
        return self.node(
            "Conv",
            inputs,
            name,
            kernel_shape=list(layer.kernel_size),
            strides=list(layer.stride),
            pads=list(layer.padding) * 2,
            group=layer.groups,
        )

    def norm(self, x: str, layer: blocks.ChannelNorm, name: str) -> str:
        """Layer norm over channels: the standard operator, which providers know, works on the last
        axis, so the channels go there and back."""
        last = self.node("Transpose", [x], f"{name}.nhwc", perm=[0, 2, 3, 1])
        weight = self.weight(f"{name}.weight", array(layer.weight))
        bias = self.weight(f"{name}.bias", array(layer.bias))
        done = self.node(
            "LayerNormalization", [last, weight, bias], f"{name}.norm", axis=-1, epsilon=layer.eps
        )
        return self.node("Transpose", [done], name, perm=[0, 3, 1, 2])

    def gelu(self, x: str, name: str) -> str:
        """x (1 + erf(x / sqrt 2)) / 2, in the form that ONNX Runtime fuses."""
        root = self.weight("sqrt2", np.array(np.sqrt(2), np.float32))
        one = self.weight("one", np.array(1, np.float32))
        half = self.weight("half", np.array(0.5, np.float32))
        y = self.node("Div", [x, root], f"{name}.div")
        y = self.node("Erf", [y], f"{name}.erf")
        y = self.node("Add", [y, one], f"{name}.add")
        y = self.node("Mul", [x, y], f"{name}.mul")
        return self.node("Mul", [y, half], name)

    def feed(self, x: str, layer: blocks.GatedFeedForward, name: str) -> str:
        y = self.convolution(x, layer.expand, f"{name}.expand")
        y = self.convolution(y, layer.local, f"{name}.local")
        width = layer.project.in_channels
        a, b = self.split(y, [width, width], f"{name}.halves")
        y = self.node("Mul", [self.gelu(a, f"{name}.gelu"), b], f"{name}.gate")
        return self.convolution(y, layer.project, f"{name}.project")

    def split_multiply(self, x: str, layer: blocks.SplitMultiply, name: str) -> str:
        if not isinstance(layer.far, nn.Identity):
            raise NotImplementedError(f"{name}: this ablation cannot be exported")
        y = self.convolution(x, layer.expand, f"{name}.expand")
        y = self.convolution(y, layer.local, f"{name}.local")
        width = layer.project.in_channels
        a, b = self.split(y, [width, width], f"{name}.halves")
        return self.convolution(
            self.node("Mul", [a, b], f"{name}.gate"), layer.project, f"{name}.project"
        )

    def modulation(self, x: str, layer: blocks.LargeKernelModulation, name: str) -> str:
        kernel = layer.kernel
        if not isinstance(kernel, DynamicLargeKernel) or layer.attention != "light":
            raise NotImplementedError(f"{name}: this ablation cannot be exported")
        mean = self.node(
            "ReduceMean", [x, self.weight("axis1", np.array([1]))], f"{name}.mean", keepdims=1
        )
        taps = [
            self.weight(f"{name}.kernel.a", array(kernel.a)),
            self.weight(f"{name}.kernel.b", array(kernel.b)),
        ]
        spatial = self.node(
            onnx_ops.NAME,
            [mean, *taps],
            f"{name}.kernel",
            domain=onnx_ops.DOMAIN,
            kernel_size=kernel.kernel_size,
        )
        pooled = self.node("GlobalAveragePool", [mean], f"{name}.pool")
        weigh = self.convolution(pooled, layer.weigh, f"{name}.weigh")
        y = self.node("Mul", [spatial, x], f"{name}.modulate")
        return self.node("Mul", [y, weigh], name)

    def mixer(self, x: str, layer: blocks.LargeKernelMixer, name: str) -> str:
        y = self.convolution(x, layer.expand, f"{name}.expand")
        mixed, *segments = self.split(y, layer.widths, f"{name}.segments")
        for i, segment in enumerate(segments):
            large = self.modulation(mixed, layer.large[i], f"{name}.large.{i}")
            local = self.convolution(segment, layer.local[i], f"{name}.local.{i}")
            mixed = self.node("Mul", [large, local], f"{name}.mixed.{i}")
            if i < len(layer.refine):
                if not isinstance(layer.widen[i], blocks.Duplicate):
                    raise NotImplementedError(f"{name}: this ablation cannot be exported")
                twice = np.repeat(np.arange(layer.widths[i + 1]), 2)
                index = self.weight(f"twice_{layer.widths[i + 1]}", twice)
                mixed = self.node("Gather", [mixed, index], f"{name}.widen.{i}", axis=1)
                mixed = self.convolution(mixed, layer.refine[i], f"{name}.refine.{i}")
        return self.convolution(mixed, layer.project, f"{name}.project")

    def block(self, x: str, layer: blocks.Block, name: str) -> str:
        y = self.norm(x, layer.norm1, f"{name}.norm1")
        if isinstance(layer.mixer, blocks.LargeKernelMixer):
            y = self.mixer(y, layer.mixer, f"{name}.mixer")
        elif isinstance(layer.mixer, blocks.SplitMultiply):
            y = self.split_multiply(y, layer.mixer, f"{name}.mixer")
        else:
            raise NotImplementedError(f"{name}: this ablation cannot be exported")
        y = self.node("Mul", [y, self.weight(f"{name}.beta", array(layer.beta))], f"{name}.scaled1")
        x = self.node("Add", [x, y], f"{name}.sum1")
        y = self.feed(self.norm(x, layer.norm2, f"{name}.norm2"), layer.feed, f"{name}.feed")
        y = self.node(
            "Mul", [y, self.weight(f"{name}.gamma", array(layer.gamma))], f"{name}.scaled2"
        )
        return self.node("Add", [x, y], name)

    def stage(self, x: str, layers: nn.Sequential, name: str) -> str:
        for i, layer in enumerate(layers):
            x = self.block(x, layer, f"{name}.{i}")
        return x

    def upsample(self, x: str, layer: nn.Module, name: str) -> str:
        scales = self.weight("scales", np.array([1, 1, 2, 2], np.float32))
        y = self.node(
            "Resize",
            [x, "", scales],
            f"{name}.resize",
            mode="linear",
            coordinate_transformation_mode="half_pixel",
        )
        return self.convolution(y, layer.conv, name)


def array(tensor: torch.Tensor) -> np.ndarray:
    """A parameter as float32."""
    return tensor.detach().cpu().float().numpy()


def build(model: ArtIR) -> ModelProto:
    """The network's graph: ``image`` [N, C, H, W] in, ``restored`` of the same shape out."""
    g = Graph()
    m = model
    level1 = g.stage(g.convolution("image", m.head, "head"), m.encoder1, "encoder1")
    level2 = g.stage(g.convolution(level1, m.down1, "down1"), m.encoder2, "encoder2")
    level3 = g.stage(g.convolution(level2, m.down2, "down2"), m.encoder3, "encoder3")
    level3 = g.stage(level3, m.decoder3, "decoder3")
    y = g.node("Concat", [g.upsample(level3, m.up2, "up2"), level2], "skip2", axis=1)
    y = g.stage(g.convolution(y, m.merge2, "merge2"), m.decoder2, "decoder2")
    y = g.node("Concat", [g.upsample(y, m.up1, "up1"), level1], "skip1", axis=1)
    y = g.stage(g.convolution(y, m.merge1, "merge1"), m.decoder1, "decoder1")
    y = g.stage(y, m.refinement, "refinement")
    g.node("Add", ["image", g.convolution(y, m.tail, "tail")], "restored")
    channels = m.config.in_channels
    graph = helper.make_graph(
        g.nodes,
        "ArtIR",
        [onnx_ops.image_info("image", channels)],
        [onnx_ops.image_info("restored", channels)],
        list(g.weights.values()),
    )
    made = helper.make_model(
        graph,
        ir_version=10,
        producer_name="artir",
        opset_imports=[
            helper.make_opsetid("", onnx_ops.OPSET),
            helper.make_opsetid(onnx_ops.DOMAIN, 1),
        ],
        functions=[onnx_ops.large_kernel_function()],
    )
    checker.check_model(made)
    return made


def export(model: ArtIR, card: dict, path: Path) -> str:
    """Writes the model with its card, the counts filled in; returns the model's hash."""
    card = dict(
        card,
        variant=model.config.variant_name(),
        parameters=parameter_count(model),
        macs_256=multiply_adds(model.config, 256, 256),
    )
    return model_file.write(build(model), card, path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--card", type=Path, required=True)
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()
    state = torch.load(options.checkpoint, map_location="cpu", weights_only=True)
    model = ArtIR(Config(**state["config"]))
    model.load_state_dict(state["weights"])
    card = json.loads(options.card.read_text())
    card["training"]["patches"] = state["patches"]
    card["training"]["hours"] = round(state["hours"], 3)
    print(export(model, card, options.output))


if __name__ == "__main__":
    main()
