"""Describe a raster: what it states, and what would be restored."""

from __future__ import annotations

import html

from qgis.core import (
    QgsProcessingOutputBoolean,
    QgsProcessingOutputString,
    QgsProcessingParameterFileDestination,
    QgsProcessingParameterRasterLayer,
)

from ..flags import MODEL, READING, arguments, parameter
from ..text import mark, tr
from .base import ArtirAlgorithm


class DescribeRaster(ArtirAlgorithm):
    """`artir geo --inspect`."""

    NAME = "describe"
    LABEL = mark("Describe raster")
    TAGS = mark("metadata,properties,information,inspect,bands,haze")
    FLAGS = (*READING, MODEL)

    def summary(self):
        return tr(
            "What a raster's file states, which of its bands would be dehazed and between which stored values, or why "
            "the raster would be refused ({flag}). Nothing is written but the description."
        ).format(flag="artir geo --inspect")

    def initAlgorithm(self, config=None):  # noqa: N802
        self.addParameter(QgsProcessingParameterRasterLayer("INPUT", tr("Raster")))
        for flag in self.FLAGS:
            self.addParameter(parameter(flag, "geo"))
        self.addParameter(
            QgsProcessingParameterFileDestination(
                "OUTPUT", tr("Description"), tr("HTML files (*.html)"), optional=True, createByDefault=True
            )
        )
        self.addParameter(
            QgsProcessingParameterFileDestination(
                "OUTPUT_JSON",
                tr("Description as JSON"),
                tr("JSON files (*.json)"),
                optional=True,
                createByDefault=False,
            )
        )
        self.addOutput(QgsProcessingOutputBoolean("RESTORABLE", tr("Whether it would be restored")))
        self.addOutput(QgsProcessingOutputString("REASON", tr("Why it would be refused")))
        self.addOutput(QgsProcessingOutputString("BANDS", tr("Bands that would be restored")))
        self.addOutput(QgsProcessingOutputString("RANGE", tr("Stored values for black and white")))

    def work(self, parameters, context, feedback):
        source = self.scene(parameters, "INPUT", context)
        flags = arguments(self, self.FLAGS, parameters, context)
        out, found = self.inspect(source, flags, feedback)
        restores = found.get("restores") or {}
        refused = self.explained(found.get("refused") or "")
        for line in lines(found, refused):
            feedback.pushInfo(": ".join(line))
        page = self.parameterAsFileOutput(parameters, "OUTPUT", context)
        if page:
            with open(page, "w", encoding="utf-8") as file:
                file.write(table(source.title, lines(found, refused)))
        data = self.parameterAsFileOutput(parameters, "OUTPUT_JSON", context)
        if data:
            with open(data, "w", encoding="utf-8") as file:
                file.write(out)
        return {
            "OUTPUT": page,
            "OUTPUT_JSON": data,
            "RESTORABLE": bool(restores),
            "REASON": refused,
            "BANDS": ",".join(map(str, restores.get("bands", []))),
            "RANGE": plain_range(restores.get("range", [])),
        }


def plain_range(pairs: list) -> str:
    """Black and white as `--range` takes them."""
    flat = [n for pair in pairs for n in pair] if pairs and isinstance(pairs[0], list) else pairs
    return ",".join(f"{n:.17g}" for n in flat)


def lines(found: dict, refused: str) -> list[tuple[str, str]]:
    """The description as pairs of a name and a text."""
    restores = found.get("restores") or {}
    out = [
        (tr("Size"), f"{found['columns']} x {found['rows']}"),
        (tr("Format"), ", ".join(str(v) for v in (found.get("driver"), found.get("compression")) if v)),
        (tr("Product"), str(found.get("product") or "")),
        (tr("Reference system"), crs_name(found)),
    ]
    for number, band in enumerate(found.get("bands", []), 1):
        words = [band.get("type"), band.get("description"), band.get("colour_interpretation")]
        if band.get("nodata") is not None:
            words.append(tr("nodata {value}").format(value=f"{band['nodata']:g}"))
        if (band.get("scale"), band.get("offset")) not in ((None, None), (1, 0)):
            words.append(
                tr("scale {scale}, offset {offset}").format(scale=band.get("scale"), offset=band.get("offset"))
            )
        out.append((tr("Band {number}").format(number=number), ", ".join(str(w) for w in words if w)))
    if refused:
        out.append((tr("Would be refused"), refused))
    else:
        out.append((tr("Would restore the bands"), ", ".join(map(str, restores["bands"]))))
        out.append((tr("Black and white"), plain_range(restores["range"])))
        out.append((tr("Pixels that count"), str(restores.get("validity", ""))))
        lost = restores.get("lost") or []
        if lost:
            out.append((tr("The result would lose"), ", ".join(map(str, lost))))
    return [(name, text) for name, text in out if text]


def crs_name(found: dict) -> str:
    """The name of the reference system: the first text of its definition."""
    wkt = (found.get("crs") or {}).get("wkt") or ""
    return wkt.split('"')[1] if '"' in wkt else ""


def table(title: str, rows: list[tuple[str, str]]) -> str:
    """A page with a table of two columns."""
    cells = "".join(f"<tr><th align='left'>{html.escape(a)}</th><td>{html.escape(b)}</td></tr>\n" for a, b in rows)
    head = f"<meta charset='utf-8'><title>{html.escape(title)}</title>"
    body = f"<h1>{html.escape(title)}</h1><table>{cells}</table>"
    return f"<!doctype html><html><head>{head}</head><body>{body}</body></html>\n"
