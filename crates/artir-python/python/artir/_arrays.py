"""Arrays as users have them, and as the native part takes them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from artir._errors import UsageError

Floats = npt.NDArray[np.floating[Any]]


def as_numpy(array: object) -> npt.NDArray[Any]:
    """A NumPy array of any library's array with `__array__` or DLPack, without a copy where that is possible.

    Raises:
        UsageError: It is no array.
    """
    if hasattr(array, "__dlpack__") and not isinstance(array, np.ndarray):
        try:
            return np.from_dlpack(array)
        except (BufferError, RuntimeError, TypeError) as e:
            # A tensor on a device, with gradients, or of a type that NumPy lacks. Its own conversion may work.
            if not hasattr(array, "__array__"):
                raise UsageError(f"the array cannot be read: {_one_line(e)}") from e
    try:
        # The base class, since subclasses such as numpy.matrix have shapes of their own.
        return np.asarray(array)
    except (BufferError, RuntimeError, TypeError, ValueError) as e:
        raise UsageError(f"the array cannot be read: {_one_line(e)}") from e


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def own_mask(array: object) -> npt.NDArray[np.bool_] | None:
    """The mask of a masked array, in the array's shape; None for any other array."""
    # np.asarray drops it.
    return np.broadcast_to(array.mask, array.shape) if isinstance(array, np.ma.MaskedArray) else None


def as_numbers(array: object, words: str) -> npt.NDArray[Any]:
    """As `as_numpy`, for values that the native part can take.

    Raises:
        UsageError: They are no numbers, or not real ones.
    """
    values = as_numpy(array)
    if values.dtype.kind not in "fiu" or values.dtype.itemsize > 8:
        raise UsageError(f"{words} has type {values.dtype}, not integers or floats of at most 64 bits")
    return values


def as_float32(values: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """C-contiguous, without a copy where that is possible. Values beyond float32 become infinite."""
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(values, dtype=np.float32)


@dataclass(frozen=True)
class Stack:
    """Images for a network, and how to give results back in the form of the input."""

    #: [image, channel, row, column], or [stack, slice, row, column] for a model of neighbouring slices
    images: npt.NDArray[np.float32]
    #: [image or slice, row, column]; None if all pixels are valid.
    valid: npt.NDArray[np.bool_] | None
    #: The input as an array of floats.
    given: npt.NDArray[Any]
    mask: npt.NDArray[np.bool_] | None

    def result(self, residuals: npt.NDArray[np.float32]) -> Floats:
        """Input plus residual, in the input's shape and type, masked as the input is."""
        given = self.given.reshape(self.images.shape)
        # In place where the types agree, since the residuals are no one else's.
        out = residuals if given.dtype == np.float32 else np.empty(given.shape, given.dtype)
        # One image after the other, so that nothing of the size of the stack is made on the way.
        for image, residual, restored in zip(given, residuals, out, strict=True):
            # Adding 0 would still change the bits of -0 and of a NaN.
            same = (residual == 0) | ~np.isfinite(image)
            restored[...] = image + residual
            np.copyto(restored, image, where=same)
        out = out.reshape(self.given.shape)
        if self.mask is None:
            return out
        masked = out.view(np.ma.MaskedArray)
        masked.mask = self.mask
        return masked


def stack_of(array: object, channels: int, mask: object = None, slices: int = 1) -> Stack:
    """Prepares an array for a model of so many channels, or of so many neighbouring slices of one channel.

    Raises:
        UsageError: A shape or type that is none of images.
    """
    masked = own_mask(array)
    values = as_numbers(array, "the array")
    if slices > 1:
        channels = 1
    least = 2 if channels == 1 else 3
    if values.ndim < least or (channels > 1 and values.shape[-3] != channels):
        form = "[..., row, column]" if channels == 1 else f"[..., {channels} channels, row, column]"
        raise UsageError(f"the array has shape {values.shape}, the model takes {form}")
    # The network sees float32. Results of integers are float32, and of other floats as precise as they were.
    given = values if values.dtype.kind == "f" else values.astype(np.float32)
    rows, columns = given.shape[-2:]
    # Counted here, since NumPy cannot infer it where there are no rows.
    count = math.prod(given.shape[:-2]) // channels
    shape = (count, channels, rows, columns)
    if slices > 1:
        shape = (math.prod(given.shape[:-3]), given.shape[-3] if given.ndim > 2 else 1, rows, columns)
    images = as_float32(given).reshape(shape)
    masks = [m for m in (masked, None if mask is None else _mask(mask, given.shape, channels)) if m is not None]
    if not masks:
        return Stack(images, None, given, None)
    full = np.logical_or.reduce(masks)
    # A pixel counts only if all its channels do.
    valid = ~full.reshape(count, channels, rows, columns).any(axis=1)
    return Stack(images, np.ascontiguousarray(valid), given, None if masked is None else full)


def check_display(stack: Stack) -> None:
    """Raises UsageError for values far beyond 0 to 1: a model of display values would take 0 to 255 for white."""
    # Every eighth row is enough for a mean.
    values = np.abs(stack.images[:, :, ::8])
    counted = np.isfinite(values)
    if stack.valid is not None:
        counted &= stack.valid[:, None, ::8]
    # Noise may go somewhat beyond.
    if values.sum(where=counted, dtype=np.float64) > 1.5 * counted.sum():
        raise UsageError(
            "the model takes display values from 0 to 1, and their mean is above 1.5: divide 0 to 255 by 255"
        )


def _mask(mask: object, shape: tuple[int, ...], channels: int) -> npt.NDArray[np.bool_]:
    """A mask for every value. One without the axis of channels holds for all of them."""
    given = as_numpy(mask)
    if given.dtype != np.bool_:
        raise UsageError(f"the mask has type {given.dtype}, not bool (True where a pixel is left as it is)")
    if channels > 1 and given.ndim >= 2 and given.shape == (*shape[:-3], *shape[-2:]):
        given = np.expand_dims(given, -3)
    try:
        return np.broadcast_to(given, shape)
    except ValueError:
        raise UsageError(f"the mask has shape {given.shape}, the array {shape}") from None
