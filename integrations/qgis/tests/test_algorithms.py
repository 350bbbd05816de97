"""Every algorithm on every kind of scene, against the command itself."""

import json
import os
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import processing
import pytest
from conftest import ROOT
from osgeo import gdal
from qgis.core import QgsProcessingException, QgsProject, QgsRasterLayer, QgsSettings, QgsVectorLayer
from scenes import pixels, polygons, scene, write

from artir_qgis import crop
from artir_qgis.algorithms import preview
from artir_qgis.algorithms.describe import plain_range
from artir_qgis.algorithms.preview import PreviewExtent

KINDS = ("geotiff", "stack", "cog", "jp2")


def layer(path, name="hazy"):
    made = QgsRasterLayer(path, name)
    assert made.isValid()
    QgsProject.instance().addMapLayer(made)
    return made


@pytest.mark.parametrize("kind", KINDS)
def test_a_dehazed_raster_is_the_commands_bit_for_bit(artir, work, kind):
    path = scene(kind, work)
    ending = "jp2" if kind == "jp2" else "tif"
    here, there = str(work / f"there ö.{ending}"), str(work / f"here.{ending}")
    done = processing.run("artir:dehaze", {"INPUT": layer(path), "OUTPUT": here, "STRENGTH": 0.75})
    artir("geo", path, "-o", there, "--strength", "0.75")
    assert open(here, "rb").read() == open(there, "rb").read()
    assert (pixels(here) != pixels(path)).any()
    assert (done["BANDS_RESTORED"], done["RANGE_USED"], done["STRENGTH_USED"]) == ("1,2,3", "0,255,0,255,0,255", 0.75)


def test_a_file_that_is_no_layer_is_dehazed_as_well(artir, work):
    path = scene("geotiff", work)
    processing.run("artir:dehaze", {"INPUT": path, "OUTPUT": str(work / "a.tif")})
    artir("geo", path, "-o", work / "b.tif")
    assert (work / "a.tif").read_bytes() == (work / "b.tif").read_bytes()


@pytest.mark.parametrize("kind", KINDS)
def test_only_the_polygons_change(artir, work, kind):
    path, cut = scene(kind, work), polygons(work / "cut.gpkg", driver="GPKG")
    cutting = QgsVectorLayer(cut, "cut")
    processing.run("artir:dehaze", {"INPUT": path, "POLYGONS": cutting, "OUTPUT": str(work / "a.tif")})
    artir("geo", path, "-o", work / "b.tif", "--cutline", cut)
    assert (work / "a.tif").read_bytes() == (work / "b.tif").read_bytes()
    changed = (pixels(work / "a.tif") != pixels(path)).any(axis=0)
    assert changed[25:50, 25:50].any() and not changed[:20].any() and not changed[:, 81:].any()


def test_polygons_count_with_their_unsaved_edits_and_their_selection(artir, work):
    path, cut = scene("geotiff", work), polygons(work / "cut.gpkg", driver="GPKG")
    cutting = QgsVectorLayer(cut, "cut")
    feature = next(cutting.getFeatures())
    cutting.startEditing()
    geometry = feature.geometry()
    geometry.translate(400, 0)
    cutting.changeGeometry(feature.id(), geometry)
    processing.run("artir:dehaze", {"INPUT": path, "POLYGONS": cutting, "OUTPUT": str(work / "a.tif")})
    changed = (pixels(work / "a.tif") != pixels(path)).any(axis=0)
    assert not changed[:, :60].any() and changed[:, 60:].any()
    cutting.rollBack()
    QgsProject.instance().addMapLayer(cutting)
    virtual = QgsVectorLayer("?query=select st_translate(geometry, 400, 0, 0) as geometry from cut", "moved", "virtual")
    assert virtual.isValid()
    processing.run("artir:dehaze", {"INPUT": path, "POLYGONS": virtual, "OUTPUT": str(work / "b.tif")})
    assert (pixels(work / "a.tif") == pixels(work / "b.tif")).all()


