"""Writes the licences of the crates inside a program or library: python packaging/notices.py CRATE OUT.txt [TARGET]

Most of these licences ask for their text and the names of authors to go along with every copy.
"""

import re
import sys
from pathlib import Path

from parts import Parts, host

LICENCE = re.compile(r"(?i)(un)?licen[cs]e|copying|notice|copyright")


def texts(crate: dict) -> list[str]:
    """The licence files of a crate, and those of foreign sources inside it."""
    folder = Path(crate["manifest_path"]).parent
    # Deeper folders hold test data, or sources that only tests use.
    files = sorted(f for pattern in ("*", "*/*") for f in folder.glob(pattern) if f.is_file())
    return [f.read_text(errors="replace").strip() for f in files if LICENCE.match(f.name) and f.suffix != ".rs"]


def main() -> int:
    crate, out, *target = sys.argv[1:]
    parts = Parts(crate, target[0] if target else host())
    users: dict[str, list[str]] = {}
    lines = ["This copy of artir contains the following libraries. The texts of their licences follow the list.", ""]
    for one in parts.crates.values():
        if one["source"] is None:
            continue
        name = f"{one['name']} {one['version']}"
        lines.append(f"{name}: {one['license'] or 'see its text'}")
        for text in texts(one):
            users.setdefault(text, []).append(name)
    for text, names in users.items():
        lines += ["", "-" * 80, f"Licence text of: {', '.join(dict.fromkeys(names))}", "", text]
    Path(out).write_text("\n".join(lines) + "\n")
    print(f"{out}: {len(users)} texts")
    return 0


if __name__ == "__main__":
    sys.exit(main())
