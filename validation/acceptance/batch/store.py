"""Inputs and results in a store: moto's server, which checks each request's signature.

The server and its client (`moto[server]`, boto3) may be installed in another Python than this one:
``ARTIR_MOTO`` names its interpreter.
"""

import base64
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import rasterio

from ..conformance import models
from ..node import made
from ..node.peers import free_port, until
from ..program import Program
from . import jobs

SERIES = int(os.environ.get("ARTIR_BATCH_SERIES", 40))
KILLS = int(os.environ.get("ARTIR_BATCH_KILLS", 12))
# What only the server's Python has. It speaks JSON, a line each way.
CLIENT = r"""
import base64, json, sys, urllib.request
import boto3
address = sys.argv[1]
def client(name, **own):
    own = own or {"aws_access_key_id": "x", "aws_secret_access_key": "x"}
    return boto3.client(name, endpoint_url=address, region_name="us-east-1", **own)
s3 = client("s3")
for bucket in ("data", "results"):
    s3.create_bucket(Bucket=bucket)
iam = client("iam")
def user(name, actions):
    iam.create_user(UserName=name)
    right = {"Effect": "Allow", "Action": actions, "Resource": "*"}
    rights = {"Version": "2012-10-17", "Statement": [right]}
    iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=json.dumps(rights))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return [key["AccessKeyId"], key["SecretAccessKey"]]
users = {"all": user("all", ["s3:*"]), "reader": user("reader", ["s3:Get*", "s3:List*"])}
# From here on, every request needs a signature.
kind = {"Content-Type": "text/plain"}
request = urllib.request.Request(address + "/moto-api/reset-auth", b"0", kind, method="POST")
urllib.request.urlopen(request).read()
s3 = client("s3", aws_access_key_id=users["all"][0], aws_secret_access_key=users["all"][1])
print(json.dumps(users), flush=True)
for line in sys.stdin:
    asked = json.loads(line)
    if "put" in asked:
        s3.put_object(Bucket="data", Key=asked["put"], Body=base64.b64decode(asked["body"]))
        print("{}", flush=True)
    else:
        found = {}
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket="results"):
            for one in page.get("Contents", []):
                body = s3.get_object(Bucket="results", Key=one["Key"])["Body"].read()
                found[one["Key"]] = base64.b64encode(body).decode()
        left = s3.list_multipart_uploads(Bucket="results").get("Uploads", [])
        print(json.dumps({"found": found, "uploads": len(left)}), flush=True)
"""


