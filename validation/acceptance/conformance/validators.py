"""dicom3tools and dcmtk: faults that they report for an output but not for its source."""

import re
import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import cache, lru_cache
from pathlib import Path

from . import images

WORKERS = 2
SECONDS = 120
UID = re.compile(r"\b[0-2](\.\d+){3,}\b")
PATH = re.compile(r"(?<=<)/[^>]*(?=>)|(?<= )/\S+")
MISSING = "not installed"


@cache
def installed(tool: str) -> bool:
    """Whether a tool is installed."""
    return shutil.which(tool) is not None


@cache
def converter() -> str:
    """dcm2pnm, which newer releases call dcm2img."""
    return "dcm2img" if installed("dcm2img") else "dcm2pnm"


def said(*command: object) -> tuple[int, str]:
    """Exit status, and both streams as one text."""
    done = subprocess.run(
        [str(part) for part in command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=SECONDS,
        check=False,
    )
    return done.returncode, done.stdout.decode(errors="replace")


def errors(text: str, mark: str) -> frozenset[str]:
    """The error lines, without paths and UIDs, which differ between a file and its copy."""
    lines = (line.strip() for line in text.splitlines())
    return frozenset(PATH.sub("FILE", UID.sub("UID", x)) for x in lines if mark in x)


@lru_cache(maxsize=4096)
def dciodvfy(path: Path) -> frozenset[str]:
    """The errors of one object."""
    return errors(said("dciodvfy", path)[1], "Error - ")


def referred(faults: frozenset[str]) -> frozenset[str]:
    """The faults of a source's own UID, as the faults of the reference to it that a derived object
    must have."""
    own = (fault for fault in faults if "(0x0008,0x0018)" in fault)
    renamed = (fault.replace("(0x0008,0x0018)", "(0x0008,0x1155)") for fault in own)
    return frozenset(f.replace("SOP Instance UID", "Referenced SOP Instance UID") for f in renamed)


def dcentvfy(paths: list[Path]) -> frozenset[str]:
    """The errors of objects as a whole, without the values that differ and their files."""
    text = said("dcentvfy", *paths)[1]
    # "... for file <A> versus <B> Value 1 <x> versus <y>": one line for each pair of files.
    found = (re.sub(r" for file .*", "", e) for e in errors(text, "Error - "))
    return frozenset(found)


@lru_cache(maxsize=4096)
def dcmdump(path: Path) -> frozenset[str]:
    """Errors reported by dcmdump."""
    code, text = said("dcmdump", "-ll", "error", path)
    found = errors(text, "E: ")
    return found | {f"exit status {code}"} if code else found


@lru_cache(maxsize=4096)
def dcm2pnm(path: Path) -> frozenset[str]:
    """Errors in the conversion of every frame to a picture."""
    with tempfile.TemporaryDirectory() as folder:
        command = [converter(), "+Fa", "-ll", "error", path, Path(folder) / "frame"]
        code, text = said(*command)
        found = set(errors(text, "E: ") | errors(text, "F: "))
        made = [p for p in Path(folder).iterdir() if p.stat().st_size > 16]
        if code:
            found.add(f"exit status {code}")
        if not code and len(made) != images.frames(images.read(path, pixels=False)):
            found.add("frames are missing")
        return frozenset(found)


def against_sources(tools: dict[str, object], pairs: list[tuple[Path, Path]]) -> list[str]:
    """Errors of outputs that their sources do not have; the source is read only when needed."""

    def one(pair: tuple[Path, Path]) -> list[str]:
        output, source = pair
        out = []
        for tool, run in tools.items():
            if found := run(output):
                theirs = run(source)
                fresh = found - theirs - referred(theirs)
                out += [f"{output.name}: {tool}: {error}" for error in sorted(fresh)]
        return out

    with ThreadPoolExecutor(WORKERS) as pool:
        return [error for found in pool.map(one, pairs) for error in found]


def check_objects(pairs: list[tuple[Path, Path]]) -> list[str] | None:
    """dciodvfy over (output, source); None if it is not installed."""
    if not installed("dciodvfy"):
        return None
    return against_sources({"dciodvfy": dciodvfy}, pairs)


def check_entities(pairs: list[tuple[Path, Path]]) -> list[str] | None:
    """dcentvfy over a series and over its sources."""
    if not installed("dcentvfy"):
        return None
    found = dcentvfy([output for output, _ in pairs])
    if not found:
        return []
    return sorted(found - dcentvfy(sorted({source for _, source in pairs})))


def check_toolkit(pairs: list[tuple[Path, Path]]) -> list[str] | None:
    """dcmdump and dcm2pnm over (output, source)."""
    if not installed("dcmdump") or not installed(converter()):
        return None
    return against_sources({"dcmdump": dcmdump, converter(): dcm2pnm}, pairs)


def version(*command: str) -> str:
    """A tool's version number, or ``MISSING``."""
    if not installed(command[0]):
        return MISSING
    found = re.search(r"\d+\.\d+(\.\d+)?", said(*command)[1])
    return found[0] if found else "installed"
