"""The paper's variants and ablations: parameters and multiply-adds, compared with the paper's.

python -m artir_train.table
"""

from __future__ import annotations

from dataclasses import dataclass

from .config import Config
from .macs import multiply_adds


@dataclass(frozen=True)
class Row:
    """One row: the paper's parameters in millions, its multiply-adds in G (None: not printed)."""

    name: str
    config: Config
    parameters: float
    macs: float | None


def _t(**overrides) -> Config:
    return Config.variant("T", **overrides)


ROWS = (
    Row("T", Config.variant("T"), 0.85, 12.76),
    Row("S", Config.variant("S"), 2.46, 23.73),
    Row("B", Config.variant("B"), 7.27, 63.14),
    Row("SMA at level 3", _t(mixer="sma"), 0.81, 12.65),
    Row("convolution blocks", _t(mixer="conv", base="conv"), 0.86, 13.32),
    Row("no channel attention", _t(attention="none"), 0.85, 12.81),
    Row("N = 2", _t(segments=2), 0.83, 12.71),
    Row("N = 3", _t(segments=3), 0.84, 12.78),
    Row("N = 5", _t(segments=5), 0.86, 12.83),
    Row("63x63 depth-wise", _t(mixer="depthwise"), 1.83, None),
    Row("decomposed kernel", _t(mixer="decomposed"), 0.91, None),
    Row("frequency", _t(mixer="frequency"), 0.94, None),
    Row("full channel attention", _t(attention="full"), 0.90, None),
    Row("convolution for duplication", _t(expansion="conv"), 0.87, None),
    Row("static kernel", _t(kernel="static"), 0.82, None),
)


def main() -> None:
    from .network import ArtIR, parameter_count

    print(f"{'network':<30}{'M':>8}{'paper':>8}{'G MAC':>9}{'paper':>8}")
    for row in ROWS:
        count = parameter_count(ArtIR(row.config)) / 1e6
        macs = multiply_adds(row.config, 256, 256) / 1e9
        paper = "" if row.macs is None else f"{row.macs:.2f}"
        print(f"{row.name:<30}{count:>8.3f}{row.parameters:>8.2f}{macs:>9.2f}{paper:>8}")


if __name__ == "__main__":
    main()
