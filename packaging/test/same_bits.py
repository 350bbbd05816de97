"""Compares the installed package with the Rust program on one series: command, derived series and arrays.

python packaging/test/same_bits.py PROGRAM

Derived files name the version of ONNX Runtime. The program therefore runs twice: on the runtime of the package, which
must give the same files, and on its own, which must give the same pixels.
"""

import importlib.util
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import artir
import numpy as np
import pydicom

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "crates/artir-python/tests"))
from ct_files import phantom, write_ct


def runtime_of_the_package() -> str:
    spec = importlib.util.find_spec("onnxruntime")
    assert spec is not None and spec.origin is not None
    (library,) = (Path(spec.origin).parent / "capi").glob("libonnxruntime.so.*")
    return str(library)


def main() -> int:
    program = os.path.abspath(sys.argv[1])
    own = {name: value for name, value in os.environ.items() if name != "ORT_DYLIB_PATH"}
    same = {**own, "ORT_DYLIB_PATH": runtime_of_the_package()}
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        write_ct(base / "study", phantom(3, 128))
        package = str(Path(sys.executable).with_name("artir"))
        for name, command, environment in [("rust", program, same), ("own", program, own), ("package", package, own)]:
            subprocess.run([command, "ct", base / "study", "-o", base / name, "-q"], check=True, env=environment)
        artir.restore_series(base / "study", base / "api")
        files = sorted(path.relative_to(base / "rust") for path in (base / "rust").rglob("*.dcm"))
        assert len(files) == 3, files
        for file in files:
            for other in ("package", "api"):
                equal = (base / "rust" / file).read_bytes() == (base / other / file).read_bytes()
                assert equal, f"{other}: {file} differs from the program's"
            pixels = [pydicom.dcmread(base / name / file).PixelData for name in ("rust", "own")]
            assert pixels[0] == pixels[1], f"{file}: the two runtimes give different pixels"
        series = artir.read_ct(base / "study")
        restored = artir.Model("ct-ldct-t").restore(series.values, mask=series.mask)
        # A CT stores whole HU, and halves are rounded up.
        rounded = np.floor(restored.astype(np.float64) + 0.5)
        assert np.array_equal(artir.read_ct(base / "rust").values, rounded), "the array differs"
    print("the command of the package, restore_series and Model.restore have the program's bits")
    return 0


if __name__ == "__main__":
    sys.exit(main())
