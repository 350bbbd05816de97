"""Kills artir during a run. No partial scene may have the final name; --resume completes it."""

import hashlib
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import numpy as np

from .cases import Bench
from .edges import store

KILLS, EDGE, TILE = 10, 4000, 512
SECONDS = 300


def generated(path: Path, height: int = EDGE, width: int = EDGE) -> Path:
    """A scene of three bands that does not compress."""
    chance = np.random.default_rng(11)
    values = chance.integers(1, 255, (3, height, width), np.uint8, endpoint=True)
    return store(path, values, None)


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def killed(bench: Bench, command: tuple[object, ...], seconds: float) -> int:
    """Starts a run, kills it after some seconds, and returns how it ended."""
    process = subprocess.Popen(
        bench.program.command(*command),
        env=bench.program.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    return process.wait()


def check(bench: Bench, folder: Path, _data: Path) -> list[tuple[str, str]]:
    """Ten kills at seeded moments, each followed by a run that resumes."""
    name, problems = "killed", []
    source = generated(folder / "scene.tif")
    options = ("--model", bench.models[3], "--tile", TILE, "--threads", 1)
    resumes = bench.program.offers("geo", "--resume")
    whole = folder / "whole" / "restored.tif"
    whole.parent.mkdir()
    begun = time.monotonic()
    run = bench.program.run("geo", source, "-o", whole, *options, seconds=SECONDS)
    seconds = time.monotonic() - begun
    told = f"killed by SIGKILL at {KILLS} moments"
    if run.code:
        words = [f"the run by itself: {run.code}: {' '.join(run.reasons())}"]
        return [(told, bench.findings.cell(name, "whole run", words))]
    wanted = digest(whole)
    finished = 0
    chance = random.Random(7)
    for index in range(KILLS):
        out = folder / f"kill-{index}" / "restored.tif"
        out.parent.mkdir()
        command = ("geo", source, "-o", out, *options)
        code = killed(bench, command, chance.uniform(0.02, 0.98) * seconds)
        if out.exists():
            # The run may have ended before the signal. Then its result must be complete.
            finished += 1
            if digest(out) != wanted:
                problems.append(f"kill {index} ({code}): half a file, final name")
            out.unlink()
        elif code != -signal.SIGKILL:
            problems.append(f"kill {index}: it had ended by itself: {code}")
        again = (*command, "--resume") if resumes else command
        run = bench.program.run(*again, seconds=SECONDS)
        if run.code:
            said = " ".join(run.reasons())
            problems.append(f"kill {index}: again: {run.code}: {said}")
        elif digest(out) != wanted:
            problems.append(f"kill {index}: another result after the second run")
        left = {path.name for path in out.parent.iterdir()} - {out.name}
        if left and resumes:
            problems.append(f"kill {index}: left {', '.join(sorted(left))}")
        shutil.rmtree(out.parent)
    good = f"ok: nothing under the final name, {finished} done before the signal; "
    good += "--resume" if resumes else "there is no --resume; a run anew"
    good += " gives the same bytes as a run undisturbed"
    return [(told, bench.findings.cell(name, "files", problems, good))]
