"""Low-dose CT noise, made in the projection domain.

A slice is converted to attenuation and projected along parallel rays. The noise of the photon
counts of every ray is drawn. This noise alone is reconstructed by filtered back-projection and
added to the original slice. Only the noise is simulated; the resolution stays that of the scanner.

Formulas: variance of a post-log ray with Poisson counts and Gaussian electronic noise,
``1 / I + (s_e / I)^2`` (Whiting et al., Med. Phys. 33, 2006; Yu et al., J. Comput. Assist. Tomogr.
36, 2012); filtered back-projection and its ramp filter (Kak and Slaney, Principles of Computerized
Tomographic Imaging, 1988, chapter 3).

Axes: images are [N, S, S] (rows y, columns x), sinograms [V, N, D] (view, slice, detector bin).
Detector bins are half a pixel wide, so that the linear interpolation of the back-projection loses
little below the image's Nyquist frequency. A coarser detector gives noise that is too smooth, and a
network trained on it leaves the finer noise of real scanners in the image.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F

WATER_PER_MM = 0.0195
"""Linear attenuation of water in 1/mm, at the effective energy of a 120 kV spectrum."""

BODY_HU = (-250.0, 250.0)
"""HU range of the soft tissue over which a noise image's standard deviation is stated."""

_VIEWS_AT_ONCE = 16


@dataclass(frozen=True)
class Scan:
    """How a slice is scanned and reconstructed.

    views: projections over half a turn. photons: counts of an unattenuated ray. electronic:
    standard deviation of the electronic noise, in photons.
    """

    views: int = 400
    photons: float = 7e4
    electronic: float = 8.0


def reconstruction_filter(
    length: int, cut: torch.Tensor, power: torch.Tensor, *, bins_per_pixel: int = 2
) -> torch.Tensor:
    """Ramp times a raised cosine to a power, over the FFT frequencies of ``length`` bins.

    cut [N]: frequency in cycles a pixel where the window reaches zero; about 0.4 is a soft
    kernel, 1.15 a sharp one. power [N]: exponent of the window. Returns [N, length], in cycles
    a bin.
    """
    f = torch.fft.fftfreq(length, device=cut.device).abs()
    limit = (cut / bins_per_pixel)[:, None]
    window = 0.5 + 0.5 * torch.cos(math.pi * (f / limit).clamp(max=1.0))
    return f * window ** power[:, None]


def kernel_window(
    frequency: torch.Tensor, half: torch.Tensor, steepness: torch.Tensor
) -> torch.Tensor:
    """Gain of a reconstruction kernel relative to the ramp: ``2^-(f / half)^steepness``.

    ``half``, in the unit of ``frequency``, is where half is left. Two numbers describe real
    kernels: in cycles a millimetre and steepness, a B30f has 0.35 and 2, a D45f 0.8 and 4 (from the
    noise power spectra of slices; the exponent is what a soft kernel's slow fall and a sharp
    kernel's edge differ by).
    """
    return torch.exp2(-((frequency / half) ** steepness))


def line_integrals(hu: torch.Tensor, pixel_mm: torch.Tensor, views: int) -> torch.Tensor:
    """Attenuation along parallel rays through slices.

    hu [N, S, S] in Hounsfield units, pixel_mm [N]. Returns [V, N, D] without unit. The rays
    are traced
    through the slice at half resolution: the noise level of a ray does not depend on finer detail.
    """
    n, size = hu.shape[0], hu.shape[-1]
    mu = ((hu + 1000.0) * (WATER_PER_MM / 1000.0)).clamp(min=0.0)
    mu = F.avg_pool2d(mu[None], 2)
    bins = _bins(size)
    rays = bins // 4
    reach = bins / (2 * size)
    axis = (torch.arange(rays, device=hu.device) + 0.5) * (2 * reach / rays) - reach
    along, across = torch.meshgrid(axis, axis, indexing="ij")
    sums = []
    for angles in _angles(views, hu.device).split(_VIEWS_AT_ONCE):
        c, s = torch.cos(angles)[:, None, None], torch.sin(angles)[:, None, None]
        grid = torch.stack([c * across - s * along, s * across + c * along], -1)
        ray = F.grid_sample(mu.expand(len(angles), -1, -1, -1), grid, align_corners=False)
        sums.append(ray.sum(2))
    # One step along the ray is 2 * reach / rays of the half-width, which is size / 2 pixels.
    step_mm = pixel_mm * (size * reach / rays)
    coarse = torch.cat(sums) * step_mm[None, :, None]
    fine = F.interpolate(coarse, size=bins, mode="linear", align_corners=False)
    return fine.reshape(views, n, bins)


def ray_noise_sd(p: torch.Tensor, photons: torch.Tensor, electronic: float) -> torch.Tensor:
    """Standard deviation of line integrals p [V, N, D] measured with photons [V or 1, N, 1] a ray.

    Rays with hardly a photon left are capped at 1.5, where a scanner's own correction takes over.
    """
    counts = photons * torch.exp(-p).clamp(min=1e-5)
    return torch.sqrt(1.0 / counts + (electronic / counts) ** 2).clamp(max=1.5)


