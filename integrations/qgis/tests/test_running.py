"""Finding the program, running it, cancelling it, and what its errors become."""

import importlib.util
import json
import os
import re
import stat
import sys
import tempfile
import threading
import time
from pathlib import Path

import processing
import pytest
from qgis.core import (
    QgsApplication,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeedback,
    QgsProcessingUtils,
    QgsProject,
    QgsRasterLayer,
    QgsSettings,
)
from scenes import polygons, scene, values, write

from artir_qgis import install, program, run
from artir_qgis.algorithms import ALL


class Feedback(QgsProcessingFeedback):
    """Keeps what it is told, and cancels when the bar has reached a share."""

    def __init__(self, cancel_at=None):
        super().__init__(False)
        self.cancel_at, self.told, self.warnings, self.shares, self.texts = cancel_at, [], [], [], []
        self.cancelled_at = None

    def setProgress(self, progress):  # noqa: N802
        self.shares.append(progress)
        if self.cancel_at is not None and progress >= self.cancel_at and self.cancelled_at is None:
            self.cancelled_at = time.monotonic()
            self.cancel()

    def setProgressText(self, text):  # noqa: N802
        self.texts.append(text)

    def pushInfo(self, info):  # noqa: N802
        self.told.append(info)

    def pushWarning(self, warning):  # noqa: N802
        self.warnings.append(warning)


def fake(folder, body: str, name="artir") -> str:
    """A program that answers like artir, and then does what `body` says."""
    path = folder / name
    head = f"#!{sys.executable}\nimport json, os, signal, sys, time\nargs = sys.argv[1:]\n"
    answers = 'if args == ["--version"]: print("artir 9.8.7"); sys.exit()\n'
    answers += 'if args == ["geo", "--help"]: print("--bands"); sys.exit()\n'
    path.write_text(head + answers + body)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def test_a_named_program_is_used_and_no_other_in_its_place(provider, work, monkeypatch):
    named = fake(work, "", "named")
    other = work / "bin"
    other.mkdir()
    fake(other, "")
    monkeypatch.setenv("PATH", str(other), prepend=os.pathsep)
    QgsSettings().setValue("artir/program", named)
    try:
        assert program.find(True) == program.Program(named, "9.8.7", True)
        os.unlink(named)
        with pytest.raises(program.NotFound, match="named"):
            program.find(True)
    finally:
        QgsSettings().remove("artir/program")
    assert program.find(True).path == str(other / "artir")


def test_old_programs_others_and_those_without_scenes_are_refused(provider, work, monkeypatch):
    monkeypatch.setattr(program, "candidates", lambda: [str(work / "artir")])
    (work / "artir").write_text("#!/bin/sh\necho artir 0.0.9\n")
    (work / "artir").chmod(0o755)
    with pytest.raises(program.NotFound, match="is artir 0.0.9, and this plugin needs 0.2.0 or later"):
        program.find(True)
    (work / "artir").write_text("#!/bin/sh\necho another program, of another length\n")
    with pytest.raises(program.NotFound, match="is not artir"):
        program.find(True)
    (work / "artir").write_text('#!/bin/sh\nif [ "$1" = --version ]; then echo artir 1.0.0; else exit 2; fi\n')
    with pytest.raises(program.NotFound, match="built without scenes.*The wheel from PyPI has no GDAL"):
        program.find(True)
    assert program.find(False).version == "1.0.0"
    monkeypatch.setattr(program, "candidates", list)
    for algorithm in ALL:
        able, why = algorithm().canExecute()
        assert able == (algorithm.NAME == "install")
        assert able or "Install or find artir" in why


def test_the_child_gets_no_variables_of_qgis_python(provider, work, monkeypatch):
    monkeypatch.setenv("PYTHONHOME", "/nowhere")
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    monkeypatch.setenv("GDAL_DATA", QgsApplication.prefixPath() + "/share/gdal")
    monkeypatch.setenv("PROJ_LIB", "/elsewhere/proj")
    named = fake(work, "print(json.dumps(sorted(os.environ)))")
    ended = run.run(program.probe(named), [], Feedback())
    assert "PYTHONHOME" not in ended.out and "PYTHONPATH" not in ended.out and "GDAL_DATA" not in ended.out
    assert "PROJ_LIB" in ended.out and '"PATH"' in ended.out


