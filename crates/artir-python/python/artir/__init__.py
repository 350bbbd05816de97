"""Restores CT, PET, satellite scenes and photographs with ArtIR networks, on this machine.

Begin with a model and an array in the unit of the model's card (HU, SUV, or display values from 0 to 1):

    import artir

    model = artir.Model("ct-ldct-t")          # artir.models() lists the others
    series = artir.read_ct("study")           # values in HU: [slice, row, column]
    restored = model.restore(series.values, mask=series.mask)

    artir.restore_series("study", "restored")           # or as derived DICOM series, as `artir ct` does
    artir.metrics.psnr(restored, reference, protocol="ldct-400")

Arrays are [..., row, column] for models of one channel, and [..., channel, row, column] for others. Pixels that are NaN
or masked are kept, and do not influence the rest. A CPU gives the same bits as the command `artir`.

Errors are subclasses of `artir.ArtirError`. Research software: not a medical device, not for diagnosis.
"""

from artir import _native, metrics
from artir._artir import __version__
from artir._cards import Card, Figure, TrainingData, models
from artir._errors import (
    ArtirError,
    DeviceError,
    InputError,
    OutputError,
    PartialError,
    RestorationError,
    UsageError,
)
from artir._model import Model
from artir._native import ops_library, use_runtime
from artir._restored import Restored
from artir._series import Series, read_ct, read_pet, restore_series

__all__ = [
    "ArtirError",
    "Card",
    "DeviceError",
    "Figure",
    "InputError",
    "Model",
    "OutputError",
    "PartialError",
    "RestorationError",
    "Restored",
    "Series",
    "TrainingData",
    "UsageError",
    "__version__",
    "metrics",
    "models",
    "ops_library",
    "read_ct",
    "read_pet",
    "restore_series",
    "use_runtime",
]

_native.end_workers_at_exit()
