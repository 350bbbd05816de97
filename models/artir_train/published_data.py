"""Published data sets of photographs, in the folders in which they are distributed.

A folder holds one or several data sets, each in a folder of its own name:

    DATA/OTS_ALPHA/haze/OTS/0005_0.8_0.04.jpg    DATA/OTS_ALPHA/clear/clear_images/0005.jpg
    DATA/rain_data_train_Light/rain/norain-1x2.png  .../norain/norain-1.png

``DATA_SETS`` describes them. Images are read when they are drawn, never all at once. A data set's
own test split is held out.
"""

from __future__ import annotations

import logging
import os
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from .data import stacked
from .degrade import photo

ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
HELD_OUT = 4
"""Most images of a task that validation sees."""
SHOWN = 256
"""Pixels of the sides of a held-out image: the middle of a larger one."""
WIDEST_BORDER = 20
"""Most pixels on each side that the reference shows beyond the degraded image: those of SOTS indoor
and ITS have a border of 10."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class DataSet:
    """A data set: how its folders are named, and how its files are paired."""

    name: str
    task: str
    """What degrades its images; empty if the folder of an image says so."""
    folders: tuple[str, ...]
    """Beginnings of the folder's name, in small letters, without "-", "_" and spaces."""
    degraded: str
    """Matches the path of a degraded image, without its ending, below the folder that holds all
    data sets."""
    clear: tuple[str, ...]
    """Where its reference may be, in the groups of the match."""
    test: str
    """Is found in the folders of test images."""
    layout: str
    """The folders, for people."""


_BEFORE = r"(?P<before>(?:[^/]+/)*?)"
_NAME = r"/(?P<name>[^/]+)"

RESIDE = DataSet(
    "RESIDE",
    "haze",
    ("reside", "ots", "its", "sots"),
    _BEFORE + r"(?:its_)?(?:hazy|haze|synthetic)(?:/[^/]+)*/(?P<name>\d+)(?:_[^/]*)?",
    tuple(
        "{before}" + folder + "/{name}"
        for folder in ("gt", "clear", "clear/clear", "clear/clear_images", "original", "its_clear")
    ),
    r"(^|/)sots/|(^|/)test",
    "OTS_ALPHA/haze/OTS/0005_0.8_0.04.jpg and OTS_ALPHA/clear/clear_images/0005.jpg; "
    "ITS/hazy/1_1_0.90.png and ITS/clear/1.png; test: SOTS/outdoor/hazy/ and SOTS/outdoor/gt/",
)
RAIN100L = DataSet(
    "Rain100L",
    "rain",
    ("rain100l", "raintrainl", "raindatatrainlight", "raindatatestlight"),
    _BEFORE + r"(?:(?:rain|rainy|input)/(?:x2/)?)?(?:no)?rain-(?P<name>\d+)(?P<scale>x2)?",
    (
        "{before}norain/norain-{name}",
        "{before}gt/norain-{name}",
        "{before}target/norain-{name}",
        "{before}norain-{name}",
    ),
    r"test|(^|/)rain100l/(?!.*train)",
    "rain_data_train_Light/rain/norain-1x2.png and rain_data_train_Light/norain/norain-1.png; "
    "or rain-1.png and norain-1.png in one folder; test: rain_data_test_Light, Rain100L",
)
GOPRO = DataSet(
    "GoPro",
    "motion",
    ("gopro",),
    _BEFORE + r"(?:blur|input)" + _NAME,
    ("{before}sharp/{name}", "{before}target/{name}"),
    r"/test/",
    "GOPRO_Large/train/GOPR0372_07_00/blur/000047.png and .../sharp/000047.png; test: "
    "GOPRO_Large/test",
)
LOL = DataSet(
    "LOL",
    "low",
    ("lol", "our485", "eval15"),
    _BEFORE + r"low" + _NAME,
    ("{before}high/{name}",),
    r"(^|/)eval15/|/test",
    "LOLdataset/our485/low/2.png and LOLdataset/our485/high/2.png; test: LOLdataset/eval15",
)
CLEAR = DataSet(
    "BSD and WED",
    "noise",
    ("bsd", "cbsd", "bsr", "wed", "waterloo", "exploration"),
    r"(?!.*noisy).*/(?P<name>[^/]+)",
    (),
    r"bsd68|/val/",
    "BSD400/*.jpg (or BSR/BSDS500/data/images/) and "
    "exploration_database_and_code/pristine_images/00001.bmp; test: CBSD68, BSDS500's val",
)
SNOW100K = DataSet(
    "Snow100K",
    "snow",
    ("snow100k",),
    _BEFORE + r"synthetic" + _NAME,
    ("{before}gt/{name}",),
    r"test",
    "Snow100K-training/all/synthetic/NAME.jpg and Snow100K-training/all/gt/NAME.jpg; test: "
    "Snow100K-testset/.../Snow100K-L/",
)
CDD11 = DataSet(
    "CDD-11",
    "",
    ("cdd11",),
    _BEFORE + f"(?P<task>{'|'.join(photo.COMPOSITE)})" + _NAME,
    ("{before}clear/{name}",),
    r"test",
    "CDD-11_train/low_haze/NAME.png and CDD-11_train/clear/NAME.png; test: CDD-11_test",
)
UHD_LAYOUT = "{0}/training_set/input/NAME.jpg and {0}/training_set/gt/NAME.jpg; test: testing_set"
UHD_HAZE, UHD_BLUR = (
    DataSet(
        name,
        task,
        (name.replace("-", "").lower(),),
        _BEFORE + r"input" + _NAME,
        ("{before}gt/{name}",),
        r"test",
        UHD_LAYOUT.format(name),
    )
    for name, task in (("UHD-Haze", "haze"), ("UHD-Blur", "motion"))
)

