"""Fills a GPU kit: models, inputs, expected results, and the slimmed provider.

python -m lab.gpu_kit.make FOLDER --runtime .runtime --architecture 90
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import shutil
from pathlib import Path

import torch
from torch import nn

from artir_train import export, weights
from artir_train.network import ArtIR, Config

from . import slim
from .operator_cases import operators, save

ROOT = Path(__file__).resolve().parents[3]
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


def networks(folder: Path) -> list[dict]:
    """T with the zoo's weights, S and B with random ones, as ONNX files and PyTorch weights."""
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
            # A fresh network skips its blocks, and its large kernels are the identity.
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
