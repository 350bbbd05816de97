"""Fills a GPU kit: models, inputs, what is expected of the operators, and the slimmed provider.

python scripts/gpu_kit/make.py FOLDER --runtime .runtime --architecture 90
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import slim
import torch
from artir_train import export, graph, onnx_ops, weights
from artir_train.network import ArtIR, Config
from onnx import TensorProto, helper, numpy_helper
from torch import nn

ROOT = Path(__file__).resolve().parent.parent.parent
PROVIDER = "libonnxruntime_providers_cuda.so"
PLAIN = ("libonnxruntime.so.1.31.1", "libonnxruntime_providers_shared.so")
# Of 1024 x 1024 pixels and more, a tile and a 4K frame; a CT slice alone and in a batch.
SPEED = [
    ("T, slice", "ct-t", [1, 1, 512, 512], True),
    ("T, slices", "ct-t", [8, 1, 512, 512], False),
    ("T, tile", "t", [1, 3, 1024, 1024], False),
    ("T, frame", "t", [1, 3, 2160, 3840], False),
    ("S, slice", "s", [1, 3, 512, 512], True),
    ("S, tile", "s", [1, 3, 1024, 1024], False),
    ("B, slice", "b", [1, 3, 512, 512], False),
    ("B, tile", "b", [1, 3, 1024, 1024], False),
]


def save(folder: Path, name: str, values: np.ndarray) -> str:
    path = folder / "data" / f"{name}.f32"
    path.parent.mkdir(exist_ok=True)
    values.astype("<f4").tofile(path)
    return f"data/{path.name}"


def networks(folder: Path) -> list[dict]:
    """T with the zoo's weights, S and B with drawn ones: as ONNX, and as PyTorch's weights."""
    card = json.loads((ROOT / "models/configs/geo-haze-t.card.json").read_text())
    card["training"].update(patches=0, hours=0.0)
    made = []
    for name, variant, channels, zoo in [
        ("ct-t", "T", 1, "ct-ldct-t"),
        ("t", "T", 3, "geo-haze-t"),
        ("s", "S", 3, None),
        ("b", "B", 3, None),
    ]:
        torch.manual_seed(len(name) + channels)
        model = ArtIR(Config.variant(variant, channels=channels)).eval()
        path = folder / f"{name}.onnx"
        if zoo:
            source = ROOT / "models/zoo" / f"{zoo}.onnx"
            weights.load(source, model)
            shutil.copy(source, path)
        else:
            # A fresh network skips its blocks, and its large kernels pass on what they get.
            for key, value in model.named_parameters():
                if key.endswith(("beta", "gamma")):
                    nn.init.uniform_(value, -0.2, 0.2)
                elif key.endswith(("kernel.a", "kernel.b")):
                    value.data += torch.randn_like(value) / len(value)
            export.export(model, card, path)
        torch.save(
            {"config": dataclasses.asdict(model.config), "weights": model.state_dict()},
            folder / f"{name}.pt",
        )
        shape = [2, channels, 256, 320]
        image = torch.rand(shape).numpy()
        made.append(
            {
                "name": name,
                "model": path.name,
                "weights": f"{name}.pt",
                "shape": shape,
                "input": save(folder, f"{name}.input", image),
                "expected": f"data/{name}.expected.f32",
            }
        )
    return made


def one_node(kind: str, kernel_like: dict, constants: dict, shape, dtype) -> onnx.ModelProto:
    """A model of one operator of artir's, with the functions that define it."""
    of = TensorProto.FLOAT16 if dtype == np.float16 else TensorProto.FLOAT
    dims = ["N", shape[1], "H", "W"]
    node = helper.make_node(kind, ["x", *constants], ["y"], domain=onnx_ops.DOMAIN, **kernel_like)
    return helper.make_model(
        helper.make_graph(
            [node],
            kind,
            [helper.make_tensor_value_info("x", of, dims)],
            [helper.make_tensor_value_info("y", of, dims)],
            [numpy_helper.from_array(v.astype(dtype), k) for k, v in constants.items()],
        ),
        ir_version=10,
        opset_imports=[
            helper.make_opsetid("", onnx_ops.OPSET),
            helper.make_opsetid(onnx_ops.DOMAIN, 1),
        ],
        functions=[graph.block_function(), onnx_ops.large_kernel_function()],
    )


def rounded(values: np.ndarray, dtype) -> np.ndarray:
    """Values that the type holds, so that rounding them is not part of the error."""
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
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--runtime", type=Path, required=True)
    parser.add_argument("--architecture", type=int, default=90, help="90 for an H100 or H200")
    parser.add_argument("--largest", type=int, default=1 << 40, help="bytes of a kernel to keep")
    options = parser.parse_args()
    folder = options.folder
    models = {case["name"]: case for case in networks(folder)}
    speed = [
        {
            "name": name,
            "model": f"{m}.onnx",
            "weights": f"{m}.pt",
            "shape": s,
            "rehearse": r,
        }
        for name, m, s, r in SPEED
    ]
    cases = {
        "networks": list(models.values()),
        "operators": operators(folder),
        "speed": speed,
    }
    (folder / "cases.json").write_text(json.dumps(cases, indent=1))
    for name in PLAIN:
        shutil.copy(options.runtime / name, folder)
    whole = (options.runtime / PROVIDER).read_bytes()
    pieces = slim.split(slim.slim(whole, options.architecture, options.largest), folder, PROVIDER)
    print(f"{PROVIDER}: {len(whole)} bytes in {[p.stat().st_size for p in pieces]}")


if __name__ == "__main__":
    main()
