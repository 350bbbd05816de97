"""The paper's ablations: counts of exported files, and the PSNR after an equal short training.

    python -m lab.ablations --steps 200 --seeds 0 1 -o ablations.md

Trains the rows that have no result of these settings yet, all rows with one seed before the next,
and writes the table. ``--table`` trains nothing: the table has the results that are there.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from artir_train import sources
from artir_train.count import count
from artir_train.export import build
from artir_train.network import ArtIR

from . import report, rows, run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    names = [row.name for row in rows.read()]
    parser.add_argument("--rows", nargs="+", choices=names, default=names, metavar="ROW")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--patch", type=int, default=128)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--threads", type=int, default=0, help="0 (default): all cores")
    parser.add_argument("--table", action="store_true", help="train nothing")
    parser.add_argument("--runs", type=Path, default=Path("models/runs"))
    parser.add_argument("-o", "--output", type=Path, help="default: print the table")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    schedule = run.Schedule(options.steps, options.patch, options.batch)
    chosen = [row for row in rows.read() if row.name in options.rows]
    found = trained(options, chosen, schedule)
    counts = {row.name: counted(row) for row in chosen}
    text = report.page(chosen, counts, found, schedule)
    if options.output:
        options.output.write_text(text)
    else:
        print(text, end="")


def counted(row: rows.Row):
    """Counts of the row's exported file, for 256 x 256 pixels."""
    return count(build(ArtIR(row.settings().config())), 256, 256)


def trained(
    options: argparse.Namespace, chosen: list[rows.Row], schedule: run.Schedule
) -> list[run.Run]:
    """The runs of all rows and seeds, made where they are missing unless only a table is asked
    for."""
    folder, found, source = options.runs / "ablations", [], None
    for seed in options.seeds:
        for row in chosen:
            one = run.kept(folder, row, seed, schedule)
            if one is None and options.table:
                continue
            if one is None:
                settings = row.settings()
                source = source or sources.source(settings.data, options.runs / "packs", 0)
                one = run.train(folder, row, seed, schedule, source)
                mean = sum(one.psnr) / len(one.psnr)
                print(f"{row.name} seed {seed}: {mean:.3f} dB, {one.seconds:.0f} s", flush=True)
            found.append(one)
    return found


if __name__ == "__main__":
    main()
