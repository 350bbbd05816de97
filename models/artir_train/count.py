"""Parameters and multiply-adds of an ONNX file, counted from its graph.

Multiply-adds are those of convolutions and matrix products for one image, as in the paper. Norms,
gates, resizing and Fourier transforms are not counted. A dynamic large kernel is a convolution with
two results of K x K taps.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import onnxruntime
from onnx import ModelProto, TensorProto, helper, inliner

COUNTED = ("Conv", "Gemm", "MatMul")
REFUSED = (
    "ConvTranspose",
    "ConvInteger",
    "MatMulInteger",
    "Einsum",
    "QLinearConv",
    "QLinearMatMul",
)
"""Operators of multiply-adds that no network of artir has."""


@dataclass(frozen=True)
class Count:
    """What one file holds and does."""

    parameters: int
    """Floating-point weights. In a file the residual scales are parts of other weights."""
    multiply_adds: int


def count(model: ModelProto, height: int, width: int) -> Count:
    """Counts a model with one image input [N, C, H, W], for one image of height x width.

    Raises ValueError for operators whose multiply-adds are not known.
    """
    floats = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.BFLOAT16)
    weights = [w for w in model.graph.initializer if w.data_type in floats]
    parameters = sum(math.prod(w.dims) for w in weights)
    plain = inliner.inline_local_functions(model)
    nodes = [node for node in plain.graph.node if node.op_type in COUNTED]
    if refused := {node.op_type for node in plain.graph.node} & set(REFUSED):
        raise ValueError(f"multiply-adds of {', '.join(sorted(refused))} are not counted")
    if nested := [node.name for node in plain.graph.node if _has_graph(node)]:
        raise ValueError(f"multiply-adds inside of {', '.join(nested)} are not counted")
    sizes = _sizes(plain, nodes, height, width)
    return Count(parameters, sum(_of(node, sizes) for node in nodes))


def _has_graph(node) -> bool:
    return any(a.HasField("g") or a.graphs for a in node.attribute)


def _of(node, sizes: dict[str, tuple[int, ...]]) -> int:
    """Multiply-adds of a node: values of its result, times the products of each."""
    result = math.prod(sizes[node.output[0]])
    if node.op_type == "Conv":
        # The weight is [outputs, inputs of a group, rows, columns].
        return result * math.prod(sizes[node.input[1]][1:])
    first = sizes[node.input[0]]
    turned = any(a.name == "transA" and a.i for a in node.attribute)
    return result * first[-2 if turned else -1]


def _sizes(model: ModelProto, nodes: list, height: int, width: int) -> dict[str, tuple[int, ...]]:
    """The shapes of the nodes' inputs and results, as ONNX Runtime computes them.

    Shape inference does not know the sizes of kernels that a function reshapes.
    """
    if not nodes:
        return {}
    wanted = {name for node in nodes for name in (*node.input[:2], node.output[0])}
    known = {w.name: tuple(w.dims) for w in model.graph.initializer}
    asked = sorted(wanted - known.keys())
    measured = ModelProto()
    measured.CopyFrom(model)
    del measured.graph.output[:]
    for number, name in enumerate(asked):
        out = f"artir.shape.{number}"
        measured.graph.node.append(helper.make_node("Shape", [name], [out]))
        info = helper.make_tensor_value_info(out, TensorProto.INT64, None)
        measured.graph.output.append(info)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        measured.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    (given,) = session.get_inputs()
    image = np.zeros((1, given.shape[1], height, width), np.float32)
    found = session.run(None, {given.name: image})
    return known | {n: tuple(map(int, s)) for n, s in zip(asked, found, strict=True)}
