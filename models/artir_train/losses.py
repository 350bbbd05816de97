"""Training losses by name. A configuration names each loss that it uses, with a weight:

    [losses.dual_domain]
    weight = 1.0
    fourier = 0.1

Other keys of such a table are the loss's own options. All images are in network values; every loss
returns one number for a batch [N, C, H, W].
"""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable

import torch
import torch.nn.functional as F


def dual_domain(
    result: torch.Tensor,
    target: torch.Tensor,
    given: torch.Tensor,
    *,
    fourier: float,
    bright: float = 0.0,
) -> torch.Tensor:
    """The paper's loss: mean absolute error of the pixels + ``fourier`` x that of the orthonormal
    spectra.

    Pixel errors are weighted by 1 + ``bright`` x the target's value. Hot spots are few pixels but
    the purpose of a PET image.
    """
    difference = result.float() - target
    spectrum = torch.fft.rfft2(difference, norm="ortho")
    spectral = (spectrum.real.abs() + spectrum.imag.abs()).mean()
    pixels = difference.abs() * (1 + bright * target.clamp(min=0)) if bright else difference.abs()
    return pixels.mean() + fourier * spectral


def psnr(
    result: torch.Tensor,
    target: torch.Tensor,
    given: torch.Tensor,
    *,
    enough: float = 1e-4,
) -> torch.Tensor:
    """Mean over images of log10(mean squared error + ``enough``).

    A mean PSNR counts the same. An image that the network can restore well then weighs as much as
    one that it cannot, whose error is far larger. Mean squared errors below ``enough`` count as
    good: 1e-4 is an error of 1 %, or 40 dB.
    """
    squared = (result.float() - target).square().flatten(1).mean(1)
    return torch.log10(squared + enough).mean()


def worse(result: torch.Tensor, target: torch.Tensor, given: torch.Tensor) -> torch.Tensor:
    """Mean increase of the error over that of the input, in areas of 32x32 pixels where it
    increases.

    With this loss a network leaves the ground unchanged where it cannot distinguish haze from
    bright ground.
    """
    after = F.avg_pool2d((result.float() - target).abs().mean(1, True), 32)
    before = F.avg_pool2d((given - target).abs().mean(1, True), 32)
    return (after - before).clamp(min=0).mean()


def regional(
    result: torch.Tensor,
    target: torch.Tensor,
    given: torch.Tensor,
    *,
    pixels: int,
    bright: float = 0.0,
) -> torch.Tensor:
    """Mean absolute error of the means of squares of ``pixels`` pixels, weighted by 1 + ``bright``
    x the target's mean.

    Errors of single pixels say little about a region's mean, which is what is read from a PET
    image (SUVmean, SUVpeak). A small bias is cheap for them, and dear for this loss. Squares
    overlap by half.
    """
    step = max(1, pixels // 2)
    means, true = (F.avg_pool2d(x.float(), pixels, step) for x in (result, target))
    return ((means - true).abs() * (1 + bright * true.clamp(min=0))).mean()


def peaks(
    result: torch.Tensor,
    target: torch.Tensor,
    given: torch.Tensor,
    *,
    least: float,
    aim: float = 1.0,
) -> torch.Tensor:
    """Squared deviation of the kept SUVmax of hot spots from ``aim``, weighted by the spots'
    contrast.

    A small lesion is all contrast. The highest pixel of a hot organ is mostly noise.
    """
    shares, contrast = peak_shares(result, target, least)
    if not len(shares):
        return result.new_zeros(())
    return (contrast * (shares - aim).square()).mean()


def peak_shares(
    result: torch.Tensor, target: torch.Tensor, least: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """For each hot spot of the target: the share of its highest value (SUVmax) that the result
    keeps, and the spot's contrast: its relative height above the mean of its surroundings.

    A hot spot is a value of ``least`` or more, the highest within 4 pixels. Its highest value in
    the result may lie 2 pixels away.
    """
    highest = F.max_pool2d(target, 9, stride=1, padding=4)
    spots = (target >= least) & (target >= highest)
    found = F.max_pool2d(result.float(), 5, stride=1, padding=2)
    around = F.avg_pool2d(target, 9, stride=1, padding=4)
    return found[spots] / target[spots], 1 - around[spots] / target[spots]


def contrast(
    result: torch.Tensor,
    target: torch.Tensor,
    given: torch.Tensor,
    drawn: torch.Tensor,
    *,
    faint: float,
) -> torch.Tensor:
    """Squared deviation from 1 of the share of contrast that drawn lesions keep.

    The other losses make a faint lesion fainter the less certain it is. This one sees many lesions
    at once: their noise averages out, what all of them lose does not. Lesions are taken by their
    contrast: below ``faint`` (network values), to twice that, and above, so that strong ones do not
    make up for faint ones. Within a group all pixels weigh the same.
    """
    strength = drawn.abs()
    error = (result.float() - target) * drawn.sign() / strength.clamp(min=faint / 4)
    ends = (faint / 4, faint, 2 * faint, float("inf"))
    lost = [
        error[(strength > least) & (strength <= most)] for least, most in itertools.pairwise(ends)
    ]
    return sum((part.mean().square() for part in lost if len(part)), result.new_zeros(()))


LOSSES: dict[str, Callable[..., torch.Tensor]] = {
    f.__name__: f for f in (dual_domain, psnr, worse, regional, peaks, contrast)
}


def check(losses: dict[str, dict[str, float]]) -> None:
    """Raises ValueError for unknown losses, missing weights and wrong options."""
    if not losses:
        raise ValueError(f"no loss is named; there are {', '.join(LOSSES)}")
    for name, options in losses.items():
        if name not in LOSSES:
            raise ValueError(f"there is no loss {name!r}; there are {', '.join(LOSSES)}")
        own = inspect.signature(LOSSES[name]).parameters.values()
        own = {p.name: p.default is p.empty for p in own if p.kind is p.KEYWORD_ONLY}
        own = {"weight": True, **own}
        if unknown := options.keys() - own:
            raise ValueError(
                f"loss {name} has no option {', '.join(sorted(unknown))}; it has {', '.join(own)}"
            )
        if missing := [key for key, needed in own.items() if needed and key not in options]:
            raise ValueError(f"loss {name} needs {', '.join(missing)}")


def total(
    losses: dict[str, dict[str, float]],
    result: torch.Tensor,
    target: torch.Tensor,
    given: torch.Tensor,
    drawn: torch.Tensor | None = None,
) -> torch.Tensor:
    """The weighted sum of the losses that a configuration names. ``drawn``: lesions that the data
    has drawn into ``given`` and ``target`` alike."""
    parts = []
    for name, options in losses.items():
        own = {key: value for key, value in options.items() if key != "weight"}
        more = (drawn,) if LOSSES[name] is contrast else ()
        parts.append(options["weight"] * LOSSES[name](result, target, given, *more, **own))
    return sum(parts[1:], parts[0])
