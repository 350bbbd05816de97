"""artir in QGIS: a Processing provider that runs the artir program."""


def classFactory(iface):  # noqa: N802
    """QGIS calls this with its interface, or with None from qgis_process."""
    from .plugin import ArtirPlugin

    return ArtirPlugin(iface)
