"""Phantoms of CT, as arrays and as DICOM files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt


def phantom(slices: int = 2, size: int = 96) -> npt.NDArray[np.float32]:
    """Whole HU: a disc with an insert, noise of 30 HU, and lung around; nothing below the -1024 that files can hold."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:size, :size] - size / 2
    radius = np.hypot(x, y)
    plane = np.where(radius < 0.4 * size, 40, -800) + np.where(radius < 0.1 * size, 60, 0)
    return np.rint(plane + rng.normal(0, 30, (slices, size, size))).astype(np.float32)


def write_ct(folder: Path, values: npt.NDArray[np.float32]) -> None:
    """One CT slice a file, stored values = HU + 1024."""
    import pydicom
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

    folder.mkdir(parents=True, exist_ok=True)
    for index, plane in enumerate(values):
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID = CTImageStorage
        meta.MediaStorageSOPInstanceUID = f"1.2.826.0.1.3680043.8.498.1.{index + 1}"
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        slice_ = FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
        slice_.SOPClassUID = CTImageStorage
        slice_.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
        slice_.StudyInstanceUID = "1.2.826.0.1.3680043.8.498.2"
        slice_.SeriesInstanceUID = "1.2.826.0.1.3680043.8.498.3"
        slice_.FrameOfReferenceUID = "1.2.826.0.1.3680043.8.498.4"
        slice_.Modality = "CT"
        slice_.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        slice_.PatientName, slice_.PatientID = "Phantom^Test", "p1"
        slice_.PatientBirthDate, slice_.PatientSex = "", ""
        slice_.StudyDate = slice_.StudyTime = slice_.AccessionNumber = slice_.ReferringPhysicianName = ""
        slice_.StudyID, slice_.SeriesNumber, slice_.InstanceNumber = "1", 1, index + 1
        slice_.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        slice_.ImagePositionPatient = [0, 0, 2.5 * index]
        slice_.PixelSpacing, slice_.SliceThickness, slice_.KVP = [0.7, 0.7], 2.5, 120
        slice_.Rows, slice_.Columns = plane.shape
        slice_.SamplesPerPixel, slice_.PhotometricInterpretation = 1, "MONOCHROME2"
        slice_.BitsAllocated, slice_.BitsStored, slice_.HighBit, slice_.PixelRepresentation = 16, 16, 15, 0
        slice_.RescaleSlope, slice_.RescaleIntercept, slice_.RescaleType = 1, -1024, "HU"
        slice_.PixelData = (plane + 1024).astype("<u2").tobytes()
        pydicom.dcmwrite(folder / f"{index}.dcm", slice_, enforce_file_format=True)
