"""Compares the output of gdalinfo for two files, field by field."""

import json
import math
import re
from collections.abc import Iterator
from typing import Any

Json = Any
# Names of files, or fields that repeat others.
DROPPED = {
    "description": "the file's name",
    "files": "the file's name",
    "driverShortName": "checked by itself: a source may be a VRT",
    "driverLongName": "checked by itself",
    "stac": "repeats size, CRS and bands",
}
# Computed from pixels, which change.
STATISTICS = {"min", "max", "minimum", "maximum", "mean", "stdDev", "histogram"}
DOMAINS_DROPPED = {
    "DERIVED_SUBDATASETS": "made up by GDAL from the file's name",
    "ARTIR": "artir's record of how a result was made",
}
# Fields of gdalinfo, by the words in which artir says that a result cannot hold them.
LOST = {
    "colour interpretation": "colorInterpretation",
    "description": "description",
    "unit": "unit",
    "categories": "categories",
    "colour table": "colorTable",
    "attribute table": "rat",
    "metadata": "metadata",
}
# Figures of the pixels, which are no longer true of restored ones.
FIGURES = ("STATISTICS_", "TIFFTAG_MINSAMPLEVALUE", "TIFFTAG_MAXSAMPLEVALUE", "actual_range")
# Compression of the blocks, and fields of lossy streams.
STRUCTURE = {
    "COMPRESSION",
    "COMPRESSION_REVERSIBILITY",
    "JPEG_QUALITY",
    "JPEGTABLESMODE",
    "LAYOUT",
    "LERC_VERSION",
    "MAX_Z_ERROR",
    "MAX_Z_ERROR_OVERVIEW",
    "NBITS",
    "OVERVIEW_RESAMPLING",
    "PREDICTOR",
    "SOURCE_COLOR_SPACE",
    "WEBP_LEVEL",
    "WEBP_LOSSLESS",
    "ZSTD_LEVEL",
}
# GeoTIFF has no keys for these names: GDAL invents them when it reads a file.
LABELS = re.compile(r'(CONVERSION|AXIS)\["(?:[^"]|"")*"')
USAGE = re.compile(r",\s*USAGE\[(?:[^\[\]]|\[[^\[\]]*\])*\]")
# GDAL returns either for the same keys.
ENSEMBLE = re.compile(
    r'ENSEMBLE\["World Geodetic System 1984 ensemble".*?ENSEMBLEACCURACY\[2\.0\]\]',
    re.DOTALL,
)
DATUM = (
    'DATUM["World Geodetic System 1984", ELLIPSOID["WGS 84",6378137,298.257223563, '
    'LENGTHUNIT["metre",1]]]'
)
# A cloud-optimised file has the layout and overviews that the format requires.
COG_STRUCTURE = {"INTERLEAVE"}
# GDAL's COG driver makes no smaller blocks. Blocks that it does not make become its default.
COG_LEAST, COG_DEFAULT = 128, 512
# The EPSG codes of UTM zones, north and south.
UTM = re.compile(r', ID\["EPSG",16[01](?:0[1-9]|[1-5]\d|60)\]')
CONVERSION = re.compile(r'(CONVERSION\["(?:[^\[\]]|\[(?:[^\[\]]|\[[^\[\]]*\])*\])*\])')
NUMBER = re.compile(r"(?<=,)-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?(?=[,\]])")
# One unit in the last of the 15 digits that GDAL writes.
LAST_DIGIT = 1e-14
ADDED_CODE = "EPSG's code of a UTM zone, whose parameters the CRS states already"
ROUNDED = "GDAL rounds the numbers of a CRS to 15 digits"


def parse(text: str) -> Json | None:
    """gdalinfo's JSON, with its bare nan and inf, which are no JSON, in quotes."""
    quoted = re.sub(r"(?<=[:,\[\s])(-?(?:nan|inf))(?=[,\s\]}])", r'"\1"', text)
    for candidate in (text, quoted):
        try:
            return json.loads(candidate, strict=False)
        except json.JSONDecodeError:
            continue
    return None


def compression(info: Json) -> str:
    """How a file's blocks are compressed."""
    structure = info.get("metadata", {}).get("IMAGE_STRUCTURE", {})
    return structure.get("COMPRESSION", "none") if isinstance(structure, dict) else "?"