class Store:
    """A running server with two buckets and two users."""

    def __init__(self, python: str):
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.server = subprocess.Popen(
            [python, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)], **quiet
        )
        until("moto answers", self.answers, 60)
        self.client = subprocess.Popen(
            [python, "-c", CLIENT, self.address],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.users = json.loads(self.client.stdout.readline())

    def answers(self) -> bool:
        """Whether it takes connections."""
        with socket.socket() as one:
            return one.connect_ex(("127.0.0.1", self.port)) == 0

    def _ask(self, question: dict) -> dict:
        self.client.stdin.write(json.dumps(question) + "\n")
        self.client.stdin.flush()
        return json.loads(self.client.stdout.readline())

    def put(self, key: str, path: Path) -> None:
        """Puts a file into the bucket of inputs."""
        self._ask({"put": key, "body": base64.b64encode(path.read_bytes()).decode()})

    def results(self) -> tuple[dict[str, bytes], int]:
        """The objects of the bucket of results, and its uploads that nobody ended."""
        told = self._ask({})
        found = {key: base64.b64decode(body) for key, body in told["found"].items()}
        return found, told["uploads"]

    def environment(self, user: str) -> dict[str, str]:
        """The variables of a user."""
        key, secret = self.users[user]
        return {
            "AWS_ENDPOINT_URL": self.address,
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": key,
            "AWS_SECRET_ACCESS_KEY": secret,
        }

    def stop(self) -> None:
        """Ends both processes."""
        for process in (self.client, self.server):
            process.kill()
            process.wait()


def inputs(work: Path, store: Store, ct: Path, haze: Path) -> list[dict]:
    """Series and scenes in folders and in the store, every tenth of them bad; their jobs."""
    out = []
    for number in range(SERIES):
        name = f"Größe {number} + (a&b)"
        if number % 10 == 7:
            out.append({"id": f"bad-{number}", "command": "ct", "input": f"s3://data/{name}/none"})
        else:
            for path in made.series(work / "in" / name, number, 4, side=64).files:
                store.put(f"in/{name}/{path.name}", path)
            out.append({"id": f"ct-{number}", "command": "ct", "input": f"s3://data/in/{name}/"})
        out[-1]["options"] = {"model": str(ct)}
    rng = np.random.default_rng(0)
    for number, side in enumerate((200, 2600)):
        path = work / "in" / f"szene ü {number}.tif"
        pixels = rng.integers(0, 255, (3, side, side), dtype=np.uint8)
        grid = rasterio.transform.from_origin(500000, 5400000, 10, 10)
        with rasterio.open(
            path, "w", driver="GTiff", count=3, dtype="uint8", height=side, width=side,
            crs="EPSG:32632", transform=grid, photometric="RGB",
        ) as scene:  # fmt: skip
            scene.write(pixels)
        store.put(f"in/{path.name}", path)
        out.append(
            {
                "id": f"geo-{number}",
                "command": "geo",
                "input": f"s3://data/in/{path.name}",
                "output": f"scenes/{path.name}",
                "options": {"model": str(haze)},
            }
        )
    return out


def single(program: Program, work: Path, made_jobs: list[dict]) -> dict[str, bytes]:
    """The results of single runs on the files."""
    out = work / "single"
    (out / "scenes").mkdir(parents=True)
    for job in made_jobs:
        if job["id"].startswith("bad"):
            continue
        source = work / job["input"].removeprefix("s3://data/")
        options = [f"--{name}={value}" for name, value in job["options"].items()]
        place = out / job.get("output", job["id"])
        done = program.run(job["command"], "-q", source, "-o", place, *options, seconds=600)
        assert done.code == 0, done.stderr
    return jobs.contents(out)


def check(program: Program, work: Path, ct: Path) -> tuple[str, list[str]]:
    """Jobs from the store into the store, whose processes are killed while they upload."""
    python = os.environ.get("ARTIR_MOTO", sys.executable)
    if subprocess.run([python, "-c", "import moto.server, boto3"], capture_output=True).returncode:
        return "skipped: moto[server] is not installed (ARTIR_MOTO)", []
    store = Store(python)
    try:
        return checked(program, work, ct, store)
    finally:
        store.stop()


def checked(program: Program, work: Path, ct: Path, store: Store) -> tuple[str, list[str]]:
    """The checks."""
    problems = []
    haze = models.write(work / "haze.onnx", "dehaze")
    made_jobs = inputs(work, store, ct, haze)
    jobs.write(work / "jobs.jsonl", made_jobs)
    expected = single(program, work, made_jobs)
    upload = ["--upload", "s3://results/er gebnis"]
    key, secret = store.users["all"]
    wrong = {
        "another secret": store.environment("all") | {"AWS_SECRET_ACCESS_KEY": secret[:-1] + "#"},
        "an unknown key": store.environment("all") | {"AWS_ACCESS_KEY_ID": "AKIAUNKNOWN"},
        "no credentials": store.environment("all")
        | {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""},
    }
    for name, environment in wrong.items():
        done, _ = jobs.run(program, work, environment, *upload)
        # moto itself fails where a request has no signature.
        refused = "the store answered" if name == "no credentials" else "the store refuses"
        if done.code != 1 or refused not in done.stderr:
            problems.append(f"{name}: code {done.code}: {done.stderr}")
        if secret in done.stderr or key in done.stderr:
            problems.append(f"{name}: a credential is printed")
    done, _ = jobs.run(program, work, store.environment("all"), "--upload", "s3://nowhere/x")
    if done.code != 3 or "no such bucket" not in done.stderr:
        problems.append(f"missing bucket: code {done.code}: {done.stderr}")
    kills = killed(program, work, store, upload)
    codes = []
    for _ in range(4):
        done, _ = jobs.run(program, work, store.environment("all"), *upload)
        codes.append(done.code)
        if done.code == 4:
            break
    if codes[-1] != 4:
        problems.append(f"codes {codes}: {done.stderr}")
    found, uploads = store.results()
    below = {name.removeprefix("er gebnis/"): body for name, body in found.items()}
    records = {name for name in below if name.startswith(".artir/done/")}
    good = {job["id"] for job in made_jobs if not job["id"].startswith("bad")}
    if records != {f".artir/done/{name}.json" for name in good}:
        problems.append(f"records: {sorted(records)}")
    results = {name: body for name, body in below.items() if name not in records}
    problems += jobs.differ("the store", results, expected)
    again, seconds = jobs.run(program, work, store.environment("all"), *upload)
    if f"{len(good)} done ({len(good)} before)" not in again.stdout:
        problems.append(f"a rerun: {again.stdout}")
    held = b"".join(jobs.contents(work / "out").values()) + b"".join(below[n] for n in records)
    for word in (secret, key, "Größe", "szene", "s3://", "127.0.0.1"):
        if word.encode() in held or json.dumps(word)[1:-1].encode() in held:
            problems.append(f"records or journals hold {word}")
    problems += in_place(program, work, store, expected, haze)
    return (
        f"{len(made_jobs)} jobs, {len(made_jobs) - len(good)} of them bad, {kills} kills: "
        f"{len(results)} objects as by single runs, {uploads} uploads of parts left by kills, "
        f"a rerun in {seconds:.1f} s",
        problems,
    )


def killed(program: Program, work: Path, store: Store, upload: list[str]) -> int:
    """Kills processes at random moments. A store must hold no record whose result is not whole."""
    choose, kills = random.Random(29), 0
    lines = (work / "jobs.jsonl").read_text().splitlines()
    outputs = {job["id"]: job.get("output", job["id"]) for job in map(json.loads, lines)}
    command = program.command(
        "batch", work / "jobs.jsonl", "-o", work / "out", "--allow-remote", *upload, "-q"
    )
    environment = program.environment | store.environment("all")
    for _ in range(KILLS):
        process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
        time.sleep(choose.uniform(0.3, 4))
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            kills += 1
        process.wait()
        found, _ = store.results()
        for name, body in found.items():
            if name.startswith("er gebnis/.artir/done/"):
                record = json.loads(body)
                whole = f"er gebnis/{outputs[record['id']]}"
                own = [n for n in found if n == whole or n.startswith(f"{whole}/")]
                if len(own) < record["results"]["files"]:
                    raise AssertionError(f"{name} is there before its result")
    return kills


def in_place(
    program: Program, work: Path, store: Store, expected: dict[str, bytes], haze: Path
) -> list[str]:
    """A scene that GDAL reads in the store, by a batch and by the command."""
    own = work / "in-place"
    own.mkdir()
    name = "szene ü 0.tif"
    options = {"model": str(haze), "allow-remote": True}
    job = {"id": "a", "command": "geo", "input": f"s3://data/in/{name}", "options": options}
    jobs.write(own / "jobs.jsonl", [job])
    done, _ = jobs.run(program, own, store.environment("reader"))
    problems = [] if done.code == 0 else [f"in place: code {done.code}: {done.stderr}"]
    if done.code == 0 and (own / "out/a.tif").read_bytes() != expected[f"scenes/{name}"]:
        problems.append("in place: other bytes")
    refused, _ = jobs.run(program, own, store.environment("reader"), "--upload", "s3://results/x")
    if refused.code != 1 or "HTTP 403" not in refused.stderr:
        problems.append(f"a user who may only read: code {refused.code}: {refused.stderr}")
    return problems
