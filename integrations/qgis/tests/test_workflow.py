"""What analysts do with the algorithms: batches, models, results in the project, qgis_process, very large rasters."""

import json
import os
import shutil
import subprocess
import time

import numpy as np
import pytest
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
from qgis.gui import QgsBrowserGuiModel
from qgis.PyQt.QtCore import QTimer
from scenes import CRS, ORIGIN, pixels, scene, values, write

import package
from artir_qgis.flags import INFERENCE, READING, STRENGTH, WRITING
from artir_qgis.result import BEFORE
from artir_qgis.text import flags


def project_layer(path, name="hazy"):
    layer = QgsRasterLayer(path, name)
    QgsProject.instance().addMapLayer(layer)
    return layer


def silence(condition, seconds):
    """Lets QGIS work until a condition holds, or for some seconds.

    Returns the longest time in which the main thread did not answer, in seconds, and the longest that it was busy
    itself: the first also counts what other programs took from it.
    """
    clocks = lambda: (time.monotonic(), time.thread_time())  # noqa: E731
    ticks, timer = [clocks()], QTimer()
    timer.timeout.connect(lambda: ticks.append(clocks()))
    timer.start(5)
    until = time.monotonic() + seconds
    while not condition() and time.monotonic() < until:
        QgsApplication.processEvents()
        time.sleep(0.001)
    for _ in range(20):
        QgsApplication.processEvents()
        time.sleep(0.005)
    timer.stop()
    return np.diff(ticks, axis=0).max(axis=0)


def run_as_the_dialog_does(name, parameters, wait=600):
    """Runs an algorithm in a task, as the toolbox does, and adds its results to the project. Returns its `silence`."""
    from processing.gui.Postprocessing import handleAlgorithmResults

    algorithm = QgsApplication.processingRegistry().createAlgorithmById(name)
    context, feedback = QgsProcessingContext(), QgsProcessingFeedback(False)
    context.setProject(QgsProject.instance())
    task = QgsProcessingAlgRunnerTask(algorithm, parameters, context, feedback)
    ended, wrong = [], []

    def end(ok, results):
        ended.append(ok)
        try:
            if ok:
                handleAlgorithmResults(algorithm, context, feedback)
        except Exception as e:
            # An exception that leaves a slot ends the process.
            wrong.append(e)

    task.executed.connect(end)
    QgsApplication.taskManager().addTask(task)
    found = silence(lambda: ended, wait)
    assert ended == [True] and not wrong, (wrong, feedback.textLog())
    return found


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


def test_a_batch_of_ten(artir, work, qgis_iface, monkeypatch):
    """In the dialog for batches, one scene a row. One of them cannot be read, and does not stop the others."""
    from processing.gui import BatchAlgorithmDialog as batch

    monkeypatch.setattr(qgis_iface, "browserModel", QgsBrowserGuiModel, raising=False)
    sources = [write(work / f"scene {i} ä.tif", np.roll(values(64, 48), 5 * i, axis=2)) for i in range(10)]
    (work / "broken.tif").write_bytes(b"no raster")
    results = [str(work / f"{i}.tif") for i in range(11)]
    if hasattr(batch, "QgsScopedProxyProgressTask"):
        # QGIS 3.22 leaves the task that shows the batch's progress, and waits for it for ever when it ends.
        monkeypatch.setattr(batch, "QgsScopedProxyProgressTask", lambda name: QgsProcessingFeedback(False))
    dialog = batch.BatchAlgorithmDialog(QgsApplication.processingRegistry().createAlgorithmById("artir:dehaze"))
    panel, context = dialog.mainWidget(), QgsProcessingContext()
    panel.clear()
    for row, (path, out) in enumerate(zip([*sources[:4], str(work / "broken.tif"), *sources[4:]], results)):
        panel.addRow()
        panel.wrappers[row][panel.parameter_to_column["INPUT"]].setParameterValue(path, context)
        panel.tblParameters.cellWidget(row + 1, panel.parameter_to_column["OUTPUT"]).setValue(out)
    panel.checkLoadLayersOnCompletion.setChecked(False)
    dialog.runAlgorithm()
    tasks = QgsApplication.taskManager()
    # Newer versions run the rows in tasks, and refer to the dialog until the last one has ended.
    silence(lambda: os.path.exists(results[-1]) and not tasks.countActiveTasks(), 300)
    (work / "together").mkdir()
    artir("geo", *sources, "-o", work / "together")
    assert not os.path.exists(results.pop(4))
    for path, out in zip(sources, results):
        assert open(out, "rb").read() == (work / "together" / os.path.basename(path)).read_bytes()
    dialog.close()
    dialog.deleteLater()


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


def test_the_archive_works_in_a_new_profile(artir, program, work):
    """A new user: installs the archive, names the program, and runs it, all with `qgis_process`."""
    name = next((name for name in ("qgis_process.bin", "qgis_process") if shutil.which(name)), None)
    if name is None:
        pytest.skip("qgis_process is not installed")
    plugins = work / "profile/profiles/default/python/plugins"
    for file, data in package.contents(work / "no wheels").items():
        (plugins / file).parent.mkdir(parents=True, exist_ok=True)
        (plugins / file).write_bytes(data)
    env = {**os.environ, "QGIS_CUSTOM_CONFIG_PATH": str(work / "profile"), "QT_QPA_PLATFORM": "offscreen"}
    env.pop("QGIS_PLUGINPATH", None)

    def qgis_process(*arguments, code=0):
        done = subprocess.run([name, *arguments], env=env, capture_output=True, text=True, timeout=300, check=False)
        assert (done.returncode == 0) == (code == 0), done.stdout + done.stderr
        return done.stdout + (done.stderr if code else "")

    qgis_process("plugins", "enable", "artir_qgis")
    assert "artir:dehaze" in qgis_process("list")
    assert "Strength" in qgis_process("help", "artir:dehaze")
    path = scene("geotiff", work)
    run = ["run", "artir:dehaze", "--", f"INPUT={path}", f"OUTPUT={work / 'a.tif'}", "STRENGTH=0.5"]
    if shutil.which("artir") is None:
        assert "Install or find artir" in qgis_process(*run, code=1)
    found = json.loads(qgis_process("--json", "run", "artir:install", "--", f"PROGRAM={program}"))
    assert found["results"]["FOUND"] == program and found["results"]["SCENES_WORK"]
    done = json.loads(qgis_process("--json", *run))
    assert done["results"]["OUTPUT"] == str(work / "a.tif")
    artir("geo", path, "-o", work / "b.tif", "--strength", "0.5")
    assert (work / "a.tif").read_bytes() == (work / "b.tif").read_bytes()


def test_the_toolbox_finds_every_algorithm_by_more_than_its_name(provider):
    for algorithm in QgsApplication.processingRegistry().providerById("artir").algorithms():
        assert len(algorithm.tags()) > 3 and all(tag == tag.strip() != "" for tag in algorithm.tags())
        assert algorithm.shortHelpString() and algorithm.shortDescription()


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
    idle = 1000 * silence(lambda: False, 20)
    found = 1000 * run_as_the_dialog_does("artir:dehaze", parameters)
    assert new_layer(before).width() == size
    # The figures depend on the machine and on what else it does, so they are shown and not judged.
    for words, (longest, busy) in (("", found), (", with nothing to do", idle)):
        print(f"\n10,000 x 10,000{words}: the main thread was silent for {longest:.0f} ms at most, busy for {busy:.0f}")
    record_property("longest_ms", round(found[0]))
