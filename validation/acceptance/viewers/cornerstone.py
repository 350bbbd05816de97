"""cornerstone, the library of OHIF and other web viewers, in headless Chromium on this machine."""

import base64
import functools
import http.server
import json
import shutil
import subprocess
import tempfile
import threading
from pathlib import Path
from typing import Self

import numpy as np

from .frames import Frame

# From npm, fixed so that a new release cannot change the result.
PACKAGES = {
    "cornerstone-core@2.6.1": "cornerstone.min.js",
    "dicom-parser@1.8.21": "dicomParser.min.js",
    "cornerstone-wado-image-loader@4.13.2": "cornerstoneWADOImageLoaderNoWebWorkers.bundle.min.js",
}
SECONDS = 120
PAGE = """<!doctype html><meta charset="utf-8"><pre id="told">nothing</pre>
<script src="cornerstone.min.js"></script><script src="dicomParser.min.js"></script>
<script src="cornerstoneWADOImageLoaderNoWebWorkers.bundle.min.js"></script>
<script>
const loader = cornerstoneWADOImageLoader;
loader.external.cornerstone = cornerstone;
loader.external.dicomParser = dicomParser;
async function told() {
  const frames = [];
  for (let n = 0; n < COUNT; n++) {
    const id = "wadouri:" + location.origin + "/object.dcm" + (COUNT > 1 ? "?frame=" + n : "");
    const image = await cornerstone.loadImage(id);
    const plane = cornerstone.metaData.get("imagePlaneModule", id) || {};
    const pixels = image.getPixelData();
    const bytes = new Uint8Array(pixels.buffer, pixels.byteOffset, pixels.byteLength);
    let text = "";
    for (let i = 0; i < bytes.length; i += 8192)
      text += String.fromCharCode(...bytes.subarray(i, i + 8192));
    frames.push({rows: image.rows, columns: image.columns, type: pixels.constructor.name,
      slope: image.slope, intercept: image.intercept, bytes: btoa(text),
      origin: plane.imagePositionPatient, directions: plane.imageOrientationPatient,
      spacing: [plane.rowPixelSpacing, plane.columnPixelSpacing]});
  }
  return frames;
}
told().then(f => JSON.stringify({frames: f}), e => JSON.stringify({error: String(e.error || e)}))
  .then(text => fetch("/told", {method: "POST", body: text}));
</script>"""
TYPES = {
    "Int8Array": "i1",
    "Uint8Array": "u1",
    "Int16Array": "<i2",
    "Uint16Array": "<u2",
    "Int32Array": "<i4",
    "Uint32Array": "<u4",
    "Float32Array": "<f4",
}


class _Handler(http.server.SimpleHTTPRequestHandler):
    def do_POST(self) -> None:
        self.server.told = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(204)
        self.end_headers()
        self.server.answered.set()

    def log_message(self, *_: object) -> None:
        pass


class Cornerstone:
    """A folder that a page is served from over loopback, and a browser for each object."""

    def __init__(self) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="cornerstone-")
        self.home = Path(self.folder.name)
        for package, script in PACKAGES.items():
            packed = subprocess.run(
                ["npm", "pack", "--silent", package],
                cwd=self.home,
                check=True,
                capture_output=True,
                text=True,
            )
            archive = self.home / packed.stdout.split()[-1]
            shutil.unpack_archive(archive, self.home / "unpacked")
            shutil.copy(self.home / "unpacked/package/dist" / script, self.home)
        handler = functools.partial(_Handler, directory=str(self.home))
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.answered, self.server.told = threading.Event(), b""
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.folder.cleanup()

    def __call__(self, path: Path, count: int) -> list[Frame]:
        """The frames of an object, as the viewer's library decodes and places them."""
        shutil.copy(path, self.home / "object.dcm")
        (self.home / "page.html").write_text(PAGE.replace("COUNT", str(count)))
        self.server.answered.clear()
        address = f"http://127.0.0.1:{self.server.server_port}/page.html"
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        profile = f"--user-data-dir={self.home / 'profile'}"
        browser = subprocess.Popen(
            ["chromium", *flags, profile, "--remote-debugging-port=0", address],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            if not self.server.answered.wait(SECONDS):
                raise ValueError("no answer from the browser")
        finally:
            browser.terminate()
            browser.wait()
        told = json.loads(self.server.told)
        if "error" in told:
            raise ValueError(told["error"])
        return [_frame(one) for one in told["frames"]]


def _frame(told: dict) -> Frame:
    stored = np.frombuffer(base64.b64decode(told["bytes"]), TYPES[told["type"]])
    values = stored.reshape(told["rows"], told["columns"]).astype(np.float64)
    return Frame(
        values * told["slope"] + told["intercept"],
        told.get("origin"),
        told.get("directions"),
        told.get("spacing"),
    )
