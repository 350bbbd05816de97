"""Many associations at once, and slices at the speed of the disk."""

import os
import threading
import time
from collections import Counter
from pathlib import Path

from ..program import Program
from . import made
from .peers import Node, Target, send, storescu, until


def flood(
    program: Program, work: Path, model: Path, slices: int, associations: int
) -> tuple[str, list[str]]:
    """Parallel associations, each with a share of every series."""
    target = Target()
    target.start()
    node = Node(program, work / "flood", model, target.table(), quiet=5)
    node.start()
    many = 5
    all_series = [made.series(work / f"flood-in-{n}", 100 + n, slices // many) for n in range(many)]
    files = [file for series in all_series for file in series.files]
    resting = node.kib("VmRSS")
    statuses: Counter[int] = Counter()
    lock = threading.Lock()

    def one(share: list[Path]) -> None:
        told = send(node.port, share)
        with lock:
            statuses.update(told)

    threads = [
        threading.Thread(target=one, args=(files[n::associations],)) for n in range(associations)
    ]
    begun = time.monotonic()
    for thread in threads:
        thread.start()
    open_at_once = 0
    while any(thread.is_alive() for thread in threads):
        open_at_once = max(open_at_once, int(node.metric("artir_associations")))
        time.sleep(0.2)
    seconds = time.monotonic() - begun
    receiving = node.kib("VmHWM")
    until("all are sent", lambda: len(target.times) >= len(files) and node.is_idle(), 900)
    stored = Counter(made.digest(path) for path in node.queue.glob("ct/out/*/source/*.dcm"))
    problems = []
    if statuses != Counter({0: len(files)}):
        problems.append(f"statuses {dict(statuses)}")
    if stored != Counter(map(made.digest, files)):
        problems.append(
            f"{sum(stored.values())} objects are kept, not the {len(files)} that were sent"
        )
    if len(target.times) != len(files) or max(target.times.values()) != 1:
        problems.append(
            f"the target has {len(target.times)} objects, {sum(target.times.values())} times"
        )
    whole = node.kib("VmHWM")
    if whole > 200 << 10:
        problems.append(f"{whole >> 10} MiB resident")
    node.stop()
    target.stop()
    return (
        f"{len(files)} slices in {associations} associations (at most {open_at_once} open at once) "
        f"in {seconds:.1f} s; "
        f"resident {resting >> 10} MiB at rest, {receiving >> 10} MiB at most while receiving, "
        f"{whole >> 10} MiB with restoring and sending",
        problems,
    )


def disk(program: Program, work: Path, model: Path, slices: int) -> tuple[str, list[str]]:
    """Slices of 0.5 MB by storescu, and the same bytes written without a node."""
    target = Target()
    target.start()
    node = Node(program, work / "disk", model, target.table(), quiet=100)
    node.start()
    files = made.series(work / "disk-in", 200, slices, 500).files
    seconds = []
    before = node.cpu()
    for attempt in range(3):
        own = [made.series(work / f"disk-in-{attempt}", 201 + attempt, slices, 500)][0].files
        begun = time.monotonic()
        code, told = storescu(node.port, own)
        seconds.append(time.monotonic() - begun)
        if code:
            return "storescu failed", [told[-300:]]
    cpu = (node.cpu() - before) / len(seconds)
    plain, synced = bare(work / "bare", [path.read_bytes() for path in files])
    size = sum(path.stat().st_size for path in files) / 1e6
    node.kill()
    target.stop()
    best = min(seconds)
    # The disk may be slower, or busy: then its own speed counts.
    problems = [] if best < max(3 * slices / 300, 1.5 * synced) else [f"{best:.2f} s at best"]
    told = ", ".join(f"{one:.2f}" for one in seconds)
    return (
        f"{slices} slices, {size:.0f} MB: {told} s, of which {cpu:.2f} s of the node's CPU; the "
        f"same files written one by one by a program: "
        f"{synced:.2f} s with a synchronisation each, {plain:.2f} s without",
        problems,
    )


def bare(folder: Path, contents: list[bytes]) -> tuple[float, float]:
    """Seconds for writing files, without and with a synchronisation of each."""
    out = []
    for sync in (False, True):
        (folder / str(sync)).mkdir(parents=True)
        begun = time.monotonic()
        for number, content in enumerate(contents):
            with (folder / str(sync) / str(number)).open("wb") as file:
                file.write(content)
                file.flush()
                if sync:
                    os.fsync(file.fileno())
        out.append(time.monotonic() - begun)
    return out[0], out[1]