def back_project(q: torch.Tensor, size: int) -> torch.Tensor:
    """Sum of filtered projections q [V, N, D] over every pixel: [N, size, size]."""
    views, n, bins = q.shape
    axis = (torch.arange(size, device=q.device) + 0.5) * (2.0 / size) - 1.0
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    scale = 2 * size / bins
    image = torch.zeros(n, size, size, device=q.device)
    parts = zip(_angles(views, q.device).split(4), q.split(4), strict=True)
    for angles, rows in parts:
        c, s = torch.cos(angles)[:, None, None], torch.sin(angles)[:, None, None]
        u = (c * x + s * y) * scale
        grid = torch.stack([u, torch.zeros_like(u)], -1)
        image += F.grid_sample(rows[:, :, None, :], grid, align_corners=False).sum(0)
    return image * (math.pi / views)


def noise(
    hu: torch.Tensor,
    pixel_mm: torch.Tensor,
    cut: torch.Tensor,
    power: torch.Tensor,
    generator: torch.Generator,
    scan: Scan | None = None,
    photons: torch.Tensor | None = None,
) -> torch.Tensor:
    """Noise images in HU for slices hu [N, S, S] (S a multiple of 8); the mean noise is zero.

    pixel_mm, cut, power: [N]; see ``reconstruction_filter``. photons [N] overrides ``scan.photons``
    slice by slice. The Poisson counts are drawn in their Gaussian limit, which keeps the mean
    of the line
    integrals unchanged.
    """
    scan = scan or Scan()
    _check(hu)
    if photons is None:
        photons = torch.full((len(hu),), scan.photons, device=hu.device)
    p = line_integrals(hu, pixel_mm, scan.views)
    sd = ray_noise_sd(p, photons[None, :, None], scan.electronic)
    response = reconstruction_filter(_length(p), cut, power)
    return _reconstructed(sd, response, pixel_mm, hu.shape[-1], generator)


def ramp_noise(
    hu: torch.Tensor,
    pixel_mm: torch.Tensor,
    photons: torch.Tensor,
    modulation: torch.Tensor,
    generator: torch.Generator,
    scan: Scan,
) -> torch.Tensor:
    """Noise images like those of :func:`noise`, reconstructed with the bare ramp.

    A kernel then is a filter of the image: ``kernel_window`` over its spatial frequencies.
    modulation [N], 0 to 1, is how far the tube current follows the attenuation from view to view:
    at 0 the rays through the long axis of the body have the noise, and it runs along them; at 1 all
    views are equally noisy.
    """
    _check(hu)
    p = line_integrals(hu, pixel_mm, scan.views)
    thickest = p.amax(2)
    current = torch.exp(modulation * (thickest - thickest.mean(0)))
    counts = photons * current
    sd = ray_noise_sd(p, counts[..., None], scan.electronic)
    f = torch.fft.fftfreq(_length(p), device=hu.device).abs()
    # Linear interpolation between bins filters by a squared sinc, which is compensated here. The
    # end of the band lies beyond the corner of the image's own frequencies.
    end = torch.tensor(0.425)
    response = f / torch.sinc(f) ** 2 * kernel_window(f, end, torch.tensor(10.0))
    return _reconstructed(sd, response[None], pixel_mm, hu.shape[-1], generator)


def _check(hu: torch.Tensor) -> None:
    size = hu.shape[-1]
    if hu.ndim != 3 or hu.shape[-2] != size or size % 8:
        raise ValueError(f"slices must be [N, S, S] with S a multiple of 8, not {tuple(hu.shape)}")


def _length(p: torch.Tensor) -> int:
    """Length of the Fourier transform that filters projections."""
    return 2 ** math.ceil(math.log2(2 * p.shape[-1]))


def _reconstructed(
    sd: torch.Tensor,
    response: torch.Tensor,
    pixel_mm: torch.Tensor,
    size: int,
    generator: torch.Generator,
) -> torch.Tensor:
    """Draws noise of these standard deviations [V, N, D] and reconstructs it, in HU. response [N,
    length] is in cycles a bin."""
    drawn = torch.randn(sd.shape, generator=generator, device=sd.device) * sd
    bins, length = sd.shape[-1], response.shape[-1]
    # The ramp in cycles a millimetre: a bin is half a pixel.
    response = response / (pixel_mm[:, None] / 2)
    spectrum = torch.fft.rfft(drawn, length) * response[None, :, : length // 2 + 1]
    filtered = torch.fft.irfft(spectrum, length)[..., :bins]
    return back_project(filtered, size) * (1000.0 / WATER_PER_MM)


def body_sd(hu: torch.Tensor, noise_hu: torch.Tensor) -> torch.Tensor:
    """Standard deviation [N] of noise images over the soft tissue of their slices.

    A slice without soft tissue is measured over all of its pixels.
    """
    body = (hu > BODY_HU[0]) & (hu < BODY_HU[1])
    body = torch.where(body.flatten(1).any(1)[:, None, None], body, torch.ones_like(body))
    weight = body.float()
    count = weight.sum((1, 2))
    mean = (noise_hu * weight).sum((1, 2)) / count
    return (((noise_hu - mean[:, None, None]) ** 2 * weight).sum((1, 2)) / count).sqrt()


def _bins(size: int) -> int:
    """Detector bins of half a pixel that cover the diagonal of the slice, a multiple of 4."""
    return 4 * math.ceil(math.sqrt(2.0) * size / 2)


def _angles(views: int, device: torch.device) -> torch.Tensor:
    return torch.arange(views, device=device) * (math.pi / views)
