"""Trains a network by a configuration, or continues a run.

    artir-train --config models/configs/ct-ldct-t.toml --minutes 60
    artir-train --config models/configs/ct-ldct-t.toml --minutes 60 --resume

The run's folder, ``models/runs/NAME``, holds ``checkpoint.pt`` (everything that resuming and
exporting need), ``run.json`` (settings, commit, library versions, data hash), ``log.csv`` and its
picture ``curve.png``. With ``--steps`` the schedule follows the number of steps, so that a run is
reproducible from its seed. With ``--minutes`` it follows the clock.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

import torch

from . import record
from .data import data_folder
from .settings import Settings
from .sources import FOLDERS, source
from .trainer import Trainer, check_resumable, train

_log = logging.getLogger(__name__)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", type=Path, required=True, help="a TOML file of settings")
    length = parser.add_mutually_exclusive_group(required=True)
    length.add_argument("--minutes", type=float, help="the schedule follows the clock")
    length.add_argument("--steps", type=int, help="the schedule follows the steps: reproducible")
    begin = parser.add_mutually_exclusive_group()
    begin.add_argument("--resume", action="store_true", help="continue from the run's checkpoint")
    begin.add_argument("--start", type=Path, help="start with the weights of a model file (.onnx)")
    parser.add_argument(
        "--data",
        type=Path,
        metavar="FOLDER",
        help="train on the published data sets in this folder, for the data that have some",
    )
    parser.add_argument("--threads", type=int, default=0, help="0 (default): all cores")
    parser.add_argument(
        "--workers", type=int, default=1, help="processes that prepare batches (default: 1)"
    )
    parser.add_argument(
        "--every", type=float, default=300, metavar="SECONDS", help="time between checkpoints"
    )
    parser.add_argument("--runs", type=Path, default=Path("models/runs"))
    options = parser.parse_args()
    logging.basicConfig(format="%(levelname)s: %(message)s")
    if options.data is None and not (data_folder() / "train").is_dir():
        raise SystemExit(f"no training data at {data_folder() / 'train'}: set ARTIR_REAL_DATA")
    if options.threads:
        torch.set_num_threads(options.threads)
    try:
        settings = Settings.read(options.config)
        trainer = begun(settings, options)
    except (ValueError, OSError) as error:
        raise SystemExit(f"artir-train: {error}") from error
    train(trainer, options.minutes, options.steps, options.every)


def begun(settings: Settings, options: argparse.Namespace) -> Trainer:
    """A trainer with its data at the beginning of this session, and the session on record."""
    folder = options.runs / options.config.stem
    # Checked first, because preparing the data can take half an hour.
    if options.resume:
        check_resumable(folder, settings)
    try:
        images = source(settings.data, options.runs / "packs", settings.seed, options.data)
    except ValueError as error:
        raise ValueError(f"{options.config}: {error}") from error
    trainer = Trainer(settings, images, folder, options.workers)
    if options.resume:
        trainer.resume()
    elif options.start:
        trainer.start_from(options.start)
    if options.data is None:
        data_hash = record.data_hash([data_folder() / name for name in FOLDERS[settings.data]])
    else:
        data_hash = record.listing_hash(images.files())
    made = record.session(
        settings,
        data_hash,
        schedule={"steps": options.steps, "minutes": options.minutes},
        first_step=trainer.steps,
        start=record.described(options.start),
    )
    changed = record.write(folder, settings, made, options.resume)
    if changed:
        _log.warning("changed since the last session of this run: %s", ", ".join(changed))
    return trainer


if __name__ == "__main__":
    main()
