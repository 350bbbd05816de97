"""A scan of both ports with hostile bytes."""

import random
import socket
import time
from pathlib import Path

from ..program import Program
from . import made
from .peers import Node, Target, deliver, until

HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)) * 2


def item(kind: int, body: bytes) -> bytes:
    """An item of an association request."""
    return bytes([kind, 0]) + len(body).to_bytes(2, "big") + body


CONTEXT = item(0x30, b"1.2.840.10008.1.1") + item(0x40, b"1.2.840.10008.1.2")
ASKED = (
    b"\x00\x01\x00\x00ARTIR           SCANNER         "
    + bytes(32)
    + item(0x10, b"1.2.840.10008.3.1.1.1")
    + item(0x20, b"\x01\x00\x00\x00" + CONTEXT)
    + item(0x50, item(0x51, (16384).to_bytes(4, "big")))
)
REQUEST = b"\x01\x00" + len(ASKED).to_bytes(4, "big") + ASKED
SCAN = [
    b"",
    b"\r\n\r\n",
    b"GET / HTTP/1.0\r\n\r\n",
    b"OPTIONS / RTSP/1.0\r\n\r\n",
    b"\x00" * 4096,
    b"\xff" * 4096,
    b"\x04\x00\xff\xff\xff\xff",
    b"\x01\x00\x00\x03\xff\xfa" + b"A" * 200_000,
    HELLO,
    REQUEST[:-20],
    REQUEST,
    # Data that declares 4 GiB, data without values, and a second request, within an association.
    REQUEST + b"\x04\x00\x00\x00\x00\x0a\xff\xff\xff\xff\x01\x03\x00\x00\x00\x00",
    REQUEST + b"\x04\x00\x00\x00\x00\x00" * 1000,
    REQUEST + REQUEST,
    b"SSH-2.0-scan\r\n",
    b"\x03\x00\x00\x13\x0e\xe0\x00\x00\x00\x00\x00\x01\x00\x08\x00\x03\x00\x00\x00",
]


def throw(port: int, data: bytes, seconds: float = 0.05) -> bytes:
    """Sends bytes to a port and returns what comes back."""
    try:
        with socket.create_connection(("127.0.0.1", port), 2) as link:
            link.settimeout(seconds)
            link.sendall(data)
            return link.recv(4096)
    except OSError:
        return b""


def scan(program: Program, work: Path, model: Path, count: int) -> tuple[str, list[str]]:
    """Known probes, random bytes, changed requests and half-open connections to both ports."""
    chance = random.Random(11)
    target = Target()
    target.start()
    keys = "request_seconds = 1\nidle_seconds = 1"
    node = Node(program, work / "scan", model, target.table(), listen=keys)
    node.start()
    before = node.kib("VmRSS"), node.descriptors(), node.threads()
    for _ in range(count):
        kind = chance.randrange(3)
        data = chance.choice(SCAN)
        if kind == 0:
            data = chance.randbytes(chance.randrange(1, 3000))
        elif kind == 1:
            data = bytearray(REQUEST + chance.randbytes(chance.randrange(200)))
            for _ in range(chance.randrange(1, 6)):
                data[chance.randrange(len(data))] = chance.randrange(256)
        throw(chance.choice([node.port, node.port, node.http]), bytes(data), 0.01)
    silent = []
    for _ in range(200):
        try:
            silent.append(socket.create_connection(("127.0.0.1", node.port), 1))
        except OSError:
            break
    problems = []
    if node.get("/live")[0] != 200:
        problems.append("no answer to /live while connections are silent")
    for link in silent:
        link.close()
    time.sleep(4)
    series = made.series(work / "scan-in", 4000, 3)
    until("there is room again", lambda: node.metric("artir_associations") == 0)
    deliver(node.port, series.files)
    until("it is sent", lambda: len(target.times) == 3 and node.is_idle())
    after = node.kib("VmRSS"), node.descriptors(), node.threads()
    peak = node.kib("VmHWM")
    if peak > 200 << 10:
        problems.append(f"{peak >> 10} MiB resident")
    if after[1] > before[1] + 1 or after[2] > before[2]:
        problems.append(f"descriptors and threads grew from {before[1:]} to {after[1:]}")
    if "panicked" in node.log.read_text():
        problems.append("a panic")
    node.stop()
    target.stop()
    return (
        f"{count} probes and {len(silent)} silent connections: resident {before[0] >> 10} MiB "
        f"before, "
        f"{after[0] >> 10} MiB after, {peak >> 10} MiB at most; a series is taken afterwards",
        problems,
    )
