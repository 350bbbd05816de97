"""Compares the installed package with the Rust program on one series: command, arrays and a stock session.

python packaging/test/same_bits.py PROGRAM
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import artir
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "crates/artir-python/tests"))
from ct_files import phantom, write_ct


def main() -> int:
    program = os.path.abspath(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        write_ct(base / "study", phantom(3, 128))
        package = str(Path(sys.executable).with_name("artir"))
        for name, command in [("rust", program), ("package", package)]:
            subprocess.run([command, "ct", base / "study", "-o", base / name, "-q"], check=True)
        artir.restore_series(base / "study", base / "api")
        files = sorted(path.relative_to(base / "rust") for path in (base / "rust").rglob("*.dcm"))
        assert len(files) == 3, files
        for other in ("package", "api"):
            for file in files:
                same = (base / "rust" / file).read_bytes() == (base / other / file).read_bytes()
                assert same, f"{other}: {file} differs from the program's"
        series = artir.read_ct(base / "study")
        restored = artir.Model("ct-ldct-t").restore(series.values, mask=series.mask)
        assert np.array_equal(artir.read_ct(base / "rust").values, np.rint(restored)), "the array differs"
    print("the command of the package, restore_series and Model.restore have the program's bits")
    return 0


if __name__ == "__main__":
    sys.exit(main())
