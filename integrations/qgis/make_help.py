"""Writes artir_qgis/help.json: the help of the command's flags, from docs/reference, which the program generates.

python3 integrations/qgis/make_help.py [--check]
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

HERE = Path(__file__).parent
REFERENCE = HERE.parents[1] / "docs/reference"
TARGET = HERE / "artir_qgis/help.json"
COMMANDS = ("geo", "image", "metrics")


def plain(markdown: str) -> str:
    """Markdown's text: without marks of code, escapes and links."""
    return re.sub(r"\\([\\\[\]_*<>])", r"\1", markdown.replace("`", ""))


def command(text: str) -> dict:
    """What a page of the reference says of its command."""
    about = next(line for line in text.splitlines() if line and not line.startswith(("#", "<!--", "```")))
    options = {}
    for line in text.splitlines():
        found = re.match(r"- `(?:-\w, )?(--[\w-]+)[^`]*`: (.*)", line)
        if found:
            options[found.group(1)] = plain(found.group(2))
    return {"about": plain(about), "options": options}


def documentation() -> str:
    """The file's text."""
    pages = {name: command((REFERENCE / f"{name}.md").read_text(encoding="utf-8")) for name in COMMANDS}
    return json.dumps(pages, indent=1, ensure_ascii=False) + "\n"


def main() -> int:
    """Writes the file, or says whether it is up to date."""
    text = documentation()
    if "--check" in sys.argv[1:]:
        if TARGET.read_text(encoding="utf-8") == text:
            return 0
        print(f"{TARGET} is not up to date: run {Path(__file__).name}", file=sys.stderr)
        return 1
    TARGET.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
