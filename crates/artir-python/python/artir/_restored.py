"""What a restoration of series wrote."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Restored:
    """A derived series that was written.

    Attributes:
        folder: Its folder.
        files: Names of its files, in the order of slices.
        series_uid: Its SeriesInstanceUID.
        provenance: Model and settings that determine its pixels.
        resumed: Slices that an earlier run had completed.
        findings: What is unusual about the restoration.
    """

    folder: str
    files: list[str]
    series_uid: str
    provenance: str
    resumed: int
    findings: list[str]