DATA_SETS: dict[str, tuple[DataSet, ...]] = {
    "rgb-aio": (RESIDE, RAIN100L, CLEAR, GOPRO, LOL),
    "rgb-cdd": (CDD11,),
    "rgb-snow": (SNOW100K,),
    "uhd-haze": (UHD_HAZE,),
    "uhd-blur": (UHD_BLUR,),
}
"""The data sets that a configuration's ``data`` reads from a folder of published data sets."""


@dataclass(frozen=True)
class Pair:
    """One image: its task, the degraded file (None: the noise is added), the reference."""

    task: str
    degraded: Path | None
    clear: Path
    test: bool

    def read(self) -> tuple[np.ndarray, np.ndarray]:
        """Degraded and clear image, [H, W, 3] uint8 of one size."""
        clear = read(self.clear)
        if self.degraded is None:
            return clear, clear
        degraded = read(self.degraded)
        borders = [c - d for c, d in zip(clear.shape[:2], degraded.shape[:2], strict=True)]
        if any(b < 0 or b % 2 or b > 2 * WIDEST_BORDER for b in borders):
            raise ValueError(
                f"{self.degraded} has {degraded.shape[0]} x {degraded.shape[1]} pixels, and its "
                f"reference {self.clear} {clear.shape[0]} x {clear.shape[1]}"
            )
        top, left = (b // 2 for b in borders)
        height, width = degraded.shape[:2]
        return degraded, clear[top : top + height, left : left + width]


def read(path: Path) -> np.ndarray:
    """A picture [H, W, 3] uint8."""
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB"))
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"{path} cannot be read: {error}") from error


def find(folder: Path, wanted: tuple[DataSet, ...]) -> list[Pair]:
    """All pairs of the wanted data sets below a folder, in the order of their paths.

    Raises ValueError if none is there, or if a degraded image has no reference.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder} is not a folder")
    pairs, missing = [], []
    for one in wanted:
        found = _pairs(folder, one)
        if found:
            pairs += found
        else:
            missing.append(one)
    layouts = "; ".join(f"{one.name} ({one.layout})" for one in missing)
    if not pairs:
        raise ValueError(f"{folder} has none of the data sets {layouts}")
    if missing:
        _log.warning("%s lacks %s", folder, layouts)
    return pairs


def _pairs(folder: Path, one: DataSet) -> list[Pair]:
    files = _files(folder, one)
    # References are found without regard to their ending: OTS has JPEG, SOTS has PNG.
    by_key = {_key(name): name for name in files}
    pattern, test = re.compile(one.degraded), re.compile(one.test)
    found = []
    for name in files:
        match = pattern.fullmatch(_key(name))
        if match is None:
            continue
        groups = match.groupdict()
        held_out = bool(test.search(os.path.dirname(_key(name)) + "/"))
        if not one.clear:
            found.append(Pair(one.task, None, folder / name, held_out))
            continue
        places = [by_key.get(place.format(**groups)) for place in one.clear]
        clear = next((place for place in places if place not in (None, name)), None)
        if clear is not None:
            task = groups.get("task") or one.task
            found.append(Pair(task, folder / name, folder / clear, held_out))
        elif not _is_reference(name, one, groups):
            raise ValueError(
                f"{folder / name} has no reference. {one.name} is expected as {one.layout}"
            )
    return found


def _is_reference(name: str, one: DataSet, groups: dict) -> bool:
    """Whether a file of Rain100L, whose references are named like its images, is a reference."""
    return one is RAIN100L and Path(name).name.startswith("norain-") and not groups.get("scale")


def _key(name: str) -> str:
    return os.path.splitext(name)[0].lower()


def _files(folder: Path, one: DataSet) -> list[str]:
    """The images in folders of this data set's name, as paths below ``folder``, sorted."""
    found = []
    for top in sorted(folder.iterdir()):
        plain = re.sub(r"[-_ ]", "", top.name.lower())
        if top.is_dir() and plain.startswith(one.folders):
            for path, _, names in os.walk(top, onerror=_refuse):
                inside = Path(path).relative_to(folder).as_posix()
                found += [f"{inside}/{n}" for n in names if n.lower().endswith(ENDINGS)]
    return sorted(found)


