"""The operator ``artir.DynamicLargeKernel`` as a model-local function of standard operators.

A stock ONNX Runtime inlines the function. With artir's operator library registered it runs the
library's kernel instead. All kernel sizes share the function: the body refers to the attribute
``kernel_size``, and "same" padding needs no further size.
"""

from __future__ import annotations

from onnx import AttributeProto, FunctionProto, ModelProto, TensorProto, helper

DOMAIN = "artir"
NAME = "DynamicLargeKernel"
OPSET = 18


def large_kernel_function() -> FunctionProto:
    """Y = X (w * X) + (b * X): both correlations as one convolution with two outputs."""
    size = helper.make_node("Constant", [], ["size"])
    size.attribute.append(
        AttributeProto(name="value_int", type=AttributeProto.INT, ref_attr_name="kernel_size")
    )
    nodes = [
        size,
        helper.make_node("Constant", [], ["one"], value_ints=[1]),
        helper.make_node("Constant", [], ["axis"], value_ints=[0]),
        helper.make_node("Unsqueeze", ["size", "axis"], ["side"]),
        helper.make_node("Concat", ["one", "one", "side", "side"], ["shape"], axis=0),
        helper.make_node("Reshape", ["w", "shape"], ["scaling"]),
        helper.make_node("Reshape", ["b", "shape"], ["adding"]),
        helper.make_node("Concat", ["scaling", "adding"], ["taps"], axis=0),
        helper.make_node("Conv", ["X", "taps"], ["both"], auto_pad="SAME_UPPER"),
        helper.make_node("Split", ["both"], ["scale", "added"], axis=1, num_outputs=2),
        helper.make_node("Mul", ["X", "scale"], ["product"]),
        helper.make_node("Add", ["product", "added"], ["Y"]),
    ]
    return helper.make_function(
        DOMAIN,
        NAME,
        ["X", "w", "b"],
        ["Y"],
        nodes,
        [helper.make_opsetid("", OPSET)],
        attributes=["kernel_size"],
    )


def image_info(name: str, channels: int):
    """A float image [N, channels, H, W] with named dimensions."""
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", channels, "H", "W"])


def model(nodes: list, weights: list, functions: list[FunctionProto], channels: int) -> ModelProto:
    """The nodes from ``image`` to ``restored`` as a model."""
    return helper.make_model(
        helper.make_graph(
            nodes,
            "ArtIR",
            [image_info("image", channels)],
            [image_info("restored", channels)],
            weights,
        ),
        ir_version=10,
        producer_name="artir",
        opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid(DOMAIN, 1)],
        functions=functions,
    )
