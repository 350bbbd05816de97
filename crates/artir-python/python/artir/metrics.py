"""PSNR, SSIM and RMSE under named protocols.

A figure means nothing without its protocol: truncation, range, window, colour space. `protocols()` lists them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from artir import _artir
from artir._errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["Figures", "Protocol", "measure", "protocols", "psnr", "rmse", "ssim"]


@dataclass(frozen=True)
class Protocol:
    """A protocol: its name, the unit of its RMSE, and its definition in words."""

    name: str
    unit: str
    words: str


@dataclass(frozen=True)
class Figures:
    """Figures of one image.

    Attributes:
        psnr: Peak signal to noise ratio, dB; infinite for equal images.
        ssim: Structural similarity; NaN where no window fits or the protocol has none.
        rmse: Root mean square error, in the protocol's unit.
        left_out: Pixels that were left out: masked, or not finite in either image.
        protocol: The protocol's name.
    """

    psnr: float
    ssim: float
    rmse: float
    left_out: int
    protocol: str


def protocols() -> list[Protocol]:
    """All protocols.

    >>> import artir
    >>> [p.name for p in artir.metrics.protocols()][:3]
    ['ldct-400', 'ldct-slice', 'pet-slice']
    """
    return [Protocol(name, unit, words) for name, unit, words, _ in _artir.protocols()]


def measure(
    a: npt.ArrayLike,
    b: npt.ArrayLike,
    protocol: str = "ldct-400",
    *,
    mask: npt.ArrayLike | None = None,
    window: tuple[float, float] | None = None,
) -> list[Figures]:
    """Measures every image of a stack.

    Args:
        a: The result. [..., row, column] in HU or SUV for protocols of CT and PET; [row, column] or
            [..., channel, row, column], display values from 0 to 1, for all others.
        b: The reference, of the same shape.
        protocol: The protocol's name.
        mask: True at pixels that do not count, [..., row, column]. Masked arrays bring their own. Pixels that are not
            finite in one of the arrays do not count either.
        window: Truncation in HU or SUV, in place of the protocol's.

    Returns:
        Figures of the images, in their order: of one for a single image.
    """
    import numpy as np

    from artir._arrays import as_float32, as_numbers, as_numpy, own_mask

    physical = {name: is_physical for name, _, _, is_physical in _artir.protocols()}.get(protocol, True)
    result, reference = (as_float32(as_numbers(x, f"array {name}")) for x, name in ((a, "a"), (b, "b")))
    if result.shape != reference.shape:
        raise UsageError(f"the shapes differ: {result.shape} against {reference.shape}")
    if result.ndim < 2:
        raise UsageError(f"the arrays have shape {result.shape}, not at least [row, column]")
    if not result.size:
        raise UsageError(f"the arrays have shape {result.shape}: there is no pixel to measure")
    rows, columns = result.shape[-2:]
    with_channels = not physical and result.ndim > 2
    channels, lead = (result.shape[-3], result.shape[:-3]) if with_channels else (1, result.shape[:-2])
    count = math.prod(lead)
    images = (x.reshape(count, channels, rows, columns) for x in (result, reference))
    own = [own_mask(x) for x in (a, b)]
    # A pixel of a masked array counts only if all its channels do.
    excluded = [m.reshape(count, channels, rows, columns).any(axis=1) for m in own if m is not None]
    if mask is not None:
        given = as_numpy(mask)
        if given.dtype != np.bool_:
            raise UsageError(f"the mask has type {given.dtype}, not bool (True where a pixel does not count)")
        try:
            full = np.broadcast_to(given, (*lead, rows, columns))
        except ValueError:
            raise UsageError(f"the mask has shape {given.shape}, the images {result.shape}") from None
        excluded.append(full.reshape(count, rows, columns))
    masks: list[npt.NDArray[np.bool_] | None] = [None] * count
    if excluded:
        masks = list(np.ascontiguousarray(~np.logical_or.reduce(excluded)))
    out = []
    for x, y, valid in zip(*images, masks, strict=True):
        ratio, similarity, error, left_out, name = _artir.measure(x, y, valid, protocol, window)
        similarity = float("nan") if similarity is None else similarity
        out.append(Figures(ratio, similarity, error, left_out, name))
    return out


def psnr(
    a: npt.ArrayLike,
    b: npt.ArrayLike,
    protocol: str = "ldct-400",
    *,
    mask: npt.ArrayLike | None = None,
    window: tuple[float, float] | None = None,
) -> float:
    """Peak signal to noise ratio in dB: the mean over the images of a stack. Arguments as for `measure`.

    >>> import artir, numpy as np
    >>> flat = np.zeros((32, 32), np.float32)
    >>> round(artir.metrics.psnr(flat + 40, flat, protocol="ldct-400"), 2)
    20.0
    """
    return _mean([f.psnr for f in measure(a, b, protocol, mask=mask, window=window)])


def ssim(
    a: npt.ArrayLike,
    b: npt.ArrayLike,
    protocol: str = "ldct-400",
    *,
    mask: npt.ArrayLike | None = None,
    window: tuple[float, float] | None = None,
) -> float:
    """Structural similarity: the mean over the images of a stack. Arguments as for `measure`."""
    return _mean([f.ssim for f in measure(a, b, protocol, mask=mask, window=window)])


def rmse(
    a: npt.ArrayLike,
    b: npt.ArrayLike,
    protocol: str = "ldct-400",
    *,
    mask: npt.ArrayLike | None = None,
    window: tuple[float, float] | None = None,
) -> float:
    """Root mean square error in the protocol's unit: the mean over the images. Arguments as for `measure`."""
    return _mean([f.rmse for f in measure(a, b, protocol, mask=mask, window=window)])


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)
