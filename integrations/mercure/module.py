"""Restores the series that mercure hands over: from MERCURE_IN_DIR to MERCURE_OUT_DIR.

Settings of the module or the rule, all of them optional: {"command": "ct" or "pet", "model": NAME, "strength": 0 to 1,
"select": CONDITIONS, "keep_source": true}. Without "command", both are tried.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

NO_INPUT = 3


def settings(folder: Path) -> dict:
    """The settings that mercure has put beside the series."""
    task = folder / "task.json"
    if not task.exists():
        return {}
    return json.loads(task.read_text()).get("process", {}).get("settings", {}) or {}


def restore(command: str, source: Path, out: Path, chosen: dict) -> int:
    """Runs artir over a folder, and returns its exit code."""
    line = ["artir", command, str(source), "-o", str(out), "--quiet"]
    for name in ("model", "strength", "select"):
        if name in chosen:
            line += [f"--{name}", str(chosen[name])]
    return subprocess.run(line, check=False).returncode


def main() -> int:
    """Restores, and puts the results where mercure expects them: in one folder, whatever their series."""
    source, out = (Path(os.environ[name]) for name in ("MERCURE_IN_DIR", "MERCURE_OUT_DIR"))
    chosen = settings(source)
    commands = [chosen["command"]] if "command" in chosen else ["ct", "pet"]
    codes = []
    # Beside the output, so that results are moved and not copied.
    with tempfile.TemporaryDirectory(dir=out, prefix=".artir-module-") as work:
        for command in commands:
            restored = Path(work) / command
            codes.append(restore(command, source, restored, chosen))
            for file in sorted(restored.glob("series-*/*.dcm")):
                file.rename(out / f"{file.parent.name}#{file.name}")
    if chosen.get("keep_source"):
        for file in sorted(source.glob("*.dcm")):
            shutil.copyfile(file, out / file.name)
    # A series is CT or PET: what is nothing for one command is for the other. Any other failure leaves results out.
    failed = [code for code in codes if code not in (0, NO_INPUT)]
    return failed[0] if failed else min(codes)


if __name__ == "__main__":
    sys.exit(main())