def _domains(found: dict, cog: bool, whole: bool = False) -> dict:
    out = {}
    if whole:
        found = {"": {}} | found
    for domain, items in found.items():
        if domain in DOMAINS_DROPPED:
            continue
        if isinstance(items, dict):
            left_out = set()
            if domain == "IMAGE_STRUCTURE":
                left_out = STRUCTURE | (COG_STRUCTURE if cog else set())
                # Only values that GDAL itself reports count.
                left_out |= {key for key in items if key != key.upper()}
            items = {
                key: value
                for key, value in items.items()
                if key not in left_out
                and not key.startswith(FIGURES)
                and not (whole and domain == "" and key == "TIFFTAG_SOFTWARE")
            }
        if domain == "RPC" and isinstance(items, dict):
            # -1 stands for an unknown error.
            unknown = {"ERR_BIAS": "-1", "ERR_RAND": "-1"}
            items = unknown | {key: _rpc(value) for key, value in items.items()}
        if whole and domain == "" and isinstance(items, dict):
            # The default, which a GeoTIFF states explicitly.
            items = {"AREA_OR_POINT": "Area"} | items
        if items:
            out[domain] = items
    return out


def _system(found: Json) -> Json:
    """A coordinate reference system without labels; numbers and identifiers stay."""
    if isinstance(found, dict) and isinstance(found.get("wkt"), str):
        text = USAGE.sub("", LABELS.sub(r'\1["', found["wkt"]))
        return found | {"wkt": ENSEMBLE.sub(DATUM, " ".join(text.split()))}
    return found


def _rpc(value: str) -> str:
    """Numbers in their shortest form: sidecar files and TIFF tags write them differently."""
    words = value.split()
    try:
        return " ".join(f"{float(word):.15g}" for word in words)
    except ValueError:
        pass
    # The last word is a unit.
    try:
        return " ".join(f"{float(word):.15g}" for word in words[:-1])
    except ValueError:
        return value


def scrub(info: Json, path: str, cog: bool = False) -> dict:
    """The fields that must be equal before and after."""
    # Subdatasets contain the file's path.
    info = json.loads(json.dumps(info).replace(json.dumps(path)[1:-1], "@"))
    out = {key: value for key, value in info.items() if key not in DROPPED}
    for key in ("coordinateSystem", "gcps"):
        if key in out:
            out[key] = _system(out[key])
            if isinstance(out[key], dict) and "coordinateSystem" in out[key]:
                out[key]["coordinateSystem"] = _system(out[key]["coordinateSystem"])
    # GeoTIFF has no names for ground control points, and GDAL numbers those that it reads.
    for number, point in enumerate((out.get("gcps") or {}).get("gcpList", []), 1):
        point["id"] = point.get("id") or str(number)
    # A document of ESRI's and a GeoTIFF state their system in other words: its code counts.
    system = (out.get("gcps") or {}).get("coordinateSystem") or {}
    if code := re.search(r'ID\["EPSG", ?(\d+)\]\]$', system.get("wkt", "")):
        system["wkt"] = f"EPSG:{code.group(1)}"
    out["metadata"] = _domains(out.get("metadata", {}), cog, whole=True)
    bands = []
    for band in out.pop("bands", []):
        kept = {k: v for k, v in band.items() if k not in STATISTICS | {"block"}}
        kept["metadata"] = _domains(kept.get("metadata", {}), cog)
        if cog:
            kept.pop("overviews", None)
            kept.get("mask", {}).pop("overviews", None)
        bands.append(kept)
    out["bands"] = {str(band.get("band")): band for band in bands}
    return out


