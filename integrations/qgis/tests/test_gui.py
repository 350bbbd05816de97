"""The buttons, the swipe, and the dialogs, in a window that nobody sees. The documentation's pictures are made here."""

import os
import subprocess
import time
from pathlib import Path

import processing
import pytest
from conftest import PICTURES
from qgis.core import (
    QgsApplication,
    QgsCoordinateReferenceSystem,
    QgsLayerTreeModel,
    QgsProject,
    QgsRasterLayer,
    QgsRectangle,
    QgsSettings,
)
from qgis.gui import QgsBrowserGuiModel, QgsLayerTreeView, QgsMapCanvas, QgsMessageBar
from qgis.PyQt.QtCore import Qt, QThread
from qgis.PyQt.QtWidgets import QPushButton, QSplitter
from scenes import CRS, ORIGIN, scene, values, write

from artir_qgis import program
from artir_qgis.algorithms import preview
from artir_qgis.plugin import ArtirPlugin, translator
from artir_qgis.result import BEFORE
from artir_qgis.swipe import SwipeTool, pair
from artir_qgis.text import flag_help, tr


def wait(condition, seconds=300):
    """Lets QGIS work until a condition holds."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        QgsApplication.processEvents()
        time.sleep(0.005)


def picture(widget, name):
    """Keeps a picture for the documentation, if it is wanted."""
    for _ in range(20):
        QgsApplication.processEvents()
        time.sleep(0.01)
    image = widget.grab().toImage()
    if PICTURES:
        assert image.save(str(Path(PICTURES) / name), quality=88)
    return image


@pytest.fixture(scope="session")
def demo(program, tmp_path_factory):
    """The scene of `artir demo`, for pictures."""
    folder = tmp_path_factory.mktemp("demo")
    subprocess.run([program, "demo", "-o", str(folder), "--overwrite"], check=True, capture_output=True)
    return str(folder / "hazy.tif")


@pytest.fixture
def hazy(request, artir, work):
    """A scene: for pictures the one of `artir demo`, otherwise a quick one."""
    return request.getfixturevalue("demo") if PICTURES else scene("geotiff", work, 300, 200)


@pytest.fixture
def plugin(artir, provider, qgis_iface, qgis_canvas, monkeypatch):
    # The provider is registered for all tests already.
    monkeypatch.setattr(ArtirPlugin, "initProcessing", lambda self: None)
    made = ArtirPlugin(qgis_iface)
    made.initGui()
    # A window that was never shown has no size.
    qgis_canvas.window().resize(900, 600)
    qgis_canvas.window().show()
    qgis_canvas.resize(900, 600)
    wait(lambda: qgis_canvas.mapSettings().outputSize() == qgis_canvas.viewport().size())
    yield made
    made.unload()


@pytest.fixture
def shown(plugin, hazy):
    """A layer that the map shows, and that is the active one."""
    layer = QgsRasterLayer(hazy, "Hazy scene")
    QgsProject.instance().addMapLayer(layer)
    canvas = plugin.iface.mapCanvas()
    canvas.setDestinationCrs(layer.crs())
    canvas.setLayers([layer])
    canvas.setExtent(layer.extent())
    plugin.iface.setActiveLayer(layer)
    canvas.refreshAllLayers()
    return layer


def messages(plugin, monkeypatch):
    said = []
    monkeypatch.setattr(plugin, "say", lambda text, level=None, offer="": said.append(text))
    return said


def test_preview_here_compares_the_visible_part_with_its_source(plugin, shown):
    canvas = plugin.iface.mapCanvas()
    extent = shown.extent()
    extent.scale(0.5)
    canvas.setExtent(extent)
    before = set(QgsProject.instance().mapLayers())
    assert plugin.preview_here() is not None
    wait(lambda: plugin.swipe is not None and plugin.swipe.ready())
    (made,) = [layer for key, layer in QgsProject.instance().mapLayers().items() if key not in before]
    assert made.name() == "Preview: Hazy scene dehazed (geo-haze-t)" and made.customProperty(BEFORE) == shown.id()
    root = QgsProject.instance().layerTreeRoot()
    assert [node.layerId() for node in root.findLayers()] == [made.id(), shown.id()]
    left, right = (plugin.swipe.item.images[side] for side in ("before", "after"))
    image = picture(canvas.viewport(), "qgis-swipe.jpg")
    y = image.height() // 2
    for x in (image.width() // 5, image.width() * 4 // 5):
        # The left of the window shows the source, the right the preview.
        side = left if x < image.width() // 2 else right
        assert image.pixelColor(x, y) == side.pixelColor(x, y)
    assert left != right


def arrived(plugin):
    """The preview on the map, once there is one."""
    wait(lambda: plugin.swipe is not None)
    return plugin.swipe.layers["after"]


@pytest.fixture
def coarse(monkeypatch):
    """Previews of small scenes are coarse at first."""
    QgsSettings().remove(preview.SPEED)
    monkeypatch.setattr(preview, "PER_CORE", 0.02 / QThread.idealThreadCount())


def test_a_coarse_preview_is_followed_by_a_finer_one_in_its_place(plugin, shown, coarse, monkeypatch):
    said = messages(plugin, monkeypatch)
    plugin.preview_here()
    first = arrived(plugin)
    assert first.name().startswith("Coarse preview 1:") and first.width() < shown.width() * 0.7
    plugin.swipe.move(plugin.iface.mapCanvas().viewport().width() // 4)
    wait(lambda: not plugin.previews)
    last = plugin.swipe.layers["after"]
    assert last.name() == "Preview: Hazy scene dehazed (geo-haze-t)" and last.width() == shown.width()
    assert plugin.swipe.item.share == pytest.approx(0.25, abs=0.01)
    assert {*QgsProject.instance().mapLayers()} == {shown.id(), last.id()}
    assert said == ["This preview is coarse. A finer one takes its place when it is ready."]


def test_a_view_of_more_pixels_than_the_screen_has_stays_coarse(plugin, shown, monkeypatch):
    said = messages(plugin, monkeypatch)
    plugin.preview({"INPUT": shown.id(), "EXTENT": shown.extent(), "LONGEST": 100}, shown.id())
    assert arrived(plugin).name() == "Coarse preview 1:3.0: Hazy scene dehazed (geo-haze-t)"
    assert len(said) == 1 and "zoom in" in said[0] and not plugin.previews


def test_whoever_leaves_the_swipe_does_not_get_it_back(plugin, shown, coarse):
    plugin.preview_here()
    first = arrived(plugin).id()
    plugin.end_swipe()
    wait(lambda: not plugin.previews)
    assert plugin.swipe is None and first not in QgsProject.instance().mapLayers()
    assert len(QgsProject.instance().mapLayers()) == 2


def test_a_finer_preview_ends_with_the_coarse_one(plugin, shown, coarse):
    plugin.preview_here()
    QgsProject.instance().removeMapLayer(arrived(plugin).id())
    wait(lambda: not plugin.previews)
    assert plugin.swipe is None and [*QgsProject.instance().mapLayers()] == [shown.id()]


def test_a_second_preview_takes_the_place_of_the_first(plugin, shown):
    plugin.preview_here()
    plugin.preview_here()
    arrived(plugin)
    wait(lambda: not plugin.previews)
    assert len(QgsProject.instance().mapLayers()) == 2


def test_a_preview_of_1500_by_1000_pixels_takes_seconds(plugin, artir, work, record_property):
    path = write(work / "large.tif", values(3000, 2000))
    layer = QgsRasterLayer(path, "large")
    QgsProject.instance().addMapLayer(layer)
    extent = f"{ORIGIN[0] + 5000},{ORIGIN[0] + 20_000},{ORIGIN[1] - 15_000},{ORIGIN[1] - 5000} [{CRS}]"
    parameters = {"INPUT": layer, "EXTENT": extent, "THREADS": 2, "OUTPUT": str(work / "p.tif")}
    clocks = []
    factors = []
    for limit in (None, None, 0):
        clocks.append((time.monotonic(), sum(os.times()[:4])))
        factors.append(processing.run("artir:preview", {**parameters, "MEGAPIXELS": limit})["FACTOR"])
    clocks.append((time.monotonic(), sum(os.times()[:4])))
    # Two threads may have one megapixel, and the view with its margin has 1.75.
    assert factors == [pytest.approx(1.32, abs=0.02)] * 2 + [1]
    # The figures depend on the machine and on what else it does, so they are shown and not judged. The scene is
    # described once.
    for word, a, b in zip(("first", "second", "whole"), clocks, clocks[1:]):
        print(f"\n{word} preview of 1,500 x 1,000 pixels: {b[0] - a[0]:.1f} s, {b[1] - a[1]:.1f} s of processor time")
    record_property("preview_cpu_s", round(clocks[1][1] - clocks[0][1], 1))


def test_preview_here_says_why_it_does_nothing(plugin, qgis_new_project, monkeypatch):
    said = messages(plugin, monkeypatch)
    monkeypatch.setattr(plugin.iface, "activeLayer", lambda: None)
    assert plugin.preview_here() is None and "Choose a raster layer first" in said[-1]
    tiles = QgsRasterLayer("type=xyz&url=https://tiles.invalid/{z}/{x}/{y}.png", "tiles", "wms")
    QgsProject.instance().addMapLayer(tiles)
    monkeypatch.setattr(plugin.iface, "activeLayer", lambda: tiles)
    assert plugin.preview_here() is None and "a tile service (XYZ)" in said[-1]


def test_without_the_program_the_way_to_it_is_offered(plugin, shown, monkeypatch):
    opened = []
    monkeypatch.setattr(program, "find", lambda scenes: program._fail("there is no artir"))
    monkeypatch.setattr(plugin, "dialog", opened.append)
    bar = QgsMessageBar()
    monkeypatch.setattr(plugin.iface, "messageBar", lambda: bar)
    assert plugin.preview_here() is None
    (message,) = bar.items()
    assert message.text() == "there is no artir"
    (button,) = [one for one in message.findChildren(QPushButton) if one.text() == "Install or find artir"]
    button.click()
    assert opened == ["artir:install"]


def test_a_preview_that_fails_says_the_programs_sentence(plugin, shown, monkeypatch):
    said = messages(plugin, monkeypatch)
    canvas = plugin.iface.mapCanvas()
    canvas.setExtent(QgsRectangle(0, 0, 10, 10))
    assert plugin.preview_here() is not None
    wait(lambda: said)
    assert "does not touch the raster" in said[-1] and plugin.swipe is None


def test_the_divider_follows_the_mouse_and_leaves_with_its_layer(plugin, shown, artir, work):
    other = QgsRasterLayer(write(work / "other.tif", 255 - values(300, 200)), "other")
    QgsProject.instance().addMapLayer(other)
    canvas = plugin.iface.mapCanvas()
    canvas.setLayers([other, shown])
    plugin.start_swipe(shown, other)
    tool = plugin.swipe
    assert isinstance(tool, SwipeTool) and canvas.mapTool() is tool
    wait(tool.ready)
    tool.move(canvas.width() // 4)
    assert tool.item.share == pytest.approx(0.25, abs=0.01)
    tool.move(-50)
    assert tool.item.share == 0
    # The layers' own order and visibility stay.
    assert [layer.name() for layer in canvas.layers()] == ["other", shown.name()]
    QgsProject.instance().removeMapLayer(other.id())
    wait(lambda: plugin.swipe is None)
    assert canvas.mapTool() is not tool


def test_a_pair_is_a_result_and_its_source_or_two_selected_layers(artir, work):
    project = QgsProject.instance()
    path = scene("geotiff", work)
    source, result, third = (QgsRasterLayer(path, name) for name in ("source", "result", "third"))
    for layer in (source, third, result):
        project.addMapLayer(layer)
    result.setCustomProperty(BEFORE, source.id())
    assert pair(result, [], project) == (source, result)
    assert pair(source, [], project) == (source, result)
    assert pair(third, [third], project) is None and pair(None, [], project) is None
    # New layers go on top: the upper one of two is the later one.
    assert pair(third, [source, third], project) == (source, third)


def test_the_swipe_button_ends_what_it_began(plugin, shown, artir, work, monkeypatch):
    said = messages(plugin, monkeypatch)
    plugin.toggle_swipe()
    assert plugin.swipe is None and "Choose a result of artir" in said[-1] and not plugin.swipe_action.isChecked()
    other = QgsRasterLayer(write(work / "other.tif", values(300, 200)), "other")
    other.setCustomProperty(BEFORE, shown.id())
    QgsProject.instance().addMapLayer(other)
    plugin.iface.setActiveLayer(other)
    plugin.toggle_swipe()
    assert plugin.swipe is not None
    plugin.toggle_swipe()
    assert plugin.swipe is None


@pytest.mark.parametrize(
    "name", ["dehaze", "product", "preview", "describe", "compare", "metrics", "photographs", "install"]
)
def test_every_dialog_opens(artir, qgis_iface, shown_layer, name, monkeypatch):
    from processing.gui.AlgorithmDialog import AlgorithmDialog

    model = QgsBrowserGuiModel()
    monkeypatch.setattr(qgis_iface, "browserModel", lambda: model, raising=False)
    algorithm = QgsApplication.processingRegistry().createAlgorithmById(f"artir:{name}")
    dialog = AlgorithmDialog(algorithm, False, None)
    dialog.resize(1000, 760)
    dialog.show()
    image = picture(dialog, f"qgis-dialog-{name}.png")
    assert image.width() >= 900
    dialog.close()
    dialog.deleteLater()


@pytest.fixture
def shown_layer(hazy):
    layer = QgsRasterLayer(hazy, "Hazy scene")
    QgsProject.instance().addMapLayer(layer)
    return layer


def test_a_result_and_its_change_layer_in_a_project(artir, shown_layer, work):
    from test_workflow import run_as_the_dialog_does, to_project

    parameters = {"INPUT": shown_layer.id(), "OUTPUT": to_project(work / "a.tif")}
    run_as_the_dialog_does("artir:dehaze", {**parameters, "CHANGE": to_project(work / "c.tif")})
    project = QgsProject.instance()
    names = [node.name() for node in project.layerTreeRoot().findLayers()]
    assert sorted(names) == [
        "Hazy scene",
        "Hazy scene dehazed (geo-haze-t)",
        "Hazy scene dehazed (geo-haze-t), change",
    ]
    window = QSplitter(Qt.Orientation.Horizontal)
    tree = QgsLayerTreeView()
    tree.setModel(QgsLayerTreeModel(project.layerTreeRoot(), window))
    maps = []
    window.addWidget(tree)
    for name in ("Hazy scene dehazed (geo-haze-t)", "Hazy scene dehazed (geo-haze-t), change"):
        canvas = QgsMapCanvas()
        canvas.setDestinationCrs(QgsCoordinateReferenceSystem(CRS))
        canvas.setLayers(project.mapLayersByName(name))
        canvas.setExtent(shown_layer.extent())
        window.addWidget(canvas)
        maps.append(canvas)
    window.resize(1240, 460)
    window.setSizes([320, 460, 460])
    window.show()
    for canvas in maps:
        canvas.setExtent(shown_layer.extent())
        canvas.refresh()
        canvas.waitWhileRendering()
    image = picture(window, "qgis-result.jpg")
    assert image.width() == 1240
    tree.setModel(None)
    window.close()
    window.deleteLater()


def test_german_where_qgis_speaks_german(qgis_app):
    assert tr("Strength") == "Strength"
    QgsSettings().setValue("locale/overrideFlag", True)
    QgsSettings().setValue("locale/userLocale", "de_AT")
    made = translator()
    try:
        assert tr("Strength") == "Stärke"
        assert flag_help("geo", "--mask").startswith("Raster von der Ausdehnung der Szene")
    finally:
        QgsApplication.removeTranslator(made)
        QgsSettings().remove("locale/overrideFlag")
        QgsSettings().remove("locale/userLocale")
    assert tr("Strength") == "Strength"
