"""Measures CT models on real pairs of both doses, at several strengths.

    python -m lab.evaluate_pairs models/zoo/ct-ldct-t.onnx models/runs/ct-ldct-t/checkpoint.pt

``--without kernels`` replaces every large kernel by one tap of the same sum, ``--without mixers``
removes the mixers that contain them. The difference shows their effect.

``--safety 0.8`` also measures side effects at that strength: bias by tissue, and structures that
are in neither the quarter dose nor the full one.

A full-dose slice has noise of its own, so a method that removes all noise does not score best:
strength s keeps 1 - s of what the network would remove.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

from artir_train import native, weights
from artir_train.blocks import Block, LargeKernelMixer
from artir_train.config import Config
from artir_train.large_kernel import DynamicLargeKernel, delta
from artir_train.model_file import read_card
from artir_train.network import ArtIR
from artir_train.real_pairs import Pair, psnr, read_pairs
from artir_train.settings import Settings

from .pair_safety import NEW, TISSUES, new_structures, noise_left, sensitivity, tissue_bias

STRENGTHS = (0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 1.0)
DRAWN = (20.0, 30.0, 40.0, 60.0)
"""Contrasts in HU of the discs that test the search for new structures."""

PAGE = """
## Real pairs

{name} on real slices at a quarter of the dose against the same slices at full dose, by kernel. New
structures are those of a lesion's size (4 to 8 mm) in soft tissue that have less than half of their
height in the compared images. Discs of 6 pixels, drawn into the results, show how many the search
finds.

