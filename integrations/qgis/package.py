"""Packs the plugin for QGIS's plugin manager and repository: DIST/artir_qgis-VERSION.zip.

    python3 integrations/qgis/package.py DIST

If DIST holds artir's wheels, the plugin may install that release: its requirements name their hashes.
"""

from __future__ import annotations

import configparser
import hashlib
import re
import sys
import zipfile
from pathlib import Path

import translate

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PLUGIN = HERE / "artir_qgis"
# The repository's limit.
MOST_BYTES = 25_000_000
ENDINGS = {".py", ".json", ".txt", ".svg", ".ts", ".qm"}
# Zip files hold no date before this one, and equal sources give equal bytes.
DATE = (1980, 1, 1, 0, 0, 0)


def metadata() -> configparser.SectionProxy:
    """What the plugin says of itself."""
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(PLUGIN / "metadata.txt", encoding="utf-8")
    return parser["general"]


def version() -> str:
    """artir's version, which is the plugin's as well."""
    found = re.search(r'^version = "([^"]+)"', (ROOT / "Cargo.toml").read_text(encoding="utf-8"), re.M)
    if found is None or found.group(1) != metadata()["version"]:
        raise SystemExit(f"metadata.txt and Cargo.toml name different versions: {metadata()['version']}")
    return found.group(1)


def requirements(dist: Path) -> str:
    """The requirements of an installation, with the wheels of this release where they have been built."""
    text = (PLUGIN / "requirements.txt").read_text(encoding="utf-8")
    wheels = sorted(dist.glob(f"artir-{version()}-*.whl"))
    if not wheels:
        print("no wheel of artir in this folder: users of the plugin must name a wheel themselves")
        return text
    hashes = [hashlib.sha256(wheel.read_bytes()).hexdigest() for wheel in wheels]
    return text + f"artir=={version()} " + " ".join(f"--hash=sha256:{one}" for one in hashes) + "\n"


def contents(dist: Path) -> dict[str, bytes]:
    """The archive's files."""
    files = (path for path in PLUGIN.rglob("*") if path.suffix in ENDINGS or path.name == "LICENSE")
    paths = sorted(path for path in files if "__pycache__" not in path.parts)
    out = {str(path.relative_to(HERE).as_posix()): path.read_bytes() for path in paths}
    out["artir_qgis/requirements.txt"] = requirements(dist).encode()
    return out


def main() -> int:
    """Writes the archive."""
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    dist = Path(sys.argv[1])
    dist.mkdir(exist_ok=True)
    if not translate.compile_all():
        raise SystemExit("lrelease is missing: apt install qttools5-dev-tools")
    target = dist / f"artir_qgis-{version()}.zip"
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in contents(dist).items():
            info = zipfile.ZipInfo(name, DATE)
            info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            archive.writestr(info, data)
    size = target.stat().st_size
    if size > MOST_BYTES:
        raise SystemExit(f"{target} has {size} bytes, and the repository takes {MOST_BYTES}")
    print(f"{target}: {size} bytes")
    if "example.org" in metadata()["repository"]:
        print("not ready for upload: metadata.txt names no address of the project yet")
    return 0


if __name__ == "__main__":
    sys.exit(main())
