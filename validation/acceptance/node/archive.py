"""Orthanc with the script and configurations of integrations/orthanc, and real series.

Orthanc is looked for in ``ARTIR_ORTHANC`` (a folder into which its Debian packages were unpacked),
then on this system.
"""

import http.client
import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from pydicom import dcmread
from pydicom.errors import InvalidDicomError

from ..program import Program
from .peers import Node, free_port, until

ROOT = Path(__file__).resolve().parents[3]
EXAMPLES = ROOT / "integrations" / "orthanc"
CASES = (
    "ct-decimal-comma",
    "ct-charset-gb18030",
    "ct-ge-private-syntax",
    "ct-rle-no-delimiter",
    "ct-enhanced-two-phases",
    "ct-vr-spaces",
    "pet-enhanced",
    "pet-midnight",
    "suv-philips_bqml",
    "suv-siemens",
)


class Orthanc:
    """A running server."""

    def __init__(self, folder: Path, node_port: int):
        self.http, self.dicom = free_port(), free_port()
        root = Path(os.environ.get("ARTIR_ORTHANC", "/"))
        program = root / "usr/sbin/Orthanc"
        if not program.exists():
            raise FileNotFoundError(program)
        config = json.loads((EXAMPLES / "orthanc.json").read_text())
        config |= {
            "LuaScripts": [str(EXAMPLES / "artir.lua")],
            "DicomPort": self.dicom,
            "HttpPort": self.http,
            "StableAge": 3,
            "StorageDirectory": str(folder / "orthanc"),
            "Plugins": [str(root / "usr/share/orthanc/plugins")],
            "AuthenticationEnabled": False,
        }
        config["DicomModalities"]["artir"]["Port"] = node_port
        (folder / "orthanc.json").write_text(json.dumps(config))
        libraries = root / "usr/lib/x86_64-linux-gnu"
        environment = dict(os.environ) | (
            {"LD_LIBRARY_PATH": str(libraries)} if root != Path("/") else {}
        )
        with (folder / "orthanc.log").open("wb") as log:
            self.process = subprocess.Popen(
                [program, folder / "orthanc.json"],
                env=environment,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )
        until("Orthanc answers", lambda: self.ask("GET", "/system")[0] == 200, 60)

    def stop(self) -> None:
        """Ends it."""
        self.process.terminate()
        self.process.wait(30)

    def ask(
        self, method: str, path: str, body: bytes | None = None, accept: str = "*/*"
    ) -> tuple[int, bytes]:
        """Status and body of an answer."""
        link = http.client.HTTPConnection("127.0.0.1", self.http, timeout=60)
        try:
            link.request(method, path, body, {"Accept": accept})
            told = link.getresponse()
            return told.status, told.read()
        except OSError:
            return 0, b""
        finally:
            link.close()

    def json(self, path: str) -> object:
        """A resource."""
        status, body = self.ask("GET", path, accept="application/dicom+json, application/json")
        return json.loads(body) if status == 200 else None

    def keep(self, path: Path) -> tuple[str, str] | None:
        """Uploads a file. Its UIDs (series, object) as the archive reads them; None if refused."""
        status, body = self.ask("POST", "/instances", path.read_bytes())
        if status != 200:
            return None
        told = json.loads(body)
        series = self.json(f"/series/{told['ParentSeries']}")["MainDicomTags"].get(
            "SeriesInstanceUID", ""
        )
        return series, self.json(f"/instances/{told['ID']}")["MainDicomTags"]["SOPInstanceUID"]

    def instances(self) -> int:
        """How many objects it has."""
        return self.json("/statistics")["CountInstances"]


def inputs() -> Iterator[tuple[str, list[Path]]]:
    """The real series, and cases."""
    data = Path(os.environ.get("ARTIR_REAL_DATA", ROOT.parent / "shared" / "data")).resolve()
    for name in (
        "dicom/ct-abdomen-ge",
        "dicom/pet-ge-bqml",
        *(f"cases/dicom/{case}/in" for case in CASES),
    ):
        found = []
        for path in sorted((data / name).rglob("*")):
            if path.is_file() and path.name != "DICOMDIR":
                try:
                    dcmread(path, stop_before_pixels=True)
                except (InvalidDicomError, OSError):
                    continue
                found.append(path)
        if found:
            yield name, found


def check(program: Program, work: Path, ct: Path, pet: Path) -> tuple[str, list[str]]:
    """Both ways back to Orthanc: C-STORE with storage commitment, and STOW-RS."""
    told, problems = [], []
    for name in ("node.toml", "node-dicomweb.toml"):
        folder = work / name
        folder.mkdir()
        try:
            one, wrong = round_trip(program, folder, name, ct, pet)
        except FileNotFoundError as error:
            return f"skipped: {error} is not installed (ARTIR_ORTHANC)", []
        told.append(f"{name}: {one}")
        problems += [f"{name}: {problem}" for problem in wrong]
    return "; ".join(told), problems


