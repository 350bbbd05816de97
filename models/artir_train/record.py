"""The record of a run: ``run.json`` in its folder.

It holds the settings, and for every session (a start or a resumption) what its weights depend on:
the schedule, the commit, the versions of libraries and a hash of the data.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
import json
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import torch

from . import native
from .data import REPOSITORY
from .settings import Settings

LIBRARIES = ("numpy", "onnx", "pillow", "pydicom", "scipy", "torch")
NAME = "run.json"


def session(settings: Settings, data_hash: str, **more: object) -> dict:
    """What a session's weights depend on. ``data_hash``: a hash of the data that it reads."""
    library = native.library_path()
    return {
        "begun": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(REPOSITORY),
        "python": platform.python_version(),
        "libraries": {name: _version(name) for name in LIBRARIES},
        "artir_ops_sha256": hashlib.sha256(library.read_bytes()).hexdigest()
        if native.library()
        else None,
        "threads": torch.get_num_threads(),
        "data_hash": data_hash,
        "seed": settings.seed,
        **more,
    }


def write(folder: Path, settings: Settings, made: dict, resumed: bool) -> list[str]:
    """Writes the record of a new run, or adds a session to that of a resumed one. Returns what
    has changed since the last session, in words."""
    path = folder / NAME
    sessions = []
    if resumed and path.exists():
        sessions = json.loads(path.read_text())["sessions"]
    changed = []
    if sessions:
        last = sessions[-1]
        keys = ("commit", "python", "libraries", "artir_ops_sha256", "data_hash")
        changed = [key for key in keys if made[key] != last.get(key)]
    record = {"settings": dataclasses.asdict(settings), "sessions": [*sessions, made]}
    folder.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".part")
    temporary.write_text(json.dumps(record, indent=1) + "\n")
    temporary.rename(path)
    return changed


def described(model: Path | None) -> dict | None:
    """The name and hash of the model file that a run starts from."""
    if model is None:
        return None
    return {"file": model.name, "sha256": hashlib.sha256(model.read_bytes()).hexdigest()}


def data_hash(folders: list[Path]) -> str:
    """A hash of the names and contents of all files in these folders."""
    digest = hashlib.sha256()
    for folder in folders:
        for path in sorted(p for p in folder.glob("**/*") if p.is_file()):
            name = f"{folder.name}/{path.relative_to(folder).as_posix()}"
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            digest.update(f"{content}  {name}\n".encode())
    return digest.hexdigest()


def listing_hash(files: list[Path]) -> str:
    """A hash of the names and sizes of files, for data sets whose contents take hours to read."""
    digest = hashlib.sha256()
    for path in files:
        digest.update(f"{path.stat().st_size}  {path.name}\n".encode())
    return digest.hexdigest()


def commit(repository: Path) -> str | None:
    """The commit of a repository, with "-dirty" if tracked files differ from it. None where there
    is no git or no repository."""
    command = ["git", "-C", str(repository), "describe", "--always", "--abbrev=40", "--dirty"]
    try:
        done = subprocess.run(
            [*command, "--exclude=*"], capture_output=True, check=False, text=True
        )
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
