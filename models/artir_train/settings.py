"""The settings of a run: a TOML file in ``models/configs``."""

from __future__ import annotations

import dataclasses
import itertools
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

from . import losses as named
from .config import Config

if TYPE_CHECKING:
    import torch


WITH_LESIONS = ("ct", "ct-pairs", "pet", "pet-volumes")
"""Data whose batches hold the lesions that are drawn into both images."""
MOST_BASES = 4
"""Most files in a chain of bases. A file that names itself is so found."""


class OtherSettings(ValueError):
    """A run cannot resume, because its checkpoint was made with other settings."""


@dataclasses.dataclass(frozen=True)
class Stage:
    """The part of a run up to a share of its schedule, with patches of its own."""

    until: float
    patch: int
    batch: int


@dataclasses.dataclass(frozen=True)
class Settings:
    """What determines a run's weights, together with its code, data and schedule."""

    data: str
    """A name that ``sources.source`` knows."""
    variant: str
    channels: int
    range: tuple[float, float]
    """Physical values that the network sees; values beyond are clamped."""
    network_range: tuple[float, float]
    """Network values of the ends of ``range``."""
    patch: int
    batch: int
    learning_rate: float
    seed: int
    losses: dict[str, dict[str, float]]
    """Weight and options of each loss of ``losses.LOSSES``."""
    network: dict[str, object] = dataclasses.field(default_factory=dict)
    """Fields of ``config.Config`` in which an ablation differs from the paper's network."""
    stages: tuple[Stage, ...] = ()
    """Earlier stages with other patches. After the last of them ``patch`` and ``batch`` hold."""
    slices: int = 1
    """Neighbouring slices that the network sees as its channels. With more than one, only the
    middle one of its result is trained and used."""

    def __post_init__(self) -> None:
        for name in ("range", "network_range"):
            object.__setattr__(self, name, tuple(map(float, getattr(self, name))))
        object.__setattr__(self, "stages", tuple(map(_stage, self.stages)))
        ends = [0.0, *(stage.until for stage in self.stages), 1.0]
        if any(a >= b for a, b in itertools.pairwise(ends)):
            raise ValueError(
                f"stages must end one after the other between 0 and 1, got {ends[1:-1]}"
            )
        if self.slices != 1 and (self.slices % 2 == 0 or self.slices != self.channels):
            raise ValueError(
                f"slices must be 1, or odd and the number of channels ({self.channels}), "
                f"got {self.slices}"
            )
        named.check(self.losses)
        if "contrast" in self.losses and self.data not in WITH_LESIONS:
            raise ValueError(f"loss contrast needs drawn lesions, which {self.data} has not")
        self.config()

    def config(self) -> Config:
        """The network. Raises ValueError for one that cannot be built."""
        known = {field.name for field in dataclasses.fields(Config)} - {"in_channels"}
        if unknown := self.network.keys() - known:
            raise ValueError(
                f"unknown settings of the network: {', '.join(sorted(unknown))}; "
                f"there are {', '.join(sorted(known))}"
            )
        return Config.variant(self.variant, self.channels, **self.network)

    @classmethod
    def read(cls, path: Path) -> Settings:
        """Reads a TOML file. Raises ValueError, with the file's name, for a file with unknown,
        missing or unusable settings."""
        try:
            return cls._from(_tables(path))
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error

    @classmethod
    def of_checkpoint(cls, stored: dict) -> Settings:
        """The settings that a checkpoint holds, also one made before losses had names."""
        if "losses" not in stored:
            stored = _with_named_losses(stored)
        return cls._from(stored)

    @classmethod
    def _from(cls, stored: dict) -> Settings:
        fields = {field.name for field in dataclasses.fields(cls)}
        if unknown := stored.keys() - fields:
            raise ValueError(f"unknown settings: {', '.join(sorted(unknown))}")
        if missing := fields - {"network", "stages", "slices"} - stored.keys():
            raise ValueError(f"missing settings: {', '.join(sorted(missing))}")
        return cls(**stored)

    def stage(self, progress: float) -> Stage:
        """The stage at a share (0 to 1) of the schedule."""
        last = Stage(1.0, self.patch, self.batch)
        return next((stage for stage in self.stages if progress < stage.until), last)

    def differences(self, other: Settings) -> list[str]:
        """The settings that differ, each with its value here and there."""
        mine, theirs = (_flat(dataclasses.asdict(s)) for s in (self, other))
        return [
            f"{key} {mine.get(key, 'absent')}, now {theirs.get(key, 'absent')}"
            for key in mine | theirs
            if mine.get(key) != theirs.get(key)
        ]

    def middle(self, images: torch.Tensor) -> torch.Tensor:
        """Of images [N, C, H, W] whose channels are neighbouring slices, the middle ones
        [N, 1, H, W]; other images unchanged."""
        if self.slices == 1:
            return images
        return images[:, self.slices // 2 : self.slices // 2 + 1]

    def to_network(self, physical: torch.Tensor) -> torch.Tensor:
        """Physical values, clamped to ``range``, as network values."""
        lo, hi = self.range
        return self.network_range[0] + self.scaled(physical.clamp(lo, hi) - lo)

    def scaled(self, difference: torch.Tensor) -> torch.Tensor:
        """A difference of physical values as one of network values."""
        (lo, hi), (low, high) = self.range, self.network_range
        return difference * ((high - low) / (hi - lo))

    def to_physical(self, network: torch.Tensor) -> torch.Tensor:
        """The inverse of :meth:`to_network`, without clamping."""
        (lo, hi), (low, high) = self.range, self.network_range
        return lo + (network - low) * ((hi - lo) / (high - low))


def _stage(given: Stage | dict) -> Stage:
    """A stage of a table with its fields."""
    if isinstance(given, Stage):
        return given
    names = [field.name for field in dataclasses.fields(Stage)]
    if not isinstance(given, dict) or sorted(given) != sorted(names):
        raise ValueError(f"a stage needs {', '.join(names)} and nothing else, got {given}")
    return Stage(**given)


def _tables(path: Path, depth: int = 0) -> dict:
    """The settings of a file and, where it lacks some, those of the file that ``base`` names."""
    with path.open("rb") as file:
        tables = tomllib.load(file)
    base = tables.pop("base", None)
    if base is None:
        return tables
    if not isinstance(base, str):
        raise ValueError(f"base must be the name of a file, got {base!r}")
    if depth == MOST_BASES:
        raise ValueError(f"more than {MOST_BASES} files name one another as base")
    return _tables(path.parent / base, depth + 1) | tables


def _flat(tree: dict, prefix: str = "") -> dict[str, object]:
    """A tree of tables as one table with dotted keys, as TOML writes them."""
    flat = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat


def _with_named_losses(stored: dict) -> dict:
    """Settings with one field for each weight, as checkpoints up to version 0.1.0 hold them."""
    kept = {key: value for key, value in stored.items() if not key.endswith("_weight")}
    least, aim = kept.pop("peak_least", 0.0), kept.pop("peak_aim", 1.0)
    bright = stored.get("bright_weight", 0.0)
    losses = {"dual_domain": {"weight": 1.0, "fourier": stored["fourier_weight"]}}
    if bright:
        losses["dual_domain"]["bright"] = bright
    for name in ("psnr", "worse"):
        if stored.get(f"{name}_weight"):
            losses[name] = {"weight": stored[f"{name}_weight"]}
    if stored.get("peak_weight"):
        losses["peaks"] = {"weight": stored["peak_weight"], "least": least}
        if aim != 1:
            losses["peaks"]["aim"] = aim
    return {**kept, "losses": losses}