def test_progress_counts_over_all_items_and_messages_arrive_by_level(provider, work):
    lines = [
        {"phase": "restore", "done": 0, "total": 10, "unit": "pixels", "eta": None, "item": "a"},
        {"phase": "restore", "done": 5, "total": 10, "unit": "pixels", "eta": 75.4, "item": "a"},
        {"level": "WARN", "fields": {"message": "a collar of zeros"}},
        {"level": "INFO", "fields": {"message": "the device"}},
        {"phase": "restore", "done": 0, "total": 10, "unit": "pixels", "eta": None, "item": "b"},
        {"phase": "scan", "done": 3, "total": None, "unit": "files", "eta": None, "item": "b"},
    ]
    body = (
        f"import sys\nfor line in {lines!r}: print(json.dumps(line), file=sys.stderr)\nprint('{{half', file=sys.stderr)"
    )
    feedback = Feedback()
    run.run(program.probe(fake(work, body)), [], feedback, items=2)
    assert feedback.shares == [0, 25, 50]
    assert feedback.texts == ["About 75 s left"]
    assert feedback.warnings == ["a collar of zeros"] and feedback.told == ["the device", "{half"]


def test_a_program_that_writes_much_does_not_wait(provider, work):
    body = "sys.stdout.write('x' * 3_000_000); sys.stderr.write('note\\n' * 200_000)"
    ended = run.run(program.probe(fake(work, body)), [], Feedback())
    assert len(ended.out) == 3_000_000


@pytest.mark.parametrize("deaf", [False, True])
def test_a_cancelled_program_ends_within_three_seconds(provider, work, deaf):
    body = f"signal.signal(signal.SIGINT, signal.{'SIG_IGN' if deaf else 'SIG_DFL'})\n"
    body += (
        "print(json.dumps({'phase': 'restore', 'done': 9, 'total': 10}), file=sys.stderr, flush=True)\ntime.sleep(60)"
    )
    feedback = Feedback(cancel_at=1)
    with pytest.raises(run.Cancelled):
        run.run(program.probe(fake(work, body)), [], feedback)
    assert time.monotonic() - feedback.cancelled_at < 3


def test_a_killed_program_and_one_without_a_word_are_explained(provider, work):
    with pytest.raises(run.Failed, match="ended by signal 9"):
        run.run(program.probe(fake(work, "os.kill(os.getpid(), 9)")), [], Feedback())
    with pytest.raises(run.Failed, match="exit code 7 and no message"):
        run.run(program.probe(fake(work, "sys.exit(7)", "other")), [], Feedback())


def test_a_cancelled_run_leaves_no_result_and_can_be_continued(artir, work):
    path, out = write(work / "large.tif", values(512, 448)), work / "out.tif"
    algorithm = QgsApplication.processingRegistry().createAlgorithmById("artir:dehaze")
    feedback, context = Feedback(cancel_at=50), QgsProcessingContext()
    # One thread and small tiles: the work takes long enough to be cancelled on any machine.
    parameters = {"INPUT": path, "OUTPUT": str(out), "THREADS": 1, "TILE": 128}
    algorithm.run(parameters, context, feedback)
    assert feedback.cancelled_at is not None and time.monotonic() - feedback.cancelled_at < 3
    assert not out.exists()
    assert any("Continue an interrupted run" in text for text in feedback.told)
    assert (work / ".artir-out.tif").is_dir()
    report = work / "report.json"
    processing.run("artir:dehaze", {**parameters, "RESUME": True, "REPORT": str(report)})
    assert json.loads(report.read_text())["scenes"][0]["done"]["rows_resumed"] > 0
    assert out.exists() and not (work / ".artir-out.tif").exists()


def test_a_cancelled_temporary_output_leaves_nothing(artir, work):
    path = write(work / "large.tif", values(512, 448))
    algorithm = QgsApplication.processingRegistry().createAlgorithmById("artir:dehaze")
    feedback = Feedback(cancel_at=5)
    out = QgsProcessingUtils.generateTempFilename("out.tif")
    algorithm.run({"INPUT": path, "OUTPUT": out, "THREADS": 1, "TILE": 128}, QgsProcessingContext(), feedback)
    assert feedback.cancelled_at is not None
    assert os.listdir(os.path.dirname(out)) == []


