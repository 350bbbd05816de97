"""Series of an Orthanc: planned, fetched and restored, over http and over https.

Orthanc speaks http, and a proxy before it speaks https: the Orthanc of Debian 12 ends at the first
request over TLS. The proxy's authority is made here.
"""

import base64
import contextlib
import os
import socket
import ssl
import threading
import time
from pathlib import Path

from ..conformance.orthanc import Orthanc, executable
from ..node import made
from ..node.web import certificates
from ..program import Program
from . import jobs

ROOT = Path(__file__).resolve().parents[3]
USER, PASSWORD = "reader", "wunder bar"
SERIES = 12


def check(program: Program, work: Path, ct: Path) -> tuple[str, list[str]]:
    """Both schemes."""
    if not executable():
        return "skipped: Orthanc is not installed", []
    keys = work / "keys"
    keys.mkdir()
    certificates(keys)
    sources = inputs(work)
    told, problems = [], []
    for scheme in ("http", "https"):
        own = work / scheme
        own.mkdir()
        one, wrong = checked(program, own, ct, sources, keys, scheme)
        told.append(f"{scheme}: {one}")
        problems += [f"{scheme}: {problem}" for problem in wrong]
    return "; ".join(told), problems


def inputs(work: Path) -> dict[str, Path]:
    """Folders of series by their UIDs: made ones, and a real one where there is real data."""
    out = {}
    for number in range(SERIES):
        series = made.series(work / "in" / f"{number}", number, 5, side=64)
        out[series.uid] = work / "in" / f"{number}"
    data = Path(os.environ.get("ARTIR_REAL_DATA", ROOT.parent / "shared" / "data")).resolve()
    real = data / "dicom" / "ct-abdomen-ge"
    files = sorted(real.glob("*.dcm"))
    if files:
        out[str(made.header(files[0]).SeriesInstanceUID)] = real
    return out


def checked(
    program: Program, work: Path, ct: Path, sources: dict[str, Path], keys: Path, scheme: str
) -> tuple[str, list[str]]:
    """A plan, a run from it, and what must fail."""
    problems = []
    more = {"AuthenticationEnabled": True, "RegisteredUsers": {USER: PASSWORD}}
    token = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    environment = {"ARTIR_ORTHANC_USER": USER, "ARTIR_ORTHANC_PASSWORD": PASSWORD}
    if scheme == "https":
        environment["SSL_CERT_FILE"] = str(keys / "ca.pem")
    with Orthanc(more, {"Authorization": f"Basic {token}"}) as orthanc:
        sent = 0
        for folder in sources.values():
            for path in sorted(folder.glob("*.dcm")):
                status, _ = orthanc.ask("POST", "/instances", path.read_bytes())
                assert status == 200, f"{path}: status {status}"
                sent += 1
        port = orthanc.port if scheme == "http" else proxy(orthanc.port, keys)
        address = f"{scheme}://127.0.0.1:{port}"

        def plan(more: dict[str, str]) -> tuple[int, str, float]:
            before, program.environment = program.environment, program.environment | more
            begun = time.monotonic()
            manifest = work / "jobs.jsonl"
            line = ["batch", "--plan", address, "--allow-remote", "-o", manifest, "--overwrite"]
            done = program.run(*line)
            program.environment = before
            return done.code, done.stderr, time.monotonic() - begun

        wrong = {"another password": environment | {"ARTIR_ORTHANC_PASSWORD": "no"}}
        if scheme == "https":
            other = {"SSL_CERT_FILE": str(keys / "other.pem")}
            wrong["another authority"] = environment | other
        for name, variables in wrong.items():
            code, said, _ = plan(variables)
            if code != 1 or PASSWORD in said:
                problems.append(f"{name}: code {code}: {said}")
        code, said, planned = plan(environment)
        if code != 0:
            return "no plan", [*problems, f"plan: code {code}: {said}"]
        found = jobs.read(work / "jobs.jsonl")
        if len(found) != len(sources):
            problems.append(f"{len(found)} jobs for {len(sources)} series")
        found = [{**job, "options": {"model": str(ct)}} for job in found]
        jobs.write(work / "jobs.jsonl", found)
        done, seconds = jobs.run(program, work, environment)
        if done.code != 0:
            problems.append(f"run: code {done.code}: {done.stderr}")
        results = images(work / "out")
        for uid, folder in sources.items():
            alone = program.run("ct", "-q", folder, "-o", work / "single" / uid, "--model", ct)
            if alone.code != 0:
                problems.append(f"single run: {alone.stderr}")
        problems += jobs.differ("results", results, images(work / "single"))
        again, rerun = jobs.run(program, work, environment)
        if f"{len(sources)} done ({len(sources)} before)" not in again.stdout:
            problems.append(f"a rerun: {again.stdout} {again.stderr}")
    return (
        f"Orthanc {orthanc.version}, {sent} objects of {len(sources)} series planned in "
        f"{planned:.1f} s, restored in {seconds:.1f} s as by single runs, a rerun in {rerun:.1f} s",
        problems,
    )


def proxy(port: int, keys: Path) -> int:
    """Listens with TLS, and hands everything on to a port, for as long as this program runs."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(keys / "service.pem", keys / "service.key")
    listener = socket.create_server(("127.0.0.1", 0))

    def copy(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def serve(plain: socket.socket) -> None:
        # A client that does not trust the authority breaks the handshake off.
        with contextlib.suppress(OSError), context.wrap_socket(plain, server_side=True) as outer:
            with socket.create_connection(("127.0.0.1", port)) as inner:
                request = threading.Thread(target=copy, args=(outer, inner), daemon=True)
                request.start()
                copy(inner, outer)

    def accept() -> None:
        while True:
            plain, _ = listener.accept()
            threading.Thread(target=serve, args=(plain,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return listener.getsockname()[1]


def images(folder: Path) -> dict[str, bytes]:
    """The images of derived series, by the names of their series' folders and their own."""
    return {"/".join(p.parts[-2:]): p.read_bytes() for p in folder.rglob("*.dcm")}
