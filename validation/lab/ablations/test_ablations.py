"""The table of ablations: its rows, its intervals, and a training of one step."""

import dataclasses
import json

import pytest

torch = pytest.importorskip("torch")

import numpy as np  # noqa: E402

from artir_train.count import Count  # noqa: E402
from lab.ablations import intervals, report, rows, run  # noqa: E402

pytestmark = pytest.mark.torch
SCHEDULE = run.Schedule(steps=2, patch=32, batch=1)


def made(row, seed, psnr):
    return run.Run(row, seed, SCHEDULE, {}, [20.0] * len(psnr), psnr, 1.0)


def test_every_configuration_has_a_row_and_every_row_differs_from_the_others():
    found = rows.read()
    names = {path.stem for path in rows.CONFIGS.glob("*.toml")} - {"base"}
    assert {row.name for row in found} == names and len(found) == 20
    settings = [row.settings() for row in found]
    assert len({one.config() for one in settings}) == len(found)
    # All that the paper does not vary is equal.
    assert all(dataclasses.replace(one, network={}) == settings[3] for one in settings)


def test_the_papers_figures_stand_with_their_rows():
    by_name = {row.name: row.published for row in rows.read()}
    assert by_name["depthwise"] == rows.Published(36.14, 16.81, 1.83)
    assert by_name["collapse-last"] == rows.Published(35.81)
    assert by_name["kernel-31"] == rows.Published()


def test_intervals_are_those_of_students_t():
    # Two seeds of three rows: spread sqrt((0.02 + 0.02 + 0.08) / 3) = 0.2, 3 degrees of freedom.
    found = intervals.Runs(
        [
            made("full", 0, [30.0, 31.0, 32.0]),
            made("full", 1, [30.2, 31.2, 32.2]),
            made("sma", 0, [29.0, 30.0, 31.3]),
            made("sma", 1, [29.2, 30.2, 31.5]),
            made("static", 0, [30.0, 31.0, 32.0]),
            made("static", 1, [30.4, 31.4, 32.4]),
        ]
    )
    assert found.freedom == 3 and found.spread == pytest.approx(0.2)
    apart = found.difference("sma", "full")
    assert apart.mean == pytest.approx(-0.9)
    # t of 3 degrees of freedom is 3.18245; of 2 it is 4.30265.
    assert apart.by_seeds == pytest.approx(3.18245 * 0.2, rel=1e-5)
    assert apart.by_images == pytest.approx(4.30265 * 0.1, rel=1e-3)
    assert apart.order() == -1 and found.difference("full", "sma").order() == 1
    assert found.difference("static", "full").order() == 0
    # The paper: full 36.92, static 32.3, sma 31.80. Full and static are not apart here.
    assert found.agreement(rows.read()) == (2, 0, 1)


def test_one_seed_decides_nothing():
    found = intervals.Runs([made("full", 0, [30.0, 31.0]), made("sma", 0, [20.0, 21.0])])
    apart = found.difference("sma", "full")
    assert apart.by_seeds is None and apart.order() == 0
    assert found.agreement(rows.read()) == (0, 0, 1)


def test_the_page_has_a_line_for_every_row_and_gaps_for_what_is_not_known():
    all_rows = rows.read()
    counts = {row.name: Count(848_303, 12_746_000_000) for row in all_rows}
    runs = [made("full", 0, [30.0, 31.0]), made("sma", 0, [29.0, 30.0])]
    text = report.page(all_rows, counts, runs, SCHEDULE)
    lines = {line.split("|")[1].strip(): line for line in text.splitlines() if "|" in line}
    assert all(row.title in lines for row in all_rows)
    sma = lines["Table 14 (a): split and multiply at level 3 too"]
    assert sma == (
        "| Table 14 (a): split and multiply at level 3 too | 0.848 | 0.81 | 12.75 | 12.65 | 31.80 "
        "| 29.50 | 1 | -1.00 |  | 0.00 |"
    )
    assert lines["Figure 4: K = 3"].endswith("| 12.75 |  |  |  |  |  |  |  |")
    assert "Of 1 pairs of variants that the paper orders, 0 are in its order here" in text
    assert "PSNR here" not in report.page(all_rows, counts, [], SCHEDULE)


class Tiny:
    """A source of smooth colours under noise."""

    window = (0.0, 1.0)

    def __init__(self):
        self.rng = np.random.default_rng(0)

    def batch(self, count, size):
        clean = torch.full((count, 3, size, size), float(self.rng.random()))
        return clean + 0.1 * torch.randn(clean.shape), clean

    def validation(self):
        return self.batch(2, 36)


def test_a_run_is_kept_until_its_settings_or_its_schedule_change(tmp_path):
    row = next(row for row in rows.read() if row.name == "sma")
    done = run.train(tmp_path, row, 1, SCHEDULE, Tiny())
    assert len(done.psnr) == 2 and all(15 < value < 40 for value in done.psnr)
    assert run.kept(tmp_path, row, 1, SCHEDULE) == done
    assert run.kept(tmp_path, row, 0, SCHEDULE) is None
    assert run.kept(tmp_path, row, 1, dataclasses.replace(SCHEDULE, steps=3)) is None
    path = run.path_of(tmp_path, "sma", 1)
    found = json.loads(path.read_text())
    # A run of a version without some setting had its default.
    del found["settings"]["slices"]
    path.write_text(json.dumps(found))
    assert run.kept(tmp_path, row, 1, SCHEDULE) is not None
    found["settings"]["learning_rate"] = 1.0
    path.write_text(json.dumps(found))
    assert run.kept(tmp_path, row, 1, SCHEDULE) is None