@pytest.mark.parametrize("name", ["preview", "describe", "photographs"])
def test_cancelled_runs_leave_nothing(artir, work, name):
    (work / "in").mkdir()
    path = write(work / "in" / "large.tif", values(512, 448))
    folder = Path(tempfile.gettempdir())
    others = set(folder.glob("artir-*"))
    parameters = {
        "preview": {"INPUT": path, "EXTENT": QgsRasterLayer(path).extent(), "THREADS": 1, "TILE": 128},
        "describe": {"INPUT": path},
        "photographs": {"INPUT": str(work / "in"), "THREADS": 1, "TILE": 128},
    }[name]
    out = work / "out" / ("a.html" if name == "describe" else "a.tif")
    out.parent.mkdir()
    algorithm = QgsApplication.processingRegistry().createAlgorithmById(f"artir:{name}")
    feedback = Feedback(cancel_at=5)
    if name == "describe":
        # Too short to be met by the bar.
        feedback.cancel()
    parameters["OUTPUT"] = str(out.parent if name == "photographs" else out)
    algorithm.run(parameters, QgsProcessingContext(), feedback)
    assert feedback.isCanceled() and any("no result was written" in text for text in feedback.told)
    assert os.listdir(out.parent) == [] and set(folder.glob("artir-*")) <= others


def test_errors_are_the_programs_own_sentence(artir, work):
    path = write(work / "unnamed.tif", values(64, 64), colours=False, options=["PHOTOMETRIC=MINISBLACK"])
    with pytest.raises(QgsProcessingException) as caught:
        processing.run("artir:dehaze", {"INPUT": path, "OUTPUT": str(work / "a.tif")})
    words = artir("geo", path, "-o", work / "b.tif", code=3).stderr.strip().removeprefix("artir: ")
    assert str(caught.value).startswith(words)
    assert "--bands is 'Bands for red, green, blue (such as 4,3,2)' here." in str(caught.value)
    assert not (work / "a.tif").exists()
    with pytest.raises(QgsProcessingException, match="invalid value '9,1' for '--range"):
        processing.run("artir:dehaze", {"INPUT": path, "RANGE_VALUES": "9,1", "OUTPUT": str(work / "a.tif")})
    with pytest.raises(QgsProcessingException, match="No such file"):
        processing.run("artir:product", {"INPUT": str(work / "nothing.xml"), "OUTPUT": str(work / "a.tif")})


@pytest.mark.parametrize(
    ("provider_name", "uri", "words"),
    [
        ("wms", "type=xyz&url=https://tiles.invalid/{z}/{x}/{y}.png", r"a tile service \(XYZ\)"),
        ("wms", "url=https://maps.invalid/wms&layers=a&styles=&format=image/png&crs=EPSG:3857", "a web map service"),
    ],
)
def test_layers_that_are_no_files_are_refused_with_the_reason(artir, work, provider_name, uri, words):
    layer = QgsRasterLayer(uri, "web", provider_name)
    for name in ("dehaze", "describe", "preview", "compare", "metrics"):
        algorithm = QgsApplication.processingRegistry().createAlgorithmById(f"artir:{name}")
        parameters = {"INPUT": layer, "OTHER": layer, "REFERENCE": layer, "EXTENT": "0,1,0,1"}
        parameters["OUTPUT"] = str(work / "a.tif")
        able, why = algorithm.checkParameterValues(parameters, QgsProcessingContext())
        assert not able and "Export the part that you need" in why
        assert re.search(words, why)


