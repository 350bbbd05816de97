"""What the tests share. Without QGIS they are skipped, and the last line of the run says so."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PLUGINS = Path(__file__).parents[1]
ROOT = PLUGINS.parents[1]
sys.path.insert(0, str(PLUGINS))

try:
    import qgis.core  # noqa: F401

    QGIS = ""
except ImportError as e:
    QGIS = f"QGIS's Python is missing ({e}): apt install qgis python3-qgis"

# The pictures of the documentation are made by the tests, into this folder.
PICTURES = os.environ.get("ARTIR_QGIS_PICTURES", "")


def pytest_ignore_collect(collection_path, config):
    """Collects nothing that imports QGIS where QGIS is missing."""
    return bool(QGIS) and collection_path.name not in ("tests", "test_help.py", "test_package.py", "conftest.py")


def pytest_terminal_summary(terminalreporter):
    if QGIS:
        terminalreporter.write_line(f"SKIPPED: the tests of the plugin. {QGIS}", red=True)


def pytest_sessionfinish(session, exitstatus):
    session.config.artir_status = int(exitstatus)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config):
    """Ends without QGIS's destructors, which crash at times in QGIS 3.22 when all results are known."""
    if not QGIS and hasattr(config, "artir_status"):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(config.artir_status)


def artir_program() -> str:
    """The program that the tests run."""
    named = os.environ.get("ARTIR_QGIS_PROGRAM")
    built = [ROOT / "target" / profile / "artir" for profile in ("debug", "release")]
    found = [named] if named else [str(path) for path in built if path.is_file()]
    if not found:
        pytest.fail("no artir program: cargo build --workspace, or name one in ARTIR_QGIS_PROGRAM")
    return found[0]


@pytest.fixture(scope="session")
def program():
    return artir_program()


if not QGIS:
    from qgis.core import QgsApplication, QgsLayerTreeModel, QgsProject, QgsSettings
    from qgis.gui import QgsLayerTreeView

    from artir_qgis.provider import ArtirProvider

    @pytest.fixture(scope="session")
    def provider(qgis_app, qgis_processing):
        """artir's algorithms, registered in QGIS."""
        made = ArtirProvider()
        QgsApplication.processingRegistry().addProvider(made)
        yield made
        QgsApplication.processingRegistry().removeProvider(made)

    @pytest.fixture(scope="session")
    def layer_tree(qgis_iface):
        """A view of the layers, which newer versions of QGIS add results to."""
        model = QgsLayerTreeModel(QgsProject.instance().layerTreeRoot())
        view = QgsLayerTreeView()
        view.setModel(model)
        qgis_iface.layerTreeView = lambda: view
        yield view
        view.setModel(None)

    @pytest.fixture
    def artir(provider, layer_tree, program, qgis_new_project):
        """Runs the command itself, for comparison; and makes the plugin use the same program."""
        QgsSettings().setValue("artir/program", program)

        def run(*arguments, code=0):
            done = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, check=False)
            assert done.returncode == code, done.stderr
            return done

        yield run
        QgsSettings().remove("artir/program")

    @pytest.fixture
    def work(tmp_path):
        """A folder whose name has blanks and letters that are not ASCII."""
        folder = tmp_path / "Müller & Söhne (ö)"
        folder.mkdir()
        yield folder
        shutil.rmtree(folder, ignore_errors=True)
