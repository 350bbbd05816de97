"""Small CT series with their own UIDs, and what is known of them."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom import dcmread
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

# A root for examples. Its UIDs leave no machine.
ROOT = "1.2.826.0.1.3680043.10.999"


@dataclass(frozen=True)
class Series:
    """A series in a folder."""

    uid: str
    files: list[Path]


def series(folder: Path, number: int, slices: int, side: int = 32) -> Series:
    """Writes a series of axial slices of `side` x `side` pixels."""
    folder.mkdir(parents=True)
    uid = f"{ROOT}.{number}"
    noise = np.random.default_rng(number)
    files = []
    for index in range(slices):
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID = CTImageStorage
        meta.MediaStorageSOPInstanceUID = f"{uid}.{index + 1}"
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        path = folder / f"{index:05}.dcm"
        image = FileDataset(path, {}, file_meta=meta, preamble=bytes(128))
        image.SOPClassUID, image.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
        image.StudyInstanceUID, image.SeriesInstanceUID = f"{uid}.0", uid
        image.FrameOfReferenceUID = f"{uid}.0.1"
        image.PatientName, image.PatientID = f"MARKER^{number}", f"MARKER{number}"
        image.PatientBirthDate, image.PatientSex = "", ""
        image.StudyDate, image.StudyTime, image.StudyID = "20200101", "120000", "1"
        image.AccessionNumber, image.ReferringPhysicianName = "", ""
        image.Modality, image.Manufacturer = "CT", "made"
        image.SeriesNumber, image.InstanceNumber = 1, index + 1
        image.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        image.PatientPosition = "HFS"
        image.ImagePositionPatient = [0, 0, 2 * index]
        image.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        image.PixelSpacing, image.SliceThickness, image.SliceLocation = [0.8, 0.8], 2, 2 * index
        image.KVP, image.RescaleSlope, image.RescaleIntercept = 120, 1, -1024
        image.RescaleType = "HU"
        image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
        image.Rows = image.Columns = side
        image.BitsAllocated, image.BitsStored, image.HighBit = 16, 16, 15
        image.PixelRepresentation = 0
        image.PixelData = noise.integers(900, 1100, (side, side), dtype=np.uint16).tobytes()
        image.save_as(path, enforce_file_format=True)
        files.append(path)
    return Series(uid, files)


def body(path: Path) -> bytes:
    """The data set of a file, without its header."""
    data = path.read_bytes()
    # (0002,0000): the length of the rest of the header.
    return data[144 + int.from_bytes(data[140:144], "little") :]


def digest(path: Path) -> str:
    """The hash of a file's data set."""
    return hashlib.sha256(body(path)).hexdigest()


def header(path: Path) -> Dataset:
    """A file's attributes without pixels."""
    return dcmread(path, stop_before_pixels=True)
