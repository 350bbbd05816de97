"""Packs: prepared training images, kept on disk until their code or data change."""

from __future__ import annotations

import ast
import hashlib
import inspect
import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np

from .data import data_folder

_log = logging.getLogger(__name__)


def kept(path: Path, make: Callable[[], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """The arrays of a pack. Makes the pack if there is none of this code and data, and then removes
    those of other code or data."""
    file = named(path, make)
    if not file.exists():
        _log.warning("preparing training data, which can take half an hour: %s", file)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = file.with_suffix(".part.npz")
        np.savez(temporary, **make())
        temporary.rename(file)
        digits = "[0-9a-f]" * DIGITS
        for other in path.parent.glob(f"{path.stem}-{digits}{path.suffix}"):
            if other != file:
                other.unlink()
    with np.load(file) as pack:
        return {name: pack[name] for name in pack.files}


DIGITS = 16
"""Length of the hash in a pack's name."""


def named(path: Path, make: Callable) -> Path:
    """The path with the hash of code and data in its name."""
    return path.with_stem(f"{path.stem}-{fingerprint(make)}")


def fingerprint(make: Callable) -> str:
    """A hash of the code that makes a pack, without comments and docstrings, and of all files of
    ``train``."""
    digest = hashlib.blake2b(digest_size=DIGITS // 2)
    for path in sorted(sources(make)):
        _add(digest, path.name, _code(path).encode())
    train = data_folder() / "train"
    for path in sorted(p for p in train.glob("**/*") if p.is_file()):
        _add(digest, path.relative_to(train).as_posix(), path.read_bytes())
    return digest.hexdigest()


def _code(path: Path) -> str:
    """The syntax tree of a module, without its docstrings."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            node.body = [part for part in node.body if not _is_text(part)]
    return ast.dump(tree)


def _is_text(statement: ast.stmt) -> bool:
    """Whether a statement is a docstring, also one that follows a constant."""
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


def _add(digest, name: str, content: bytes) -> None:
    """Adds a name and a content with their lengths. Otherwise two lists of files could give the
    same bytes."""
    for part in (name.encode(), content):
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)


def sources(make: Callable) -> set[Path]:
    """The files of ``make`` and of the class that it is bound to, and all that these import by
    relative names, directly or indirectly."""
    owner = getattr(make, "__self__", None)
    starts = [make] if owner is None else [make, owner if inspect.isclass(owner) else type(owner)]
    waiting = {Path(inspect.getsourcefile(start)) for start in starts}
    found = set()
    while waiting:
        path = waiting.pop()
        found.add(path)
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.level:
                folder = path.parents[node.level - 1].joinpath(*(node.module or "").split("."))
                for name in node.names:
                    choices = (folder / f"{name.name}.py", folder.with_suffix(".py"))
                    choices = (*choices, folder / "__init__.py")
                    waiting |= {p for p in choices if p.is_file()} - found
    return found


__all__ = ["fingerprint", "kept", "named", "sources"]
