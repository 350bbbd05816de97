"""A day of mixed traffic, with its times compressed: nothing may grow."""

import random
import time
from pathlib import Path

from ..program import Program
from . import made
from .hostile import SCAN, throw
from .peers import Node, Target, deliver, send, until


def day(program: Program, work: Path, model: Path, count: int) -> tuple[str, list[str]]:
    """Series, repetitions, late slices, refusals and hostile bytes; sizes are taken 8 times."""
    chance = random.Random(24)
    target = Target()
    node = Node(
        program,
        work / "day",
        model,
        target.table("commitment = true\ncommitment_seconds = 5\n"),
        attempts=100,
        quiet=0.2,
        keep=1,
        listen="request_seconds = 1\nidle_seconds = 2",
    )
    target.node_port = node.port
    target.start()
    node.start()
    samples = []
    begun = time.monotonic()
    eighth = max(1, count // 8)
    for number in range(count):
        folder = work / "day-in" / str(number)
        series = made.series(folder, 10_000 + number, chance.choice([1, 2, 3]))
        kind = chance.random()
        if kind < 0.1:
            deliver(node.port, series.files[:1])
            deliver(node.port, series.files)
        elif kind < 0.15:
            throw(node.port, chance.choice(SCAN))
            deliver(node.port, series.files)
        elif kind < 0.2:
            target.status = 0xA700
            deliver(node.port, series.files)
            time.sleep(0.3)
            target.status = 0
        elif kind < 0.25:
            send(node.port, series.files, "NOBODY")
            deliver(node.port, series.files)
        else:
            deliver(node.port, series.files)
        for path in series.files:
            path.unlink()
        folder.rmdir()
        if number % eighth == eighth - 1:
            until("nothing is left to do", lambda: node.is_idle() and not node.series("out"), 300)
            # The threads of rejected peers end.
            time.sleep(3)
            samples.append(
                (
                    number + 1,
                    node.kib("VmRSS") >> 10,
                    node.files(),
                    node.descriptors(),
                    node.threads(),
                )
            )
    ended = node.metric("artir_ended_series_total")
    seconds = time.monotonic() - begun
    problems = []
    failed = len(node.series("failed"))
    if failed:
        problems.append(f"{failed} series have failed")
    # The first samples are of a node that still fills its caches.
    middle, last = samples[len(samples) // 2], samples[-1]
    if last[1] > middle[1] * 1.1 + 4:
        problems.append(f"memory grew from {middle[1]} to {last[1]} MiB")
    if last[2] > middle[2] or last[3] > middle[3] or last[4] > middle[4]:
        problems.append(f"files, descriptors or threads grew: {middle} to {last}")
    node.stop()
    target.stop()
    rows = "; ".join(
        f"{n}: {m} MiB, {f} files, {d} descriptors, {t} threads" for n, m, f, d, t in samples
    )
    return (
        f"{count} series ({ended:.0f} ended, {sum(target.times.values())} objects sent) in "
        f"{seconds / 60:.1f} minutes. "
        f"After so many series: {rows}",
        problems,
    )
