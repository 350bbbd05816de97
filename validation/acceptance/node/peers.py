"""The node as a process, targets that behave as they are told, and senders."""

import hashlib
import json
import os
import signal
import socket
import ssl
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import ClassVar

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import (
    CTImageStorage,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    PositronEmissionTomographyImageStorage,
)
from pynetdicom import AE, _config, build_role, evt
from pynetdicom.sop_class import StorageCommitmentPushModel

from ..program import Program

# Objects go out as they lie on the disk.
_config.ENFORCE_UID_CONFORMANCE = False
STATES = ("in", "work", "out", "failed")
KEPT = 3600


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def until(what: str, is_so: Callable[[], bool], seconds: float = 120) -> None:
    """Waits until something is so."""
    end = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds:g} s: {what}")
        time.sleep(0.05)


class Node:
    """A running node with one route, `ct`."""

    # Those that a part that was broken off has left.
    running: ClassVar[list["Node"]] = []

    def __init__(self, program: Program, folder: Path, model: Path, target: str, **keys: object):
        folder.mkdir(parents=True, exist_ok=True)
        self.program, self.folder = program, folder
        self.queue = folder / "queue"
        self.port, self.http = free_port(), free_port()
        self.log = folder / "log"
        keep = keys.get("keep", KEPT)
        (folder / "node.toml").write_text(
            f"folder = 'queue'\n"
            f"[listen]\naddress = '127.0.0.1:{self.port}'\n{keys.get('listen', '')}\n"
            f"[http]\naddress = '127.0.0.1:{self.http}'\n"
            f"[disk]\nreserve_mib = {keys.get('reserve', 64)}\n"
            f"watermark_mib = {keys.get('reserve', 64)}\nkeep_sent_seconds = {keep}\n"
            f"[restore]\nthreads = 1\n"
            f"[retry]\nattempts = {keys.get('attempts', 5)}\nfirst_seconds = 0.1\n"
            f"longest_seconds = 0.5\n"
            f"{target}\n"
            f"[[route]]\nname = 'ct'\ncalled = ['ARTIR']\ntargets = ['pacs']\n"
            f"quiet_seconds = {keys.get('quiet', 0.3)}\n[route.ct]\nmodel = '{model}'\n"
            f"{keys.get('more', '')}"
        )
        self.process: subprocess.Popen | None = None

    def start(self) -> None:
        """Starts it and waits until it takes associations."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.program.command("node", self.folder / "node.toml"),
                env=self.program.environment,
                stdin=subprocess.DEVNULL,
                stderr=log,
            )
        if self not in Node.running:
            Node.running.append(self)
        until("the node is ready", lambda: self.get("/ready")[0] == 200, 60)

    def kill(self) -> None:
        """Ends it as a power cut does."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """Ends it by SIGTERM. Returns its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def get(self, path: str) -> tuple[int, str]:
        """An answer over HTTP; status 0 when there is none."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.http}{path}", timeout=5) as told:
                return told.status, told.read().decode()
        except urllib.error.HTTPError as told:
            return told.code, told.read().decode()
        except OSError:
            return 0, ""

    def metric(self, name: str) -> float:
        """The sum of a metric over its labels."""
        lines = self.get("/metrics")[1].splitlines()
        found = [
            line.rsplit(" ", 1)[1] for line in lines if line.split("{")[0].split(" ")[0] == name
        ]
        return sum(map(float, found))

    def series(self, state: str) -> list[Path]:
        """The folders of the series in a state."""
        folder = self.queue / "ct" / state
        return (
            sorted(p for p in folder.glob("*") if not p.name.startswith("."))
            if folder.exists()
            else []
        )

    @staticmethod
    def record(folder: Path) -> dict:
        """What is written down of a series."""
        try:
            return json.loads((folder / "record.json").read_text())
        except (OSError, ValueError):
            return {}

    def is_idle(self) -> bool:
        """Whether every series was sent or has failed."""
        return (
            not self.series("in")
            and not self.series("work")
            and all(self.record(folder).get("ended") for folder in self.series("out"))
        )

    def kib(self, key: str) -> int:
        """A size from the process's status: VmRSS, VmHWM."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith(key + ":"):
                return int(line.split()[1])
        return 0

    def cpu(self) -> float:
        """Seconds of CPU that it has used."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def descriptors(self) -> int:
        """Open files and sockets."""
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))

    def threads(self) -> int:
        """Running threads."""
        return len(list(Path(f"/proc/{self.process.pid}/task").iterdir()))

    def files(self) -> int:
        """Files in its folder."""
        return sum(1 for path in self.queue.rglob("*") if path.is_file())


class Target:
    """A node that takes objects, and does with them what it is told."""

    def __init__(self) -> None:
        self.port = free_port()
        self.status = 0
        # "keep", "lose" or "silent": what it reports of storage commitments.
        self.commits = "keep"
        self.delay = 0.0
        self.node_port = 0
        self.times: Counter[str] = Counter()
        self.hashes: dict[str, str] = {}
        self.references: dict[str, tuple[str, str]] = {}
        self.lock = threading.Lock()
        self.server = None

    def table(self, more: str = "") -> str:
        """Its table in the node's file."""
        return (
            f"[[target]]\nname = 'pacs'\naddress = '127.0.0.1:{self.port}'\nae_title = 'PACS'\n"
            f"answer_seconds = 2\n{more}"
        )

    def start(self, requires: str = "PACS") -> None:
        """Listens. It rejects whoever calls it by another title than `requires`."""
        entity = AE("PACS")
        entity.maximum_associations = 50
        entity.require_called_aet = requires != "PACS"
        if requires != "PACS":
            entity.ae_title = requires
        for kind in (CTImageStorage, PositronEmissionTomographyImageStorage):
            entity.add_supported_context(kind, [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
        entity.add_supported_context(StorageCommitmentPushModel)
        handlers = [(evt.EVT_C_STORE, self._store), (evt.EVT_N_ACTION, self._action)]
        self.server = entity.start_server(
            ("127.0.0.1", self.port), block=False, evt_handlers=handlers
        )

    def stop(self) -> None:
        """Closes its port and its associations, as when it crashes."""
        if self.server:
            self.server.shutdown()
            self.server = None

    def _store(self, event: evt.Event) -> int:
        time.sleep(self.delay)
        if self.status and self.status >> 12 != 0xB:
            return self.status
        instance = str(event.request.AffectedSOPInstanceUID)
        data = event.request.DataSet.getvalue()
        with self.lock:
            self.times[instance] += 1
            self.hashes[instance] = hashlib.sha256(data).hexdigest()
        return self.status

    def _action(self, event: evt.Event) -> tuple[int, None]:
        if self.commits != "silent":
            asked = event.action_information
            threading.Thread(target=self._report, args=(asked,), daemon=True).start()
        return 0, None

    def _report(self, asked: Dataset) -> None:
        """Reports on an association of its own."""
        told = Dataset()
        told.TransactionUID = asked.TransactionUID
        if self.commits == "keep":
            told.ReferencedSOPSequence = asked.ReferencedSOPSequence
        else:
            for item in asked.ReferencedSOPSequence:
                item.FailureReason = 0x0112
            told.FailedSOPSequence = asked.ReferencedSOPSequence
        entity = AE("PACS")
        entity.add_requested_context(StorageCommitmentPushModel, ImplicitVRLittleEndian)
        role = build_role(StorageCommitmentPushModel, scp_role=True)
        link = entity.associate("127.0.0.1", self.node_port, ae_title="ARTIR", ext_neg=[role])
        if link.is_established:
            kind = 1 if self.commits == "keep" else 2
            link.send_n_event_report(
                told, kind, StorageCommitmentPushModel, "1.2.840.10008.1.20.1.1"
            )
            link.release()


def send(
    port: int, files: Iterable[Path], called: str = "ARTIR", tls: ssl.SSLContext | None = None
) -> list[int]:
    """Sends files over one association of pynetdicom. The status of each, -1 without an answer."""
    entity = AE("SENDER")
    for kind in (CTImageStorage, PositronEmissionTomographyImageStorage):
        for syntax in (ExplicitVRLittleEndian, ImplicitVRLittleEndian):
            entity.add_requested_context(kind, syntax)
    secret = (tls, "localhost") if tls else None
    link = entity.associate("127.0.0.1", port, ae_title=called, max_pdu=262138, tls_args=secret)
    out = []
    for path in files:
        if not link.is_established:
            out.append(-1)
            continue
        try:
            told = link.send_c_store(dcmread(path))
        except RuntimeError:  # the association ended at this moment
            out.append(-1)
            continue
        out.append(told.Status if "Status" in told else -1)
    if link.is_established:
        link.release()
    return out


def deliver(port: int, files: Iterable[Path]) -> None:
    """Sends files, and repeats what was not acknowledged, as an archive does."""
    left = list(files)
    for _ in range(10):
        left = [path for path, status in zip(left, send(port, left), strict=True) if status != 0]
        if not left:
            return
    raise AssertionError(f"{len(left)} objects are refused time and again")


def storescu(port: int, files: Iterable[Path], *more: str) -> tuple[int, str]:
    """Sends files by dcmtk's storescu."""
    command = ["storescu", "-R", "-aec", "ARTIR", *more, "127.0.0.1", str(port), *map(str, files)]
    done = subprocess.run(command, capture_output=True, check=False)
    return done.returncode, done.stderr.decode(errors="replace")
