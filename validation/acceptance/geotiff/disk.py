"""Storage that fails: a full disk, a read-only folder, sources that vanish or are damaged."""

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import rasterio

from ..program import Run
from .cases import Bench
from .edges import store
from .interruption import digest, generated

SIZE = "24m"
EDGE = 3500
SECONDS = 300
FAILED, INPUT = 1, 3
SPACE = ("space", "disk is full", "enospc", "no room")


@contextlib.contextmanager
def mounted(place: Path, options: str) -> Iterator[bool]:
    """A small file system in memory; yields whether this user may mount one."""
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
    done = False
    if os.geteuid() == 0 and shutil.which("mount"):
        done = not subprocess.run(command, capture_output=True, check=False).returncode
    try:
        yield done
    finally:
        if done:
            subprocess.run(["umount", str(place)], check=False)


class Disk:
    """The checks, on one generated scene."""

    def __init__(self, bench: Bench, folder: Path):
        self.bench, self.folder = bench, folder
        self.scene = generated(folder / "scene.tif", EDGE, EDGE)
        self.options = ("--model", bench.models[3], "--threads", 1)

    def run(self, source: Path, out: Path) -> Run:
        """One run with the identity model."""
        return self.bench.program.run("geo", source, "-o", out, *self.options, seconds=SECONDS)

    def judged(
        self,
        label: str,
        run: Run,
        out: Path,
        codes: tuple[int, ...] = (FAILED, INPUT),
        words: tuple[str, ...] = (),
    ) -> tuple[str, str]:
        """Checks that a failure has its exit code and a reason, and leaves nothing."""
        problems = [p for p in run.problems(5 << 29) if "exit code" not in p]
        told = " ".join(run.reasons()).replace(str(self.folder), "")
        if run.code not in codes:
            problems.append(f"exit code {run.code}: {told}")
        if not told:
            problems.append("no reason")
        if words and not any(word in told.lower() for word in words):
            problems.append(f"the reason does not say so: {told}")
        if out.exists():
            problems.append("something stands under the final name")
        elif out.parent.is_dir() and (left := sorted(os.listdir(out.parent))):
            problems.append(f"left {', '.join(left)}")
        good = f"ok: exit code {run.code}: {told}"
        return label, self.bench.findings.cell(label, "disk", problems, good)

    def full(self) -> tuple[str, str]:
        """An output of 37 MB does not fit 24."""
        label = f"an output that does not fit ({SIZE} tmpfs)"
        place = self.folder / "full"
        with mounted(place, f"size={SIZE}") as done:
            if not done:
                return label, "skipped: mounting needs root"
            out = place / "restored.tif"
            return self.judged(label, self.run(self.scene, out), out, words=SPACE)

    def read_only(self) -> tuple[str, str]:
        """A read-only file system, because permissions do not restrict root."""
        label = "an output folder that is read-only"
        place = self.folder / "fixed"
        with mounted(place, "ro,size=1m") as done:
            if not done:
                place.chmod(0o555)
                if os.access(place, os.W_OK):
                    return label, "skipped: root may write everywhere"
            out = place / "restored.tif"
            return self.judged(label, self.run(self.scene, out), out)

    def absent(self) -> tuple[str, str]:
        """A source that does not exist."""
        out = self.folder / "absent" / "restored.tif"
        run = self.run(self.folder / "nothing.tif", out)
        return self.judged("a source that is not there", run, out, (INPUT,))

    def taken(self, label: str, take: str) -> tuple[str, str]:
        """A source that vanishes or is truncated during the run: no wrong result may appear."""
        source = self.folder / f"{take}.tif"
        shutil.copy(self.scene, source)
        out = self.folder / f"{take}-out" / "restored.tif"
        out.parent.mkdir()
        command = self.bench.program.command("geo", source, "-o", out, *self.options)
        with (self.folder / f"{take}.txt").open("w+") as said:
            process = subprocess.Popen(
                command,
                env=self.bench.program.environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=said,
            )
            time.sleep(0.4)
            early = process.poll() is None
            if take == "gone":
                source.unlink()
            else:
                os.truncate(source, source.stat().st_size // 3)
            try:
                code = process.wait(SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                code = process.wait()
            said.seek(0)
            told = said.read()
        run = Run(code, 0, False, "", told, "", [self.folder])
        if code == 0:
            same = digest(out) == self.digest()
            problems = [] if same else ["exit code 0, and another result"]
            good = "ok: finished, with the right result"
            good += "" if early else " (before it was taken)"
            return label, self.bench.findings.cell(label, "disk", problems, good)
        return self.judged(label, run, out)

    def digest(self) -> str:
        """The hash of the undisturbed result."""
        out = self.folder / "whole" / "restored.tif"
        if not out.exists():
            out.parent.mkdir()
            self.run(self.scene, out)
        return digest(out)

    def corrupt(self, band: int) -> tuple[str, str]:
        """One band with an overwritten block. Band 4 is copied, not restored."""
        label = f"a corrupt block in band {band} of 4"
        source = self.folder / f"corrupt-{band}.tif"
        chance = np.random.default_rng(5)
        values = chance.integers(1, 255, (4, 512, 512), np.uint8, endpoint=True)
        store(self.folder / "four.tif", values, None)
        with rasterio.open(self.folder / "four.tif") as dataset:
            profile = dataset.profile | {
                "compress": "deflate",
                "interleave": "band",
                "blockxsize": 128,
                "blockysize": 128,
            }
        with rasterio.open(source, "w", **profile) as dataset:
            dataset.write(values)
        with rasterio.open(source) as dataset:
            tag = dataset.get_tag_item("BLOCK_OFFSET_1_1", "TIFF", bidx=band)
        with source.open("r+b") as file:
            file.seek(int(tag))
            file.write(b"\xff" * 400)
        out = self.folder / f"corrupt-{band}-out" / "restored.tif"
        return self.judged(label, self.run(source, out), out, (INPUT,))


def check(bench: Bench, folder: Path, _data: Path) -> list[tuple[str, str]]:
    """A line for each failure."""
    disk = Disk(bench, folder)
    return [
        disk.full(),
        disk.read_only(),
        disk.absent(),
        disk.taken("a source that is removed while it is read", "gone"),
        disk.taken("a source that is cut short while it is read", "cut"),
        disk.corrupt(2),
        disk.corrupt(4),
    ]