@pytest.mark.parametrize("crs", ["EPSG:32632", "EPSG:4326"])
def test_only_the_extent_changes(artir, work, crs):
    from qgis.core import QgsCoordinateReferenceSystem as Crs
    from qgis.core import QgsCoordinateTransform, QgsRectangle

    path = scene("geotiff", work)
    extent = QgsRectangle(500_200, 4_999_300, 500_700, 4_999_800)
    move = QgsCoordinateTransform(Crs("EPSG:32632"), Crs(crs), QgsProject.instance())
    extent = move.transformBoundingBox(extent)
    text = f"{extent.xMinimum()},{extent.xMaximum()},{extent.yMinimum()},{extent.yMaximum()} [{crs}]"
    processing.run("artir:dehaze", {"INPUT": path, "EXTENT": text, "OUTPUT": str(work / "a.tif")})
    changed = (pixels(work / "a.tif") != pixels(path)).any(axis=0)
    assert changed[25:65, 25:65].any() and not changed[:18].any() and not changed[:, 73:].any()


def test_a_reference_system_of_the_user_is_defined_and_not_named():
    from artir_qgis.scene import crs_text

    def crs(code):
        return SimpleNamespace(authid=lambda: code, toWkt=lambda: "its definition")

    assert [crs_text(crs(code)) for code in ("EPSG:32632", "IGNF:LAMB93")] == ["EPSG:32632", "IGNF:LAMB93"]
    assert [crs_text(crs(code)) for code in ("USER:100001", "")] == ["its definition", "its definition"]


def test_a_parameter_that_is_null_sets_no_flag():
    from artir_qgis.flags import INFERENCE, STRENGTH, arguments

    null = SimpleNamespace(isNull=lambda: True)
    flags = [STRENGTH, *(flag for flag in INFERENCE if flag.kind != "switch")]
    for unset in (null, None, ""):
        assert arguments(None, flags, {flag.parameter: unset for flag in flags}, None) == []


