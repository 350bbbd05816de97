"""What analysts do with the algorithms: batches, models, results in the project, qgis_process, very large rasters."""

import json
import os
import shutil
import subprocess
import time

import numpy as np
import processing
import pytest
from conftest import PLUGINS
from osgeo import gdal
from qgis.core import (
    QgsApplication,
    QgsProcessingAlgRunnerTask,
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProcessingModelAlgorithm,
    QgsProcessingModelChildAlgorithm,
    QgsProcessingModelChildParameterSource,
    QgsProcessingModelOutput,
    QgsProcessingModelParameter,
    QgsProcessingOutputLayerDefinition,
    QgsProcessingParameterRasterLayer,
    QgsProject,
    QgsRasterLayer,
)
from qgis.PyQt.QtCore import QTimer
from scenes import CRS, ORIGIN, pixels, scene, values, write

from artir_qgis.flags import INFERENCE, READING, STRENGTH, WRITING
from artir_qgis.result import BEFORE
from artir_qgis.text import flags


def project_layer(path, name="hazy"):
    layer = QgsRasterLayer(path, name)
    QgsProject.instance().addMapLayer(layer)
    return layer


def run_as_the_dialog_does(name, parameters, wait=600):
    """Runs an algorithm in a task, as the toolbox does, and adds its results to the project.

    Returns the longest time in which the main thread did not answer, in seconds.
    """
    from processing.gui.Postprocessing import handleAlgorithmResults

    algorithm = QgsApplication.processingRegistry().createAlgorithmById(name)
    context, feedback = QgsProcessingContext(), QgsProcessingFeedback(False)
    context.setProject(QgsProject.instance())
    task = QgsProcessingAlgRunnerTask(algorithm, parameters, context, feedback)
    ended, wrong, ticks = [], [], [time.monotonic()]

    def end(ok, results):
        ended.append(ok)
        try:
            if ok:
                handleAlgorithmResults(algorithm, context, feedback)
        except Exception as e:
            # An exception that leaves a slot ends the process.
            wrong.append(e)

    task.executed.connect(end)
    timer = QTimer()
    timer.timeout.connect(lambda: ticks.append(time.monotonic()))
    timer.start(5)
    QgsApplication.taskManager().addTask(task)
    until = time.monotonic() + wait
    while not ended and time.monotonic() < until:
        QgsApplication.processEvents()
        time.sleep(0.001)
    for _ in range(20):
        QgsApplication.processEvents()
        time.sleep(0.005)
    timer.stop()
    assert ended == [True] and not wrong, (wrong, feedback.textLog())
    return max(np.diff(ticks))


def new_layer(before):
    """The one layer of the project that was not there."""
    found = [layer for key, layer in QgsProject.instance().mapLayers().items() if key not in before]
    assert len(found) == 1
    return found[0]


def to_project(path):
    return QgsProcessingOutputLayerDefinition(str(path), QgsProject.instance())


def test_every_flag_of_the_command_is_a_parameter(provider):
    algorithm = QgsApplication.processingRegistry().createAlgorithmById("artir:dehaze")
    names = {parameter.name() for parameter in algorithm.parameterDefinitions()}
    mapped = {flag.flag for flag in (*READING, STRENGTH, *WRITING, *INFERENCE)}
    assert {flag.parameter for flag in (*READING, STRENGTH, *WRITING, *INFERENCE)} <= names
    others = {
        "--output": "OUTPUT",
        "--range": "RANGE",
        "--bbox": "EXTENT",
        "--bbox-crs": "EXTENT",
        "--cutline": "POLYGONS",
    }
    others |= {"--preview": "PREVIEW", "--stac": "STAC", "--change": "CHANGE", "--report": "REPORT"}
    assert set(others.values()) <= names
    # An extent says the same as a window; Processing asks before it overwrites; the others are algorithms of their own.
    elsewhere = {"--window", "--overwrite", "--dry-run", "--inspect", "--estimate", "--compare", "--except-bands"}
    assert set(flags("geo")) == mapped | set(others) | elsewhere


