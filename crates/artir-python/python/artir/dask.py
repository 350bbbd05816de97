"""Batches on a Dask cluster, and arrays larger than memory.

`restore_many` runs the jobs of a manifest as `artir batch` does, one part of them in each task of the cluster. Dask
starts tasks again whose worker is lost. What is done is known from files in the folder of results, so that a task that
is started again skips it, and Slurm, Kubernetes or a shell may go on where Dask ended.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from artir import _native
from artir._errors import InputError, RestorationError, UsageError
from artir._model import Model

if TYPE_CHECKING:
    import dask.array as da

# Ends the command when the thread of the worker that started it ends: a worker that is killed must not leave a process
# behind which goes on with jobs that its successor is given.
_LAUNCH = """
import ctypes, os, signal, sys
ctypes.CDLL(None, use_errno=True).prctl(1, signal.SIGTERM)
if os.getppid() != int(sys.argv[1]):
    sys.exit(130)
os.execv(sys.argv[2], sys.argv[2:])
"""


def shard_of(job_id: str, shards: int) -> int:
    """The shard of a job, as `artir batch --shard` chooses it.

    >>> shard_of("series-1", 16)
    10
    """
    return int.from_bytes(hashlib.sha256(job_id.encode()).digest()[:8], "big") % shards


def restore_many(
    jobs: str | os.PathLike[str] | Iterable[Mapping[str, Any]],
    # A distributed.Client, whose package states no types.
    client: Any,
    output: str | os.PathLike[str],
    *,
    shards: int | None = None,
    retries: int = 3,
    program: list[str] | None = None,
    options: Sequence[str] = (),
) -> dict[str, Any]:
    """Restores the jobs of a manifest on a Dask cluster.

    Args:
        jobs: A manifest, or its lines: `{"id": ..., "command": "ct", "input": ...}`. Paths must mean the same on each
            worker.
        client: A `distributed.Client` of the cluster.
        output: The folder for results, which all workers share.
        shards: Parts of the jobs, each a task. None takes four for each worker, so that a lost worker loses little.
        retries: How often Dask starts a task again that ended without being done.
        program: The command on the workers. None takes that of this package, which has no `geo`.
        options: More options of `artir batch`, such as `["--allow-remote", "--upload", "s3://bucket/results"]`. Workers
            need the credentials of a store in their environment.

    Returns:
        The status of the whole folder, as `artir batch --status --json` prints it. It lists why jobs are unusable.

    Raises:
        UsageError: A wrong argument, manifest or job.
        InputError: The manifest or the folder cannot be used.
        RestorationError: Jobs were left after all retries.
    """
    if shards is not None and shards < 1:
        raise UsageError(f"shards is {shards}, not a number from 1")
    command = program or _command()
    folder = Path(output).absolute()
    manifest = Path(jobs).absolute() if isinstance(jobs, (str, os.PathLike)) else _written(jobs, folder)
    count = shards or max(1, 4 * len(client.scheduler_info(n_workers=-1)["workers"]))
    # Tasks are no functions of their arguments: a second call must look at the folder again.
    tasks = client.map(
        _run_shard,
        range(count),
        shards=count,
        command=command,
        manifest=str(manifest),
        output=str(folder),
        options=list(options),
        retries=retries,
        pure=False,
        key="artir-batch",
    )
    client.gather(tasks)
    status = subprocess.run([*command, "batch", "--status", str(folder), "--json"], capture_output=True, text=True)
    if status.returncode != 0:
        raise RestorationError(_last_line(status.stderr))
    found: dict[str, Any] = json.loads(status.stdout)
    return found


def _command() -> list[str]:
    program = _native.program()
    if program is None:
        raise UsageError("the Python interpreter has no path: name the command with program")
    return [program[0], *program[1]]


def _written(jobs: Iterable[Mapping[str, Any]], folder: Path) -> Path:
    """Writes lines as a manifest into the folder of results. Relative inputs begin at the current folder."""
    lines = []
    for job in jobs:
        inputs = job.get("input", [])
        inputs = [inputs] if isinstance(inputs, (str, os.PathLike)) else list(inputs)
        named = [os.fspath(i) for i in inputs]
        whole = [n if "://" in n or ':"' in n else str(Path(n).absolute()) for n in named]
        lines.append(json.dumps({**job, "input": whole}, sort_keys=True) + "\n")
    text = "".join(lines).encode()
    path = folder / ".artir" / f"jobs-{hashlib.sha256(text).hexdigest()[:12]}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    # The same lines have the same name, so that whoever wrote them first wrote these.
    temporary = path.with_suffix(f".{os.getpid()}")
    temporary.write_bytes(text)
    temporary.replace(path)
    return path


def _run_shard(index: int, *, shards: int, command: list[str], manifest: str, output: str, options: list[str]) -> int:
    """One task: one shard, in a process of its own."""
    arguments = [*command, "batch", manifest, "-o", output, "--shard", f"{index}/{shards}", "-q", *options]
    launched = [sys.executable, "-c", _LAUNCH, str(os.getpid()), *arguments]
    done = subprocess.run(launched, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if done.returncode in (0, 4):
        return done.returncode
    reason = f"shard {index}/{shards} ended with code {done.returncode}: {_last_line(done.stderr)}"
    error = {2: UsageError, 3: InputError}.get(done.returncode, RestorationError)
    raise error(reason)


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].removeprefix("artir: ") if lines else "it printed nothing"


def restore_dask(
    array: da.Array, model: Model, *, strength: float | None = None, overlap: int | None = None, threads: int = 0
) -> da.Array:
    """Restores a raster larger than memory, chunk by chunk.

    Args:
        array: [..., row, column] for a model of one channel, else [..., channel, row, column] with all channels in one
            chunk.
        model: The model. Each process loads it once.
        strength: As `Model.restore`.
        overlap: Pixels that neighbouring chunks see of each other. None takes the card's; the results of chunks that
            cut an image differ from those of the whole image by what reaches further.
        threads: Threads of one call. With a scheduler of several threads, choose 1.

    Returns:
        A lazy array of the same shape and chunks. Integers become float32.

    Raises:
        UsageError: The channels are in several chunks, or of another number than the model's.
    """
    import numpy as np

    if array.ndim < 2:
        raise UsageError(f"the array has shape {array.shape}, not at least [row, column]")
    channels = model.card.channels
    if channels > 1 and (array.ndim < 3 or array.shape[-3] != channels or len(array.chunks[-3]) > 1):
        raise UsageError(f"the array must have {channels} channels in one chunk, before rows and columns")
    depth = model.card.overlap if overlap is None else overlap
    if depth < 0:
        raise UsageError(f"overlap is {depth}, not a number from 0")
    cut = {array.ndim - n: depth for n in (1, 2) if len(array.chunks[-n]) > 1}
    dtype = array.dtype if np.issubdtype(array.dtype, np.floating) else np.dtype(np.float32)
    meta = np.empty((0,) * array.ndim, dtype)
    # Dask states no types for its methods.
    lazy: Any = array
    restored: da.Array = lazy.map_overlap(
        model.restore, depth=cut, boundary="none", trim=True, dtype=dtype, meta=meta, strength=strength, threads=threads
    )
    return restored
