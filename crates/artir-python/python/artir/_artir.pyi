"""The native part. Users call what the package itself exports."""

import os
from collections.abc import Callable
from typing import Any, final

import numpy as np
import numpy.typing as npt

__all__ = [
    "Network",
    "__version__",
    "card_of",
    "command",
    "default_model",
    "measure",
    "models",
    "protocols",
    "read_series",
    "restore_series",
    "search_runtime",
    "wait_for_workers",
]

__version__: str

@final
class Network:
    def __new__(
        cls,
        model: str,
        device: str,
        threads: int,
        precision: str,
        tile: int | None,
        overlap: int | None,
        memory: int,
        strength: float | None,
    ) -> Network: ...
    def residuals(
        self,
        images: npt.NDArray[np.float32],
        valid: npt.NDArray[np.bool_] | None,
        out: npt.NDArray[np.float32],
        progress: Callable[[int, int], object] | None,
    ) -> None: ...
    def plan(self, rows: int, columns: int) -> str: ...
    @property
    def place(self) -> str: ...

def card_of(model: str) -> tuple[str, str]: ...
def command(arguments: list[str], program: str, leading: list[str]) -> int: ...
def default_model(modality: str) -> str: ...
def measure(
    result: npt.NDArray[np.float32],
    reference: npt.NDArray[np.float32],
    valid: npt.NDArray[np.bool_] | None,
    protocol: str,
    window: tuple[float, float] | None,
) -> tuple[float, float | None, float, int, str]: ...
def models() -> list[str]: ...
def protocols() -> list[tuple[str, str, str, bool]]: ...
def read_series(
    path: str, modality: str, number: int | None, program: tuple[str, list[str]] | None
) -> dict[str, Any]: ...
def restore_series(
    network: Network,
    inputs: list[str],
    output: str | os.PathLike[str],
    settings: dict[str, object],
    progress: Callable[[int, int], object] | None,
) -> tuple[list[dict[str, Any]], list[BaseException]]: ...
def search_runtime(path: str | None, package: str | None) -> None: ...
def wait_for_workers() -> None: ...
