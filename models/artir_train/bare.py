"""The paper's networks as model files without values: graph, function bodies, shapes of weights.

``artir bench --paper`` fills them with values, on which a network's time does not depend.

    python -m artir_train.bare crates/artir-inspect/networks
"""

from __future__ import annotations

import argparse
import gzip
from pathlib import Path

from onnx import ModelProto

from .config import VARIANTS
from .export import build
from .network import ArtIR, Config


def bare(variant: str) -> ModelProto:
    """The exported network of a variant, for images of three channels."""
    model = build(ArtIR(Config.variant(variant)))
    for weight in model.graph.initializer:
        weight.ClearField("raw_data")
    return model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    for variant in VARIANTS:
        content = bare(variant).SerializeToString(deterministic=True)
        # No time of the clock: the same network gives the same file.
        packed = gzip.compress(content, mtime=0)
        (folder / f"{variant.lower()}.onnx.gz").write_bytes(packed)


if __name__ == "__main__":
    main()
