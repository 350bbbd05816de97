"""The list of test files, with GDAL's description of each, which decides how artir is called."""

import csv
import fnmatch
from dataclasses import dataclass
from pathlib import Path

RGB = {"Red", "Green", "Blue"}
COG_TYPES = {"Byte", "UInt16", "Float32"}


@dataclass(frozen=True)
class Entry:
    """A file of the manifest."""

    name: str
    path: Path
    opens: bool
    decode: str
    bands: int
    types: tuple[str, ...]
    colours: tuple[str, ...]
    compression: str
    allowed: Path | None = None

    @property
    def big(self) -> bool:
        """Whether it was too large to be decoded for the manifest."""
        return self.decode == "skipped_large"

    @property
    def told(self) -> str:
        """Whether GDAL opens and decodes it, for the table of refusals."""
        if not self.opens:
            return "does not open"
        return {"ok": "decodes", "skipped_large": "large"}.get(self.decode, "does not decode")

    @property
    def coloured(self) -> bool:
        """Whether the file states which bands are red, green and blue."""
        return set(self.colours) >= RGB

    @property
    def channels(self) -> int:
        """The number of bands to restore: three if there are three, else one."""
        return 3 if self.bands >= 3 else 1

    @property
    def band_options(self) -> tuple[str, ...]:
        """The bands to name on the command line."""
        if self.channels == 1:
            return ("--bands", "1")
        return () if self.coloured else ("--bands", "1,2,3")

    @property
    def cog(self) -> bool:
        """Whether it is also written as a cloud-optimised GeoTIFF."""
        return self.coloured and set(self.types) <= COG_TYPES


def matches(name: str, patterns: list[str] | None) -> bool:
    """Whether a name matches one of the patterns, or there are none."""
    return not patterns or any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def read(data: Path, patterns: list[str] | None) -> list[Entry]:
    """The manifest's files whose name matches one of the patterns, in its order."""
    with (data / "manifest.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [
        Entry(
            name=row["path"],
            path=data / row["path"],
            opens=row["status"] != "gdal_open_fails",
            decode=row["decode"],
            bands=int(row["bands"] or 0),
            types=tuple(filter(None, row["types"].split(","))),
            colours=tuple(row["interp"].split(",")),
            compression=row["compress"] or "none",
        )
        for row in rows
        if matches(row["path"], patterns)
    ]


def snapshot(data: Path) -> dict[str, tuple[int, int]]:
    """Size and time of every file. No run may change its sources or add files to them."""
    return {
        str(path.relative_to(data)): (path.stat().st_size, path.stat().st_mtime_ns)
        for path in data.rglob("*")
        if path.is_file()
    }
