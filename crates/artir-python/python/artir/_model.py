"""Models that restore arrays."""

from __future__ import annotations

import operator
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from artir import _artir, _native
from artir._cards import Card, card_of
from artir._errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

Progress = Callable[[int, int], object]


class Model:
    """A model, which restores arrays in the unit of its card.

    Args:
        name: The name of a model (see `artir.models`), or a file that ends in .onnx.
        device: auto, cpu, cuda, cuda:N, tensorrt or tensorrt:N. A device that was named is used, or the call fails.
        precision: f32, or fast: bfloat16 products with f32 sums, where the processor has them.
        memory: Bytes that inference may use. More pixels than that are restored in tiles.

    Raises:
        UsageError: There is no such model, device or precision.
        InputError: The file is damaged.

    >>> import artir, numpy as np
    >>> model = artir.Model("ct-ldct-t")
    >>> model.card.unit, model.card.channels
    ('HU', 1)
    >>> model.restore(np.zeros((3, 64, 64), np.float32)).shape
    (3, 64, 64)
    """

    card: Card

    def __init__(
        self,
        name: str | os.PathLike[str],
        *,
        device: str = "auto",
        precision: str = "f32",
        memory: int = 2 << 30,
    ) -> None:
        self._name = os.fspath(name)
        self._device = device
        self._precision = precision
        self._memory = _count("memory", memory)
        self.card = card_of(self._name)
        # A session takes a while to make. Most callers keep to one set of settings.
        self._kept: tuple[tuple[object, ...], _artir.Network] | None = None

    def __repr__(self) -> str:
        return f"artir.Model({self._name!r}, device={self._device!r}, precision={self._precision!r})"

    def __reduce__(self) -> tuple[Callable[..., Model], tuple[object, ...]]:
        # Sessions do not travel between processes. Each makes its own.
        return _again, (self._name, self._device, self._precision, self._memory)

    def restore(
        self,
        array: npt.ArrayLike,
        strength: float | None = None,
        tile: int | None = None,
        threads: int = 0,
        progress: Progress | None = None,
        *,
        overlap: int | None = None,
        mask: npt.ArrayLike | None = None,
    ) -> npt.NDArray[np.floating[Any]]:
        """Restores images.

        Args:
            array: Values in the unit of the card, [..., row, column], or [..., channel, row, column] for a model of
                several channels. Each image is restored for itself. A model of neighbouring slices takes stacks,
                [..., slice, row, column], in which each slice is seen with those beside it; at an end the slice of the
                other side stands in. Slices must follow each other no farther apart than `card.slices_apart` mm, which
                an array does not tell. Arrays of any library with `__array__` or DLPack work.
            strength: Share of the restoration that is applied, 0 to 1. None takes the card's, which is 1 unless it says
                otherwise. 0 changes no bit.
            tile: Edge of tiles in pixels. None restores an image as a whole if the memory allows it.
            threads: Threads; 0 takes every core. Results do not depend on it.
            progress: Is called now and then as `progress(done, total)`, in pixels. If it raises, the work ends.
            overlap: Overlap of tiles in pixels. None takes the card's.
            mask: True at pixels that are to stay as they are: [..., row, column] or the array's shape. A masked array
                brings its own. NaN, and values that are infinite in float32, are kept without one.

        Returns:
            An array of the same shape: of the input's type for floats, of float32 for integers; masked as the input is.

        Raises:
            UsageError: A shape, type or setting that does not fit the model, or values of 0 to 255 where it takes
                display values.
            KeyboardInterrupt: Within a second of Ctrl-C.
        """
        import numpy as np

        from artir._arrays import check_display, stack_of

        stack = stack_of(array, self.card.channels, mask, self.card.slices)
        if self.card.unit == "1":
            check_display(stack)
        network = self.network(strength, tile, threads, overlap)
        residuals = np.empty(stack.images.shape, np.float32)
        if residuals.size:
            network.residuals(stack.images, stack.valid, residuals, progress)
        return stack.result(residuals)

    __call__ = restore

    def network(self, strength: float | None, tile: int | None, threads: int, overlap: int | None) -> _artir.Network:
        """The loaded network with these settings. For artir's own use."""
        threads = _count("threads", threads)
        tile = None if tile is None else _count("tile", tile)
        overlap = None if overlap is None else _count("overlap", overlap)
        key = (strength, tile, threads, overlap)
        # Read once: another thread may keep a network of other settings at any time.
        kept = self._kept
        if kept is None or kept[0] != key:
            _native.choose_runtime()
            network = _artir.Network(
                self._name, self._device, threads, self._precision, tile, overlap, self._memory, strength
            )
            self._kept = kept = (key, network)
        return kept[1]


def _count(name: str, value: int) -> int:
    """A setting that the native part takes as a number without a sign.

    Raises:
        UsageError: It is negative, or beyond what any machine has.
    """
    number = operator.index(value)
    if not 0 <= number < 1 << 63:
        raise UsageError(f"{name} is {number}, not a number from 0")
    return number


def _again(name: str, device: str, precision: str, memory: int) -> Model:
    return Model(name, device=device, precision=precision, memory=memory)