def round_trip(
    program: Program, folder: Path, name: str, ct: Path, pet: Path
) -> tuple[str, list[str]]:
    """Series go to Orthanc, from there to the node, and come back."""
    node = Node(program, folder, ct, "")
    orthanc = Orthanc(folder, node.port)
    problems = []
    try:
        configure(node, orthanc, name, ct, pet)
        node.start()
        sources: dict[str, set[str]] = {}
        before = 0
        for _, files in inputs():
            for path in files:
                told = orthanc.keep(path)
                if told:
                    before += told[1] not in sources.get(told[0], ())
                    sources.setdefault(told[0], set()).add(told[1])
        settled(node, orthanc)
        back = orthanc.instances() - before
        derived = [
            series
            for series in orthanc.json("/dicom-web/series")
            if series["0020000E"]["Value"][0] not in sources
        ]
        without = set(sources)
        for series in derived:
            problems += examined(orthanc, series, sources, without)
        folders = (path for path in node.queue.glob("orthanc/failed/*") if path.name[0] != ".")
        failed = sorted(node.record(path).get("reason", "no reason") for path in folders)
        restored = node.metric("artir_restored_series_total")
        if len(derived) == 0 or back == 0:
            problems.append("nothing came back")
        # A second time changes nothing.
        now = orthanc.instances()
        for key in orthanc.json("/series"):
            uid = orthanc.json(f"/series/{key}")["MainDicomTags"]["SeriesInstanceUID"]
            if uid in sources:
                orthanc.ask("POST", "/modalities/artir/store", key.encode())
        settled(node, orthanc)
        if orthanc.instances() != now:
            problems.append(f"a second time made {orthanc.instances() - now} objects more")
        log = node.log.read_text() + (node.queue / "journal.jsonl").read_text()
        if "warning" in log:
            problems.append("objects were accepted with a warning")
    finally:
        if node.process and node.process.poll() is None:
            node.stop()
        orthanc.stop()
    kinds = f"{len(failed)} failed ({'; '.join(sorted(set(failed)))})" if failed else "none failed"
    return (
        f"{before} objects of {len(sources)} series to Orthanc, {back} objects of "
        f"{len(derived)} derived series "
        f"back ({restored:.0f} restored, {kinds}, without a derived series: {sorted(without)})",
        problems,
    )


def configure(node: Node, orthanc: Orthanc, name: str, ct: Path, pet: Path) -> None:
    """The example's file, with the ports of this run and small models."""
    text = (EXAMPLES / name).read_text()
    text = "".join(f"{line}\n" for line in text.splitlines() if not line.startswith("folder"))
    text = text.replace("127.0.0.1:4242", f"127.0.0.1:{orthanc.dicom}")
    text = text.replace("127.0.0.1:8042", f"127.0.0.1:{orthanc.http}")
    text = text.replace("[route.ct]", f"quiet_seconds = 1\n[route.ct]\nmodel = '{ct}'")
    text = text.replace("[route.pet]", f"[route.pet]\nmodel = '{pet}'")
    (node.folder / "node.toml").write_text(
        f"folder = 'queue'\n[listen]\naddress = '127.0.0.1:{node.port}'\n"
        f"[http]\naddress = '127.0.0.1:{node.http}'\n"
        f"[retry]\nattempts = 5\nfirst_seconds = 0.2\nlongest_seconds = 1\n{text}"
    )


def settled(node: Node, orthanc: Orthanc) -> None:
    """Waits until nothing moves: stable series were sent on, and all that came has ended."""

    def picture() -> tuple:
        metrics = node.get("/metrics")[1]
        return orthanc.instances(), "".join(
            line for line in metrics.splitlines(True) if "free_bytes" not in line
        )

    last, since = picture(), time.monotonic()
    end = since + 900
    while time.monotonic() - since < 12:
        if time.monotonic() > end:
            raise AssertionError("traffic does not end")
        time.sleep(1)
        now = picture()
        if now != last:
            last, since = now, time.monotonic()


def referenced(instance: dict) -> Iterator[str]:
    """The objects that SourceImageSequence names, in the object or for its frames."""

    def items(holder: dict, tag: str) -> list[dict]:
        return holder.get(tag, {}).get("Value", [])

    steps = [step for frame in items(instance, "52009230") for step in items(frame, "00089124")]
    for holder in (instance, *steps):
        for source in items(holder, "00082112"):
            yield source["00081155"]["Value"][0]


def examined(
    orthanc: Orthanc, series: dict, sources: dict[str, set[str]], without: set[str]
) -> list[str]:
    """Faults of a derived series as DICOMweb shows it. Its source leaves `without`."""
    uid = series["0020000E"]["Value"][0]
    study = series["0020000D"]["Value"][0]
    place = f"/dicom-web/studies/{study}/series/{uid}"
    instances = orthanc.json(f"{place}/metadata")
    if not instances:
        return [f"{place}: no metadata"]
    known = set().union(*sources.values())
    problems = []
    referred = set()
    for instance in instances:
        own = instance["00080018"]["Value"][0]
        uids = set(referenced(instance))
        referred |= uids
        if not uids or not uids <= known:
            problems.append(f"{own}: it refers to {uids or 'nothing'}")
    owners = [source for source, objects in sources.items() if referred <= objects]
    without -= set(owners)
    if not owners:
        problems.append(f"{uid}: its sources are not of one series")
    own = instances[0]["00080018"]["Value"][0]
    status, body = orthanc.ask(
        "GET", f"{place}/instances/{own}", accept="multipart/related; type=application/dicom"
    )
    if status != 200 or b"DICM" not in body:
        problems.append(f"{own}: WADO-RS answers {status}")
    status, body = orthanc.ask(
        "GET",
        f"{place}/instances/{own}/frames/1",
        accept="multipart/related; type=application/octet-stream",
    )
    if status != 200 or len(body) < 1000:
        problems.append(f"{own}: its first frame is not served: {status}")
    found = orthanc.json(f"/dicom-web/instances?SOPInstanceUID={own}")
    if not found:
        problems.append(f"{own}: QIDO-RS does not find it")
    return problems
