"""Cards of models."""

from __future__ import annotations

import json
import warnings
from dataclasses import dataclass

from artir import _artir
from artir._errors import ArtirError


@dataclass(frozen=True)
class TrainingData:
    """A data set that a model was trained on."""

    name: str
    licence: str
    citation: str


@dataclass(frozen=True)
class Figure:
    """A measured figure: the mean PSNR in dB of the input and of the model's output over a set of images."""

    set: str
    protocol: str
    images: int
    input_psnr: float | None
    psnr: float


@dataclass(frozen=True)
class Card:
    """A model's card.

    Attributes:
        name: Its name, as `Model` takes it.
        version: Its version.
        task: ct-denoise, pet-enhance, dehaze, rgb-denoise or rgb-restore.
        channels: Channels of an image.
        slices: Neighbouring slices that the model sees, of which it restores the middle one; 1 for other models.
        slices_apart: How far apart such slices may be, mm; None for other models.
        unit: Unit of the values: HU, SUV, or 1 for display values from 0 to 1.
        range: The interval of physical values that the network was trained on.
        network_range: The interval that `range` becomes for the network itself.
        multiple: The network's rows and columns are multiples of this; `Model.restore` takes any.
        tile: Preferred edge of tiles, pixels.
        overlap: Preferred overlap of tiles, pixels.
        reach: How far a pixel's surroundings act on it directly, pixels. A global mean acts from anywhere.
        strength: Share of the restoration that its figures hold for, and that `Model.restore` applies by default.
        parameters: Trainable parameters.
        training: How it was trained.
        data: The data sets it was trained on.
        figures: Measured quality.
        limits: Uses that are excluded, and known limits.
        licence: Licence of the weights.
        hash: SHA-256 of the model.
    """

    name: str
    version: str
    task: str
    channels: int
    slices: int
    slices_apart: float | None
    unit: str
    range: tuple[float, float]
    network_range: tuple[float, float]
    multiple: int
    tile: int
    overlap: int
    reach: int
    strength: float
    parameters: int
    training: str
    data: tuple[TrainingData, ...]
    figures: tuple[Figure, ...]
    limits: str
    licence: str
    hash: str


def card_of(model: str) -> Card:
    """The card of a model by name or file."""
    text, digest = _artir.card_of(model)
    card = json.loads(text)
    given = card["input"]
    return Card(
        name=card["name"],
        version=card["version"],
        task=card["task"],
        channels=given["channels"],
        slices=given.get("slices", 1),
        slices_apart=given.get("slices_apart"),
        unit=given["unit"],
        range=(given["range"][0], given["range"][1]),
        network_range=(given["network_range"][0], given["network_range"][1]),
        multiple=card["multiple"],
        tile=card["tile"],
        overlap=card["overlap"],
        reach=card["reach"],
        strength=card.get("strength", 1.0),
        parameters=card["parameters"],
        training=card["training"]["summary"],
        data=tuple(TrainingData(d["name"], d["licence"], d["citation"]) for d in card["training"]["data"]),
        figures=tuple(
            Figure(f["set"], f["protocol"], f["images"], f.get("input_psnr"), f["psnr"]) for f in card["figures"]
        ),
        limits=card["limits"],
        licence=card["licence"],
        hash=digest,
    )


def models() -> list[Card]:
    """The cards of all models: those that are built in, then those in the folders of ARTIR_MODELS and in artir's own.

    A file of these folders that is no model is left out, with a warning.

    >>> import artir
    >>> [card.name for card in artir.models()][:5]
    ['ct-ldct-t', 'geo-haze-t', 'pet-lowcount-3-t', 'pet-lowcount-t', 'rgb-denoise-free-t']
    """
    cards = []
    for name in _artir.models():
        try:
            cards.append(card_of(name))
        except ArtirError as e:
            # One damaged file must not hide the others.
            warnings.warn(str(e), stacklevel=2)
    return cards
