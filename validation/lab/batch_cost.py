"""Measures what items of a batch cost, and compares batches of several processes with the model.

    python -m lab.batch_cost --artir target/release/artir --slices FOLDER [--processes 1 2 4 8]

Series are made of the slices of one real series, each with UIDs of its own. Times are CPU times of
the processes and of the decoders that they start: they hold on a machine that others use as well.
Runs of different kinds take turns. `share` measures how much of the work is not in the network: the
same series, with a network that returns its input.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from pydicom import dcmread

from acceptance.conformance import models

from .batch_scale import Cluster, Item, predict

# A root for examples. Its UIDs leave no machine.
ROOT = "1.2.826.0.1.3680043.10.999.30"


@dataclasses.dataclass(frozen=True)
class Batch:
    """A run: jobs, and for each process the CPU seconds and the jobs that it did."""

    model: str
    jobs: int
    processes: list[tuple[float, int]]

    @property
    def seconds(self) -> float:
        """CPU seconds of all processes."""
        return sum(seconds for seconds, _ in self.processes)


def series(slices: list[Path], folder: Path, number: int, count: int) -> None:
    """A series of neighbouring slices under UIDs of its own."""
    folder.mkdir(parents=True)
    first = number % (len(slices) - count + 1)
    for place, path in enumerate(slices[first : first + count]):
        image = dcmread(path)
        image.SeriesInstanceUID = f"{ROOT}.{number}"
        image.SOPInstanceUID = f"{ROOT}.{number}.{place}"
        image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID
        image.save_as(folder / path.name)


def run(artir: Path, work: Path, model: str, jobs: int, processes: int) -> Batch:
    """Runs so many processes of one batch at once."""
    with tempfile.TemporaryDirectory(dir=work) as place:
        folder = Path(place)
        options = {"threads": 1} | ({"model": model} if model else {})
        lines = [
            {"id": f"s{n}", "command": "ct", "input": str(work / f"in/{n}"), "options": options}
            for n in range(jobs)
        ]
        (folder / "jobs.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        line = [artir, "batch", folder / "jobs.jsonl", "-o", folder / "out", "-q"]
        started = [
            subprocess.Popen([*line, "--shard", f"{i}/{processes}"]) for i in range(processes)
        ]
        told = []
        for index, process in enumerate(started):
            _, status, usage = os.wait4(process.pid, 0)
            assert status == 0, f"process {index} ended with {status}"
            shard = f"{index}/{processes}"
            done = sum(
                json.loads(path.read_text())["shard"] == shard
                for path in (folder / "out/.artir/done").glob("*.json")
            )
            told.append((usage.ru_utime + usage.ru_stime, done))
        return Batch(model, jobs, told)


def costs(batches: list[Batch]) -> tuple[float, float]:
    """Seconds of a start and of an item, by least squares over processes."""
    rows = [(1.0, float(done)) for batch in batches for _, done in batch.processes]
    seconds = [seconds for batch in batches for seconds, _ in batch.processes]
    found = np.linalg.lstsq(np.array(rows), np.array(seconds), rcond=None)[0]
    return float(found[0]), float(found[1])


def share(artir: Path, work: Path, jobs: int, rounds: int) -> None:
    """How much of a series is not in the network."""
    identity = str(models.write(work / "identity.onnx", "ct-denoise"))
    taken: dict[str, list[Batch]] = {"": [], identity: []}
    for _ in range(rounds):
        for model, count in (("", 1), (identity, 1), (identity, jobs), ("", jobs)):
            taken[model].append(run(artir, work, model, count, 1))
    start, whole = costs(taken[""])
    _, rest = costs(taken[identity])
    print(
        f"start with the model {start:.2f} s, a series {whole:.2f} s, of which not in the network"
    )
    print(f"{rest:.3f} s: {rest / (whole - rest):.1%} of the network's time ({rounds} round(s))")


def scale(artir: Path, work: Path, jobs: int, processes: list[int], rounds: int) -> None:
    """Batches of several processes beside what the model of docs/scale.md says of them."""
    taken = {count: [] for count in processes}
    for _ in range(rounds):
        for count in processes:
            taken[count].append(run(artir, work, "", jobs, count))
    start, item = costs([batch for batches in taken.values() for batch in batches])
    print(f"start {start:.2f} s, item {item:.2f} s")
    print("| processes | CPU time, s | model | longest process, s | model | by chance |")
    print("|---|---|---|---|---|---|")
    for count, batches in taken.items():
        whole = np.mean([batch.seconds for batch in batches])
        longest = np.mean([max(seconds for seconds, _ in batch.processes) for batch in batches])
        parts = [done for _, done in batches[0].processes]
        work_of = Item("series", jobs, item, 0, 0, 0.01)
        cluster = Cluster(count, cores=1, start_seconds=start, deaths_per_day=0, parts_per_worker=1)
        chance = np.median([predict(work_of, cluster, seed).hours * 3600 for seed in range(200)])
        print(
            f"| {count} | {whole:.1f} | {count * start + jobs * item:.1f} "
            f"| {longest:.1f} | {start + max(parts) * item:.1f} | {chance:.1f} |"
        )


def main() -> None:
    """Prints the figures of docs/scale.md."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--artir", type=Path, required=True)
    parser.add_argument("--slices", type=Path, required=True, help="folder of a real CT series")
    parser.add_argument("--count", type=int, default=10, help="slices of a series")
    parser.add_argument("--jobs", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--processes", type=int, nargs="*", default=[], help="else: the share")
    chosen = parser.parse_args()
    slices = sorted(chosen.slices.glob("*.dcm"))
    with tempfile.TemporaryDirectory(prefix="artir-batch-cost-") as folder:
        work = Path(folder)
        for number in range(chosen.jobs):
            series(slices, work / f"in/{number}", number, chosen.count)
        if chosen.processes:
            scale(chosen.artir, work, chosen.jobs, chosen.processes, chosen.rounds)
        else:
            share(chosen.artir, work, chosen.jobs, chosen.rounds)


if __name__ == "__main__":
    main()
