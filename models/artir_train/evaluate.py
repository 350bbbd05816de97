"""Measures a checkpoint on images that no model is trained on.

    artir-evaluate models/runs/geo-haze-t/checkpoint.pt

All tasks: the held-out images of the run's data, and those of each degradation apart. PET: also the
SUVmax of hot spots. Haze: also real thin cloud (RICE1 test pairs, protocol ``rgb``), with improved
and worsened images apart, because the mean of all hides both.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

from .data import data_folder
from .losses import peak_shares
from .network import ArtIR, Config
from .settings import Settings
from .sources import source
from .trainer import mean_psnr


def load(path: Path) -> tuple[ArtIR, Settings]:
    """The averaged weights of a checkpoint, and its settings."""
    state = torch.load(path, map_location="cpu", weights_only=True)
    model = ArtIR(Config(**state["config"])).eval().requires_grad_(False)
    model.load_state_dict(state["weights"])
    return model, Settings.of_checkpoint(state["settings"])


def rice(model: ArtIR) -> None:
    """Real thin cloud: pairs ``*_real_A`` (hazy) and ``*_real_B`` (clear)."""
    from PIL import Image

    folder = data_folder() / "images" / "rice1-thin-cloud"
    rows = []
    for hazy_path in sorted(folder.glob("**/*_real_A*")):
        pair = [hazy_path, hazy_path.with_name(hazy_path.name.replace("_real_A", "_real_B"))]
        hazy, clear = (
            torch.from_numpy(np.asarray(Image.open(p).convert("RGB"), np.float32) / 255)
            .permute(2, 0, 1)[None]
            .contiguous()
            for p in pair
        )
        rows.append((mean_psnr(hazy, clear, (0, 1)), mean_psnr(model(hazy), clear, (0, 1))))
    before, after = np.array(rows).T
    worse = after < before
    print(
        f"rice1-thin-cloud, rgb, {len(rows)} images: {before.mean():.2f} -> {after.mean():.2f} dB"
    )
    for name, part in (("better", ~worse), ("worse", worse)):
        if part.any():
            means = f"{before[part].mean():.2f} -> {after[part].mean():.2f} dB"
            print(f"  {name}: {part.sum()} images, {means}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument(
        "--data", type=Path, metavar="FOLDER", help="the published data sets of the training"
    )
    options = parser.parse_args()
    model, settings = load(options.checkpoint)
    packs = options.checkpoint.parents[1] / "packs"
    try:
        images = source(settings.data, packs, settings.seed, options.data)
    except ValueError as error:
        raise SystemExit(f"artir-evaluate: {error}") from error
    degraded, clean = images.validation()
    window = images.window
    parts = [settings.to_physical(model(settings.to_network(x))) for x in degraded.split(1)]
    result = torch.cat(parts)
    before = mean_psnr(degraded, clean, window)
    after = mean_psnr(result, clean, window)
    print(f"held out, {len(clean)} images: {before:.2f} -> {after:.2f} dB")
    groups = np.array(getattr(images, "groups", []))
    for group in dict.fromkeys(groups.tolist()):
        own = torch.from_numpy(groups == group)
        before, after = (mean_psnr(x[own], clean[own], window) for x in (degraded, result))
        print(f"  {group}, {int(own.sum())} images: {before:.2f} -> {after:.2f} dB")
    if settings.data == "pet":
        rmse = [float((x - clean).square().mean().sqrt()) for x in (degraded, result)]
        print(f"RMSE, SUV: {rmse[0]:.3f} -> {rmse[1]:.3f}")
        kept = [float(peak_shares(x, clean, 4.0)[0].mean()) for x in (degraded, result)]
        print(f"SUVmax of hot spots kept: {kept[0]:.1%} -> {kept[1]:.1%}")
    if settings.data == "haze":
        rice(model)


if __name__ == "__main__":
    main()
