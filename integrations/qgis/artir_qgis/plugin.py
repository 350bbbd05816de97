"""The plugin: its provider, and its buttons where QGIS has a window."""

from __future__ import annotations

import os
from dataclasses import dataclass

from qgis.core import (
    Qgis,
    QgsApplication,
    QgsProcessingAlgRunnerTask,
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProcessingOutputLayerDefinition,
    QgsProject,
    QgsReferencedRectangle,
    QgsSettings,
)
from qgis.PyQt.QtCore import QCoreApplication, QTranslator
from qgis.PyQt.QtGui import QIcon
from qgis.PyQt.QtWidgets import QPushButton

try:
    # Qt 6 moved the class.
    from qgis.PyQt.QtGui import QAction
except ImportError:
    from qgis.PyQt.QtWidgets import QAction

from .algorithms.preview import caveats, is_reduced
from .provider import ArtirProvider
from .text import tr

FOLDER = os.path.dirname(__file__)


class Feedback(QgsProcessingFeedback):
    """Keeps the errors of a run, which has no dialog to show them."""

    def __init__(self):
        super().__init__()
        self.errors = []

    def reportError(self, error, fatalError=False):  # noqa: N802, N803
        self.errors.append(error)
        super().reportError(error, fatalError)


@dataclass(eq=False)
class Preview:
    """A preview in the making. The task refers to the context and the feedback, and all three live here."""

    task: QgsProcessingAlgRunnerTask
    context: QgsProcessingContext
    feedback: Feedback
    parameters: dict
    # The id of the layer that is dehazed, and of a coarser preview whose place this one takes.
    before: str
    coarse: str

    def cancel(self) -> None:
        self.feedback.cancel()
        self.task.cancel()