def test_a_result_has_the_style_of_its_source_and_a_name_that_says_what_was_done(artir, work):
    from qgis.core import QgsContrastEnhancement, QgsMultiBandColorRenderer

    layer = project_layer(scene("geotiff", work), "Tuscany")
    renderer = QgsMultiBandColorRenderer(layer.dataProvider(), 3, 1, 2)
    stretch = QgsContrastEnhancement(layer.dataProvider().dataType(3))
    stretch.setContrastEnhancementAlgorithm(QgsContrastEnhancement.StretchToMinimumMaximum)
    stretch.setMinimumValue(33)
    stretch.setMaximumValue(144)
    renderer.setRedContrastEnhancement(stretch)
    layer.setRenderer(renderer)
    before = set(QgsProject.instance().mapLayers())
    run_as_the_dialog_does("artir:dehaze", {"INPUT": layer.id(), "STRENGTH": 0.8, "OUTPUT": to_project(work / "a.tif")})
    made = new_layer(before)
    assert made.name() == "Tuscany dehazed (geo-haze-t, strength 0.8)"
    assert (made.renderer().redBand(), made.renderer().greenBand(), made.renderer().blueBand()) == (3, 1, 2)
    found = made.renderer().redContrastEnhancement()
    assert (found.minimumValue(), found.maximumValue()) == (33, 144)
    assert made.customProperty(BEFORE) == layer.id()


def test_a_change_layer_is_clear_where_nothing_changed(artir, work):
    layer = project_layer(scene("geotiff", work), "Tuscany")
    before = set(QgsProject.instance().mapLayers())
    parameters = {"INPUT": layer.id(), "CHANGE": to_project(work / "change.tif"), "OUTPUT": str(work / "a.tif")}
    run_as_the_dialog_does("artir:dehaze", parameters)
    made = new_layer(before)
    assert made.name() == "Tuscany dehazed (geo-haze-t), change" and made.renderer().type() == "singlebandpseudocolor"
    ramp = made.renderer().shader().rasterShaderFunction()
    most = ramp.maximumValue()
    assert ramp.minimumValue() == -most and most >= abs(pixels(work / "change.tif")[1]).max() * 0.99
    assert ramp.shade(0.0)[-1] == 0 and ramp.shade(-most)[-1] == 255


def test_a_batch_of_ten(artir, work):
    names = []
    for i in range(10):
        folder = work / str(i)
        folder.mkdir()
        path = write(folder / f"scene {i}.tif", np.roll(values(64, 48), 5 * i, axis=2))
        done = processing.run("artir:dehaze", {"INPUT": path, "OUTPUT": str(folder / "out.tif")})
        names.append(done["OUTPUT"])
    sources = [str(work / str(i) / f"scene {i}.tif") for i in range(10)]
    (work / "together").mkdir()
    artir("geo", *sources, "-o", work / "together")
    for i, name in enumerate(names):
        assert open(name, "rb").read() == (work / "together" / f"scene {i}.tif").read_bytes()


