"""Batches on a Dask cluster of this machine, and arrays in chunks."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from pathlib import Path

import artir
import numpy as np
import pytest
from ct_files import phantom, write_ct

pytest.importorskip("dask.array")


def test_shards_are_those_of_the_command() -> None:
    from artir.dask import shard_of

    assert [shard_of(name, 16) for name in ("a", "series-1", "S2A_32UQD_20240501")] == [10, 10, 13]


def test_every_job_is_done_once_though_a_worker_is_killed(tmp_path: Path, run_artir) -> None:
    distributed = pytest.importorskip("distributed")
    from artir.dask import restore_many

    jobs = []
    for number in range(12):
        folder = tmp_path / "in" / str(number)
        write_ct(folder, phantom(slices=2) + number)
        jobs.append({"id": f"job-{number}", "command": "ct", "input": folder})
    (tmp_path / "in" / "bad").write_text("no series")
    jobs.append({"id": "bad", "command": "ct", "input": str(tmp_path / "in" / "bad")})
    done = tmp_path / "out" / ".artir" / "done"
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1"
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        workers = client.run(os.getpid)
        killed: list[int] = []

        def kill_one() -> None:
            while not done.is_dir() or not any(done.iterdir()):
                time.sleep(0.05)
            killed.append(next(iter(workers.values())))
            os.kill(killed[0], signal.SIGKILL)

        killer = threading.Thread(target=kill_one, daemon=True)
        killer.start()
        status = restore_many(jobs, client, tmp_path / "out", shards=4, retries=10, options=["--show-paths"])
        killer.join()
        # The cluster has started another process in its place.
        assert killed and killed[0] not in client.run(os.getpid).values()
    assert (status["total"], status["left"], status["states"]) == (13, 0, {"done": 12, "unusable": 1})
    assert [why["jobs"] for why in status["reasons"]] == [1]
    assert json.loads((done / "job-3.json").read_text())["input"] == [str(tmp_path / "in" / "3")]
    for job in jobs[:12]:
        single = tmp_path / "single" / str(job["id"])
        assert run_artir("ct", job["input"], "-o", single, "-q").returncode == 0
        found = {
            p.relative_to(tmp_path / "out" / job["id"]): p.read_bytes() for p in files(tmp_path / "out" / job["id"])
        }
        assert found and found == {p.relative_to(single): p.read_bytes() for p in files(single)}
    record = json.loads((done / "job-0.json").read_text())
    assert record["state"] == "done"


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_chunks_that_cut_nothing_change_no_bit(ct_model: artir.Model) -> None:
    import dask.array as da
    from artir.dask import restore_dask

    slices = phantom(slices=3)
    lazy = restore_dask(da.from_array(slices, chunks=(1, -1, -1)), ct_model)
    assert lazy.dtype == np.float32 and lazy.shape == slices.shape
    whole = ct_model.restore(slices)
    assert np.array_equal(lazy.compute(scheduler="synchronous"), whole)
    cut = restore_dask(da.from_array(slices, chunks=(1, 64, 64)), ct_model, overlap=32)
    assert np.abs(cut.compute(scheduler="synchronous") - whole).max() < 20
    with pytest.raises(artir.UsageError):
        restore_dask(lazy, ct_model, overlap=-1)
    with pytest.raises(artir.UsageError, match="not at least"):
        restore_dask(lazy[0, 0], ct_model)
