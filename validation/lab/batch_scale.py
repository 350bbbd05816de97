"""Predicts a batch on many workers: time, machine-hours, network and storage.

    python -m lab.batch_scale                      # the table of docs/scale.md
    python -m lab.batch_scale --workers 10 100 --seed 3

Each worker runs parts of the jobs, chosen as `artir batch --shard` does: at random, and fixed.
Times of items are log-normal around a measured mean. Workers die at a rate, lose the item that they
work on, and come back after a while. The network of the store is shared: where all workers together
ask for more than it gives, they wait.
"""

from __future__ import annotations

import argparse
import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Item:
    """What one item costs on a worker."""

    name: str
    count: int
    core_seconds: float
    """Cores of a worker x time: decode, network, encode, records."""
    read_bytes: float
    write_bytes: float
    spread: float
    """Standard deviation of the logarithm of the time."""


@dataclasses.dataclass(frozen=True)
class Cluster:
    """Where it runs."""

    workers: int
    cores: int = 4
    start_seconds: float = 2.0
    """Start of the process and loading of the model."""
    deaths_per_day: float = 0.1
    """Of one worker."""
    return_seconds: float = 300.0
    store_bytes_per_second: float = 1.25e9
    """Of all workers together: 10 Gbit/s."""
    parts_per_worker: int = 4


@dataclasses.dataclass(frozen=True)
class Predicted:
    """A run."""

    hours: float
    machine_hours: float
    idle_share: float
    lost_share: float
    read_tb: float
    written_tb: float


def predict(item: Item, cluster: Cluster, seed: int = 0) -> Predicted:
    """One run. Parts are taken by the next free worker, as engines do."""
    rng = np.random.default_rng(seed)
    parts = cluster.workers * cluster.parts_per_worker
    counts = rng.multinomial(item.count, np.full(parts, 1 / parts))
    mean = item.core_seconds / cluster.cores
    # The next input is read while the network runs: an item takes the longer of the two.
    share = cluster.store_bytes_per_second / cluster.workers
    mean = max(mean, (item.read_bytes + item.write_bytes) / share)
    variance = mean**2 * (np.exp(item.spread**2) - 1)
    work = np.maximum(rng.normal(counts * mean, np.sqrt(counts * variance)), counts * mean / 2)
    deaths = rng.poisson(work * cluster.deaths_per_day / 86400)
    # Half an item is lost on average, and the process starts again.
    lost = deaths * (mean / 2 + cluster.return_seconds)
    times = work + lost + cluster.start_seconds * (1 + deaths)
    free = np.zeros(cluster.workers)
    for time in times:
        free[np.argmin(free)] += time
    total = float(free.max())
    bytes_read = item.count * item.read_bytes + deaths.sum() * item.read_bytes
    return Predicted(
        hours=total / 3600,
        machine_hours=total * cluster.workers / 3600,
        idle_share=1 - float(free.sum()) / (total * cluster.workers),
        lost_share=float((lost + cluster.start_seconds * (1 + deaths)).sum() / times.sum()),
        read_tb=bytes_read / 1e12,
        written_tb=item.count * item.write_bytes / 1e12,
    )


def items(ct_core_seconds: float, scene_core_seconds: float) -> list[Item]:
    """A million CT series of 10 slices, and 10,000 scenes of Sentinel-2.

    A scene is three bands of 10980 x 10980 pixels of 8 bits.
    """
    return [
        Item("CT series, 10 slices", 1_000_000, ct_core_seconds, 5.3e6, 5.3e6, 0.3),
        Item("Sentinel-2 scene", 10_000, scene_core_seconds, 362e6, 362e6, 0.3),
    ]


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workers", type=int, nargs="+", default=[10, 30, 100, 300, 1000])
    parser.add_argument(
        "--ct-core-seconds",
        type=float,
        required=True,
        help="core-seconds of a CT series of 10 slices",
    )
    parser.add_argument(
        "--scene-core-seconds", type=float, required=True, help="core-seconds of a Sentinel-2 scene"
    )
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    print("| items | workers | hours | machine-hours | idle | lost | read, TB | written, TB |")
    print("|---|---|---|---|---|---|---|---|")
    for item in items(arguments.ct_core_seconds, arguments.scene_core_seconds):
        for workers in arguments.workers:
            run = predict(item, Cluster(workers), arguments.seed)
            print(
                f"| {item.name} | {workers} | {run.hours:.1f} | {run.machine_hours:.0f} "
                f"| {run.idle_share:.1%} | {run.lost_share:.2%} "
                f"| {run.read_tb:.2f} | {run.written_tb:.2f} |"
            )


if __name__ == "__main__":
    main()
