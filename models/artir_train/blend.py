"""Takes a share of what a run has changed in the weights that it began with.

    python -m artir_train.blend models/runs/ct-ldct-t/checkpoint.pt \\
        --start ct-ldct-t-0.5.0.onnx --share 0.5 -o blended.pt

Between both ends the quality of one task can be traded for that of another without a new run
(Wortsman et al.: Robust fine-tuning of zero-shot models, CVPR 2022). The result is a checkpoint to
export, not one to resume.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from . import weights
from .network import ArtIR, Config


def blended(state: dict, start: Path, share: float) -> dict:
    """A checkpoint whose averaged weights are the start's and ``share`` of the way from them to the
    checkpoint's. Raises ValueError for a start of another shape."""
    model = ArtIR(Config(**state["config"]))
    weights.load(start, model, state["settings"].get("slices", 1))
    before, after = model.state_dict(), state["weights"]
    return state | {"weights": {k: before[k].lerp(after[k], share) for k in after}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--start", type=Path, required=True, help="the model it began with")
    parser.add_argument("--share", type=float, required=True, help="0: the start, 1: the run")
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()
    if not 0 <= options.share <= 1:
        raise SystemExit("artir_train.blend: --share must be between 0 and 1")
    state = torch.load(options.checkpoint, map_location="cpu", weights_only=True)
    try:
        torch.save(blended(state, options.start, options.share), options.output)
    except ValueError as error:
        raise SystemExit(f"artir_train.blend: {error}") from error


if __name__ == "__main__":
    main()
