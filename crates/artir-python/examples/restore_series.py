"""Restores a CT series as an array and as a derived series.

python restore_series.py STUDY OUT
"""

import sys

import artir

model = artir.Model("ct-ldct-t")
series = artir.read_ct(sys.argv[1])
restored = model.restore(series.values, mask=series.mask)
print(
    f"{series.values.shape[0]} slices, {series.unit}, changed by {artir.metrics.rmse(restored, series.values):.1f} HU"
)
for written in artir.restore_series(sys.argv[1], sys.argv[2], model):
    print(written.folder)
