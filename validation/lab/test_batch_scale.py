"""The model of scale, against cases that can be computed by hand."""

from __future__ import annotations

import dataclasses

import pytest

from lab.batch_scale import Cluster, Item, predict

ITEM = Item("test", 100_000, 8.0, 1e6, 1e6, 0.0)
QUIET = Cluster(10, deaths_per_day=0.0, start_seconds=0.0)


def test_without_losses_the_time_is_work_over_workers() -> None:
    run = predict(ITEM, QUIET)
    assert run.machine_hours * (1 - run.idle_share) == pytest.approx(100_000 * 2 / 3600)
    assert run.hours == pytest.approx(100_000 * 2 / 10 / 3600, rel=0.05)
    assert run.lost_share == 0.0


def test_the_store_limits_many_workers() -> None:
    slow = dataclasses.replace(QUIET, store_bytes_per_second=5e6)
    assert predict(ITEM, slow).hours == pytest.approx(100_000 * 2e6 / 5e6 / 3600, rel=0.05)


def test_deaths_cost_time_and_reading() -> None:
    calm, stormy = (
        predict(ITEM, QUIET),
        predict(ITEM, dataclasses.replace(QUIET, deaths_per_day=50.0)),
    )
    assert stormy.hours > 1.1 * calm.hours and stormy.lost_share > 0.1
    assert stormy.read_tb > calm.read_tb and stormy.written_tb == calm.written_tb
