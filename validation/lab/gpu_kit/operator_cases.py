"""The operators of a GPU kit, each in its own model, with the expected result."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from artir_train import graph, onnx_ops


def save(folder: Path, name: str, values: np.ndarray) -> str:
    path = folder / "data" / f"{name}.f32"
    path.parent.mkdir(exist_ok=True)
    values.astype("<f4").tofile(path)
    return f"data/{path.name}"


def one_node(kind: str, attributes: dict, constants: dict, shape, dtype) -> onnx.ModelProto:
    """A model of one operator of artir's, with the functions that define it."""
    of = TensorProto.FLOAT16 if dtype == np.float16 else TensorProto.FLOAT
    node = helper.make_node(kind, ["x", *constants], ["y"], domain=onnx_ops.DOMAIN, **attributes)
    given = ["N", shape[1], "H", "W"]
    made = ["N", attributes.get("refined_channels", shape[1]), "H", "W"]
    return helper.make_model(
        helper.make_graph(
            [node],
            kind,
            [helper.make_tensor_value_info("x", of, given)],
            [helper.make_tensor_value_info("y", of, made)],
            [numpy_helper.from_array(v.astype(dtype), k) for k, v in constants.items()],
        ),
        ir_version=10,
        opset_imports=[
            helper.make_opsetid("", onnx_ops.OPSET),
            helper.make_opsetid(onnx_ops.DOMAIN, 1),
        ],
        functions=[
            graph.block_function(),
            *(graph.modulation_function(refined) for refined in (False, True)),
            onnx_ops.large_kernel_function(),
        ],
    )


def rounded(values: np.ndarray, dtype) -> np.ndarray:
    """Values that the type represents exactly, so that rounding is not part of the error."""
    return values.astype(dtype).astype(np.float64)