def test_a_layer_in_memory_and_two_answers_to_one_question_are_refused(artir, work):
    from osgeo import gdal

    path = scene("geotiff", work)
    gdal.GetDriverByName("GTiff").CreateCopy("/vsimem/a.tif", gdal.Open(path))
    dehaze = QgsApplication.processingRegistry().createAlgorithmById("artir:dehaze")
    context = QgsProcessingContext()

    def why(**parameters):
        return dehaze.checkParameterValues({"OUTPUT": str(work / "o.tif"), **parameters}, context)[1]

    # QGIS sees its own GDAL's memory, and another process does not.
    memory = QgsRasterLayer("/vsimem/a.tif", "in memory")
    assert "in QGIS's memory only" in why(INPUT=memory)
    layer = QgsRasterLayer(path, "hazy")
    assert "not both" in why(INPUT=layer, SHOWN=True, BANDS="1,2,3")
    assert "not both" in why(INPUT=layer, EXTENT="0,1,0,1", POLYGONS=polygons(work / "cut.json"))
    assert "Bands as the layer shows them need a layer" in why(INPUT=path, SHOWN=True)
    gdal.Unlink("/vsimem/a.tif")
    with pytest.raises(QgsProcessingException, match="The extent is empty"):
        processing.run("artir:dehaze", {"INPUT": path, "EXTENT": "5,5,7,7", "OUTPUT": str(work / "o.tif")})
    with pytest.raises(QgsProcessingException, match="hazy scene"):
        processing.run("artir:dehaze", {"INPUT": path, "OUTPUT": path})


def test_bands_as_the_layer_shows_them(artir, work):
    from qgis.core import QgsMultiBandColorRenderer, QgsSingleBandGrayRenderer

    path = write(work / "four.tif", values(96, 80, 4), colours=False, options=["PHOTOMETRIC=MINISBLACK"])
    layer = QgsRasterLayer(path, "four")
    layer.setRenderer(QgsMultiBandColorRenderer(layer.dataProvider(), 4, 2, 1))
    QgsProject.instance().addMapLayer(layer)
    done = processing.run("artir:dehaze", {"INPUT": layer, "SHOWN": True, "OUTPUT": str(work / "a.tif")})
    assert done["BANDS_RESTORED"] == "4,2,1"
    artir("geo", path, "-o", work / "b.tif", "--bands", "4,2,1")
    assert (work / "a.tif").read_bytes() == (work / "b.tif").read_bytes()
    layer.setRenderer(QgsSingleBandGrayRenderer(layer.dataProvider(), 1))
    with pytest.raises(QgsProcessingException, match="does not show three different bands"):
        processing.run("artir:dehaze", {"INPUT": layer, "SHOWN": True, "OUTPUT": str(work / "c.tif")})


def test_sublayers_keep_their_names(artir, work):
    from osgeo import gdal

    # Two images of one TIFF are sub-layers in QGIS.
    first = gdal.Open(scene("geotiff", work))
    gdal.GetDriverByName("GTiff").CreateCopy(str(work / "two.tif"), first)
    gdal.GetDriverByName("GTiff").CreateCopy(str(work / "two.tif"), first, options=["APPEND_SUBDATASET=YES"])
    name = f"GTIFF_DIR:2:{work / 'two.tif'}"
    layer = QgsRasterLayer(name, "second")
    assert layer.isValid()
    processing.run("artir:dehaze", {"INPUT": layer, "OUTPUT": str(work / "a.tif")})
    artir("geo", name, "-o", work / "b.tif")
    assert (work / "a.tif").read_bytes() == (work / "b.tif").read_bytes()


def wheel(folder, version="9.8.7"):
    """A wheel named artir that holds a program, and its hash."""
    import base64
    import hashlib
    import zipfile

    files = {
        "artir/__init__.py": "",
        "artir/_command.py": f"import sys\ndef main():\n    print('artir {version}')\n",
        f"artir-{version}.dist-info/METADATA": f"Metadata-Version: 2.1\nName: artir\nVersion: {version}\n",
        f"artir-{version}.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"artir-{version}.dist-info/entry_points.txt": "[console_scripts]\nartir = artir._command:main\n",
    }
    path = folder / f"artir-{version}-py3-none-any.whl"
    digest = lambda text: base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()  # noqa: E731
    record = "".join(f"{name},sha256={digest(text)},{len(text.encode())}\n" for name, text in files.items())
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in {**files, f"artir-{version}.dist-info/RECORD": record}.items():
            archive.writestr(name, text)
    return path, hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def own(provider, work, monkeypatch):
    """A folder for the plugin's installation, and an installation of nothing but the wheel."""
    monkeypatch.setattr(program, "own_folder", lambda: work / "own")
    monkeypatch.setattr(install, "own_folder", lambda: work / "own")
    (work / "requirements.txt").write_text("")
    monkeypatch.setattr(install, "REQUIREMENTS", work / "requirements.txt")
    # Only the plugin's own folder: this machine may have programs in the usual ones.
    monkeypatch.setattr(program, "candidates", lambda: [str(program.own_program())])
    return work / "own"


