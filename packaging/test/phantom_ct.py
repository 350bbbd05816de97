"""Writes a phantom CT series: python packaging/test/phantom_ct.py FOLDER [SLICES [SIZE]]"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "crates/artir-python/tests"))
from ct_files import phantom, write_ct

slices, size = (int(n) for n in [*sys.argv[2:], 3, 128][:2])
write_ct(Path(sys.argv[1]), phantom(slices, size))
