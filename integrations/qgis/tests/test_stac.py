"""The script of docs/guide/stac.md does what the page says."""

import json
import os
import re
import subprocess
import sys

import pytest
from conftest import ROOT
from scenes import pixels, scene

SOURCE = """
import datetime, pystac, sys
item = pystac.Item("hazy-2024", None, None, datetime.datetime(2024, 5, 1, tzinfo=datetime.timezone.utc), {})
item.add_asset("data", pystac.Asset(sys.argv[1]))
catalogue = pystac.Catalog("sources", "scenes")
catalogue.add_item(item)
catalogue.normalize_hrefs(sys.argv[2])
catalogue.save(pystac.CatalogType.SELF_CONTAINED)
"""


def test_a_catalogue_becomes_a_catalogue_of_dehazed_scenes(program, work):
    # In a process of its own: rasterio brings another GDAL than QGIS has.
    tools = subprocess.run([sys.executable, "-c", "import pystac, rasterio"], capture_output=True, check=False)
    if tools.returncode != 0:
        pytest.skip("pystac and rasterio are not installed")
    page = (ROOT / "docs/guide/stac.md").read_text(encoding="utf-8")
    (work / "dehaze_catalogue.py").write_text(re.search(r"```python\n(.*?)```", page, re.S).group(1))
    path = scene("geotiff", work)
    env = {**os.environ, "PATH": os.path.dirname(program) + os.pathsep + os.environ["PATH"]}
    for command in (["-c", SOURCE, path, str(work / "c")], ["dehaze_catalogue.py", "c/catalog.json", "data", "clear"]):
        done = subprocess.run(
            [sys.executable, *command], cwd=work, env=env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
    assert "haze removed by geo-haze-t" in done.stdout
    item = json.loads((work / "clear/catalogue/hazy-2024/hazy-2024.json").read_text())
    assert item["properties"]["datetime"] == "2024-05-01T00:00:00Z" and item["assets"]["data"]["file:size"] > 0
    assert "derived_from" in [link["rel"] for link in item["links"]]
    assert (pixels(work / "clear/hazy-2024.tif") != pixels(path)).any()
