"""A temporary Orthanc on this machine: an archive must accept, count and decode the files."""

import http.client
import json
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Self

import numpy as np

from . import images

START_SECONDS = 30
SECONDS = 60
ARBITRARY_MAP = "image/x-portable-arbitrarymap"


def executable() -> str | None:
    """The server's path. On Debian it is not in users' search path."""
    return shutil.which("Orthanc") or shutil.which("Orthanc", path="/usr/sbin")


class Orthanc:
    """A running server as a context manager; with more settings, and headers that they ask for."""

    def __init__(self, more: dict | None = None, headers: dict[str, str] | None = None) -> None:
        self.headers = headers or {}
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.folder = tempfile.TemporaryDirectory(prefix="conformance-orthanc-")
        home = Path(self.folder.name)
        settings = {
            "Name": "conformance",
            "StorageDirectory": str(home / "store"),
            "IndexDirectory": str(home / "index"),
            "Plugins": [],
            "HttpServerEnabled": True,
            "HttpPort": self.port,
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": False,
            "DicomServerEnabled": False,
            "ConcurrentJobs": 1,
            "HttpThreadsCount": 2,
            "StoreDicom": True,
        } | (more or {})
        (home / "orthanc.json").write_text(json.dumps(settings))
        self.log = (home / "log").open("wb")
        self.process = subprocess.Popen(
            [executable(), home / "orthanc.json"],
            cwd=home,
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=self.log,
        )

    def __enter__(self) -> Self:
        for _ in range(START_SECONDS * 10):
            if self.process.poll() is not None:
                break
            try:
                self.version = self.get("/system")["Version"]
                return self
            except OSError:
                time.sleep(0.1)
        told = (Path(self.folder.name) / "log").read_text(errors="replace")
        self.__exit__()
        raise RuntimeError(f"Orthanc does not start: {told[-2000:]}")

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()
        self.folder.cleanup()

    def ask(
        self, method: str, path: str, body: bytes | None = None, accept: str = "*/*"
    ) -> tuple[int, bytes]:
        """One request: status and body."""
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=SECONDS)
        try:
            link.request(method, path, body, {"Accept": accept, **self.headers})
            answer = link.getresponse()
            return answer.status, answer.read()
        finally:
            link.close()

    def get(self, path: str) -> object:
        """A JSON resource."""
        status, body = self.ask("GET", path)
        if status != 200:
            raise RuntimeError(f"GET {path}: status {status}")
        return json.loads(body)

    def check(self, folders: dict[str, list[Path]]) -> list[str]:
        """Uploads the outputs, folder by folder, and deletes them again. Returns the faults."""
        out, series = [], {}
        try:
            for folder, paths in folders.items():
                for path in paths:
                    status, body = self.ask("POST", "/instances", path.read_bytes())
                    told = json.loads(body) if status == 200 else {}
                    if told.get("Status") != "Success":
                        word = told.get("Status", f"status {status}")
                        out.append(f"{folder}/{path.name}: upload: {word}")
                        continue
                    series.setdefault(told["ParentSeries"], {})[told["ID"]] = path
            if len(series) != len(folders):
                out.append(f"{len(folders)} folders became {len(series)} series")
            for key, instances in series.items():
                out += self._series(key, instances)
        finally:
            for key in self.get("/patients"):
                self.ask("DELETE", f"/patients/{key}")
        return out

    def _series(self, key: str, instances: dict[str, Path]) -> list[str]:
        told = self.get(f"/series/{key}")
        out = []
        if set(told["Instances"]) != set(instances):
            out.append(f"a series has {len(told['Instances'])} instances, not {len(instances)}")
        for instance, path in instances.items():
            dataset = images.read(path, pixels=False)
            if told["MainDicomTags"].get("SeriesInstanceUID") != str(dataset.SeriesInstanceUID):
                out.append(f"{path.name}: another SeriesInstanceUID")
            many = images.frames(dataset)
            for frame in {0, many - 1}:
                out += self._pixels(instance, path, dataset, frame)
        return out

    def _pixels(self, key: str, path: Path, dataset: object, frame: int) -> list[str]:
        """A frame as the server decodes it: a preview, and its values bit for bit."""
        place = f"/instances/{key}/frames/{frame}"
        status, body = self.ask("GET", f"{place}/preview", accept="image/png")
        if status != 200 or not body.startswith(b"\x89PNG"):
            return [f"{path.name}: no preview of frame {frame} (status {status})"]
        kind = "int16" if dataset.PixelRepresentation == 1 else "uint16"
        status, body = self.ask("GET", f"{place}/image-{kind}", accept=ARBITRARY_MAP)
        if status != 200:
            return [f"{path.name}: frame {frame} is not decoded (status {status})"]
        data = body[body.index(b"ENDHDR\n") + 7 :]
        # PAM is big endian. int16 values are transferred as their bits.
        decoded = np.frombuffer(data, ">i2" if kind == "int16" else ">u2")
        ours = images.stored(path)[frame].ravel()
        if decoded.size != ours.size or (decoded.astype(np.int64) != ours).any():
            return [f"{path.name}: frame {frame} is decoded to other values"]
        return []
