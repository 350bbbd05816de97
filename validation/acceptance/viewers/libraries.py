"""Readers that are Python libraries: ITK, VTK, GDCM, highdicom."""

import base64
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np

from .frames import Frame

try:
    import highdicom
    import SimpleITK
    import vtk
    from vtk.util.numpy_support import vtk_to_numpy
except ImportError:  # `make conformance` installs them
    highdicom = SimpleITK = vtk = None

# Debian's binding of GDCM belongs to Debian's own Python.
SYSTEM_PYTHON = "/usr/bin/python3"


def itk(path: Path) -> list[Frame]:
    """SimpleITK: ITK with its own copy of GDCM."""
    image = SimpleITK.ReadImage(str(path), SimpleITK.sitkFloat64)
    values = SimpleITK.GetArrayFromImage(image)
    direction = np.array(image.GetDirection()).reshape(3, 3)
    origin, (dx, dy, dz) = np.array(image.GetOrigin()), image.GetSpacing()
    return [
        Frame(
            values[n],
            origin + n * dz * direction[:, 2],
            [*direction[:, 0], *direction[:, 1]],
            [dy, dx],
        )
        for n in range(len(values))
    ]


def of_vtk(path: Path) -> list[Frame]:
    """VTK's own small reader: uncompressed objects of one frame, rows from the bottom up."""
    reader = vtk.vtkDICOMImageReader()
    reader.SetFileName(str(path))
    reader.Update()
    image = reader.GetOutput()
    columns, rows, _ = image.GetDimensions()
    values = vtk_to_numpy(image.GetPointData().GetScalars()).reshape(rows, columns)[::-1]
    dx, dy, _ = reader.GetPixelSpacing()
    return [
        Frame(
            values.astype(np.float64),
            reader.GetImagePositionPatient(),
            reader.GetImageOrientationPatient(),
            [dy, dx],
        )
    ]


def of_highdicom(path: Path) -> list[Frame]:
    """The highdicom library, with its modality transform."""
    image = highdicom.imread(str(path))
    frames = []
    for n in range(1, image.number_of_frames + 1):
        values = image.get_frame(
            n, apply_modality_transform=True, apply_real_world_transform=False, dtype=np.float64
        )
        frames.append(Frame(values))
    geometry = image.get_volume_geometry()
    if geometry is not None and len(frames) == geometry.spatial_shape[0] == 1:
        frames[0].origin = list(geometry.position)
        frames[0].spacing = list(geometry.pixel_spacing)
    return frames


def real_world(path: Path) -> tuple[np.ndarray, str] | None:
    """Real-world values of the first frame by highdicom, and their unit; `None` without any."""
    image = highdicom.imread(str(path))
    maps = image.get("RealWorldValueMappingSequence")
    if not maps:
        return None
    values = image.get_frame(1, apply_real_world_transform=True, dtype=np.float64)
    return values, maps[0].MeasurementUnitsCodeSequence[0].CodeValue


GDCM = """
import base64, json, sys
import gdcm
found = []
for path in sys.argv[1:]:
    reader = gdcm.ImageReader()
    reader.SetFileName(path)
    if not reader.Read():
        found.append(None)
        continue
    image = reader.GetImage()
    buffer = image.GetBuffer().encode("utf-8", errors="surrogateescape")
    found.append({
        "shape": [image.GetDimension(i) for i in range(image.GetNumberOfDimensions())],
        "type": str(image.GetPixelFormat().GetScalarTypeAsString()),
        "slope": image.GetSlope(), "intercept": image.GetIntercept(),
        "origin": [image.GetOrigin(i) for i in range(3)],
        "directions": [image.GetDirectionCosines(i) for i in range(6)],
        "spacing": [image.GetSpacing(1), image.GetSpacing(0)],
        "bytes": base64.b64encode(buffer).decode(),
    })
print(json.dumps(found))
"""
TYPES = {
    "INT8": "i1",
    "UINT8": "u1",
    "INT16": "<i2",
    "UINT16": "<u2",
    "INT32": "<i4",
    "UINT32": "<u4",
}


def gdcm(path: Path) -> list[Frame]:
    """GDCM of Debian (python3-gdcm), in a process of Debian's Python."""
    done = subprocess.run(
        [SYSTEM_PYTHON, "-c", GDCM, path], capture_output=True, check=True, text=True
    )
    told = json.loads(done.stdout)[0]
    if told is None:
        raise ValueError("GDCM cannot read it")
    columns, rows, *frames = told["shape"]
    stored = np.frombuffer(base64.b64decode(told["bytes"]), TYPES[told["type"]])
    values = stored.reshape(*(frames or [1]), rows, columns) * told["slope"] + told["intercept"]
    first = Frame(values[0], told["origin"], told["directions"], told["spacing"])
    return [first, *(Frame(one) for one in values[1:])]


READERS: dict[str, Callable[[Path], list[Frame]]] = {
    "ITK": itk,
    "VTK": of_vtk,
    "GDCM": gdcm,
    "highdicom": of_highdicom,
}