has_pip = pytest.mark.skipif(importlib.util.find_spec("pip") is None, reason="this Python has no pip")


@has_pip
def test_a_wheel_is_installed_with_consent_into_the_plugins_own_folder(own, work):
    path, sha256 = wheel(work)
    before = {name for name in sys.modules if name.startswith("artir.")}
    parameters = {"WHEEL": str(path), "SHA256": sha256}
    with pytest.raises(QgsProcessingException, match="tick the box to agree"):
        processing.run("artir:install", parameters)
    assert not own.exists()
    done = processing.run("artir:install", {**parameters, "CONSENT": True})
    assert done["FOUND"] == str(own / "env/bin/artir") and done["VERSION"] == "9.8.7" and not done["SCENES_WORK"]
    # Nothing came into this Python.
    assert importlib.util.find_spec("artir") is None
    assert {name for name in sys.modules if name.startswith("artir.")} == before


@has_pip
def test_a_wheel_of_another_hash_is_not_installed_and_the_old_one_stays(own, work):
    path, sha256 = wheel(work)
    processing.run("artir:install", {"WHEEL": str(path), "SHA256": sha256, "CONSENT": True})
    newer, other = wheel(work, "9.9.0")
    with pytest.raises(QgsProcessingException, match="does not have this SHA-256"):
        processing.run("artir:install", {"WHEEL": str(newer), "SHA256": sha256, "CONSENT": True})
    with pytest.raises(QgsProcessingException, match="64 digits"):
        processing.run("artir:install", {"WHEEL": str(newer), "CONSENT": True})
    # A dependency whose hash is wrong: pip refuses, and the environment before it is put back. So it is where a killed
    # run has left it under its second name.
    (work / "requirements.txt").write_text(f"more @ {path.as_uri()} --hash=sha256:{'0' * 64}\n")
    (own / "env").rename(own / "env.old")
    with pytest.raises(QgsProcessingException, match="The installation failed"):
        processing.run("artir:install", {"WHEEL": str(newer), "SHA256": other, "CONSENT": True})
    assert program.find(False).version == "9.8.7"


def test_a_python_without_pip_is_named(own, work, monkeypatch):
    path, sha256 = wheel(work)
    monkeypatch.setattr(install, "python", lambda: fake(work, "sys.exit(1)", "python"))
    with pytest.raises(QgsProcessingException, match="has no pip.*Nothing was installed"):
        processing.run("artir:install", {"WHEEL": str(path), "SHA256": sha256, "CONSENT": True})
    assert not own.exists()


def test_without_a_release_a_wheel_must_be_named(own):
    with pytest.raises(QgsProcessingException, match="names no release of artir"):
        processing.run("artir:install", {"CONSENT": True})


def test_a_named_program_is_remembered_and_forgotten(own, work):
    named = fake(work, "print('all is well')")
    done = processing.run("artir:install", {"PROGRAM": named})
    assert done["FOUND"] == named and done["SCENES_WORK"] and program.chosen() == named
    with pytest.raises(QgsProcessingException):
        processing.run("artir:install", {"PROGRAM": str(work / "requirements.txt")})
    assert program.chosen() == named
    with pytest.raises(QgsProcessingException, match="was not found|No such file"):
        processing.run("artir:install", {"FORGET": True})
    assert program.chosen() == ""


def test_two_runs_at_a_time(artir, work):
    path = scene("geotiff", work)
    errors = []

    def one(index):
        algorithm = QgsApplication.processingRegistry().createAlgorithmById("artir:dehaze")
        parameters = {"INPUT": path, "OUTPUT": str(work / f"{index}.tif")}
        _, ok = algorithm.run(parameters, QgsProcessingContext(), Feedback())
        if not ok:
            errors.append(index)

    threads = [threading.Thread(target=one, args=(i,)) for i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors and (work / "0.tif").read_bytes() == (work / "1.tif").read_bytes()
