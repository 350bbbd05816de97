"""Every attribute of a source against its derived object, by the bytes of its value."""

from collections.abc import Iterator
from typing import NamedTuple

from pydicom.datadict import dictionary_VR, keyword_for_tag, private_dictionary_VR
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_sequence
from pydicom.filewriter import write_data_element
from pydicom.tag import BaseTag, Tag

from . import images
from .derived import GONE

# Attributes that a derivation changes or adds at the top level of the object, with the reason.
CHANGED = {
    "ImageType": "DERIVED",
    "SOPInstanceUID": "a new object",
    "SeriesInstanceUID": "a new series",
    "SeriesNumber": "a new series",
    "SeriesDescription": "distinguishes it from the source",
    "DerivationDescription": "the processing",
    "DerivationCodeSequence": "the processing",
    "SourceImageSequence": "from what",
    "ContributingEquipmentSequence": "by what",
    "PixelData": "compared as numbers",
    "ContentQualification": "RESEARCH",
    "LossyImageCompression": "marks what was decoded from a lossy transfer syntax",
}
# Attributes that are no longer true of new pixels, or have no meaning without a compressed stream.
REMOVED = {
    "InstanceCreationDate",
    "InstanceCreationTime",
    "InstanceCreatorUID",
    *GONE,
    "DataSetTrailingPadding",
    "ExtendedOffsetTable",
    "ExtendedOffsetTableLengths",
    "EncapsulatedPixelDataValueTotalLength",
}
# Attributes of an enhanced object, in its functional groups or at the top level.
CHANGED_ENHANCED = {
    "DerivationImageSequence": "from what, by what",
    "FrameType": "DERIVED",
    "ReferencedSeriesSequence": "where the sources are",
    "SourceImageEvidenceSequence": "where the sources are",
}
TEXT = {
    *("AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM"),
    *("UC", "UI", "UR", "UT"),
}
WORD = {"OW": 2, "US": 2, "SS": 2, "AT": 2, "US or SS": 2, "US or OW": 2}
WORD |= {"UL": 4, "SL": 4, "FL": 4, "OF": 4, "OL": 4, "FD": 8, "OD": 8, "OV": 8}
WORD |= {"SV": 8, "UV": 8}
LOOKUP_TABLES = {"LUTDescriptor", "LUTData"}


def name(tag: BaseTag) -> str:
    """(gggg,eeee) and the keyword."""
    return f"({tag.group:04x},{tag.element:04x}) {keyword_for_tag(tag)}".rstrip()


class Value:
    """An element of the file: VR, bytes or items."""

    def __init__(self, dataset: Dataset, tag: BaseTag):
        raw = dataset.get_item(tag)
        self.dataset, self.tag = dataset, tag
        self.items: list[Dataset] | None = None
        self.told = raw.VR
        self.vr = raw.VR or known_vr(dataset, tag)
        self.little = True
        if self.vr == "SQ":
            self.items = list(dataset[tag].value)
        elif isinstance(raw, RawDataElement):
            self.bytes = raw.value or b""
            self.little = raw.is_little_endian
        else:
            self.bytes = encoded(raw)

    def as_items(self, other: "Value") -> list[Dataset] | None:
        """Its items. A value of unknown VR is parsed as a sequence if the other side is one."""
        if self.items is not None or other.items is None:
            return self.items
        try:
            stream = DicomBytesIO(self.bytes)
            return list(read_sequence(stream, True, True, len(self.bytes), "latin1"))
        except images.UNREADABLE:  # bytes that are no sequence are compared as bytes
            return None

    def canonical(self, vr: str) -> bytes:
        """The bytes in little endian, without the trailing padding that the VR allows."""
        value = self.bytes
        if not self.little and (size := WORD.get(vr, 1)) > 1:
            parts = (value[i : i + size][::-1] for i in range(0, len(value), size))
            value = b"".join(parts)
        if vr in TEXT:
            return value.rstrip(b" \0")
        return value + b"\0" if len(value) % 2 else value