def _refuse(error: OSError) -> None:
    """Otherwise a folder that cannot be read would count as empty."""
    raise error


class PublishedPatches:
    """Pairs (degraded, clear) of RGB patches from published data sets, display values 0 to 1.

    All tasks are drawn equally often, whatever the number of their images.
    """

    channels = 3
    window = (0.0, 1.0)

    def __init__(self, data: str, folder: Path, seed: int = 0):
        self.training: dict[str, list[Pair]] = {}
        self.held_out: dict[str, list[Pair]] = {}
        by_task: dict[str, list[Pair]] = {}
        for pair in find(folder, DATA_SETS[data]):
            by_task.setdefault(pair.task, []).append(pair)
        for task, pairs in by_task.items():
            self._split(task, pairs)
        if not any(self.training.values()):
            raise ValueError(f"{folder} has only test images")
        if empty := [task for task, pairs in self.training.items() if not pairs]:
            _log.warning("%s has only test images of %s", folder, ", ".join(empty))
        self.tasks = [task for task, pairs in self.training.items() if pairs]
        self.groups: list[str] = []
        self.rng = np.random.default_rng(seed)

    def _split(self, task: str, pairs: list[Pair]) -> None:
        """Test images are held out; without any, some training images far apart are."""
        test = [pair for pair in pairs if pair.test]
        rest = [pair for pair in pairs if not pair.test]
        chosen = _spread(test or rest)
        self.held_out[task] = chosen
        # One reference has several degraded images: none of it may be trained on.
        references = {pair.clear for pair in chosen}
        self.training[task] = [pair for pair in rest if pair.clear not in references]

    def files(self) -> list[Path]:
        """All files that are read, sorted."""
        pairs = [p for part in (self.training, self.held_out) for ps in part.values() for p in ps]
        return sorted({path for p in pairs for path in (p.degraded, p.clear) if path})

    def batch(self, count: int, size: int) -> tuple[torch.Tensor, torch.Tensor]:
        """``count`` training pairs [count, 3, size, size]."""
        return stacked([self._draw(size) for _ in range(count)])

    def _draw(self, size: int) -> tuple[np.ndarray, np.ndarray]:
        rng = self.rng
        pairs = self.training[self.tasks[rng.integers(len(self.tasks))]]
        pair = pairs[rng.integers(len(pairs))]
        degraded, clear = pair.read()
        both = at_least(np.concatenate([degraded, clear], axis=2), size)
        y, x = (int(rng.integers(0, side - size + 1)) for side in both.shape[:2])
        both = np.rot90(both[y : y + size, x : x + size], rng.integers(4))
        if rng.integers(2):
            both = both[:, ::-1]
        return _as_pair(both, pair, rng)

    def validation(self) -> tuple[torch.Tensor, torch.Tensor]:
        """The middles of held-out images, [M, 3, 256, 256]; ``groups`` then names their tasks."""
        rng, found, self.groups = np.random.default_rng(77), [], []
        for task, pairs in self.held_out.items():
            for pair in pairs:
                both = at_least(np.concatenate(pair.read(), axis=2), SHOWN)
                y, x = ((side - SHOWN) // 2 for side in both.shape[:2])
                found.append(_as_pair(both[y : y + SHOWN, x : x + SHOWN], pair, rng))
                self.groups.append(task)
        return stacked(found)


def _spread(pairs: list[Pair]) -> list[Pair]:
    """A few pairs, evenly spread over all."""
    count = min(HELD_OUT, len(pairs))
    return [pairs[i * len(pairs) // count] for i in range(count)]


def at_least(image: np.ndarray, size: int) -> np.ndarray:
    """The image, mirrored beyond its borders if it is smaller than ``size``."""
    missing = [max(0, size - side) for side in image.shape[:2]]
    around = [(m // 2, m - m // 2) for m in missing]
    return np.pad(image, [*around, (0, 0)], mode="symmetric") if any(missing) else image


def _as_pair(
    both: np.ndarray, pair: Pair, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Degraded and clear patch [3, H, W], 0 to 1, from [H, W, 6] uint8."""
    planes = np.ascontiguousarray(both.transpose(2, 0, 1)).astype(np.float32) / 255
    degraded, clear = planes[:3], planes[3:]
    if pair.degraded is None:
        degraded = photo.degraded(clear, "noise", rng)
    return degraded, clear
