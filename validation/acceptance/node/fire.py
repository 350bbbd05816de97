"""Kills, full disks, and targets that reject, time out or do not keep what they took."""

import contextlib
import random
import subprocess
import threading
import time
from collections import Counter
from pathlib import Path

from ..program import Program
from . import made
from .peers import Node, Target, deliver, send, until


def kills(
    program: Program, work: Path, model: Path, count: int, seed: int
) -> tuple[str, list[str]]:
    """The node or its target is killed at random moments, with series on their way."""
    chance = random.Random(seed)
    many = max(6, count // 2)
    inputs = [made.series(work / f"kills-in-{n}", 1000 + n, 6) for n in range(many)]
    expected = undisturbed(program, work, model, inputs)
    target = Target()
    node = Node(
        program,
        work / "kills",
        model,
        target.table("commitment = true\ncommitment_seconds = 2\n"),
        attempts=1000,
        quiet=0.2,
    )
    target.node_port = node.port
    target.start()
    node.start()
    done: set[int] = set()
    killed: Counter[str] = Counter()
    for kill in range(count):
        number = kill % many

        def sender(number: int = number) -> None:
            if all(status == 0 for status in send(node.port, inputs[number].files)):
                done.add(number)

        thread = threading.Thread(target=sender)
        thread.start()
        time.sleep(chance.uniform(0, 1.2))
        who = chance.choice(["node", "node", "target"])
        killed[who] += 1
        if who == "node":
            node.kill()
            thread.join()
            node.start()
        else:
            target.stop()
            thread.join()
            time.sleep(chance.uniform(0, 0.5))
            target.start()
    # A sender repeats what was not acknowledged, as an archive does.
    for number, series in enumerate(inputs):
        if number not in done:
            deliver(node.port, series.files)
    # What a series failed of is a reason, and an administrator may try it again.
    until("every series is sent or has failed", node.is_idle, 300)
    failed = [node.record(folder).get("reason") for folder in node.series("failed")]
    problems = [f"a failed series without a reason among {failed}"] if None in failed else []
    ended = len(node.series("out")) + len(failed)
    if ended != many:
        problems.append(f"{ended} series for {many} that were sent")
    subprocess.run(
        program.command("node", "retry", node.folder / "node.toml"),
        env=program.environment,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    until("those are sent", lambda: node.is_idle() and not node.series("failed"), 120)
    if target.hashes != expected:
        lost = expected.keys() - target.hashes.keys()
        more = target.hashes.keys() - expected.keys()
        other = [
            uid
            for uid in expected.keys() & target.hashes.keys()
            if expected[uid] != target.hashes[uid]
        ]
        problems.append(
            f"{len(lost)} objects lost, {len(more)} under other UIDs, {len(other)} with other bytes"
        )
    left = list(node.queue.glob("ct/*/.receiving/*"))
    if left:
        problems.append(f"{len(left)} parts of objects are left")
    again = sum(target.times.values()) - len(target.times)
    node.stop()
    target.stop()
    return (
        f"{killed['node']} kills of the node and {killed['target']} of the target, {many} series, "
        f"{len(expected)} objects at the target with the bytes of an undisturbed run; {again} of "
        f"them came twice under the same UID; {len(failed)} series failed before a retry",
        problems,
    )


def undisturbed(
    program: Program, work: Path, model: Path, inputs: list[made.Series]
) -> dict[str, str]:
    """What the target gets when nothing happens."""
    target = Target()
    target.start()
    node = Node(program, work / "undisturbed", model, target.table(), quiet=0.2)
    node.start()
    for series in inputs:
        deliver(node.port, series.files)
    wanted = sum(len(series.files) for series in inputs)
    until("all are sent", lambda: len(target.hashes) == wanted and node.is_idle(), 300)
    node.stop()
    target.stop()
    return dict(target.hashes)


def faults(program: Program, work: Path, model: Path) -> tuple[str, list[str]]:
    """Each way to fail: the series fails with its reason, and is sent when the target is mended."""
    cases = {
        "closed port": ("cannot connect", "", lambda target: target.stop()),
        "rejects": ("rejected", "", lambda target: restart(target, "OTHER")),
        "silent": ("timeout", "", lambda target: setattr(target, "delay", 5)),
        "A700": ("A700", "", lambda target: setattr(target, "status", 0xA700)),
        "C000": ("C000", "", lambda target: setattr(target, "status", 0xC000)),
        "0110": ("0110", "", lambda target: setattr(target, "status", 0x0110)),
        "FF00 (pending)": ("FF00", "", lambda target: setattr(target, "status", 0xFF00)),
        "keeps nothing": (
            "does not keep",
            "commitment = true\n",
            lambda target: setattr(target, "commits", "lose"),
        ),
        "never reports": (
            "has not reported",
            "commitment = true\ncommitment_seconds = 0.5\n",
            lambda target: setattr(target, "commits", "silent"),
        ),
    }
    problems = []
    for number, (name, (reason, more, spoil)) in enumerate(cases.items()):
        target = Target()
        target.start()
        node = Node(
            program, work / f"fault-{number}", model, target.table(more), attempts=3, quiet=0.2
        )
        target.node_port = node.port
        node.start()
        spoil(target)
        series = made.series(work / f"fault-in-{number}", 2000 + number, 3)
        deliver(node.port, series.files)
        try:
            until("it has failed", lambda node=node: len(node.series("failed")) == 1, 120)
            told = node.record(node.series("failed")[0]).get("reason") or ""
            if reason not in told:
                problems.append(f"{name}: the reason is {told!r}")
            restart(target, "PACS")
            target.status, target.delay, target.commits = 0, 0, "keep"
            subprocess.run(
                program.command("node", "retry", node.folder / "node.toml"),
                env=program.environment,
                check=True,
                stdout=subprocess.DEVNULL,
            )
            until("it is sent", lambda node=node: bool(node.series("out")) and node.is_idle(), 60)
            if len(target.hashes) != 3:
                problems.append(f"{name}: {len(target.hashes)} of 3 objects after the retry")
        except AssertionError as error:
            problems.append(f"{name}: {error}")
        node.kill()
        target.stop()
    return (
        f"{len(cases)} ways to fail ({', '.join(cases)}): failed with the reason, sent after "
        f"a retry",
        problems,
    )


def restart(target: Target, requires: str) -> None:
    """The target under another title, or its own again."""
    target.stop()
    target.start(requires)


def full_disk(program: Program, work: Path, model: Path) -> tuple[str, list[str]]:
    """A small file system fills up to its last byte while objects come, and has room again."""
    folder = work / "full"
    queue = folder / "queue"
    queue.mkdir(parents=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", queue], capture_output=True, check=False
    )
    if mounted.returncode:
        return "skipped: only root may mount a small file system", []
    problems = []
    try:
        target = Target()
        target.start()
        node = Node(program, folder, model, target.table(), reserve=1, attempts=1000, quiet=0.3)
        node.start()
        series = made.series(work / "full-in", 3000, 60, 200)
        filler = queue / "filler"
        outcome: list[list[int]] = []
        thread = threading.Thread(target=lambda: outcome.append(send(node.port, series.files)))
        thread.start()
        until("the first are there", lambda: node.metric("artir_received_objects_total") >= 3)
        with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(4096))
        thread.join()
        statuses = outcome[0]
        if set(statuses) - {0, 0xA700, -1}:
            problems.append(f"statuses {sorted(set(statuses))}")
        refused = [path for path, status in zip(series.files, statuses, strict=True) if status != 0]
        time.sleep(5)
        if node.process.poll() is not None:
            problems.append("the node has ended")
        filler.unlink()
        until("it takes objects again", lambda: node.get("/ready")[0] == 200)
        deliver(node.port, refused)
        until("all are sent", lambda: len(target.times) == 60 and node.is_idle(), 120)
        if node.series("failed"):
            problems.append("a series has failed")
        if list(queue.glob("ct/*/.receiving/*")):
            problems.append("parts of objects are left")
        node.stop()
        target.stop()
    finally:
        subprocess.run(["umount", "-l", queue], check=False)
    return (
        f"{len(refused)} of 60 slices refused while no byte was free, all 60 sent in the end",
        problems,
    )