def encoded(element: DataElement) -> bytes:
    """The bytes of a value that pydicom has already converted, such as PixelRepresentation."""
    stream = DicomBytesIO()
    stream.is_little_endian, stream.is_implicit_VR = True, True
    write_data_element(stream, element)
    return stream.getvalue()[8:]


def known_vr(dataset: Dataset, tag: BaseTag) -> str:
    """The dictionary's VR; UN for an unknown tag."""
    try:
        if tag.is_private_creator:
            return "LO"
        if tag.is_private:
            creator = dataset.get((tag.group, tag.element >> 8))
            return private_dictionary_VR(tag, creator.value if creator else "")
        return dictionary_VR(tag)
    except (KeyError, AttributeError):
        return "UN"


def quote(value: bytes) -> str:
    """The beginning of a value, for the terminal."""
    return repr(value[:48]) + (f" of {len(value)} bytes" if len(value) > 48 else "")


def compare(source: Dataset, derived: Dataset, besides: frozenset[str] = frozenset()) -> list[str]:
    """Differences that are neither on the lists nor in ``besides``. Both data sets must be freshly
    read."""
    enhanced = Tag("PerFrameFunctionalGroupsSequence") in derived
    within = frozenset(CHANGED_ENHANCED if enhanced else ())
    above = within | CHANGED.keys() | REMOVED | besides
    return list(_compare(source, derived, "", Skipped(above, within), derived))


class Skipped(NamedTuple):
    """Keywords that are not compared: at the top level, and within sequences."""

    above: frozenset[str]
    within: frozenset[str]


def _compare(
    source: Dataset, derived: Dataset, place: str, skipped: Skipped, root: Dataset
) -> Iterator[str]:
    theirs, ours = set(source.keys()), set(derived.keys())
    left_out = skipped.within if place else skipped.above
    for tag in sorted(theirs | ours):
        # Group lengths are retired. They are not compared.
        if tag.element == 0 or keyword_for_tag(tag) in left_out:
            continue
        where = place + name(tag)
        if tag not in ours:
            yield f"{where}: lost"
        elif tag not in theirs:
            yield f"{where}: added"
        else:
            a, b = Value(source, tag), Value(derived, tag)
            yield from _values(a, b, where, skipped, root)


def _values(a: Value, b: Value, where: str, skipped: Skipped, root: Dataset) -> Iterator[str]:
    mine, other = a.as_items(b), b.as_items(a)
    if mine is not None and other is not None:
        if len(mine) != len(other):
            yield f"{where}: {len(mine)} items became {len(other)}"
        for index, (x, y) in enumerate(zip(mine, other, strict=False)):
            yield from _compare(x, y, f"{where}[{index}]/", skipped, root)
        return
    if mine is not None or other is not None:
        yield f"{where}: VR {a.vr} became {b.vr}"
        return
    vr = a.vr if a.vr != "UN" else b.vr
    before, after = a.canonical(vr), b.canonical(vr)
    if before != after:
        yield f"{where}: {quote(before)} became {quote(after)}"
    if a.told and a.told not in (b.vr, "UN"):
        yield f"{where}: VR {a.told} became {b.vr}"
    elif not a.told and b.vr not in expected_vrs(a, root):
        yield f"{where}: VR {b.vr} where {' or '.join(expected_vrs(a, root))} is expected"


def expected_vrs(value: Value, root: Dataset) -> list[str]:
    """The VRs that an attribute of a source in implicit VR may be written with."""
    if value.tag.is_private and not value.tag.is_private_creator:
        return ["UN", *value.vr.split(" or ")]
    options = value.vr.split(" or ")
    keyword = keyword_for_tag(value.tag)
    if options == ["US", "SS"] and keyword not in LOOKUP_TABLES:
        return ["SS"] if root.get("PixelRepresentation") == 1 else ["US"]
    return options
