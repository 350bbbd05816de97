"""What the plugin's archive holds, and what it says of itself. These tests need no QGIS."""

import ast
import configparser
import hashlib
import re
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

HERE = Path(__file__).parents[1]
sys.path.insert(0, str(HERE))

import package  # noqa: E402
import translate  # noqa: E402


def test_the_metadata_has_what_the_repository_asks_for():
    found = package.metadata()
    wanted = (
        "name",
        "qgisMinimumVersion",
        "description",
        "about",
        "version",
        "author",
        "email",
        "repository",
        "tracker",
    )
    assert all(found.get(key) for key in wanted)
    assert found["qgisMinimumVersion"] == "3.22" and found["supportsQt6"] == "True"
    assert found["hasProcessingProvider"] == "yes"
    assert found["version"] == package.version()
    ET.parse(package.PLUGIN / found["icon"])
    # The repository's own parser takes a percent sign for a reference.
    parser = configparser.ConfigParser()
    parser.read(package.PLUGIN / "metadata.txt", encoding="utf-8")
    assert dict(parser["general"]) == dict(found)
    assert package.PLUGIN.name.isidentifier() and package.MOST_BYTES == 25_000_000


def test_the_archive_holds_one_folder_with_all_files(tmp_path):
    (tmp_path / f"artir-{package.version()}-cp310-abi3-manylinux_2_28_x86_64.whl").write_bytes(b"a wheel")
    found = package.contents(tmp_path)
    assert all(name.startswith("artir_qgis/") for name in found)
    assert {"artir_qgis/__init__.py", "artir_qgis/metadata.txt", "artir_qgis/LICENSE", "artir_qgis/help.json"} <= set(
        found
    )
    assert found["artir_qgis/LICENSE"].endswith((package.ROOT / "LICENSE-MIT").read_bytes())
    # The line that the plugin looks for, with the hash of the wheel.
    pinned = found["artir_qgis/requirements.txt"].decode().splitlines()[-1]
    assert pinned == f"artir=={package.version()} --hash=sha256:{hashlib.sha256(b'a wheel').hexdigest()}"
    assert not any("__pycache__" in name or "/tests/" in name for name in found)


def test_every_file_of_the_archive_is_read_by_the_oldest_python():
    for path in package.PLUGIN.rglob("*.py"):
        ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 9))


def test_the_code_imports_qgis_and_pythons_own_modules_alone():
    for path in package.PLUGIN.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module]
            for name in names:
                top = name.split(".")[0]
                assert top in sys.stdlib_module_names or top in ("qgis", "processing"), f"{path.name}: {name}"
                # PyQt5 and PyQt6 are reached through qgis.PyQt, which is whichever QGIS uses.
                assert not top.startswith("PyQt")


def test_every_text_of_the_code_is_translated():
    for language in translate.LANGUAGES:
        known = translate.translations(language)
        assert [text for text in sorted(translate.in_code()) if not known.get(text)] == []
        for source, text in known.items():
            assert sorted(re.findall(r"\{\w+\}", source)) == sorted(re.findall(r"\{\w+\}", text)) or not text, source
