"""dcmtk and pynetdicom send two real series, plain and over TLS with certificates on both sides."""

import os
import shutil
import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path

from pydicom import dcmread

from ..program import Program
from .peers import Node, Target, send, storescu, until
from .web import certificates

ROOT = Path(__file__).resolve().parents[3]
SERIES = ("ct-abdomen-ge", "pet-ge-bqml")


def check(program: Program, work: Path, ct: Path, pet: Path) -> tuple[str, list[str]]:
    """Every object comes back once, and refers to its source; a second time changes nothing."""
    data = Path(os.environ.get("ARTIR_REAL_DATA", ROOT.parent / "shared" / "data")).resolve()
    files = [path for name in SERIES for path in sorted((data / "dicom" / name).glob("*.dcm"))]
    if not files:
        return f"skipped: no real data in {data} (ARTIR_REAL_DATA)", []
    if not shutil.which("openssl") or not shutil.which("storescu"):
        return "skipped: openssl or dcmtk is not installed", []
    keys = work / "senders"
    keys.mkdir()
    certificates(keys)
    context = ssl.create_default_context(cafile=keys / "ca.pem")
    context.load_cert_chain(keys / "node.pem", keys / "node.key")
    own = ["+tls", keys / "node.key", keys / "node.pem", "+cf", keys / "ca.pem"]
    cases: dict[str, tuple[bool, Callable[[int], bool]]] = {
        "storescu": (False, lambda port: storescu(port, files)[0] == 0),
        "storescu over TLS": (True, lambda port: storescu(port, files, *map(str, own))[0] == 0),
        "pynetdicom": (False, lambda port: not any(send(port, files))),
        "pynetdicom over TLS": (True, lambda port: not any(send(port, files, tls=context))),
    }
    problems = []
    for number, (name, (secret, sends)) in enumerate(cases.items()):
        target = Target()
        target.start()
        tls = (
            f"[listen.tls]\ncertificate = '{keys}/service.pem'\nkey = '{keys}/service.key'\n"
            f"client_authorities = '{keys}/ca.pem'\n"
        )
        node = Node(
            program,
            work / f"senders-{number}",
            ct,
            target.table(),
            listen=tls if secret else "",
            more=f"[route.pet]\nmodel = '{pet}'\n",
        )
        node.start()
        echo = ["echoscu", "-aec", "ARTIR", *(map(str, own) if secret else ()), "localhost"]
        if subprocess.run([*echo, str(node.port)], check=False, capture_output=True).returncode:
            problems.append(f"{name}: echoscu fails")
        for _ in range(2):
            if not sends(node.port):
                problems.append(f"{name}: the sender fails")
            until("all are sent", lambda node=node: node.is_idle() and len(node.series("out")) == 2)
        if len(target.times) != len(files) or max(target.times.values()) != 1:
            problems.append(f"{name}: {len(target.times)} objects of {len(files)} at the target")
        sources = {str(dcmread(path, stop_before_pixels=True).SOPInstanceUID) for path in files}
        found = node.queue.glob("ct/out/*/restored/*/*.dcm")
        heads = [dcmread(path, stop_before_pixels=True) for path in found]
        referred = {str(head.SourceImageSequence[0].ReferencedSOPInstanceUID) for head in heads}
        if referred != sources or target.times.keys() != {str(h.SOPInstanceUID) for h in heads}:
            problems.append(f"{name}: references or objects differ")
        node.stop()
        target.stop()
    return f"{len(files)} objects ({', '.join(SERIES)}) twice by {', '.join(cases)}", problems