```text
{lines}
```
"""
"""The section of a page about side effects."""


class Network:
    """Averaged weights of a checkpoint, or those of a model file, as a function of slices in HU or
    SUV."""

    def __init__(self, path: Path):
        if path.suffix == ".onnx":
            card, _ = read_card(path)
            self.name = f"{card['name']} {card['version']}"
            given = card["input"]
            config = Config.variant(card["variant"], channels=given["channels"])
            self.range, self.network_range = given["range"], given["network_range"]
            self.slices = given.get("slices", 1)
            self.model = ArtIR(config)
            weights.load(path, self.model)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
            self.name = f"{path.parent.name} after {state['steps']} steps"
            settings = Settings.of_checkpoint(state["settings"])
            self.range, self.network_range = settings.range, settings.network_range
            self.slices = settings.slices
            self.model = ArtIR(Config(**state["config"]))
            self.model.load_state_dict(state["weights"])
        self.model.eval().requires_grad_(False)
        # Scores are those of f32.
        self.run = native.native(self.model.config, native.Flat(self.model), "f32") or self.model

    def leave_out(self, what: str) -> None:
        """Removes the large kernels, or the mixers that contain them, from the network."""
        for part in self.model.modules():
            if what == "kernels" and isinstance(part, DynamicLargeKernel):
                one = delta(part.kernel_size)
                part.a.copy_(part.a.sum() * one)
                part.b.copy_(part.b.sum() * one)
            elif what == "mixers" and isinstance(part, Block):
                if isinstance(part.mixer, LargeKernelMixer):
                    part.beta.zero_()

    def __call__(self, seen: np.ndarray) -> np.ndarray:
        """A slice [H, W] at strength 1. A network that sees neighbours is given them
        [slices, H, W], and restores the middle one."""
        (lo, hi), (low, high) = self.range, self.network_range
        gain = (high - low) / (hi - lo)
        seen = seen.reshape(-1, *seen.shape[-2:])
        x = torch.from_numpy(low + (seen.clip(lo, hi) - lo).astype(np.float32) * gain)[None]
        with torch.inference_mode():
            change = self.run(x) - x
        middle = len(seen) // 2
        return seen[middle] + change[0, middle].numpy() / gain


def measure(changes: dict[str, np.ndarray], pairs: list[Pair]) -> dict[str, np.ndarray]:
    """By pair: PSNR of the input and of the result at every strength, from the changes at 1."""
    found = {}
    for pair in pairs:
        change = changes[pair.name]
        results = [psnr(pair.quarter + s * change, pair.full) for s in STRENGTHS]
        found[pair.name] = np.array([psnr(pair.quarter, pair.full), *results])
    return found


def summary(found: dict[str, np.ndarray], pairs: list[Pair]) -> list[str]:
    """One line for each kernel and patient, and one for each kernel."""
    lines = []
    kernels = sorted({p.kernel for p in pairs})
    for kernel in kernels:
        patients = sorted({p.patient for p in pairs if p.kernel == kernel})
        groups = [(f"{kernel} {patient}", kernel, patient) for patient in patients]
        for title, _, patient in [*groups, (kernel, kernel, None)]:
            chosen = [p for p in pairs if p.kernel == kernel and patient in (None, p.patient)]
            mean = np.mean([found[p.name] for p in chosen], axis=0)
            cells = " ".join(f"{v:6.2f}" for v in mean[1:])
            lines.append(f"{title:10} {len(chosen):3} input {mean[0]:6.2f} result {cells}")
    return lines


def safety(changes: dict[str, np.ndarray], pairs: list[Pair], strength: float) -> list[str]:
    """Bias, noise left and new structures at a strength, a few lines for each kernel."""
    lines = []
    for kernel in sorted({p.kernel for p in pairs}):
        of_kernel = [p for p in pairs if p.kernel == kernel]
        results = [p.quarter + strength * changes[p.name] for p in of_kernel]
        both = list(zip(results, of_kernel, strict=True))
        left = np.nanmean([noise_left(r, p.full) for r, p in both])
        lines += [
            f"{kernel} at {strength:g}: noise {left:.2f} of the full dose's",
            f"  bias in HU: {mean_bias(both)}",
            f"  bias of the input: {mean_bias([(p.quarter, p) for p in of_kernel])}",
            f"  in neither dose: {density([(r, p.quarter, p) for r, p in both])}",
            f"  not in the full dose: {density([(r, None, p) for r, p in both])}",
            f"  not in the full dose, of the input: "
            f"{density([(p.quarter, None, p) for p in of_kernel])}",
            f"  drawn discs found: {found_shares(both)}",
        ]
    return lines


def mean_bias(images: list[tuple[np.ndarray, Pair]]) -> str:
    """Bias by tissue against the full dose, mean over images that have the tissue."""
    seen = np.array([list(tissue_bias(image, p.full).values()) for image, p in images])
    means = [float(c[~np.isnan(c)].mean()) if (~np.isnan(c)).any() else np.nan for c in seen.T]
    return ", ".join(f"{t} {m:+.1f}" for t, m in zip(TISSUES, means, strict=True))


def density(images: list[tuple[np.ndarray, np.ndarray | None, Pair]]) -> str:
    """New structures in 100 cm2 of images, by threshold; slices of unknown spacing are left out."""
    counts, area = np.zeros(len(NEW)), 0.0
    for image, quarter, pair in images:
        if np.isfinite(pair.mm):
            found, pixels = new_structures(image, quarter, pair.full)
            counts += found
            area += pixels * pair.mm**2 / 1e4
    if not area:
        return "unknown spacing"
    words = (f"{c / area:.2f} over {h:g} HU" for c, h in zip(counts, NEW, strict=True))
    return f"{', '.join(words)} in 100 cm2"


def found_shares(both: list[tuple[np.ndarray, Pair]]) -> str:
    """The share of discs drawn into results that the search for new structures finds."""
    words = []
    for contrast in DRAWN:
        found = np.sum([sensitivity(r, p.quarter, p.full, contrast) for r, p in both], axis=0)
        words.append(f"{found[0] / max(found[1], 1):.0%} of {contrast:g} HU")
    return ", ".join(words)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", type=Path, nargs="+", help="zoo files or checkpoints")
    parser.add_argument("--every", type=int, default=1, help="measure every n-th pair")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--safety", type=float, metavar="STRENGTH")
    parser.add_argument("--append", type=Path, metavar="PAGE", help="add --safety to a page too")
    parser.add_argument("--without", choices=("kernels", "mixers"))
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    pairs = read_pairs()[:: options.every]
    print("strengths", *STRENGTHS)
    for path in options.models:
        network = Network(path)
        if options.without:
            network.leave_out(options.without)
        print(path, flush=True)
        changes = {p.name: network(p.quarter) - p.quarter for p in pairs}
        for line in summary(measure(changes, pairs), pairs):
            print(line, flush=True)
        if options.safety:
            lines = safety(changes, pairs, options.safety)
            print(*lines, sep="\n", flush=True)
            if options.append:
                with options.append.open("a") as page:
                    page.write(PAGE.format(name=network.name, lines="\n".join(lines)))


if __name__ == "__main__":
    main()