def test_a_model_of_two_steps(artir, work):
    """Dehaze, then compare the result with its source."""
    model = QgsProcessingModelAlgorithm("dehaze and compare", "tests")
    model.addModelParameter(QgsProcessingParameterRasterLayer("scene", "Scene"), QgsProcessingModelParameter("scene"))
    source = QgsProcessingModelChildParameterSource
    first = QgsProcessingModelChildAlgorithm("artir:dehaze")
    first.setChildId("dehaze")
    first.addParameterSources("INPUT", [source.fromModelParameter("scene")])
    first.addParameterSources("STRENGTH", [source.fromStaticValue(0.5)])
    output = QgsProcessingModelOutput("dehazed", "dehazed")
    output.setChildId("dehaze")
    output.setChildOutputName("OUTPUT")
    first.setModelOutputs({"dehazed": output})
    model.addChildAlgorithm(first)
    second = QgsProcessingModelChildAlgorithm("artir:metrics")
    second.setChildId("measure")
    second.addParameterSources("INPUT", [source.fromChildOutput("dehaze", "OUTPUT")])
    second.addParameterSources("REFERENCE", [source.fromModelParameter("scene")])
    second.setDependencies([])
    model.addChildAlgorithm(second)
    path = scene("geotiff", work)
    context, feedback = QgsProcessingContext(), QgsProcessingFeedback(False)
    parameters = {"scene": path, "dehaze:dehazed": str(work / "a.tif"), "dehazed": str(work / "a.tif")}
    results, ok = model.run(parameters, context, feedback)
    assert ok, feedback.textLog()
    artir("geo", path, "-o", work / "b.tif", "--strength", "0.5")
    assert (work / "a.tif").read_bytes() == (work / "b.tif").read_bytes()
    found = json.loads(artir("metrics", work / "a.tif", path, "--json").stdout)
    assert results["CHILD_RESULTS"]["measure"]["PSNR"] == pytest.approx(found["psnr_db"], abs=1e-4)


def test_qgis_process_runs_the_algorithms(artir, program, work):
    name = next((name for name in ("qgis_process.bin", "qgis_process") if shutil.which(name)), None)
    if name is None:
        pytest.skip("qgis_process is not installed")
    env = {**os.environ, "QGIS_PLUGINPATH": str(PLUGINS), "QGIS_CUSTOM_CONFIG_PATH": str(work / "profile")}
    env |= {"QT_QPA_PLATFORM": "offscreen", "PATH": os.path.dirname(program) + os.pathsep + env["PATH"]}

    def qgis_process(*arguments):
        done = subprocess.run([name, *arguments], env=env, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    qgis_process("plugins", "enable", "artir_qgis")
    assert "artir:dehaze" in qgis_process("list")
    assert "Strength" in qgis_process("help", "artir:dehaze")
    path = scene("geotiff", work)
    out = qgis_process(
        "--json", "run", "artir:dehaze", "--", f"INPUT={path}", f"OUTPUT={work / 'a.tif'}", "STRENGTH=0.5"
    )
    assert json.loads(out)["results"]["OUTPUT"] == str(work / "a.tif")
    artir("geo", path, "-o", work / "b.tif", "--strength", "0.5")
    assert (work / "a.tif").read_bytes() == (work / "b.tif").read_bytes()


def test_the_interface_answers_while_a_very_large_raster_is_written(artir, work, record_property):
    """10,000 x 10,000 pixels. Only an extent is dehazed, to save time: all of them are read, written and compared."""
    size = 10_000
    tile = values(1000, 1000)
    raster = gdal.GetDriverByName("GTiff").Create(
        str(work / "large.tif"), size, size, 3, gdal.GDT_Byte, ["TILED=YES", "COMPRESS=LZW", "PHOTOMETRIC=RGB"]
    )
    raster.SetGeoTransform((ORIGIN[0], 10, 0, ORIGIN[1], 0, -10))
    raster.SetProjection(CRS)
    for row in range(0, size, 1000):
        for column in range(0, size, 1000):
            raster.WriteRaster(column, row, 1000, 1000, tile.tobytes())
    del raster
    layer = project_layer(str(work / "large.tif"), "large")
    before = set(QgsProject.instance().mapLayers())
    extent = "520000,523000,4960000,4963000 [EPSG:32632]"
    parameters = {"INPUT": layer.id(), "EXTENT": extent, "OUTPUT": to_project(work / "out.tif")}
    longest = run_as_the_dialog_does("artir:dehaze", parameters)
    assert new_layer(before).width() == size
    # The figure depends on the machine and on what else it does, so it is shown and not judged.
    print(f"\n10,000 x 10,000: the main thread was blocked for {1000 * longest:.0f} ms at the longest")
    record_property("longest_ms", round(1000 * longest))
