"""Low-count PET, made in the projection domain.

Activity is projected along parallel lines of response, attenuated, counted (Poisson) and
reconstructed by ordered-subsets expectation maximisation with a Gaussian post-filter, once from the
counts and once from their expected values. The difference of the two is the noise of a scan with so
many counts. Adding it to an image does not change the image's resolution.

Formulas: OSEM (Hudson and Larkin, IEEE Trans. Med. Imaging 13, 1994) with attenuation in the
system model; counts of a dose fraction are thinned Poisson counts, Poisson again (Kingman, Poisson
Processes, 1993, section 5.1).

Axes: images are [N, S, S] (rows y, columns x), sinograms [V, N, S] (view, slice, detector bin); a
bin is as wide as a pixel.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F

WATER_PER_MM = 0.0096
"""Linear attenuation of water in 1/mm at 511 keV."""


@dataclass(frozen=True)
class Scan:
    """How a slice is scanned and reconstructed. post_mm: full width at half maximum of the
    Gaussian that smooths the result. psf_mm: that of the point spread function that the
    reconstruction models, which makes the noise coarser; 0 for none."""

    views: int = 96
    subsets: int = 12
    iterations: int = 2
    post_mm: float = 5.0
    psf_mm: float = 0.0


def project(image: torch.Tensor, angles: torch.Tensor) -> torch.Tensor:
    """Sums [V, N, S] of an image [N, S, S] along parallel lines, in pixels times its unit."""
    n, size = image.shape[0], image.shape[-1]
    axis = _axis(size, image.device)
    along, across = torch.meshgrid(axis, axis, indexing="ij")
    c, s = torch.cos(angles)[:, None, None], torch.sin(angles)[:, None, None]
    grid = torch.stack([c * across - s * along, s * across + c * along], -1)
    batch = image[None].expand(len(angles), n, size, size)
    return F.grid_sample(batch, grid, align_corners=False).sum(2)


def back_project(rays: torch.Tensor, angles: torch.Tensor) -> torch.Tensor:
    """Sum over views of the rays [V, N, S] that meet each pixel: [N, S, S]."""
    size = rays.shape[-1]
    axis = _axis(size, rays.device)
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    c, s = torch.cos(angles)[:, None, None], torch.sin(angles)[:, None, None]
    u = c * x + s * y
    grid = torch.stack([u, torch.zeros_like(u)], -1)
    return F.grid_sample(rays[:, :, None, :], grid, align_corners=False).sum(0)


def survival(body: torch.Tensor, pixel_mm: torch.Tensor, views: int) -> torch.Tensor:
    """The share [V, N, S] of photon pairs that leave bodies of water, masks [N, S, S]."""
    path = project(body.float(), angles(views, body.device)) * pixel_mm[None, :, None]
    return torch.exp(-WATER_PER_MM * path)


def osem(
    counts: torch.Tensor, passed: torch.Tensor, pixel_mm: torch.Tensor, scan: Scan
) -> torch.Tensor:
    """Images [N, S, S] from counts [V, N, S] of lines that pass this share [V, N, S]; the sum of
    counts along a line is the line's sum of pixels times its share."""
    views = counts.shape[0]
    all_angles = angles(views, counts.device)
    size = counts.shape[-1]
    # Pixels outside the circle that every view sees stay 0.
    axis = _axis(size, counts.device)
    seen = (axis[:, None] ** 2 + axis[None] ** 2) < 1
    image = seen * counts.sum((0, 2)).div(passed.sum((0, 2)) * size)[:, None, None]
    subsets = [slice(i, None, scan.subsets) for i in _spread(scan.subsets)]

    def blurred(image: torch.Tensor) -> torch.Tensor:
        return gaussian(image, scan.psf_mm / pixel_mm).clamp(min=0) if scan.psf_mm else image

    weights = [
        blurred(back_project(passed[part], all_angles[part])).clamp(min=1e-6) for part in subsets
    ]
    for _ in range(scan.iterations):
        for part, weight in zip(subsets, weights, strict=True):
            expected = (project(blurred(image), all_angles[part]) * passed[part]).clamp(min=1e-9)
            ratio = blurred(back_project(counts[part] / expected * passed[part], all_angles[part]))
            image = image * ratio / weight
    return gaussian(image, scan.post_mm / pixel_mm)


def gaussian(image: torch.Tensor, fwhm: torch.Tensor) -> torch.Tensor:
    """Images [N, S, S] smoothed by Gaussians of this full width at half maximum [N], pixels."""
    size = image.shape[-1]
    f = torch.fft.fftfreq(2 * size, device=image.device)
    g = torch.fft.rfftfreq(2 * size, device=image.device)
    sigma = (fwhm / (2 * math.sqrt(2 * math.log(2))))[:, None, None]
    response = torch.exp(-2 * (math.pi * sigma) ** 2 * (f[:, None] ** 2 + g[None] ** 2))
    padded = torch.fft.rfft2(image, s=(2 * size, 2 * size))
    return torch.fft.irfft2(padded * response, s=(2 * size, 2 * size))[..., :size, :size]


def noise(
    suv: torch.Tensor,
    body: torch.Tensor,
    pixel_mm: torch.Tensor,
    counts: torch.Tensor,
    generator: torch.Generator,
    scan: Scan,
) -> torch.Tensor:
    """Noise images [N, S, S] in SUV of scans with so many counts [N] in the slice.

    suv and body [N, S, S]: activity, and which pixels attenuate; pixel_mm [N].
    """
    views = angles(scan.views, suv.device)
    passed = survival(body, pixel_mm, scan.views)
    expected = project(suv.clamp(min=0), views) * passed
    scale = (counts / expected.sum((0, 2)))[None, :, None]
    counted = torch.poisson(expected * scale, generator=generator) / scale
    both = torch.cat([counted, expected], 1)
    images = osem(both, passed.repeat(1, 2, 1), pixel_mm.repeat(2), scan)
    low, exact = images.chunk(2)
    return low - exact


def calibrated(
    suv: torch.Tensor,
    body: torch.Tensor,
    region: torch.Tensor,
    pixel_mm: torch.Tensor,
    variation: torch.Tensor,
    scan: Scan,
    seed: int = 0,
) -> torch.Tensor:
    """The counts [N] at which a region, masks [N, S, S], has this coefficient of variation [N].

    A trial scan is simulated, and its counts scaled: noise is proportional to 1 / sqrt(counts).
    """
    trial = torch.full((len(suv),), 2e6, device=suv.device)
    generator = torch.Generator(suv.device).manual_seed(seed)
    made = noise(suv, body, pixel_mm, trial, generator, scan)
    count = region.sum((1, 2)).clamp(min=1)
    power = (made.square() * region).sum((1, 2)) / count
    mean = (suv * region).sum((1, 2)) / count
    found = power.sqrt() / mean.clamp(min=1e-3)
    return (trial * (found / variation) ** 2).clamp(1e4, 1e9)


def angles(views: int, device: torch.device) -> torch.Tensor:
    """Views over half a turn, radians."""
    return torch.arange(views, device=device) * (math.pi / views)


def _axis(size: int, device: torch.device) -> torch.Tensor:
    return (torch.arange(size, device=device) + 0.5) * (2.0 / size) - 1.0


def _spread(subsets: int) -> list[int]:
    """An order in which neighbouring subsets are far apart in angle."""
    order, step = [], max(1, round(subsets * 0.382))
    at = 0
    left = list(range(subsets))
    while left:
        order.append(left.pop(at % len(left)))
        at += step
    return order
