"""The rows of the table: a configuration of ``models/configs/ablations`` each."""

from __future__ import annotations

import math
import tomllib
from dataclasses import dataclass
from pathlib import Path

from artir_train.data import REPOSITORY
from artir_train.settings import Settings

CONFIGS = REPOSITORY / "models" / "configs" / "ablations"
WHOLE = "full"
"""The paper's network, with which the others are compared."""


@dataclass(frozen=True)
class Published:
    """The paper's figures; None where it gives none."""

    psnr: float | None = None
    giga: float | None = None
    """Multiply-adds for 256 x 256 pixels, in G."""
    millions: float | None = None
    """Parameters, in millions."""


@dataclass(frozen=True)
class Row:
    """One variant of the network."""

    name: str
    """Name of its configuration."""
    title: str
    published: Published

    def settings(self) -> Settings:
        return Settings.read(CONFIGS / f"{self.name}.toml")


_A, _B, _C = "Table 14 (a)", "Table 14 (b)", "Table 14 (c)"
_TITLES = {
    "convolution": (f"{_A}: convolution blocks", "table_14", "(a) convolution block (base)"),
    "sma": (f"{_A}: split and multiply at level 3 too", "table_14", "(a) SMA"),
    "no-attention": (
        f"{_A}: without channel attention; (b): N = 4; Table 18: mean",
        "table_14",
        "(a) LKFM without channel attention",
    ),
    WHOLE: (f"{_A}: full; (c): ours", "table_14", "(a) full"),
    "segments-2": (f"{_B}: N = 2; Figure 4: K = 63", "table_14", "(b) N = 2"),
    "segments-3": (f"{_B}: N = 3", "table_14", "(b) N = 3"),
    "segments-5": (f"{_B}: N = 5", "table_14", "(b) N = 5"),
    "depthwise": (f"{_C}: 63 x 63 depth-wise", "table_14", "(c) depth-wise 63x63"),
    "decomposed": (f"{_C}: decomposed kernel", "table_14", "(c) decomposition"),
    "frequency": (f"{_C}: frequency", "table_14", "(c) frequency"),
    "collapse-max": ("Table 18: maximum", "table_18", "max pooling"),
    "collapse-max-avg": (
        "Table 18: maximum and mean, 7 x 7 convolution",
        "table_18",
        "max + average pooling, 7x7 convolution",
    ),
    "collapse-last": ("Table 18: last channel", "table_18", "last channel"),
    "kernel-3": ("Figure 4: K = 3", None, None),
    "kernel-7": ("Figure 4: K = 7", None, None),
    "kernel-15": ("Figure 4: K = 15", None, None),
    "kernel-31": ("Figure 4: K = 31", None, None),
    "full-attention": (
        "A.4: attention from all channels",
        "appendix_a4",
        "full-size channel attention",
    ),
    "expansion": (
        "A.4: convolutions for duplicated channels",
        "appendix_a4",
        "convolution in place of duplication",
    ),
    "static": ("A.4: one static kernel", "appendix_a4", "static 63x63 kernel"),
}


def read() -> list[Row]:
    """All rows, in the paper's order."""
    tables = tomllib.loads(Path(__file__).with_name("published.toml").read_text())
    rows = []
    for name, (title, table, label) in _TITLES.items():
        figures = tables[table]["rows"][label] if table else []
        found = [None if math.isnan(figure) else figure for figure in figures]
        rows.append(Row(name, title, Published(*found)))
    return rows
