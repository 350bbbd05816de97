"""Installs artir's wheel into an environment of the plugin's own, never into QGIS's Python."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

from .program import NO_WINDOW, WINDOWS, NotFound, environment, own_folder, own_program
from .run import INTERVAL, Cancelled, stop
from .text import tr

# artir's dependencies with the hash of each file. pip takes no file with another hash.
REQUIREMENTS = Path(__file__).with_name("requirements.txt")
SHA256 = re.compile(r"[0-9a-f]{64}")


def python() -> str:
    """A Python interpreter for the environment: QGIS's, of which the environment takes a copy and nothing else."""
    name = "python.exe" if WINDOWS else "bin/python3"
    found = [Path(sys.prefix) / name, Path(sys.base_prefix) / name, Path(sys.exec_prefix) / "bin/python3"]
    if Path(sys.executable).name.lower().startswith("python"):
        found.insert(0, Path(sys.executable))
    for path in found:
        if path.is_file():
            return str(path)
    on_path = shutil.which("python3") or shutil.which("python")
    if on_path is None:
        raise NotFound(tr("No Python interpreter was found for the installation."))
    return on_path


def pinned() -> str:
    """The requirement of artir itself, with its hash, or an empty text: a version without a release has none."""
    lines = REQUIREMENTS.read_text(encoding="utf-8").splitlines()
    return next((line for line in lines if re.match(r"artir\s*==", line)), "")


def requirements(wheel: str, sha256: str) -> str:
    """The requirements of the installation, each with its hash."""
    text = REQUIREMENTS.read_text(encoding="utf-8")
    if not wheel:
        if not pinned():
            raise NotFound(
                tr("This plugin names no release of artir: name a wheel, and its hash as SHA256SUMS states it.")
            )
        return text
    wanted = sha256.strip().lower()
    if not SHA256.fullmatch(wanted):
        raise NotFound(tr("Give the wheel's SHA-256, as SHA256SUMS states it: 64 digits."))
    try:
        found = hashlib.sha256(Path(wheel).read_bytes()).hexdigest()
    except OSError as e:
        raise NotFound(f"{wheel}: {e.strerror}") from e
    if found != wanted:
        raise NotFound(tr("{wheel} does not have this SHA-256: it was not installed.").format(wheel=wheel))
    others = [line for line in text.splitlines() if not line.startswith("artir")]
    return "\n".join([*others, f"artir @ {Path(wheel).resolve().as_uri()} --hash=sha256:{wanted}", ""])


def install(wheel: str, sha256: str, feedback) -> str:
    """Installs into a new environment, which takes the old one's place when it works. Returns the program."""
    text = requirements(wheel, sha256)
    try:
        _run([python(), "-m", "pip", "--version"], feedback)
    except NotFound as e:
        advice = tr("{python} has no pip (in Debian: apt install python3-pip). Nothing was installed.")
        raise NotFound(advice.format(python=python())) from e
    folder = own_folder()
    folder.mkdir(parents=True, exist_ok=True)
    list_of_all, env = folder / "requirements.txt", folder / "env"
    list_of_all.write_text(text, encoding="utf-8")
    old = folder / "env.old"
    # A run that was killed can have left the working one under its second name.
    if old.exists() and not env.exists():
        old.rename(env)
    shutil.rmtree(old, ignore_errors=True)
    if env.exists():
        env.rename(old)
    try:
        interpreter = env / ("Scripts/python.exe" if WINDOWS else "bin/python")
        _run([python(), "-m", "venv", "--without-pip", str(env)], feedback)
        # The pip of QGIS's Python installs into the new environment alone.
        pip = [python(), "-m", "pip", "--python", str(interpreter), "--disable-pip-version-check"]
        _run([*pip, "install", "--require-hashes", "--only-binary", ":all:", "-r", str(list_of_all)], feedback)
        if not own_program().is_file():
            raise NotFound(tr("The installation holds no program artir."))
    except BaseException:
        shutil.rmtree(env, ignore_errors=True)
        if old.exists():
            old.rename(env)
        raise
    shutil.rmtree(old, ignore_errors=True)
    return str(own_program())


def _run(command: list[str], feedback) -> None:
    """Runs a step, shows what it prints, and ends it when the user cancels."""
    feedback.pushCommandInfo(" ".join(command))
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment(command[0]),
        creationflags=NO_WINDOW,
    )
    printed: list[str] = []
    reader = threading.Thread(target=lambda: printed.extend(_lines(process.stdout)), daemon=True)
    reader.start()
    shown = 0
    while True:
        reader.join(INTERVAL)
        for line in printed[shown:]:
            feedback.pushConsoleInfo(line)
            shown += 1
        if not reader.is_alive():
            break
        if feedback.isCanceled():
            stop(process)
            raise Cancelled
    if process.wait() != 0:
        raise NotFound(tr("The installation failed: {reason}").format(reason=_reason(printed)))


def _lines(pipe):
    for line in pipe:
        yield line.decode("utf-8", "replace").rstrip()


def _reason(printed: list[str]) -> str:
    errors = [line for line in printed if line.startswith("ERROR")]
    return " ".join(errors or printed[-1:])