def differences(before: Json, after: Json, where: str = "") -> Iterator[str]:
    """Every field that is lost, added or changed."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted(before.keys() | after.keys()):
            name = f"{where}/{key}"
            if key not in after:
                yield f"{name}: lost (was {short(before[key])})"
            elif key not in before:
                yield f"{name}: added ({short(after[key])})"
            else:
                yield from differences(before[key], after[key], name)
    elif isinstance(before, list) and isinstance(after, list):
        if len(before) != len(after):
            yield f"{where}: {len(before)} items became {len(after)}"
        for index, pair in enumerate(zip(before, after, strict=False)):
            yield from differences(*pair, f"{where}[{index}]")
    elif before != after:
        yield f"{where}: {short(before)} became {short(after)}"


def other_words(before: dict, after: dict) -> str | None:
    """Takes over the result's words for the source's CRS if both say the same. Returns the reason.

    They say the same if the result only adds the code of a UTM zone to a conversion, whose
    parameters are compared, or if numbers differ by one unit in the fifteenth digit.
    """
    was, now = (_wkt(fields) for fields in (before, after))
    if not was or not now or was == now:
        return None
    for named, plain in zip(CONVERSION.findall(now), CONVERSION.findall(was), strict=False):
        if not UTM.search(plain) and UTM.sub("", named) == plain:
            if now.replace(named, plain) == was:
                before["coordinateSystem"] = after["coordinateSystem"]
                return ADDED_CODE
    pairs = zip(NUMBER.findall(was), NUMBER.findall(now), strict=False)
    if NUMBER.sub("N", was) == NUMBER.sub("N", now) and all(
        math.isclose(float(a), float(b), rel_tol=LAST_DIGIT) for a, b in pairs
    ):
        before["coordinateSystem"] = after["coordinateSystem"]
        return ROUNDED
    return None


def _wkt(fields: dict) -> str | None:
    system = fields.get("coordinateSystem")
    return system.get("wkt") if isinstance(system, dict) else None


def is_cog(info: Json) -> bool:
    """Whether GDAL calls a file cloud-optimised."""
    return info.get("metadata", {}).get("IMAGE_STRUCTURE", {}).get("LAYOUT") == "COG"


def cog_overviews(before: Json, after: Json) -> bool:
    """Whether the overviews of a result differ from the source's as a COG of a COG may.

    All bands and masks then have the overviews that GDAL's COG driver makes: each has half the
    size of the one before, until the last fits one block. A size may be rounded either way.
    """
    if not is_cog(before) or not is_cog(after):
        return False
    found = [_overviews(info) for info in (before, after)]
    if found[0] == found[1]:
        return False
    width, height = after["size"]
    block = after["bands"][0]["block"][0]
    wanted, scale = [], 1
    while max(width // scale, height // scale) > block:
        scale *= 2
        wanted.append([{size // scale, -(-size // scale)} for size in (width, height)])
    return all(
        len(sizes) == len(wanted)
        and all(
            size in either
            for pair, both in zip(sizes, wanted, strict=True)
            for size, either in zip(pair, both, strict=True)
        )
        for sizes in found[1]
    )


def _overviews(info: Json) -> list[list[list[int]]]:
    """The sizes of the overviews of each band, and of each mask of its own."""
    out = []
    for band in info.get("bands", []):
        holders = [band]
        # Bands of opacity, nodata values and full validity are no masks of their own.
        if band.get("mask", {}).get("flags") == ["PER_DATASET"]:
            holders.append(band["mask"])
        out += [[one["size"] for one in holder.get("overviews", [])] for holder in holders]
    return out


def without_overviews(fields: dict) -> dict:
    """The fields of ``scrub`` without overviews."""
    for band in fields["bands"].values():
        band.pop("overviews", None)
        band.get("mask", {}).pop("overviews", None)
    return fields


def told(difference: str, lost: str) -> bool:
    """Whether artir said that the result cannot hold the field of a difference."""
    return any(words in lost and f"/{field}" in difference for words, field in LOST.items())


def short(value: Json) -> str:
    """A value's beginning, on one line."""
    text = " ".join(json.dumps(value).split())
    return text if len(text) <= 90 else f"{text[:90]}..."


def layout(before: Json, after: Json) -> tuple[list[str], list[str]]:
    """Faults of the blocks' sizes, and permitted differences.

    Tiles must keep their size. Strips may change theirs. Tiles of a size that TIFF does not allow,
    which only a VRT can have, must change, and those of a COG that GDAL's COG driver does not make.
    """
    cogs = is_cog(before) and is_cog(after)
    wrong, told = [], []
    for old, new in zip(before.get("bands", []), after.get("bands", []), strict=False):
        was, now = tuple(old["block"]), tuple(new["block"])
        if was == now:
            continue
        width = before["size"][0]
        words = f"blocks {was[0]}x{was[1]} became {now[0]}x{now[1]}"
        tiled = was[0] < width and was[0] % 16 == 0 and was[1] % 16 == 0
        kind = "strips" if now[0] == width else "tiles"
        made = was[0] == was[1] and was[0] >= COG_LEAST
        if cogs and tiled and not made and now == (COG_DEFAULT, COG_DEFAULT):
            told.append("other blocks: GDAL's COG driver does not make the source's")
        elif tiled and before.get("driverShortName") == "GTiff":
            wrong.append(f"band {old['band']}: {words}")
        else:
            told.append(f"other blocks: now {kind}")
    return wrong, sorted(set(told))
