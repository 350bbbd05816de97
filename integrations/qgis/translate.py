"""Keeps the translations: finds the texts in the code and in the command's help, and compiles what is translated.

    python3 integrations/qgis/translate.py           # updates artir_qgis/i18n/*.ts, and compiles them with lrelease
    python3 integrations/qgis/translate.py --check   # says what is missing

Qt's own tool does not read the help, nor Python's joined texts.
"""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

HERE = Path(__file__).parent
PLUGIN = HERE / "artir_qgis"
LANGUAGES = ("de",)
CONTEXT = "artir"


def in_code() -> set[str]:
    """The texts of `tr` and `mark` in the plugin."""
    out = set()
    for path in PLUGIN.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            called = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("tr", "mark")
            if called and isinstance(node.args[0], ast.Constant):
                out.add(node.args[0].value)
    return out


def in_help() -> set[str]:
    """The command's help of all flags that the dialogs show."""
    help_of = json.loads((PLUGIN / "help.json").read_text(encoding="utf-8"))
    hidden = {"--output", "--inspect", "--compare", "--window", "--bbox-crs", "--overwrite", "--dry-run", "--estimate"}
    shown = {"geo": set(help_of["geo"]["options"]) - hidden}
    inference = {"--model", "--ensemble", "--device", "--precision", "--threads", "--memory", "--tile", "--overlap"}
    shown["image"] = inference | {"--strength", "--task", "--overwrite"}
    shown["metrics"] = {"--nodata", "--memory"}
    out = {page["about"] for page in help_of.values()}
    for command, flags in shown.items():
        out |= {text for flag, text in help_of[command]["options"].items() if flag in flags}
    return out


def texts() -> list[str]:
    """Every text that a user can see."""
    return sorted(in_code() | in_help())


def file_of(language: str) -> Path:
    """The file of a language's translations."""
    return PLUGIN / "i18n" / f"artir_{language}.ts"


def translations(language: str) -> dict[str, str]:
    """What is translated so far."""
    if not file_of(language).is_file():
        return {}
    messages = ET.parse(file_of(language)).getroot().iter("message")
    return {m.findtext("source", ""): m.findtext("translation", "") or "" for m in messages}


def document(language: str, known: dict[str, str]) -> str:
    """A file of translations, with every text of today."""
    root = ET.Element("TS", version="2.1", language=language, sourcelanguage="en")
    context = ET.SubElement(root, "context")
    ET.SubElement(context, "name").text = CONTEXT
    for text in texts():
        message = ET.SubElement(context, "message")
        ET.SubElement(message, "source").text = text
        translated = ET.SubElement(message, "translation")
        if known.get(text):
            translated.text = known[text]
        else:
            translated.set("type", "unfinished")
    ET.indent(root, " ")
    head = '<?xml version="1.0" encoding="utf-8"?>\n<!DOCTYPE TS>\n'
    return head + ET.tostring(root, encoding="unicode") + "\n"


def compile_all() -> bool:
    """Compiles the translations; False if lrelease is missing."""
    tool = next((t for t in ("lrelease", "lrelease-qt5", "lrelease6", "lrelease-qt6") if shutil.which(t)), None)
    if tool is None:
        return False
    for language in LANGUAGES:
        subprocess.run([tool, "-silent", str(file_of(language))], check=True)
    return True


def main() -> int:
    """Updates or checks."""
    wrong = 0
    for language in LANGUAGES:
        path, known = file_of(language), translations(language)
        wanted = document(language, known)
        # Help without a translation is shown as the command says it.
        missing = [text for text in sorted(in_code()) if not known.get(text)]
        if "--check" in sys.argv[1:]:
            if missing or path.read_text(encoding="utf-8") != wanted:
                print(f"{path.name}: run translate.py; not translated: {missing}", file=sys.stderr)
                wrong = 1
            continue
        path.parent.mkdir(exist_ok=True)
        path.write_text(wanted, encoding="utf-8")
        print(f"{path.name}: {len(missing)} texts are not translated")
    if "--check" not in sys.argv[1:] and not compile_all():
        print(
            "lrelease is missing (apt install qttools5-dev-tools): the translations were not compiled", file=sys.stderr
        )
        wrong = 1
    return wrong


if __name__ == "__main__":
    sys.exit(main())
