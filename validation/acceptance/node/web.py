"""A web service over TLS that asks for a client's certificate and a token.

It reads requests with parsers that are not artir's own.
"""

import email.parser
import email.policy
import http.server
import io
import json
import shutil
import ssl
import subprocess
import threading
from pathlib import Path

from pydicom import dcmread

from ..program import Program
from . import made
from .peers import Node, deliver, free_port, until

TOKEN = "Bearer secret"


def certificates(folder: Path) -> None:
    """An authority, another one, and certificates of the first for a service and a node."""
    script = """set -e
        for name in ca other; do
            openssl req -x509 -newkey rsa:2048 -nodes -keyout $name.key -out $name.pem -days 30 \\
                -subj /CN=$name -addext basicConstraints=critical,CA:TRUE
        done
        printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\\n' > names
        for name in service node; do
            openssl req -newkey rsa:2048 -nodes -keyout $name.key -out $name.csr -subj /CN=$name
            openssl x509 -req -in $name.csr -CA ca.pem -CAkey ca.key -CAcreateserial \\
                -out $name.pem -days 30 -extfile names
        done"""
    subprocess.run(["sh", "-c", script], cwd=folder, check=True, capture_output=True)


class Service:
    """STOW-RS over TLS."""

    def __init__(self, folder: Path):
        self.port = free_port()
        self.stored: list[str] = []
        self.problems: list[str] = []
        service = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status, answer = service.take(self.path, self.headers, body)
                self.send_response(status)
                self.send_header("Content-Type", "application/dicom+json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: object) -> None:
                """Nothing."""

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "service.pem", folder / "service.key")
        context.load_verify_locations(folder / "ca.pem")
        context.verify_mode = ssl.CERT_REQUIRED
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def take(self, path: str, headers: object, body: bytes) -> tuple[int, bytes]:
        """Reads a request as RFC 2387 says."""
        if headers["Authorization"] != TOKEN or path != "/dicom-web/studies":
            self.problems.append("a request without the token, or elsewhere")
            return 401, b""
        head = f"Content-Type: {headers['Content-Type']}\r\n\r\n".encode()
        message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + body)
        parts = list(message.iter_parts())
        if len(parts) != 1 or parts[0].get_content_type() != "application/dicom" or message.defects:
            self.problems.append(f"{len(parts)} parts, {message.defects}")
            return 400, b""
        # What lies between the boundaries, as bytes.
        mark = message.get_boundary().encode()
        inside = body.split(b"--" + mark)[1].split(b"\r\n\r\n", 1)[1].removesuffix(b"\r\n")
        image = dcmread(io.BytesIO(inside))
        if image.pixel_array.size == 0:
            self.problems.append("no pixels")
        uid = str(image.SOPInstanceUID)
        self.stored.append(uid)
        item = {"00081155": {"vr": "UI", "Value": [uid]}}
        return 200, json.dumps({"00081199": {"vr": "SQ", "Value": [item]}}).encode()


def check(program: Program, work: Path, model: Path) -> tuple[str, list[str]]:
    """Objects are stored where the certificates fit, and nothing is sent where they do not."""
    if not shutil.which("openssl"):
        return "skipped: openssl is not installed", []
    folder = work / "web"
    folder.mkdir()
    certificates(folder)
    (folder / "token").write_text(TOKEN + "\n")
    service = Service(folder)
    problems = []
    cases = {
        "right": ("ca.pem", "node", True),
        "unknown authority": ("other.pem", "node", False),
        "no certificate": ("ca.pem", None, False),
    }
    for number, (name, (authority, own, works)) in enumerate(cases.items()):
        more = f"certificate = '{own}.pem'\nkey = '{own}.key'\n" if own else ""
        target = (
            f"[[target]]\nname = 'pacs'\nurl = 'https://localhost:{service.port}/dicom-web/studies'\n"
            f"authorization = 'token'\nanswer_seconds = 5\n"
            f"[target.tls]\nauthorities = '{authority}'\n{more}"
        )
        shutil.rmtree(folder / "queue", ignore_errors=True)
        node = Node(program, folder, model, target, attempts=2)
        node.start()
        before = len(service.stored)
        deliver(node.port, made.series(work / f"web-in-{number}", 5000 + number, 4).files)
        until(
            "it is sent or has failed",
            lambda node=node: node.series("failed") or node.series("out") and node.is_idle(),
        )
        stored = len(service.stored) - before
        if stored != (4 if works else 0) or bool(node.series("failed")) == works:
            problems.append(f"{name}: {stored} of 4 stored")
        if TOKEN.split()[1] in node.log.read_text():
            problems.append(f"{name}: the token is in the log")
        node.stop()
    service.server.shutdown()
    return f"over TLS with a client's certificate: {', '.join(cases)}", problems + service.problems
