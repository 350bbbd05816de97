"""Kills artir during a run. No partial file may have a final name; --resume completes the run."""

import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

from .cases import Bench

KILLS = 10


def contents(folder: Path) -> dict[str, bytes]:
    """Every file by its relative name."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def check(bench: Bench, data: Path, work: Path) -> str:
    """Ten kills at seeded moments of a run over a whole series."""
    source = data / "ct-abdomen-ge"
    if not source.is_dir():
        return "data not found"
    name, problems = "killed runs", []
    options = ("--strength", 0, "--model", bench.identity["ct"], "--threads", 1)
    whole = work / "kill-whole"
    begun = time.monotonic()
    run = bench.run("ct", source, whole, *options)
    seconds = time.monotonic() - begun
    wanted = contents(whole)
    if run.code or not wanted:
        return self_evident(bench, name, run.stderr)
    resumes = bench.program.offers("ct", "--resume")
    chance = random.Random(7)
    for index in range(KILLS):
        out = work / f"kill-{index}"
        command = bench.program.command("ct", source, "-o", out, *options)
        process = subprocess.Popen(
            command,
            env=bench.program.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(chance.uniform(0.02, 1.0) * seconds)
        process.send_signal(signal.SIGKILL)
        process.wait()
        for folder in sorted(out.glob("series-*")):
            there = {f"{folder.name}/{n}": c for n, c in contents(folder).items()}
            if there != {n: c for n, c in wanted.items() if n in there} or len(there) != sum(
                n.startswith(folder.name) for n in wanted
            ):
                problems.append(f"kill {index}: {len(there)} files under a final name")
        if not resumes:
            continue
        run = bench.run("ct", source, out, *options, "--resume")
        if run.code:
            problems.append(f"kill {index}: --resume: {run.code}: {run.stderr[-300:]}")
        found = contents(out)
        if found != wanted:
            differing = sorted(
                n for n in found.keys() | wanted.keys() if found.get(n) != wanted.get(n)
            )
            problems.append(f"kill {index}: after --resume differ: {differing[:6]}")
        shutil.rmtree(out)
    good = f"{KILLS} kills: nothing half-written"
    good += ", finished by --resume to the same bytes" if resumes else " (no --resume)"
    return bench.findings.cell(name, "folders", problems, good)


def self_evident(bench: Bench, name: str, told: str) -> str:
    """The run that is to be killed fails by itself."""
    return bench.findings.cell(name, "whole run", [f"it failed: {told[-300:]}"])
