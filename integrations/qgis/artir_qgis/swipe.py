"""A map tool that shows one layer left of a divider and another one right of it."""

from __future__ import annotations

from qgis.core import QgsMapRendererParallelJob, QgsProject
from qgis.gui import QgsMapCanvasItem, QgsMapTool
from qgis.PyQt.QtCore import QPointF, QRectF, Qt
from qgis.PyQt.QtGui import QColor, QCursor, QPen

from .result import BEFORE


def pair(layer, selected, project: QgsProject):
    """The layers before and after: of a result, of a result's source, or of two selected rasters, the lower one first.

    None if there is no such pair.
    """
    if layer is not None:
        source = project.mapLayer(layer.customProperty(BEFORE, "") or "")
        if source is not None:
            return source, layer
        for node in project.layerTreeRoot().findLayers():
            other = node.layer()
            if other is not None and other.customProperty(BEFORE, "") == layer.id():
                return layer, other
    if len(selected) == 2:
        order = [node.layerId() for node in project.layerTreeRoot().findLayers()]
        after, before = sorted(selected, key=lambda one: order.index(one.id()))
        return before, after
    return None


class SwipeItem(QgsMapCanvasItem):
    """Both sides as images, and the divider."""

    def __init__(self, canvas, share: float):
        super().__init__(canvas)
        self.canvas = canvas
        self.images = {}
        self.share = share
        self.setZValue(50)

    def place(self) -> None:
        """Covers the canvas."""
        self.setRect(self.canvas.extent())
        self.update()

    def boundingRect(self):  # noqa: N802
        # The map without the frame of its window.
        size = self.canvas.viewport().size()
        return QRectF(0, 0, size.width(), size.height())

    def paint(self, painter, option=None, widget=None):
        whole = self.boundingRect()
        x = whole.width() * self.share
        parts = {"before": QRectF(0, 0, x, whole.height()), "after": QRectF(x, 0, whole.width() - x, whole.height())}
        for side, part in parts.items():
            image = self.images.get(side)
            if image is None:
                continue
            scale = image.width() / max(whole.width(), 1)
            source = QRectF(part.x() * scale, 0, part.width() * scale, image.height())
            painter.fillRect(part, self.canvas.canvasColor())
            painter.drawImage(part, image, source)
        for width, colour in ((4, QColor(0, 0, 0, 110)), (2, QColor(255, 255, 255))):
            painter.setPen(QPen(colour, width))
            painter.drawLine(QPointF(x, 0), QPointF(x, whole.height()))


class SwipeTool(QgsMapTool):
    """Moves the divider with the mouse. The layers of the project are left as they are."""

    def __init__(self, canvas, before, after, share: float = 0.5):
        super().__init__(canvas)
        self.share = share
        self.layers = {"before": before, "after": after}
        self.item = None
        self.jobs = {}
        self.setCursor(QCursor(Qt.CursorShape.SplitHCursor))

    def activate(self):
        super().activate()
        self.item = SwipeItem(self.canvas(), self.share)
        self.canvas().extentsChanged.connect(self.render)
        self.canvas().mapCanvasRefreshed.connect(self.render)
        QgsProject.instance().layersWillBeRemoved.connect(self.leave_with)
        self.render()

    def deactivate(self):
        if self.item is not None:
            self.canvas().extentsChanged.disconnect(self.render)
            self.canvas().mapCanvasRefreshed.disconnect(self.render)
            QgsProject.instance().layersWillBeRemoved.disconnect(self.leave_with)
            for job in self.jobs.values():
                job.cancelWithoutBlocking()
            self.canvas().scene().removeItem(self.item)
            self.item = None
        super().deactivate()

    def leave_with(self, removed) -> None:
        """Ends the comparison when one of its layers is removed."""
        if any(layer.id() in removed for layer in self.layers.values()):
            self.canvas().unsetMapTool(self)

    def render(self) -> None:
        """Draws both sides in the background, each with what else the map shows."""
        self.item.place()
        for side, layer in self.layers.items():
            settings = self.canvas().mapSettings()
            settings.setLayers(self.stack(layer))
            if side in self.jobs:
                self.jobs[side].cancelWithoutBlocking()
            job = QgsMapRendererParallelJob(settings)
            job.finished.connect(lambda side=side, job=job: self.finish(side, job))
            self.jobs[side] = job
            job.start()

    def stack(self, layer) -> list:
        """The layers of the map, with one of the pair in place of both."""
        both = [one.id() for one in self.layers.values()]
        layers = self.canvas().layers()
        at = [i for i, one in enumerate(layers) if one.id() in both]
        out = [one for one in layers if one.id() not in both]
        out.insert(at[0] if at else 0, layer)
        return out

    def finish(self, side: str, job) -> None:
        """Takes a finished drawing, unless a newer one has begun."""
        if self.item is not None and self.jobs.get(side) is job:
            self.item.images[side] = job.renderedImage()
            self.item.update()

    def ready(self) -> bool:
        """Whether both sides are drawn."""
        return (
            self.item is not None and len(self.item.images) == 2 and not any(j.isActive() for j in self.jobs.values())
        )

    def canvasPressEvent(self, event):  # noqa: N802
        self.move(event.pos().x())

    def canvasMoveEvent(self, event):  # noqa: N802
        if event.buttons() & Qt.MouseButton.LeftButton:
            self.move(event.pos().x())

    def move(self, x: int) -> None:
        """Moves the divider to a column of the map."""
        self.item.share = min(max(x / max(self.canvas().viewport().width(), 1), 0.0), 1.0)
        self.item.update()
