"""Inputs that the tests make."""

from __future__ import annotations

import _thread
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import artir
import pytest
from ct_files import phantom, write_ct


@pytest.fixture(scope="session")
def ct_model() -> artir.Model:
    return artir.Model("ct-ldct-t", device="cpu")


@pytest.fixture
def ct_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "study"
    write_ct(folder, phantom())
    return folder


@pytest.fixture
def ctrl_c() -> Iterator[Callable[[], None]]:
    """Does what Ctrl-C does, also where the tests were started in the background, with the signal ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield _thread.interrupt_main
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def run_artir() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs the command: the installed one, or that of a build which is not installed."""
    installed = Path(sys.executable).with_name("artir")
    program = [str(installed)]
    if not installed.exists():
        program = [sys.executable, str(Path(artir.__file__).with_name("__main__.py"))]

    def run(*arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
        command = [*program, *map(str, arguments)]
        return subprocess.run(
            command, check=False, capture_output=True, text=True, timeout=300, env=dict(os.environ), **options
        )

    return run