def test_all_parameters_reach_the_command(artir, work):
    path = scene("geotiff", work)
    mask = write(work / "mask.tif", pixels(path)[:1] // 128)
    parameters = {
        "INPUT": path,
        "BANDS": "3,2,1",
        "RANGE_VALUES": "10,240",
        "STRENGTH": 0.5,
        "NODATA": "0",
        "MASK": mask,
        "FORMAT": "cog",
        "CREATION": "COMPRESS=LZW|BLOCKSIZE=128",
        "STRICT": True,
        "PRECISION": "f32",
        "THREADS": 1,
        "MEMORY": "1GiB",
        "TILE": 128,
        "OVERLAP": 16,
        "DEVICE": "cpu",
        "MODEL": "geo-haze-t",
        "ENSEMBLE": True,
        "PREVIEW": True,
        "STAC": True,
        "CHANGE": str(work / "change a.tif"),
        "REPORT": str(work / "report.json"),
        "OUTPUT": str(work / "a.tif"),
    }
    done = processing.run("artir:dehaze", parameters)
    flags = ["--bands=3,2,1", "--range=10,240", "--strength=0.5", "--nodata=0", "--mask", mask, "--format=cog"]
    flags += ["--co=COMPRESS=LZW", "--co=BLOCKSIZE=128", "--strict", "--precision=f32", "--threads=1", "--memory=1GiB"]
    flags += ["--tile=128", "--overlap=16", "--device=cpu", "--model=geo-haze-t", "--ensemble"]
    artir("geo", path, "-o", work / "b.tif", *flags, "--change", work / "change b.tif")
    assert (work / "a.tif").read_bytes() == (work / "b.tif").read_bytes()
    assert (work / "change a.tif").read_bytes() == (work / "change b.tif").read_bytes()
    assert done["PREVIEW_PAGE"] == str(work / "a.html") and (work / "a.html").is_file()
    assert done["STAC_ITEM"] == str(work / "a.stac.json") and (work / "a.stac.json").is_file()
    assert json.loads((work / "report.json").read_text())["scenes"][0]["done"]["strength"] == 0.5


def test_a_product_is_dehazed_by_its_metadata_file(artir, work):
    data = Path(os.environ.get("ARTIR_REAL_DATA", ROOT.parent / "shared/data")) / "cases/geotiff/sentinel2_safe"
    found = list(data.glob("*.SAFE/MTD_MSIL2A.xml"))
    if not found:
        pytest.skip("no real data (ARTIR_REAL_DATA)")
    done = processing.run("artir:product", {"INPUT": str(found[0]), "OUTPUT": str(work / "a.tif")})
    artir("geo", found[0], "-o", work / "b.tif")
    assert (work / "a.tif").read_bytes() == (work / "b.tif").read_bytes()
    assert done["BANDS_RESTORED"] == "1,2,3"
    folder = str(found[0].parent)
    processing.run("artir:product", {"INPUT": folder, "MASK_CLOUDS": False, "OUTPUT": str(work / "c.tif")})
    assert (pixels(work / "c.tif") == pixels(work / "a.tif")).all()


@pytest.mark.parametrize("kind", KINDS)
def test_a_description_says_what_would_be_restored(artir, work, kind):
    path = scene(kind, work)
    done = processing.run("artir:describe", {"INPUT": layer(path), "OUTPUT": str(work / "d.html")})
    found = json.loads(artir("geo", path, "--inspect").stdout)
    assert done["RESTORABLE"] and done["REASON"] == ""
    assert done["BANDS"] == ",".join(map(str, found["restores"]["bands"]))
    assert done["RANGE"] == plain_range(found["restores"]["range"]) == "0,255"
    page = (work / "d.html").read_text(encoding="utf-8")
    assert "112 x 96" in page and "WGS 84 / UTM zone 32N" in page


def test_a_description_says_why_a_raster_would_be_refused(artir, work):
    path = write(
        work / "unnamed.tif", pixels(scene("geotiff", work)), colours=False, options=["PHOTOMETRIC=MINISBLACK"]
    )
    done = processing.run("artir:describe", {"INPUT": path, "OUTPUT_JSON": str(work / "d.json")})
    assert not done["RESTORABLE"] and "does not name its red, green and blue bands" in done["REASON"]
    assert json.loads((work / "d.json").read_text(encoding="utf-8"))["columns"] == 112


@pytest.mark.parametrize("kind", KINDS)
def test_rasters_are_compared(artir, work, kind):
    path = scene(kind, work)
    processing.run("artir:dehaze", {"INPUT": path, "OUTPUT": str(work / "a.tif")})
    same = processing.run("artir:compare", {"INPUT": path, "OTHER": layer(path), "OUTPUT": str(work / "same.html")})
    assert same["EQUAL"] and same["DIFFERENCES"] == 0
    differ = processing.run(
        "artir:compare", {"INPUT": path, "OTHER": str(work / "a.tif"), "OUTPUT": str(work / "d.html")}
    )
    lines = artir("geo", "--compare", path, work / "a.tif", code=1).stdout.splitlines()
    assert not differ["EQUAL"] and differ["DIFFERENCES"] == len(lines)
    parameters = {"INPUT": path, "OTHER": str(work / "a.tif"), "EXCEPT_BANDS": "1,2,3"}
    rest = [line for line in lines if not line.startswith("pixels of band")]
    assert processing.run("artir:compare", parameters)["DIFFERENCES"] == len(rest)


@pytest.mark.parametrize("kind", KINDS)
def test_figures_are_the_commands(artir, work, kind):
    path = scene(kind, work)
    other = write(work / "other.tif", pixels(path) // 2 + 40)
    done = processing.run("artir:metrics", {"INPUT": other, "REFERENCE": layer(path)})
    # The command reads TIFF itself: the arrays that the plugin writes must hold the same values.
    plain = write(work / "plain.tif", pixels(path))
    found = json.loads(artir("metrics", other, plain, "--json").stdout)
    assert done["PSNR"] == pytest.approx(found["psnr_db"], abs=1e-4)
    assert done["SSIM"] == pytest.approx(found["ssim"], abs=1e-6)
    assert done["RMSE"] == pytest.approx(found["rmse"], abs=1e-7)
    assert processing.run("artir:metrics", {"INPUT": path, "REFERENCE": path})["PSNR"] == float("inf")


def test_figures_of_other_types_need_black_and_white(artir, work):
    data = pixels(scene("geotiff", work)).astype("float32")
    first, second = write(work / "a.tif", data), write(work / "b.tif", data + 5)
    with pytest.raises(QgsProcessingException, match="which stored values are black and white"):
        processing.run("artir:metrics", {"INPUT": first, "REFERENCE": second})
    done = processing.run("artir:metrics", {"INPUT": first, "REFERENCE": second, "RANGE": "0,500", "BANDS": "2"})
    assert done["RMSE"] == pytest.approx(0.01, abs=1e-6) and done["PSNR"] == pytest.approx(40, abs=1e-3)


def test_nodata_of_the_reference_is_left_out_of_figures(artir, work):
    data = pixels(scene("geotiff", work))
    data[:, :, :10] = 0
    first, second = data.copy(), data.copy()
    first[:, :, :10] = 200
    a, b = write(work / "a.tif", first), write(work / "b.tif", second)
    done = processing.run("artir:metrics", {"INPUT": a, "REFERENCE": b, "NODATA": "0"})
    assert done["RMSE"] == 0 and json.loads(done["FIGURES"])["left_out"] == 10 * 96


def test_a_folder_of_photographs_is_restored(artir, work):
    photos, out = work / "in", work / "out"
    photos.mkdir()
    data = pixels(scene("geotiff", work, 96, 80))
    for i in range(2):
        write(photos / f"p{i} ä.png", data + i, driver="PNG")
    (photos / "broken.jpg").write_bytes(b"no photograph")
    (photos / "notes.txt").write_text("no photograph either")
    for leftover in photos.glob("*.xml"):
        leftover.unlink()
    done = processing.run("artir:photographs", {"INPUT": str(photos), "OUTPUT": str(out)})
    assert (done["WRITTEN"], done["FAILED"]) == (2, 1)
    artir("image", photos / "p0 ä.png", "-o", work / "p.png", "--task", "dehaze")
    assert (out / "p0 ä.png").read_bytes() == (work / "p.png").read_bytes()
    with pytest.raises(QgsProcessingException, match="already exists"):
        processing.run("artir:photographs", {"INPUT": str(photos), "OUTPUT": str(out)})


@pytest.mark.parametrize("kind", KINDS)
def test_a_preview_is_the_whole_run_within_its_extent(artir, work, kind):
    path = scene(kind, work, 240, 200)
    raster = layer(path)
    # Columns 80 to 140 and rows 70 to 120, and 48 more on each side.
    text = "500800,501400,4998800,4999300 [EPSG:32632]"
    done = processing.run("artir:preview", {"INPUT": raster, "EXTENT": text, "OUTPUT": str(work / "p.tif")})
    artir("geo", path, "-o", work / "whole.tif")
    part, inner = pixels(work / "p.tif").astype(int), (slice(None), slice(70, 120), slice(80, 140))
    assert part.shape == (3, 146, 156) and done["FACTOR"] == 1
    before, whole = pixels(path).astype(int)[inner], pixels(work / "whole.tif").astype(int)[inner]
    # Around the part, the network sees less than in the whole scene.
    assert abs(part[:, 48:-48, 48:-48] - whole).mean() < 0.35 * abs(whole - before).mean()


def test_a_preview_of_a_large_extent_is_reduced(artir, work):
    raster = layer(scene("geotiff", work, 400, 300))
    whole = raster.extent()
    done = processing.run(
        "artir:preview", {"INPUT": raster, "EXTENT": whole, "LONGEST": 100, "OUTPUT": str(work / "p.tif")}
    )
    assert pixels(work / "p.tif").shape == (3, 75, 100) and done["FACTOR"] == done["FINEST"] == 4


def test_a_preview_has_no_more_pixels_than_it_may(artir, work, monkeypatch):
    raster = layer(scene("geotiff", work, 240, 200))
    parameters = {"INPUT": raster, "EXTENT": raster.extent(), "THREADS": 2}

    def pixels_of(**more):
        done = processing.run("artir:preview", {**parameters, **more, "OUTPUT": str(work / "p.tif")})
        assert done["FINEST"] == 1
        return pixels(work / "p.tif").size / 3, done["FACTOR"]

    count, factor = pixels_of(MEGAPIXELS=0.02)
    assert 0.95 * 20_000 < count <= 1.01 * 20_000 and factor == pytest.approx((48_000 / count) ** 0.5, rel=0.02)
    assert pixels_of(MEGAPIXELS=0) == (48_000, 1)
    # Without a number, it is that of the threads.
    assert pixels_of() == (48_000, 1)
    monkeypatch.setattr(preview, "PER_CORE", 0.01)
    assert pixels_of()[0] == count


def test_a_preview_has_as_many_pixels_as_the_machine_does_in_some_seconds(artir, work, monkeypatch):
    raster = layer(scene("geotiff", work, 400, 300))
    parameters = {"INPUT": raster, "EXTENT": raster.extent(), "OUTPUT": str(work / "p.tif")}
    QgsSettings().remove(preview.SPEED)
    processing.run("artir:preview", {**parameters, "THREADS": 1})
    assert not QgsSettings().contains(preview.SPEED)
    begun = time.monotonic()
    processing.run("artir:preview", {**parameters, "MEGAPIXELS": 0})
    speed = QgsSettings().value(preview.SPEED, type=float)
    assert speed > 0.12 / (time.monotonic() - begun)
    QgsSettings().setValue(preview.SPEED, 0.02 / preview.SECONDS)
    assert processing.run("artir:preview", parameters)["FACTOR"] == pytest.approx(6**0.5, rel=0.02)
    # Too small to tell the speed: the start of the program takes most of its time.
    assert QgsSettings().value(preview.SPEED, type=float) == pytest.approx(0.02 / preview.SECONDS)
    # What holds for one device or model does not for another.
    assert processing.run("artir:preview", {**parameters, "THREADS": 1})["FACTOR"] == 1
    QgsSettings().remove(preview.SPEED)


def test_a_reduced_part_holds_the_means_of_its_pixels(artir, work):
    chequers = (200 * (np.indices((240, 320)).sum(0) % 2)).astype(np.uint8)
    raster = layer(write(work / "chequers.tif", np.stack([chequers, 200 - chequers, chequers])))
    for longest, factor in ((80, 4), (20, 16)):
        cut = crop.part(raster.dataProvider(), raster.extent(), longest)
        assert (cut.columns, cut.rows, cut.factor, cut.finest) == (longest, longest * 3 // 4, factor, factor)
        crop.write(raster.dataProvider().clone(), cut, str(work / "part.tif"), None)
        assert abs(pixels(work / "part.tif").astype(int) - 100).max() <= 1


def test_means_leave_nodata_out(artir, work):
    data = np.full((3, 64, 64), 100, np.uint8)
    data[:, ::2] = 0
    file = gdal.Open(write(work / "half.tif", data), gdal.GA_Update)
    file.GetRasterBand(1).SetNoDataValue(0)
    del file
    raster = layer(str(work / "half.tif"))
    cut = crop.part(raster.dataProvider(), raster.extent(), 16)
    crop.write(raster.dataProvider().clone(), cut, str(work / "part.tif"), 0)
    assert (pixels(work / "part.tif")[0] == 100).all()


def test_a_reduced_preview_says_so(artir, work):
    assert preview.title("a", 1.05, False) == "Preview: a" and preview.caveats(1.05, False) == []
    assert preview.title("a", 2.04, True) == "Coarse preview 1:2.0, estimated range: a"
    first, second = preview.caveats(2.04, True)
    assert "the mean of 2.0 x 2.0 pixels" in first and "estimated" in second


def test_a_second_preview_does_not_read_the_whole_scene_again(artir, work, monkeypatch):
    raster = layer(scene("geotiff", work))
    commands = []
    original = PreviewExtent.run_program

    def run_program(self, arguments, *rest, **named):
        commands.append(arguments)
        return original(self, arguments, *rest, **named)

    monkeypatch.setattr(PreviewExtent, "run_program", run_program)
    parameters = {"INPUT": raster, "EXTENT": raster.extent()}
    first = processing.run("artir:preview", {**parameters, "OUTPUT": str(work / "a.tif")})
    second = processing.run("artir:preview", {**parameters, "OUTPUT": str(work / "b.tif")})
    assert (pixels(first["OUTPUT"]) == pixels(second["OUTPUT"])).all()
    assert ["--inspect" in command for command in commands] == [True, False, False]
    # Another file under the same name is read anew.
    write(Path(raster.source()), pixels(raster.source()) // 2)
    processing.run("artir:preview", {**parameters, "OUTPUT": str(work / "c.tif")})
    assert "--inspect" in commands[3]
