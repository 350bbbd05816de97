"""The page that shows what other programs read."""

from .libraries import READERS


def page(rows: list[list[str]], samples: int) -> str:
    """The page."""
    head = ["series", "object", "objects", *READERS, "cornerstone", "real-world values"]
    lines = [
        "# Derived objects in other programs",
        "",
        "Written by `make conformance`; do not edit. artir restores each series with its built-in model, and independent readers open",
        f"first, middle and later objects ({samples} at most). `ok`: each pixel has the value, and each image the position, orientation and pixel",
        "spacing, that pydicom and the formulas of the standard give (values to 1e-6 of the largest, positions to 0.001 mm). `as its source`: the",
        "reader misreads the same of the object that it was derived from: a limit of the reader. ITK is what 3D",
        "Slicer reads with; cornerstone, in headless Chromium, is what OHIF reads with. `-`: the reader does not know this kind. highdicom also",
        "reads the real-world value mappings of PET.",
        "",
        f"| {' | '.join(head)} |",
        f"|{' --- |' * len(head)}",
        *(f"| {' | '.join(row)} |" for row in rows),
    ]
    return "\n".join(lines) + "\n"
