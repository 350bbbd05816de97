"""Requirements of PS3.3 for a derived object and its file."""

import re
import struct
from pathlib import Path

from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian

from . import images

PET = "1.2.840.10008.5.1.4.1.1.128"
ENHANCED = {
    "1.2.840.10008.5.1.4.1.1.2.1",
    "1.2.840.10008.5.1.4.1.1.128.1",
    "1.2.840.10008.5.1.4.1.1.2.2",
    "1.2.840.10008.5.1.4.1.1.128.2",
}
EQUIPMENT_PURPOSE = "109102"
UUID_FORM = re.compile(r"2\.25\.(0|[1-9][0-9]{0,38})")
GONE = (
    "SmallestImagePixelValue",
    "LargestImagePixelValue",
    "SmallestPixelValueInSeries",
    "LargestPixelValueInSeries",
    "IconImageSequence",
    "DigitalSignaturesSequence",
    "MACParametersSequence",
)


def values(dataset: Dataset, keyword: str) -> list[str]:
    """An attribute's values as trimmed text."""
    value = dataset.get(keyword)
    if value is None or value == "":
        return []
    many = [value] if isinstance(value, str | int | float) else list(value)
    return [str(v).strip() for v in many]


def check(source: Dataset, derived: Dataset, path: Path) -> list[str]:
    """Faults of an object derived from this source."""
    out = file_meta(derived, path)
    out += image_type(values(source, "ImageType"), values(derived, "ImageType"), source)
    if derived.SOPClassUID in ENHANCED:
        out += frame_types(derived)
    for keyword in ("SOPInstanceUID", "SeriesInstanceUID"):
        uid = str(derived.get(keyword, ""))
        if not UUID_FORM.fullmatch(uid):
            out.append(f"{keyword} is not of the 2.25 form")
        if uid == source.get(keyword):
            out.append(f"{keyword} is the source's")
    if values(source, "SeriesNumber") == values(derived, "SeriesNumber"):
        out.append("SeriesNumber is the source's")
    out += [f"{keyword} is still there" for keyword in GONE if keyword in derived]
    out += provenance(source, derived)
    out += lossy(source, derived)
    return out


def file_meta(derived: Dataset, path: Path) -> list[str]:
    """The file meta information agrees with the object and with its own length."""
    meta, out = derived.file_meta, []
    if meta.get("TransferSyntaxUID") != ExplicitVRLittleEndian:
        out.append(
            f"transfer syntax is {meta.get('TransferSyntaxUID')}, not explicit little endian"
        )
    for ours, theirs in (
        ("MediaStorageSOPInstanceUID", "SOPInstanceUID"),
        ("MediaStorageSOPClassUID", "SOPClassUID"),
    ):
        if meta.get(ours) != derived.get(theirs):
            out.append(f"{ours} differs from {theirs}")
    if meta.get("FileMetaInformationVersion") != b"\0\1":
        out.append("FileMetaInformationVersion is not 1")
    if not meta.get("ImplementationClassUID"):
        out.append("ImplementationClassUID is missing")
    head = path.read_bytes()[:4096]
    # (0002,0000) UL stands first; after as many bytes as it says the data set begins.
    end = 144 + int.from_bytes(head[140:144], "little")
    tag = min(derived.keys())
    begins = struct.pack("<HH", tag.group, tag.element)
    if head[128:138] != b"DICM\2\0\0\0UL" or head[end : end + 4] != begins:
        out.append("FileMetaInformationGroupLength is wrong")
    return out


def image_type(before: list[str], after: list[str], source: Dataset) -> list[str]:
    """Value 1 DERIVED, value 2 PRIMARY for PET and kept elsewhere, the others kept."""
    out = []
    if after[:1] != ["DERIVED"]:
        out.append(f"ImageType value 1 is {after[:1]}")
    second = ["PRIMARY"] if source.SOPClassUID == PET else before[1:2] or ["PRIMARY"]
    if after[1:2] != second:
        out.append(f"ImageType value 2 is {after[1:2]} and not {second}")
    if after[2:] != before[2:]:
        out.append(f"ImageType {before[2:]} became {after[2:]}")
    return out


def frame_types(derived: Dataset) -> list[str]:
    """Every FrameType of an enhanced object is DERIVED."""
    out, seen = [], 0
    for group in images.functional_groups(derived):
        for keyword in ("CTImageFrameTypeSequence", "PETFrameTypeSequence"):
            for item in images.items(group, keyword):
                seen += 1
                if values(item, "FrameType")[:1] != ["DERIVED"]:
                    out.append("FrameType value 1 is not DERIVED")
    return out or ([] if seen else ["FrameType is missing"])


def provenance(source: Dataset, derived: Dataset) -> list[str]:
    """Faults of the description of source, process and equipment."""
    out = []
    references = images.source_references(derived)
    if not references:
        out.append("no source image with purpose 121322")
    for reference in references:
        purpose = images.first(reference, "PurposeOfReferenceCodeSequence")
        if purpose.get("CodingSchemeDesignator") != "DCM":
            out.append("purpose of reference is not of DCM")
        for here, there in (
            ("ReferencedSOPClassUID", "SOPClassUID"),
            ("ReferencedSOPInstanceUID", "SOPInstanceUID"),
        ):
            if reference.get(here) != source.get(there):
                out.append(f"{here} is not the source's {there}")
    places = images.derivations(derived)
    codes = [c for p in places for c in images.items(p, "DerivationCodeSequence")]
    if not codes:
        out.append("no DerivationCodeSequence")
    for code in codes:
        for keyword in ("CodeValue", "CodingSchemeDesignator", "CodeMeaning"):
            if not code.get(keyword):
                out.append(f"DerivationCodeSequence without {keyword}")
    if derived.get("ContentQualification") not in ("RESEARCH", "SERVICE"):
        out.append("ContentQualification does not say that it is no product")
    if not any(p.get("DerivationDescription") for p in places):
        out.append("no DerivationDescription")
    kept = images.items(source, "ContributingEquipmentSequence")
    equipment = images.items(derived, "ContributingEquipmentSequence")
    if len(equipment) != len(kept) + 1:
        out.append(f"{len(equipment)} items of contributing equipment after {len(kept)}")
    purposes = [
        images.first(e, "PurposeOfReferenceCodeSequence").get("CodeValue") for e in equipment
    ]
    if EQUIPMENT_PURPOSE not in purposes:
        out.append("no contributing equipment with purpose 109102")
    return out


def lossy(source: Dataset, derived: Dataset) -> list[str]:
    """The lossy-compression attributes of the source are kept."""
    before, after = (d.get("LossyImageCompression") or "" for d in (source, derived))
    if images.syntax(source) in images.LOSSY_SYNTAXES - {"1.2.840.10008.1.2.4.91"}:
        return [] if after == "01" else [f"LossyImageCompression is {after!r} not '01'"]
    return [] if before == after else [f"LossyImageCompression became {after!r}"]


def check_series(outputs: list[Dataset]) -> list[str]:
    """Attributes that the objects of one folder share, and those that distinguish them."""
    out = []
    if len({d.get("SeriesInstanceUID") for d in outputs}) > 1:
        out.append("several SeriesInstanceUIDs in one folder")
    if len({d.get("SOPInstanceUID") for d in outputs}) < len(outputs):
        out.append("an SOPInstanceUID appears twice in one folder")
    return out
