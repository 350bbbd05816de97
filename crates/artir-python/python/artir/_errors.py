"""Errors of artir. The native part raises them by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from artir._restored import Restored


class ArtirError(Exception):
    """The base of all errors of artir.

    Attributes:
        reason: What failed and why, in one line.
        file: The file at fault, or None.
    """

    def __init__(self, reason: str, file: str | None = None) -> None:
        super().__init__(reason if file is None else f"{file}: {reason}")
        self.reason = reason
        self.file = file

    def __reduce__(self) -> tuple[Any, ...]:
        # Errors pass between processes, for example of dask, by their own arguments.
        return type(self), (self.reason, self.file)


class UsageError(ArtirError, ValueError):
    """A request that cannot be carried out: an unknown model, a setting out of range, an array of the wrong shape."""


class InputError(ArtirError):
    """An input that cannot be used: a damaged file, a series without an attribute that is needed."""


class OutputError(ArtirError):
    """A result that cannot be written."""


class DeviceError(ArtirError, RuntimeError):
    """A device, or ONNX Runtime, that is not available."""


class RestorationError(ArtirError, RuntimeError):
    """The restoration itself failed."""


class PartialError(InputError):
    """Some series were written, and others, or slices of them, were not.

    Attributes:
        written: The series that were written.
        errors: The reasons for all others.
    """

    def __init__(self, reason: str, file: str | None, written: list[Restored], errors: list[ArtirError]) -> None:
        super().__init__(reason, file)
        self.written = written
        self.errors = errors

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.reason, self.file, self.written, self.errors)