class ArtirPlugin:
    """What QGIS loads. `iface` is None in qgis_process."""

    def __init__(self, iface):
        self.iface = iface
        self.provider = None
        self.actions = []
        self.swipe = None
        self.previews = set()
        self.translator = translator()

    def initProcessing(self):  # noqa: N802
        """Adds the algorithms; qgis_process calls this alone."""
        self.provider = ArtirProvider()
        QgsApplication.processingRegistry().addProvider(self.provider)

    def initGui(self):  # noqa: N802
        self.initProcessing()
        self.toolbar = self.iface.addToolBar("artir")
        self.toolbar.setObjectName("ArtirToolBar")
        self.add("icon.svg", tr("Preview here"), tr("Dehaze what the map shows of the active layer"), self.preview_here)
        self.swipe_action = self.add(
            "swipe.svg", tr("Swipe before and after"), tr("Compare a result with its source"), self.toggle_swipe
        )
        self.swipe_action.setCheckable(True)
        self.add(None, tr("Dehaze raster…"), "", lambda: self.dialog("artir:dehaze"))
        self.add(None, tr("Install or find artir…"), "", lambda: self.dialog("artir:install"))
        QgsProject.instance().layersWillBeRemoved.connect(self.cancel_previews)

    def add(self, icon, text: str, tip: str, act):
        """Adds an action to the menu, and to the toolbar if it has an icon."""
        image = QIcon(os.path.join(FOLDER, icon)) if icon else QIcon()
        action = QAction(image, text, self.iface.mainWindow())
        action.setToolTip(tip or text)
        action.triggered.connect(lambda checked=False: act())
        self.iface.addPluginToRasterMenu("artir", action)
        if icon:
            self.toolbar.addAction(action)
        self.actions.append(action)
        return action

    def unload(self):
        self.end_swipe()
        self.cancel_previews()
        for action in self.actions:
            self.iface.removePluginRasterMenu("artir", action)
            action.deleteLater()
        if self.actions:
            self.toolbar.deleteLater()
            QgsProject.instance().layersWillBeRemoved.disconnect(self.cancel_previews)
        self.actions = []
        if self.provider is not None:
            QgsApplication.processingRegistry().removeProvider(self.provider)
        if self.translator is not None:
            QCoreApplication.removeTranslator(self.translator)

    def say(self, text: str, level=Qgis.MessageLevel.Warning, offer: str = "") -> None:
        """Shows a message above the map, with a button for the dialog of an algorithm that mends it."""
        bar = self.iface.messageBar()
        if not offer:
            bar.pushMessage("artir", text, level)
            return
        message = bar.createMessage("artir", text)
        button = QPushButton(QgsApplication.processingRegistry().algorithmById(offer).displayName(), message)
        button.clicked.connect(lambda: self.dialog(offer))
        message.layout().addWidget(button)
        bar.pushWidget(message, level)

    def dialog(self, name: str) -> None:
        """Opens an algorithm's dialog."""
        import processing

        processing.execAlgorithmDialog(name)

    def preview_here(self):
        """Dehazes the visible part of the active layer, in the background, and compares it with its source."""
        layer, canvas = self.iface.activeLayer(), self.iface.mapCanvas()
        if layer is None:
            self.say(tr("Choose a raster layer first."))
            return None
        self.cancel_previews()
        size = max(canvas.mapSettings().outputSize().width(), canvas.mapSettings().outputSize().height())
        parameters = {
            "INPUT": layer.id(),
            "EXTENT": QgsReferencedRectangle(canvas.extent(), canvas.mapSettings().destinationCrs()),
            "LONGEST": max(int(size * canvas.mapSettings().devicePixelRatio()), 64),
        }
        return self.preview(parameters, layer.id())

    def preview(self, parameters: dict, before: str, coarse: str = ""):
        """Starts a preview in the background, or says why not."""
        algorithm = QgsApplication.processingRegistry().createAlgorithmById("artir:preview")
        context, feedback = QgsProcessingContext(), Feedback()
        context.setProject(QgsProject.instance())
        output = QgsProcessingOutputLayerDefinition("TEMPORARY_OUTPUT", QgsProject.instance())
        values = {**parameters, "OUTPUT": output}
        able, why = algorithm.canExecute()
        if not able:
            self.say(why, offer="artir:install")
            return None
        able, why = algorithm.checkParameterValues(values, context)
        if not able:
            self.say(why)
            return None
        task = QgsProcessingAlgRunnerTask(algorithm, values, context, feedback)
        made = Preview(task, context, feedback, parameters, before, coarse)
        self.previews.add(made)
        task.executed.connect(lambda ok, results: self.previewed(ok, results, made))
        QgsApplication.taskManager().addTask(task)
        return task

    def cancel_previews(self, removed=None) -> None:
        """Cancels the previews in the making: all of them, or those whose layers are removed."""
        for made in list(self.previews):
            if removed is None or made.before in removed or made.coarse in removed:
                made.cancel()

    def previewed(self, ok: bool, results: dict, made: Preview) -> None:
        """Puts a preview above its source and starts the swipe. A coarse one is followed by a finer one."""
        self.previews.discard(made)
        if made.feedback.isCanceled():
            return
        if not ok:
            self.say(" ".join(made.feedback.errors) or tr("The preview failed."))
            return
        project, store = QgsProject.instance(), made.context.temporaryLayerStore()
        source = project.mapLayer(made.before)
        found = [one for one in store.mapLayers().values() if one.source() in made.context.layersToLoadOnCompletion()]
        if source is None or not found:
            return
        layer = store.takeMapLayer(found[0])
        project.addMapLayer(layer, False)
        node = project.layerTreeRoot().findLayer(made.before)
        parent = node.parent() if node is not None else project.layerTreeRoot()
        parent.insertLayer(parent.children().index(node) if node is not None else 0, layer)
        if not made.coarse:
            self.start_swipe(source, layer)
        else:
            # Whoever has left the swipe meanwhile does not get it back.
            if self.swipe is not None and self.swipe.layers["after"].id() == made.coarse:
                self.start_swipe(source, layer, self.swipe.item.share)
            project.removeMapLayer(made.coarse)
        if is_reduced(results["FACTOR"] / results["FINEST"]):
            text = tr("This preview is coarse. A finer one takes its place when it is ready.")
            self.preview({**made.parameters, "MEGAPIXELS": 0}, made.before, layer.id())
        else:
            text = " ".join(caveats(results["FACTOR"], False))
        if text:
            self.say(text, Qgis.MessageLevel.Info)

    def toggle_swipe(self):
        """Starts the comparison of the active layer's pair, or ends it."""
        if self.swipe is not None:
            self.end_swipe()
            return
        from .swipe import pair

        selected = self.iface.layerTreeView().selectedLayers()
        found = pair(self.iface.activeLayer(), selected, QgsProject.instance())
        if found is None:
            self.swipe_action.setChecked(False)
            self.say(tr("Choose a result of artir, its source, or two rasters."))
            return
        self.start_swipe(*found)

    def start_swipe(self, before, after, share: float = 0.5) -> None:
        """Starts the comparison of two layers, with the divider at a share of the map's width."""
        from .swipe import SwipeTool

        self.end_swipe()
        self.swipe = SwipeTool(self.iface.mapCanvas(), before, after, share)
        self.swipe.setAction(self.swipe_action)
        self.swipe.deactivated.connect(self.forget_swipe)
        self.iface.mapCanvas().setMapTool(self.swipe)

    def end_swipe(self) -> None:
        """Ends the comparison."""
        if self.swipe is not None:
            self.iface.mapCanvas().unsetMapTool(self.swipe)

    def forget_swipe(self) -> None:
        """The map has another tool now."""
        self.swipe = None


def translator():
    """Installs the translation for QGIS's language, where there is one."""
    settings = QgsSettings()
    if settings.value("locale/overrideFlag", False, type=bool):
        language = settings.value("locale/userLocale", "en", type=str)
    else:
        language = QgsApplication.locale()
    path = os.path.join(FOLDER, "i18n", f"artir_{language[:2]}.qm")
    if not os.path.isfile(path):
        return None
    made = QTranslator()
    made.load(path)
    QCoreApplication.installTranslator(made)
    return made