def exact_large_kernel(x: np.ndarray, a: np.ndarray, b: np.ndarray, size: int) -> np.ndarray:
    """X (a * X) + (b * X) in float64."""
    taps = torch.from_numpy(np.stack([a, b]).reshape(2, 1, size, size))
    both = nn.functional.conv2d(torch.from_numpy(x), taps, padding=size // 2).numpy()
    return x * both[:, :1] + both[:, 1:]


def exact_block(x: np.ndarray, w: dict[str, np.ndarray]) -> np.ndarray:
    """The block's definition in float64."""
    f, t = nn.functional, {k: torch.from_numpy(v) for k, v in w.items()}

    def norm(x, weight, bias):
        last = f.layer_norm(x.permute(0, 2, 3, 1), weight.shape, weight, bias, 1e-6)
        return last.permute(0, 3, 1, 2)

    y = torch.from_numpy(x)
    z = f.conv2d(
        norm(y, t["norm1_weight"], t["norm1_bias"]),
        t["expand_weight"],
        t["expand_bias"],
    )
    z = f.conv2d(z, t["local_weight"], t["local_bias"], padding=1, groups=z.shape[1])
    a, b = z.chunk(2, 1)
    y = y + f.conv2d(a * b, t["project_weight"], t["project_bias"])
    z = f.conv2d(norm(y, t["norm2_weight"], t["norm2_bias"]), t["feed_expand"])
    z = f.conv2d(z, t["feed_local"], padding=1, groups=z.shape[1])
    a, b = z.chunk(2, 1)
    return (y + f.conv2d(f.gelu(a) * b, t["feed_project"])).numpy()


def exact_modulation(x: np.ndarray, w: dict[str, np.ndarray]) -> np.ndarray:
    """The definition of a step of the cascade in float64, refined if there are weights for it."""
    t = {k: torch.from_numpy(v) for k, v in w.items()}

    def each(x, weight, bias):
        padding = weight.shape[-1] // 2
        return nn.functional.conv2d(x, weight, bias, padding=padding, groups=x.shape[1])

    y = t["spatial"] * torch.from_numpy(x) * t["weigh"]
    y = y * each(t["segment"], t["local_weight"], t["local_bias"])
    if "refine_weight" in t:
        y = each(y.repeat_interleave(2, 1), t["refine_weight"], t["refine_bias"])
    return y.numpy()


def operators(folder: Path) -> list[dict]:
    """Each operator alone, in both types, on odd shapes."""
    draw = np.random.default_rng(7)
    made = []

    def case(name, kind, attributes, constants, shape, dtype, exact, on_cpu):
        x = rounded(draw.uniform(-1, 1, shape), dtype)
        model = one_node(kind, attributes, constants, shape, dtype)
        path = folder / f"{name}.onnx"
        onnx.save(model, path)
        made.append(
            {
                "name": name,
                "model": path.name,
                "type": "f16" if dtype == np.float16 else "f32",
                "shape": list(shape),
                "input": save(folder, f"{name}.input", x),
                "expected": save(folder, f"{name}.expected", exact(x)),
                "bound": 2e-3 if dtype == np.float16 else 1e-5,
                "cpu": on_cpu,
            }
        )

    for dtype in (np.float32, np.float16):
        suffix = "f16" if dtype == np.float16 else "f32"
        for size, shape in [
            (15, (2, 1, 37, 50)),
            (63, (1, 1, 135, 241)),
            (63, (1, 1, 540, 960)),
            (127, (1, 1, 90, 77)),
        ]:
            a, b = (rounded(draw.uniform(-1, 1, size**2) / size**2, dtype) for _ in "ab")
            case(
                f"large-{size}-{shape[2]}x{shape[3]}-{suffix}",
                onnx_ops.NAME,
                {"kernel_size": size},
                {"w": a, "b": b},
                shape,
                dtype,
                lambda x, a=a, b=b, size=size: exact_large_kernel(x, a, b, size),
                on_cpu=True,
            )
        for c, shape in [
            (32, (2, 32, 45, 67)),
            (64, (1, 64, 50, 33)),
            (96, (1, 96, 40, 41)),
        ]:
            sizes = {
                "norm1_weight": (c,),
                "norm1_bias": (c,),
                "expand_weight": (2 * c, c, 1, 1),
                "expand_bias": (2 * c,),
                "local_weight": (2 * c, 1, 3, 3),
                "local_bias": (2 * c,),
                "project_weight": (c, c, 1, 1),
                "project_bias": (c,),
                "norm2_weight": (c,),
                "norm2_bias": (c,),
                "feed_expand": (6 * c, c, 1, 1),
                "feed_local": (6 * c, 1, 3, 3),
                "feed_project": (c, 3 * c, 1, 1),
            }
            w = {
                k: rounded(draw.uniform(-1, 1, s) / np.sqrt(max(np.prod(s[1:]), 1)), dtype)
                for k, s in sizes.items()
            }
            case(
                f"block-{c}-{suffix}",
                graph.BLOCK,
                {"mixer_channels": 2 * c, "feed_channels": 6 * c},
                w,
                shape,
                dtype,
                lambda x, w=w: exact_block(x, w),
                on_cpu=dtype == np.float32,
            )
        for c, refined, shape in [
            (32, True, (2, 32, 37, 50)),
            (64, True, (1, 64, 135, 241)),
            (128, False, (1, 128, 90, 77)),
        ]:
            n, _, rows, columns = shape
            sizes = {
                "spatial": (n, 1, rows, columns),
                "weigh": (n, c, 1, 1),
                "segment": shape,
                "local_weight": (c, 1, 3, 3),
                "local_bias": (c,),
            }
            attributes = {"channels": c}
            if refined:
                sizes |= {"refine_weight": (2 * c, 1, 7, 7), "refine_bias": (2 * c,)}
                attributes |= {"twice": np.repeat(range(c), 2).tolist(), "refined_channels": 2 * c}
            w = {k: rounded(draw.uniform(-1, 1, s), dtype) for k, s in sizes.items()}
            case(
                f"modulation-{c}-{suffix}",
                graph.REFINED if refined else graph.MODULATION,
                attributes,
                w,
                shape,
                dtype,
                lambda x, w=w: exact_modulation(x, w),
                on_cpu=dtype == np.float32,
            )
    return made
