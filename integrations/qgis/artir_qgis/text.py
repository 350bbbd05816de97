"""Words for the user: translations, and the help that comes from the command's own documentation."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

# Translations are looked up under one context, in Python code and in the help of the command.
CONTEXT = "artir"


def tr(text: str) -> str:
    """The text in the user's language."""
    from qgis.PyQt.QtCore import QCoreApplication

    return QCoreApplication.translate(CONTEXT, text)


def mark(text: str) -> str:
    """Marks a text for translation that is translated where it is shown."""
    return text


@cache
def _documentation() -> dict:
    path = Path(__file__).with_name("help.json")
    return json.loads(path.read_text(encoding="utf-8"))


def about(command: str) -> str:
    """What a command does, in its own words."""
    return tr(_documentation()[command]["about"])


def flag_help(command: str, flag: str) -> str:
    """What a flag does, in the command's own words."""
    return tr(_documentation()[command]["options"][flag])


def flags(command: str) -> list[str]:
    """The flags of a command."""
    return list(_documentation()[command]["options"])
