"""The help of the dialogs is the command's own. These tests need no QGIS."""

import json
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parents[1]
ROOT = HERE.parents[1]


def test_the_help_is_what_the_reference_says():
    done = subprocess.run([sys.executable, str(HERE / "make_help.py"), "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_every_flag_of_the_reference_has_its_help():
    found = json.loads((HERE / "artir_qgis/help.json").read_text(encoding="utf-8"))
    for command in ("geo", "image", "metrics"):
        page = (ROOT / f"docs/reference/{command}.md").read_text(encoding="utf-8")
        flags = re.findall(r"^- `(?:-\w, )?(--[\w-]+)", page, re.M)
        assert list(found[command]["options"]) == flags
        assert all(
            len(text) > 5 and "`" not in text and "\\" not in text for text in found[command]["options"].values()
        )
